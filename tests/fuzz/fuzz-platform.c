/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every reader of /proc, sysfs and netlink text; the first byte says which. */
#include "fuzz.h"

#include "agent/platform/blockdev.h"
#include "agent/platform/bounds.h"
#include "agent/platform/counters.h"
#include "agent/platform/cpus.h"
#include "agent/platform/diskstats.h"
#include "agent/platform/interrupts.h"
#include "agent/platform/meminfo.h"
#include "agent/platform/mountinfo.h"
#include "agent/platform/netlink.h"
#include "agent/platform/osrelease.h"
#include "agent/platform/pressure.h"
#include "agent/platform/resolv.h"
#include "agent/platform/session-file.h"
#include "agent/platform/stat.h"
#include "agent/platform/logins.h"
#include "agent/platform/udev-data.h"
#include "agent/platform/users.h"
#include "agent/platform/virtio-bus.h"

static void
into_array (void (*parse) (const char *, gsize, GArray *), gsize element, const char *text, gsize len)
{
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, (guint) element);

  parse (text, len, array);
}

static void
netlink (PvtNetlinkOutcome (*parse) (const void *, gsize, GArray *), gsize element,
         const char *data, gsize len)
{
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, (guint) element);

  parse (data, len, array);
}

static void
users (const char *data, gsize len)
{
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (PvtUser));
  PvtSessionFile session;
  char name[33];

  pvt_utmp_parse (data, len, array);
  pvt_passwd_find (data, len, 1000, name, sizeof name);
  pvt_session_file_parse (data, len, &session);
  g_free (pvt_udev_data_property (data, len, "ID_SERIAL"));
}

static void
mounts (const char *text, gsize len)
{
  g_autoptr (GPtrArray) array = pvt_mounts_new ();

  pvt_mountinfo_parse (text, len, array);
  for (guint i = 0; i < array->len; i++)
    pvt_mount_is_remote (array->pdata[i]);
}

static void
counters (const char *text, gsize len)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (PvtNamedValue));
  PvtStatCounters stat;

  pvt_stat_counters_parse (text, len, &stat);
  pvt_named_values_parse (text, len, NULL, values);
}

static void
small (guint which, const char *text, gsize len)
{
  guint8 bits[PVT_MAX_CPUS / 8];
  PvtMeminfo info;
  PvtPressureFile pressure;
  PvtResolv resolv;
  PvtDiskPlace place;
  guint8 features[PVT_VIRTIO_FEATURE_BYTES];

  switch (which)
    {
    case 0:
      pvt_meminfo_parse (text, len, &info);
      break;
    case 1:
      pvt_pressure_parse (text, len, &pressure);
      break;
    case 2:
      pvt_cpulist_parse (text, len, bits);
      break;
    case 3:
      pvt_resolv_parse (text, len, &resolv);
      pvt_resolv_clear (&resolv);
      break;
    case 4:
      g_free (pvt_osrelease_get (text, len, "ID"));
      break;
    case 6:
      counters (text, len);
      break;
    case 7:
      into_array (pvt_interrupts_parse, sizeof (PvtInterrupt), text, len);
      break;
    case 8:
      pvt_virtio_parse_features (text, len, features);
      break;
    default:
      {
        g_autofree char *path = g_strndup (text, len);

        pvt_blockdev_parse_path (path, &place);
      }
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = size > 1 ? g_memdup2 (data + 1, size - 1) : NULL;
  gsize len = size - 1;

  if (text == NULL)
    return 0;
  switch (data[0] % 16)
    {
    case 0:
      into_array (pvt_stat_parse, sizeof (PvtCpuTimes), text, len);
      break;
    case 1:
      into_array (pvt_diskstats_parse, sizeof (PvtDiskCounters), text, len);
      break;
    case 2:
      mounts (text, len);
      break;
    case 3:
      users (text, len);
      break;
    case 4:
      netlink (pvt_netlink_parse_links, sizeof (PvtLink), text, len);
      break;
    case 5:
      netlink (pvt_netlink_parse_addresses, sizeof (PvtAddress), text, len);
      break;
    case 6:
      netlink (pvt_netlink_parse_routes, sizeof (PvtRoute), text, len);
      break;
    default:
      small (data[0] % 16 - 7, text, len);
    }
  return 0;
}
