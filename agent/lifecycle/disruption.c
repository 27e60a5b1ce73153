/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disruption.h"

#include "agent/core/log.h"
#include "agent/platform/clock-policy.h"
#include "agent/platform/clock-state.h"
#include "agent/platform/uevent.h"
#include "reaction.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* However often a host begins, it is looked no more often than that. */
#define GLANCE_MS 2000

/* Less than this is no suspend. */
#define SLEPT_NS (100 * PVT_NS_PER_MS)

/* Events taken in one turn of the main loop. */
#define MAX_EVENTS 64

/* Main loop only. */
static struct
{
  gboolean running;
  int timer_fd, uevent_fd, kmsg_fd;
  guint timer_source, uevent_source, kmsg_source;
  gint64 slept;    /* pvt_clock_slept() as last seen */
  gint64 glanced;  /* boottime of the last look; 0: none */
  guint later;     /* source of one that had to wait */
} watch = { .timer_fd = -1, .uevent_fd = -1, .kmsg_fd = -1 };

static gboolean
has_host (const PvtConfig *config)
{
  for (guint i = 0; i < config->channels->len; i++)
    if (((const PvtChannelConfig *) config->channels->pdata[i])->method != PVT_METHOD_UNIX_LISTEN)
      return TRUE;
  return FALSE;
}

static gboolean
arm_timer (void)
{
  struct itimerspec never = { .it_value = { .tv_sec = G_MAXINT32 * G_GINT64_CONSTANT (4) } };

  return timerfd_settime (watch.timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0;
}

static gboolean
clock_was_set (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  gint64 slept = pvt_clock_slept ();
  guint64 expirations;

  if (read (fd, &expirations, sizeof expirations) < 0 && errno == EAGAIN)
    return G_SOURCE_CONTINUE;
  arm_timer ();
  pvt_reaction_push (slept - watch.slept >= SLEPT_NS ? PVT_REASON_RESUMED : PVT_REASON_CLOCK_SET);
  watch.slept = slept;
  return G_SOURCE_CONTINUE;
}

static gboolean
uevent_came (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  char buf[PVT_UEVENT_MAX];
  gssize n;

  for (guint i = 0; i < MAX_EVENTS && (n = pvt_uevent_read (fd, buf)) >= 0; i++)
    if (pvt_uevent_is_generation (buf, (gsize) n))
      pvt_reaction_push (PVT_REASON_GENERATION);
  return G_SOURCE_CONTINUE;
}

static gboolean
kernel_said (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  char buf[PVT_KMSG_MAX];
  gssize n;

  /* EPIPE: some were overwritten before we came; the next read goes on. */
  for (guint i = 0; i < MAX_EVENTS && ((n = read (fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EPIPE)); i++)
    if (n > 0 && pvt_kmsg_is_generation (buf, (gsize) n))
      pvt_reaction_push (PVT_REASON_GENERATION);
  return G_SOURCE_CONTINUE;
}

static void
watch_timer (void)
{
  watch.timer_fd = timerfd_create (CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  watch.slept = pvt_clock_slept ();
  if (watch.timer_fd >= 0 && arm_timer ())
    watch.timer_source = g_unix_fd_add (watch.timer_fd, G_IO_IN, clock_was_set, NULL);
  else
    pvt_log (PVT_LOG_WARNING, "sets of the clock cannot be watched: %s", g_strerror (errno));
}

static void
watch_generation (const PvtRoot *root)
{
  watch.uevent_fd = pvt_uevent_open ();
  if (watch.uevent_fd >= 0)
    watch.uevent_source = g_unix_fd_add (watch.uevent_fd, G_IO_IN, uevent_came, NULL);
  else
    pvt_log (PVT_LOG_DEBUG, "no events of the kernel: %s", g_strerror (-watch.uevent_fd));
  if (!pvt_kmsg_is_needed (root))
    return;
  watch.kmsg_fd = pvt_kmsg_open (root);
  if (watch.kmsg_fd >= 0)
    watch.kmsg_source = g_unix_fd_add (watch.kmsg_fd, G_IO_IN, kernel_said, NULL);
}

void
pvt_disruption_start (const PvtConfig *config, const PvtRoot *root)
{
  if (!has_host (config))
    return;
  watch.running = TRUE;
  watch_timer ();
  watch_generation (root);
  pvt_reaction_push (PVT_REASON_CLOCK_SET | PVT_REASON_STARTED);
}

static void
stop_one (guint *source, int *fd)
{
  g_clear_handle_id (source, g_source_remove);
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

void
pvt_disruption_stop (void)
{
  watch.running = FALSE;
  stop_one (&watch.timer_source, &watch.timer_fd);
  stop_one (&watch.uevent_source, &watch.uevent_fd);
  stop_one (&watch.kmsg_source, &watch.kmsg_fd);
  g_clear_handle_id (&watch.later, g_source_remove);
  pvt_reaction_stop ();
}

static gboolean
glance_later (gpointer data G_GNUC_UNUSED)
{
  watch.later = 0;
  watch.glanced = 0;
  pvt_disruption_glance ();
  return G_SOURCE_REMOVE;
}

void
pvt_disruption_glance (void)
{
  gint64 now;

  if (!watch.running || watch.later)
    return;
  now = pvt_clock_boottime ();
  if (watch.glanced && now - watch.glanced < GLANCE_MS * PVT_NS_PER_MS)
    {
      watch.later = g_timeout_add (GLANCE_MS, glance_later, NULL);
      return;
    }
  watch.glanced = now;
  pvt_reaction_push (PVT_REASON_GLANCE);
}
