/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kmsg-record.h"

#include <string.h>

/* A decimal number that ends with @end; moves behind that. */
static gboolean
take_number (const char **p, const char *limit, char end, guint64 *value)
{
  guint64 number = 0;
  const char *start = *p;

  while (*p < limit && **p >= '0' && **p <= '9')
    {
      guint digit = (guint) (**p - '0');

      if (number > ((guint64) G_MAXINT64 - digit) / 10)
        return FALSE;
      number = number * 10 + digit;
      (*p)++;
    }
  if (*p == start || *p == limit || **p != end)
    return FALSE;
  (*p)++;
  *value = number;
  return TRUE;
}

static int
hex_digit (char c)
{
  return g_ascii_xdigit_value (c);
}

/* The first line; the kernel writes bytes that are not printable as \xNN. */
static void
copy_text (const char *p, const char *limit, PvtKmsgRecord *record)
{
  gsize n = 0;

  while (p < limit && *p != '\n' && n < PVT_KMSG_TEXT)
    {
      if (limit - p >= 4 && p[0] == '\\' && p[1] == 'x' && hex_digit (p[2]) >= 0 && hex_digit (p[3]) >= 0)
        {
          record->text[n] = (char) (hex_digit (p[2]) << 4 | hex_digit (p[3]));
          p += 4;
        }
      else
        record->text[n] = *p++;
      if (record->text[n] != '\0')
        n++;
    }
  record->text[n] = '\0';
}

gboolean
pvt_kmsg_parse (const char *data, gsize len, PvtKmsgRecord *record)
{
  const char *p = data, *const limit = data + len, *text = memchr (data, ';', len);
  guint64 priority;

  if (text == NULL || !take_number (&p, limit, ',', &priority)
      || !take_number (&p, limit, ',', &record->sequence)
      || !take_number (&p, limit, ',', &record->time_us) || p > text)
    return FALSE;
  record->level = (guint) (priority & 7);
  record->facility = (guint) MIN (priority >> 3, G_MAXINT32);
  copy_text (text + 1, limit, record);
  return TRUE;
}

/* "Out of memory: Killed process 812 (stress) total-vm:..." since Linux 5.1; what
 * older ones say is left to the level of its line. */
gboolean
pvt_kmsg_is_oom (const PvtKmsgRecord *record, PvtKmsgOom *oom)
{
  static const char first[] = "Out of memory: Killed process ",
                    group[] = "Memory cgroup out of memory: Killed process ";
  const char *p, *end, *limit = record->text + strlen (record->text);
  gsize len;

  if (record->facility != 0)
    return FALSE;
  oom->cgroup = g_str_has_prefix (record->text, group);
  if (!oom->cgroup && !g_str_has_prefix (record->text, first))
    return FALSE;
  p = record->text + (oom->cgroup ? sizeof group : sizeof first) - 1;
  if (!take_number (&p, limit, ' ', &oom->pid) || *p != '(')
    return FALSE;
  p++;
  /* A process may have a parenthesis in its name. */
  end = strstr (p, ") total-vm:");
  if (end == NULL)
    end = strrchr (p, ')');
  if (end == NULL)
    return FALSE;
  len = MIN ((gsize) (end - p), sizeof oom->process - 1);
  memcpy (oom->process, p, len);
  oom->process[len] = '\0';
  return TRUE;
}
