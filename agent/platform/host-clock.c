/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-clock.h"

#include "clock-policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ptp_clock.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_CLOCKS 16
#define SAMPLES 5

int
pvt_host_ptp_find (const PvtRoot *root)
{
  for (int i = 0; i < MAX_CLOCKS; i++)
    {
      char path[64], name[64];

      g_snprintf (path, sizeof path, "sys/class/ptp/ptp%d/clock_name", i);
      if (pvt_read_at (root->fd, path, name, sizeof name) > 0
          && strcmp (name, "KVM virtual PTP") == 0)
        return i;
    }
  return -1;
}

static gint64
to_ns (const struct ptp_clock_time *t)
{
  return (gint64) t->sec * PVT_NS_PER_S + t->nsec;
}

/* One hypercall gives both clocks of one moment. */
static gboolean
ask_precise (int fd, gint64 *offset, guint64 *uncertainty)
{
  struct ptp_sys_offset_precise precise = { 0 };

  if (ioctl (fd, PTP_SYS_OFFSET_PRECISE, &precise) < 0)
    return FALSE;
  *offset = to_ns (&precise.device) - to_ns (&precise.sys_realtime);
  *uncertainty = 1000;
  return TRUE;
}

/* Guest, host, guest, ..., guest: the tightest triple counts. */
static gboolean
ask_samples (int fd, gint64 *offset, guint64 *uncertainty)
{
  struct ptp_sys_offset sample = { .n_samples = SAMPLES };

  if (ioctl (fd, PTP_SYS_OFFSET, &sample) < 0)
    return FALSE;
  *uncertainty = G_MAXUINT64;
  for (guint i = 0; i < SAMPLES; i++)
    {
      gint64 before = to_ns (&sample.ts[2 * i]), after = to_ns (&sample.ts[2 * i + 2]);
      guint64 half = (guint64) MAX (after - before, 0) / 2;

      if (half >= *uncertainty)
        continue;
      *uncertainty = half;
      *offset = to_ns (&sample.ts[2 * i + 1]) - before - (gint64) half;
    }
  return TRUE;
}

gboolean
pvt_host_ptp_offset (const PvtRoot *root, int number, gint64 *offset, guint64 *uncertainty,
                     GError **error)
{
  char path[32];
  int fd;
  gboolean ok;

  g_snprintf (path, sizeof path, "dev/ptp%d", number);
  fd = openat (root->fd, path, O_RDONLY | O_CLOEXEC);
  ok = fd >= 0 && (ask_precise (fd, offset, uncertainty) || ask_samples (fd, offset, uncertainty));
  if (!ok)
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
                 "the host's clock /%s cannot be read: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return ok;
}
