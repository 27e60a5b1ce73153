/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's log: warnings, errors, and processes killed for want of memory.
 * A flood of it costs little: what is told is limited, and so is how much is
 * read at a time; the kernel overwrites what is not read.
 */
#include "source.h"

#include "agent/core/log.h"
#include "agent/platform/kmsg-record.h"
#include "agent/platform/uevent.h"
#include "hub.h"
#include "pvt-tables.h"
#include "rate.h"

#include <errno.h>
#include <glib-unix.h>
#include <unistd.h>

#define KINDS (PVT_EVENT_BIT (PVT_EVENT_KIND_KERNEL) | PVT_EVENT_BIT (PVT_EVENT_KIND_OOM_KILL))

/* Records read in a turn, and how long it is rested when there are more. */
#define TURN 64
#define REST_MS 250

static struct
{
  int fd;
  guint source, rest;
  PvtRate errors, warnings, kills;
} log_watch = { .fd = -1 };

static const char *
missing (PvtEventKind kind G_GNUC_UNUSED, const PvtRoot *root)
{
  int fd = pvt_kmsg_open (root);

  if (fd < 0)
    return "/dev/kmsg cannot be read";
  close (fd);
  return NULL;
}

/* Many warnings hide no error: each has a rate of its own. */
static void
tell_message (const PvtKmsgRecord *record)
{
  PvtRate *rate = record->level < PVT_KMSG_WARNING ? &log_watch.errors : &log_watch.warnings;
  PvtKernelMessage message = { .level = (PvtKernelLevel) record->level,
                               .from_kernel = record->facility == 0,
                               .sequence = record->sequence, .monotonic_us = record->time_us,
                               .text = (char *) record->text };

  if (!pvt_hub_wants (PVT_EVENT_KIND_KERNEL)
      || !pvt_rate_pass (rate, g_get_monotonic_time (), &message.suppressed))
    return;
  message.has_suppressed = message.suppressed > 0;
  pvt_hub_publish (PVT_EVENT_KIND_KERNEL, &pvt_kernel_message_type, &message);
}

static void
tell_kill (const PvtKmsgOom *oom)
{
  PvtOomKill kill = { .pid = oom->pid, .process = (char *) oom->process, .cgroup = oom->cgroup };
  guint64 before;

  if (!pvt_hub_wants (PVT_EVENT_KIND_OOM_KILL)
      || !pvt_rate_pass (&log_watch.kills, g_get_monotonic_time (), &before))
    return;
  kill.has_count = before > 0;
  kill.count = before + 1;
  pvt_hub_publish (PVT_EVENT_KIND_OOM_KILL, &pvt_oom_kill_type, &kill);
}

static void
take_record (const char *data, gsize len)
{
  PvtKmsgRecord record;
  PvtKmsgOom oom;

  if (!pvt_kmsg_parse (data, len, &record) || record.level > PVT_KMSG_WARNING)
    return;
  if (pvt_kmsg_is_oom (&record, &oom))
    tell_kill (&oom);
  tell_message (&record);
}

static gboolean readable (gint fd, GIOCondition condition, gpointer data);

static gboolean
rested (gpointer data G_GNUC_UNUSED)
{
  log_watch.rest = 0;
  log_watch.source = g_unix_fd_add (log_watch.fd, G_IO_IN, readable, NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
readable (gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  char buf[PVT_KMSG_MAX];
  gssize n = 0;
  guint i;

  /* EPIPE: some were overwritten before we came; the next read goes on. */
  for (i = 0; i < TURN && ((n = read (fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EPIPE)); i++)
    if (n > 0)
      take_record (buf, (gsize) n);
  if (i == TURN)
    {
      log_watch.source = 0;
      log_watch.rest = g_timeout_add (REST_MS, rested, NULL);
    }
  pvt_hub_flush ();
  return i < TURN && log_watch.source ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
start (const PvtRoot *root)
{
  log_watch.fd = pvt_kmsg_open (root);
  log_watch.errors = log_watch.warnings = log_watch.kills
      = (PvtRate){ .burst = 20, .per_second = 2 };
  if (log_watch.fd >= 0)
    log_watch.source = g_unix_fd_add (log_watch.fd, G_IO_IN, readable, NULL);
  else
    pvt_log (PVT_LOG_WARNING, "the kernel's log cannot be read: %s", g_strerror (-log_watch.fd));
}

static void
stop (void)
{
  g_clear_handle_id (&log_watch.source, g_source_remove);
  g_clear_handle_id (&log_watch.rest, g_source_remove);
  if (log_watch.fd >= 0)
    close (log_watch.fd);
  log_watch.fd = -1;
}

const PvtSource pvt_source_kernel = { KINDS, missing, start, stop };
