/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "host-side/vmm/core/log.h"
#include "layout.h"

/* Where a byte of the text is in memory: of the first three numbers the lowest comes first. */
static const uint8_t places[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

static int
digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87" */
static int
parse (const char *text, uint8_t guid[16])
{
  for (unsigned i = 0; i < 16; i++)
    {
      int high, low;

      if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
        return -EINVAL;
      high = digit (text[0]);
      low = high < 0 ? -1 : digit (text[1]);
      if (low < 0)
        return -EINVAL;
      guid[i] = (uint8_t) (high << 4 | low);
      text += 2;
    }
  return *text ? -EINVAL : 0;
}

/* RFC 9562: version 4, random. */
static int
make (uint8_t guid[16])
{
  if (getrandom (guid, 16, 0) != 16)
    return -EIO;
  guid[6] = (guid[6] & 0x0f) | 0x40;
  guid[8] = (guid[8] & 0x3f) | 0x80;
  return 0;
}

static int
take (const char *text, uint8_t guid[16])
{
  return strcmp (text, "auto") == 0 ? make (guid) : parse (text, guid);
}

int
generation_init (struct generation *generation, const char *text)
{
  int ret = take (text, generation->guid);

  if (ret < 0)
    vmm_log ("vmgenid=%s: a GUID or 'auto' is needed", text);
  generation->present = ret == 0;
  return ret;
}

static void
write_guid (const struct generation *generation, struct vm *vm)
{
  for (unsigned i = 0; i < 16; i++)
    vm->ram[MAP_GENERATION + places[i]] = generation->guid[i];
}

void
generation_place (struct generation *generation, struct vm *vm)
{
  pthread_mutex_lock (&generation->lock);
  if (generation->present)
    write_guid (generation, vm);
  pthread_mutex_unlock (&generation->lock);
}

int
generation_change (struct generation *generation, struct vm *vm, struct power *power,
                   const char *text)
{
  uint8_t guid[16];
  int ret = take (text, guid);

  pthread_mutex_lock (&generation->lock);
  if (!generation->present)
    ret = -ENODEV;
  if (ret == 0)
    {
      memcpy (generation->guid, guid, sizeof guid);
      write_guid (generation, vm);
      power_new_generation (power);
    }
  pthread_mutex_unlock (&generation->lock);
  return ret;
}

bool
generation_get (struct generation *generation, char text[GENERATION_TEXT])
{
  const uint8_t *g = generation->guid;
  bool present;

  pthread_mutex_lock (&generation->lock);
  present = generation->present;
  snprintf (text, GENERATION_TEXT,
            "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[0], g[1], g[2],
            g[3], g[4], g[5], g[6], g[7], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
  pthread_mutex_unlock (&generation->lock);
  return present;
}
