/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Start and end of the agent: what an earlier one left, and what must not stay. */
#include "freezer-private.h"

#include "agent/core/gate.h"
#include "agent/core/log.h"
#include "agent/platform/rcu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* How often an agent looks whether the helper of its predecessor is done. */
#define RECOVER_MS 100

/* How long a stopping agent waits for a freeze or thaw in another thread. */
#define STOP_WAIT_MS 5000

/* An agent and its guardian were killed together: their freeze is ours to end. */
static void
thaw_orphans (PvtFreezeRecord *record)
{
  for (guint i = record->mountpoints->len; i-- > 0;)
    {
      const char *mountpoint = record->mountpoints->pdata[i];
      int fd = open (mountpoint, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

      if (fd >= 0 && ioctl (fd, FITHAW, 0) == 0)
        pvt_log (PVT_LOG_WARNING, "%s was left frozen by an agent that was killed: thawed", mountpoint);
      if (fd >= 0)
        close (fd);
    }
}

/* And so is what it had switched on for its duration. */
static void
stop_hurrying (const PvtFreezeRecord *record)
{
  int fd = record->hurried ? pvt_rcu_open (pvt_freezer.root, "1") : -1;

  if (fd >= 0)
    {
      (void) !pwrite (fd, "0", 1, 0);
      close (fd);
    }
}

/* TRUE once nothing of an earlier agent's freeze is left. */
static gboolean
recover (void)
{
  pvt_freezer.lock_fd = pvt_freezer_take_lock ();
  if (pvt_freezer.lock_fd < 0)
    return errno != EWOULDBLOCK;
  /* Only now: the helper writes it last. */
  pvt_record_clear (&pvt_freezer.record);
  pvt_record_load (pvt_freezer.config->statedir, &pvt_freezer.record);
  if (pvt_freezer.record.frozen)
    {
      thaw_orphans (&pvt_freezer.record);
      stop_hurrying (&pvt_freezer.record);
      pvt_freezer.phase = PVT_FREEZER_THAWING;
      pvt_freezer_wind_up (PVT_FREEZE_END_GUARDIAN_DIED, pvt_boottime (), TRUE);
    }
  else
    close (pvt_freezer.lock_fd);
  pvt_freezer.lock_fd = -1;
  return TRUE;
}

static gboolean
recover_again (gpointer data G_GNUC_UNUSED)
{
  if (!recover ())
    return G_SOURCE_CONTINUE;
  pvt_gate_open ();
  pvt_freezer_set_phase (PVT_FREEZER_THAWED);
  return G_SOURCE_REMOVE;
}

gboolean
pvt_freezer_prepare (const PvtConfig *config, PvtGuardianTitle title, GError **error)
{
  char *const argv[] = { (char *) "pvtools-agent", (char *) "--after-freeze", (char *) "-t",
                         config->statedir, NULL };

  return pvt_guardian_prepare (argv, title, error);
}

void
pvt_freezer_init (const PvtConfig *config, const PvtRoot *root)
{
  pvt_freezer.config = config;
  pvt_freezer.root = root;
  pvt_record_init (&pvt_freezer.record);
  if (recover ())
    return;
  pvt_record_clear (&pvt_freezer.record);
  pvt_record_load (config->statedir, &pvt_freezer.record);
  pvt_log (PVT_LOG_INFO, "the freeze of an earlier agent is being undone");
  pvt_freezer.phase = PVT_FREEZER_THAWING;
  pvt_gate_close ();
  g_timeout_add (RECOVER_MS, recover_again, NULL);
}

void
pvt_freezer_finish (void)
{
  PvtFreezerState state;
  guint n;

  for (guint waited = 0; waited < STOP_WAIT_MS; waited += 10)
    {
      if (pvt_freezer_begin_thaw ())
        {
          gint64 when = pvt_boottime ();

          pvt_freezer_thaw_filesystems (&n);
          pvt_freezer_wind_up (PVT_FREEZE_END_AGENT_STOPPED, when, TRUE);
          pvt_log (PVT_LOG_WARNING, "the agent ends: %u filesystems thawed", n);
        }
      pvt_freezer_state (&state);
      if (state.phase == PVT_FREEZER_THAWED)
        break;
      g_mutex_lock (&pvt_freezer.lock);
      if (pvt_freezer.guardian)
        pvt_guardian_abort (pvt_freezer.guardian);
      g_mutex_unlock (&pvt_freezer.lock);
      g_usleep (10000);
    }
  pvt_freezer_state (&state);
  if (state.phase != PVT_FREEZER_THAWED)
    {
      /* A filesystem hangs in its freeze, and a thread with it. */
      pvt_guardian_leave ();
      pvt_gate_open ();
      return;
    }
  if (pvt_freezer.config)
    pvt_record_clear (&pvt_freezer.record);
  pvt_guardian_dismiss ();
}

gboolean
pvt_freezer_aftermath (const PvtConfig *config, GError **error)
{
  PvtHooksConfig hooks = pvt_freezer_hooks (config);
  PvtFreezeRecord record;
  gboolean ok;

  pvt_record_load (config->statedir, &record);
  pvt_hooks_thaw (&hooks, record.generation, record.hooks);
  g_ptr_array_set_size (record.hooks, 0);
  record.untold = record.frozen;
  record.frozen = FALSE;
  record.end = PVT_FREEZE_END_AGENT_DIED;
  record.thawed_at = pvt_boottime ();
  ok = pvt_record_save (config->statedir, &record, error);
  pvt_record_clear (&record);
  return ok;
}
