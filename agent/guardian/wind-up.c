/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "freezer-private.h"

#include "agent/core/gate.h"
#include "agent/core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

PvtFreezer pvt_freezer = { .lock_fd = -1, .hurry_fd = -1 };

PvtHooksConfig
pvt_freezer_hooks (const PvtConfig *config)
{
  return (PvtHooksConfig){ config->fsfreeze_hook, config->hooks_dir, config->hook_timeout,
                           config->hooks_required };
}

int
pvt_freezer_take_lock (void)
{
  g_autofree char *path = g_build_filename (pvt_freezer.config->statedir, "freeze.lock", NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) < 0)
    {
      int saved = errno;

      close (fd);
      errno = saved;
      return -1;
    }
  return fd;
}

void
pvt_freezer_save (void)
{
  g_autoptr (GError) error = NULL;

  if (!pvt_record_save (pvt_freezer.config->statedir, &pvt_freezer.record, &error))
    pvt_log (PVT_LOG_WARNING, "the state of the freeze cannot be kept: %s", error->message);
}

static void
release_descriptors (void)
{
  for (guint i = 0; pvt_freezer.fds && i < pvt_freezer.fds->len; i++)
    close (g_array_index (pvt_freezer.fds, int, i));
  g_clear_pointer (&pvt_freezer.fds, g_array_unref);
  if (pvt_freezer.hurry_fd >= 0)
    close (pvt_freezer.hurry_fd);
  pvt_freezer.hurry_fd = -1;
}

static void
drop_watch (void)
{
  if (pvt_freezer.watch)
    {
      g_source_destroy (pvt_freezer.watch);
      g_source_unref (pvt_freezer.watch);
    }
  pvt_freezer.watch = NULL;
}

/* Thaws what is ours. TRUE when all of it was still frozen. */
gboolean
pvt_freezer_thaw_filesystems (guint *n_thawed)
{
  gboolean all = TRUE;

  *n_thawed = 0;
  for (guint i = pvt_freezer.fds ? pvt_freezer.fds->len : 0; pvt_freezer.guardian && i-- > 0;)
    {
      int done = pvt_guardian_thaw (pvt_freezer.guardian, i);

      *n_thawed += done == 1;
      all = all && done >= 0;
    }
  return all;
}

void
pvt_freezer_set_phase (PvtFreezerPhase phase)
{
  g_mutex_lock (&pvt_freezer.lock);
  pvt_freezer.phase = phase;
  g_mutex_unlock (&pvt_freezer.lock);
}

/* The way back to THAWED, from wherever a freeze had come to. */
guint
pvt_freezer_wind_up (PvtFreezeEnd end, gint64 when, gboolean untold)
{
  PvtHooksConfig hooks = pvt_freezer_hooks (pvt_freezer.config);
  PvtGuardian *guardian;
  guint failed;

  drop_watch ();
  g_mutex_lock (&pvt_freezer.lock);
  guardian = g_steal_pointer (&pvt_freezer.guardian);
  pvt_freezer.deadline = 0;
  g_mutex_unlock (&pvt_freezer.lock);
  pvt_guardian_release (guardian);
  release_descriptors ();
  pvt_log_release ();
  failed = pvt_hooks_thaw (&hooks, pvt_freezer.record.generation, pvt_freezer.record.hooks);
  g_ptr_array_set_size (pvt_freezer.record.hooks, 0);
  pvt_freezer.record.frozen = FALSE;
  pvt_freezer.record.end = end;
  pvt_freezer.record.untold = untold;
  pvt_freezer.record.thawed_at = when;
  pvt_freezer_save ();
  /* A new guardian, just forked, may have it open for a moment yet. */
  if (pvt_freezer.lock_fd >= 0)
    {
      flock (pvt_freezer.lock_fd, LOCK_UN);
      close (pvt_freezer.lock_fd);
    }
  pvt_freezer.lock_fd = -1;
  pvt_gate_open ();
  pvt_freezer_set_phase (PVT_FREEZER_THAWED);
  return failed;
}

/* FROZEN to THAWING; only one thread gets it. */
gboolean
pvt_freezer_begin_thaw (void)
{
  gboolean ours;

  g_mutex_lock (&pvt_freezer.lock);
  ours = pvt_freezer.phase == PVT_FREEZER_FROZEN;
  if (ours)
    pvt_freezer.phase = PVT_FREEZER_THAWING;
  g_mutex_unlock (&pvt_freezer.lock);
  return ours;
}

