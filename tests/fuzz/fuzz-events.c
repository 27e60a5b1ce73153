/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel and chronyc tell; the first byte says which. */
#include "fuzz.h"

#include "agent/platform/kmsg-record.h"
#include "agent/platform/netdev.h"
#include "agent/platform/system-bus.h"
#include "agent/platform/time-service.h"
#include "agent/platform/uevent.h"

#include <string.h>

static void
kernel_log (const char *text, gsize len)
{
  PvtKmsgRecord record;
  PvtKmsgOom oom;

  if (!pvt_kmsg_parse (text, len, &record))
    return;
  g_assert (strlen (record.text) <= PVT_KMSG_TEXT);
  if (pvt_kmsg_is_oom (&record, &oom))
    g_assert (strlen (oom.process) < sizeof oom.process);
}

static void
unit_path (const char *text, gsize len)
{
  g_autofree char *path = g_strndup (text, len);
  char name[64];

  if (pvt_unit_of_path (path, name, sizeof name))
    g_assert (strlen (name) < sizeof name);
}

static void
interfaces (const char *text, gsize len)
{
  g_autoptr (GArray) devices = g_array_new (FALSE, FALSE, sizeof (PvtNetdev));

  pvt_netdev_parse (text, len, devices);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  /* A copy of just that size, so that reading past it is seen. */
  g_autofree char *text = size > 1 ? g_memdup2 (data + 1, size - 1) : NULL;

  double correction;

  if (text == NULL)
    return 0;
  switch (data[0] % 6)
    {
    case 0:
      pvt_uevent_is_generation (text, size - 1);
      break;
    case 1:
      pvt_kmsg_is_generation (text, size - 1);
      break;
    case 2:
      pvt_chrony_is_tracking (text, size - 1);
      pvt_chrony_correction (text, size - 1, &correction);
      break;
    case 3:
      kernel_log (text, size - 1);
      break;
    case 4:
      unit_path (text, size - 1);
      break;
    default:
      interfaces (text, size - 1);
    }
  return 0;
}
