/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-blk: queues, flush, discard, tuning. Feature bits of section 5.2.3, queue
 * attributes of the kernel's Documentation/ABI/stable/sysfs-block. */
#include "doctor.h"

#include "agent/platform/virtio-bus.h"

#include <string.h>

enum
{
  FLUSH = 9,
  DISCARD = 13,
};

typedef struct
{
  PvtVerdict queues, flush, discard, tuning;
} Verdicts;

static void
check_queues (const PvtDoctor *doctor, const char *disk, PvtVerdict *verdict)
{
  g_autofree char *path = g_strdup_printf ("sys/block/%s/mq", disk);
  g_auto (GStrv) names = pvt_doctor_names (doctor, path);
  guint n = g_strv_length (names);

  pvt_verdict_add (verdict,
                   doctor->n_cpus > 1 && n <= 1 ? PVT_CHECK_STATE_WARN : PVT_CHECK_STATE_PASS,
                   "%s: %u queue%s for %u CPUs", disk, n, n == 1 ? "" : "s", doctor->n_cpus);
}

/* Without the feature the kernel never asks for a flush, and thinks that what was
 * written is safe. */
static void
check_flush (const PvtDoctor *doctor, const PvtVirtioDevice *device, PvtVerdict *verdict)
{
  char cache[64];

  pvt_doctor_read (doctor, cache, sizeof cache, "sys/block/%s/queue/write_cache", device->child);
  pvt_verdict_add (verdict,
                   pvt_virtio_has (device, FLUSH) ? PVT_CHECK_STATE_PASS : PVT_CHECK_STATE_WARN,
                   "%s: %s%s", device->child, cache,
                   pvt_virtio_has (device, FLUSH) ? "" : ", and cannot be told to flush");
}

static gboolean
trims (const PvtDoctor *doctor)
{
  static const char *const links[]
      = { "etc/systemd/system/timers.target.wants/fstrim.timer",
          "usr/lib/systemd/system/timers.target.wants/fstrim.timer",
          "lib/systemd/system/timers.target.wants/fstrim.timer", "etc/cron.weekly/fstrim" };
  char target[512];

  for (guint i = 0; i < G_N_ELEMENTS (links); i++)
    if (pvt_readlink_at (doctor->root->fd, links[i], target, sizeof target)
        || pvt_root_exists (doctor->root, links[i]))
      return TRUE;
  return FALSE;
}

static void
check_discard (const PvtDoctor *doctor, const PvtVirtioDevice *device, PvtVerdict *verdict)
{
  char most[32];
  gboolean can;

  pvt_doctor_read (doctor, most, sizeof most, "sys/block/%s/queue/discard_max_bytes", device->child);
  can = pvt_virtio_has (device, DISCARD) && *most && strcmp (most, "0") != 0;
  if (!can)
    pvt_verdict_add (verdict, PVT_CHECK_STATE_WARN, "%s: no discard", device->child);
  else if (!trims (doctor))
    pvt_verdict_add (verdict, PVT_CHECK_STATE_WARN, "%s: nothing trims its filesystems", device->child);
  else
    pvt_verdict_add (verdict, PVT_CHECK_STATE_PASS, "%s: discards, fstrim.timer is enabled",
                     device->child);
}

/* "none [mq-deadline] bfq": the one in brackets. */
static void
used_scheduler (char *text)
{
  char *open = strchr (text, '['), *close = open ? strchr (open, ']') : NULL;

  if (close == NULL)
    return;
  *close = '\0';
  memmove (text, open + 1, strlen (open + 1) + 1);
}

static void
check_tuning (const PvtDoctor *doctor, const char *disk, PvtVerdict *verdict)
{
  char scheduler[256], rotational[8], serial[64];
  gboolean bfq, rotates;

  pvt_doctor_read (doctor, scheduler, sizeof scheduler, "sys/block/%s/queue/scheduler", disk);
  pvt_doctor_read (doctor, rotational, sizeof rotational, "sys/block/%s/queue/rotational", disk);
  pvt_doctor_read (doctor, serial, sizeof serial, "sys/block/%s/serial", disk);
  used_scheduler (scheduler);
  bfq = strcmp (scheduler, "bfq") == 0;
  rotates = strcmp (rotational, "1") == 0;
  pvt_verdict_add (verdict,
                   bfq || rotates || *serial == '\0' ? PVT_CHECK_STATE_WARN : PVT_CHECK_STATE_PASS,
                   "%s: scheduler %s%s, serial %s", disk, *scheduler ? scheduler : "none",
                   rotates ? ", counts as rotating" : "", *serial ? serial : "missing");
}

void
pvt_doctor_disks (PvtDoctor *doctor)
{
  static const char none[] = "no virtio disk";
  Verdicts verdicts = { .queues = { .n = 0 } };

  for (guint i = 0; i < doctor->virtio->len; i++)
    {
      const PvtVirtioDevice *device = &g_array_index (doctor->virtio, PvtVirtioDevice, i);

      if (device->type != PVT_VIRTIO_BLK || *device->child == '\0')
        continue;
      check_queues (doctor, device->child, &verdicts.queues);
      check_flush (doctor, device, &verdicts.flush);
      check_discard (doctor, device, &verdicts.discard);
      check_tuning (doctor, device->child, &verdicts.tuning);
    }
  pvt_verdict_say (&verdicts.queues, doctor, "disk-queues", none,
                   "offer as many queues as the guest has CPUs on the host (num-queues=N)");
  pvt_verdict_say (&verdicts.flush, doctor, "disk-flush", none,
                   "let the host offer flush: after a power cut writes may be lost in its cache "
                   "otherwise, unless that is written through");
  pvt_verdict_say (&verdicts.discard, doctor, "disk-discard", none,
                   "discard=unmap on the host; systemctl enable --now fstrim.timer in the guest");
  pvt_verdict_say (&verdicts.tuning, doctor, "disk-tuning", none,
                   "install pvtools-agent-drivers, or set queue/scheduler to none and "
                   "queue/rotational to 0 by a udev rule; give every disk a serial number on the "
                   "host");
}
