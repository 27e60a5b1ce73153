/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gap.h"

#include "agent/core/log.h"
#include "agent/platform/clock.h"
#include "agent/platform/clock-policy.h"
#include "agent/platform/clock-state.h"
#include "agent/platform/host-clock.h"

#define SUSPICIOUS_NS (1500 * PVT_NS_PER_MS)

/* The hardware clock may have been set in between by up to a second: the kernel
 * of a guest with a time service writes it every eleven minutes, and QEMU starts
 * it with a full second. Slewing moves ours. */
#define RTC_UNCERTAINTY_NS PVT_NS_PER_S

static struct
{
  gboolean known;
  gboolean ptp;
  gint64 offset; /* host minus guest when compared last */
} base;

static gboolean
read_ptp (const PvtRoot *root, gint64 *offset, guint64 *uncertainty)
{
  int number = pvt_host_ptp_find (root);
  g_autoptr (GError) error = NULL;

  if (number < 0)
    return FALSE;
  if (pvt_host_ptp_offset (root, number, offset, uncertainty, &error))
    return TRUE;
  pvt_log (PVT_LOG_DEBUG, "%s", error->message);
  return FALSE;
}

static gboolean
read_rtc (const PvtRoot *root, gint64 *offset)
{
  g_autoptr (GError) error = NULL;
  gint64 ns;

  if (!pvt_rtc_read (root, &ns, &error))
    {
      pvt_log (PVT_LOG_DEBUG, "%s", error->message);
      return FALSE;
    }
  *offset = ns - pvt_clock_ns (CLOCK_REALTIME);
  return TRUE;
}

void
pvt_gap_rebase (const PvtRoot *root)
{
  guint64 uncertainty;

  base.ptp = read_ptp (root, &base.offset, &uncertainty);
  base.known = base.ptp || read_rtc (root, &base.offset);
  /* The host's own clock is exact: a small difference is an error, too. */
  if (base.ptp && ABS (base.offset) < PVT_NS_PER_S)
    base.offset = 0;
  if (base.known)
    pvt_log (PVT_LOG_DEBUG, "clock: %s is %.3f s ahead of ours", base.ptp ? "the host" : "the hardware clock",
             (double) base.offset / 1e9);
}

gboolean
pvt_gap_suspected (const PvtRoot *root)
{
  gint64 offset, ns;
  guint64 uncertainty;

  if (!base.known)
    return FALSE;
  if (base.ptp)
    return read_ptp (root, &offset, &uncertainty) && ABS (offset - base.offset) >= PVT_NS_PER_S;
  if (!pvt_rtc_glance (root, &ns, NULL))
    return FALSE;
  /* It is cut to full seconds: half of one on the average. */
  offset = ns + PVT_NS_PER_S / 2 - pvt_clock_ns (CLOCK_REALTIME) - base.offset;
  return ABS (offset) >= SUSPICIOUS_NS;
}

gboolean
pvt_gap_measure (const PvtRoot *root, PvtGap *gap)
{
  if (!base.known)
    return FALSE;
  gap->from_rtc = !base.ptp;
  gap->uncertainty = RTC_UNCERTAINTY_NS;
  if (base.ptp ? !read_ptp (root, &gap->offset, &gap->uncertainty) : !read_rtc (root, &gap->offset))
    return FALSE;
  gap->offset -= base.offset;
  return TRUE;
}

void
pvt_gap_acknowledge (gint64 left)
{
  base.offset += left;
}
