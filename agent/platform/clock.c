/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"

#include "clock-policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

/* How often the hardware clock is looked at while its next second is awaited. */
#define LOOK_US 2000
#define LOOKS 600

/* How long it is waited for while another program has it. */
#define BUSY_US 50000
#define BUSY_TRIES 40

static gboolean
fail (GError **error, const char *what)
{
  int saved = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (saved), "%s: %s", what,
               g_strerror (saved));
  return FALSE;
}

gboolean
pvt_clock_set (gint64 ns, GError **error)
{
  struct timespec time = { ns / PVT_NS_PER_S, ns % PVT_NS_PER_S };

  return clock_settime (CLOCK_REALTIME, &time) == 0 || fail (error, "the clock cannot be set");
}

/* tv_usec is ns with ADJ_NANO, and never below 0: adjtimex(2). */
gboolean
pvt_clock_step (gint64 delta, GError **error)
{
  struct timex tx = { .modes = ADJ_SETOFFSET | ADJ_NANO };

  tx.time.tv_sec = delta / PVT_NS_PER_S;
  tx.time.tv_usec = delta % PVT_NS_PER_S;
  if (tx.time.tv_usec < 0)
    {
      tx.time.tv_sec--;
      tx.time.tv_usec += PVT_NS_PER_S;
    }
  return adjtimex (&tx) >= 0 || fail (error, "the clock cannot be stepped");
}

gboolean
pvt_clock_slew (gint64 delta, GError **error)
{
  struct timeval tv = { delta / PVT_NS_PER_S, delta % PVT_NS_PER_S / 1000 };

  return adjtime (&tv, NULL) == 0 || fail (error, "the clock cannot be slewed");
}

/* The third line of adjtime(5) says whether the hardware clock has local time. */
gboolean
pvt_rtc_is_local (const PvtRoot *root)
{
  char text[256];

  return pvt_read_at (root->fd, "etc/adjtime", text, sizeof text) > 0
         && strstr (text, "LOCAL") != NULL;
}

/* One program at a time may have it open: rtc(4). */
static int
open_rtc (const PvtRoot *root, int flags)
{
  static const char *const names[] = { "dev/rtc", "dev/rtc0" };
  int fd = -1;

  for (guint i = 0; fd < 0 && i < G_N_ELEMENTS (names); i++)
    fd = openat (root->fd, names[i], flags | O_CLOEXEC);
  return fd;
}

static int
open_rtc_patiently (const PvtRoot *root, GError **error)
{
  int fd;

  for (guint i = 0; (fd = open_rtc (root, O_RDONLY)) < 0 && errno == EBUSY && i < BUSY_TRIES; i++)
    g_usleep (BUSY_US);
  if (fd < 0)
    fail (error, "the hardware clock /dev/rtc cannot be opened");
  return fd;
}

gboolean
pvt_rtc_write (const PvtRoot *root, GError **error)
{
  int fd = open_rtc_patiently (root, error);
  struct rtc_time rtc = { 0 };
  struct timespec now;
  struct tm tm;
  gboolean ok;

  if (fd < 0)
    return FALSE;
  clock_gettime (CLOCK_REALTIME, &now);
  if (pvt_rtc_is_local (root))
    localtime_r (&now.tv_sec, &tm);
  else
    gmtime_r (&now.tv_sec, &tm);
  rtc = (struct rtc_time){ tm.tm_sec,  tm.tm_min,  tm.tm_hour, tm.tm_mday, tm.tm_mon,
                           tm.tm_year, tm.tm_wday, tm.tm_yday, tm.tm_isdst };
  ok = ioctl (fd, RTC_SET_TIME, &rtc) == 0;
  if (!ok)
    fail (error, "the hardware clock cannot be set");
  close (fd);
  return ok;
}

/*
 * Its full seconds, as if it had UTC. sysfs tells without keeping others from
 * it; a kernel may lack that, though.
 */
static gboolean
read_seconds (const PvtRoot *root, gint64 *seconds, GError **error)
{
  guint64 value;
  struct rtc_time rtc;
  struct tm tm = { 0 };
  int fd;
  gboolean ok;

  if (pvt_read_u64_at (root->fd, "sys/class/rtc/rtc0/since_epoch", &value) == 0)
    {
      *seconds = (gint64) value;
      return TRUE;
    }
  fd = open_rtc_patiently (root, error);
  if (fd < 0)
    return FALSE;
  ok = ioctl (fd, RTC_RD_TIME, &rtc) == 0 || fail (error, "the hardware clock cannot be read");
  close (fd);
  if (!ok)
    return FALSE;
  tm = (struct tm){ .tm_sec = rtc.tm_sec,   .tm_min = rtc.tm_min, .tm_hour = rtc.tm_hour,
                    .tm_mday = rtc.tm_mday, .tm_mon = rtc.tm_mon, .tm_year = rtc.tm_year };
  *seconds = timegm (&tm);
  return TRUE;
}

static gint64
to_ns (gint64 seconds, gboolean local)
{
  time_t as_utc = seconds;
  struct tm tm;

  if (!local)
    return seconds * PVT_NS_PER_S;
  gmtime_r (&as_utc, &tm);
  tm.tm_isdst = -1;
  return mktime (&tm) * PVT_NS_PER_S;
}

gboolean
pvt_rtc_read (const PvtRoot *root, gint64 *ns, GError **error)
{
  gint64 first, now;
  gboolean ok = read_seconds (root, &first, error);

  now = first;
  for (guint i = 0; ok && i < LOOKS && now == first; i++)
    {
      g_usleep (LOOK_US);
      ok = read_seconds (root, &now, error);
    }
  if (ok)
    *ns = to_ns (now, pvt_rtc_is_local (root));
  return ok;
}

gboolean
pvt_rtc_glance (const PvtRoot *root, gint64 *ns, GError **error)
{
  gint64 seconds;

  if (!read_seconds (root, &seconds, error))
    return FALSE;
  *ns = to_ns (seconds, pvt_rtc_is_local (root));
  return TRUE;
}
