/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include "host-side/client/channel-of-qemu.h"
#include "host-side/client/extended.h"
#include "machine.h"
#include "recorder.h"

#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

/* A single question to an agent. */
#define ASK_MIN_MS 1000
#define ASK_MAX_MS 5000

struct _PvtHealthWatch
{
  char *address;
  gint64 interval, grace;
  PvtPolicy policy;
  GSource *pending; /* what is done about a panic when the grace is over */
  const PvtHealthWatchOps *ops;
  gpointer user_data;
  PvtHealth health;
  const char *cause;
  GMainContext *context;
  GSource *timer;
  PvtMailbox *mailbox;
  PvtMachine *machine; /* NULL: the address has no monitor */
  const PvtHeartbeatSource *source_ops;
  gpointer source;
  char *channel; /* which @source is on */
  char *plain;   /* where commands go; NULL: not known */
  gboolean gone;
  PvtRecorder *recorder; /* NULL: nothing is kept */
};

/* ---- time ---- */

/* The silence from which on the machine is looked into. One that has to boot
 * first is given time; the end of a limit is not waited for. */
static gint64
look_after (const PvtHealthWatch *watch)
{
  switch (watch->health.condition)
    {
    case PVT_HEALTH_STARTING:
    case PVT_HEALTH_REBOOTED:
      return watch->health.limits.boot / 3;
    case PVT_HEALTH_OK:
    case PVT_HEALTH_AGENT_LOST:
    case PVT_HEALTH_GUEST_HUNG:
    case PVT_HEALTH_FROZEN:
      return watch->interval + watch->interval / 2;
    case PVT_HEALTH_PANICKED:
    case PVT_HEALTH_DUMPING:
    case PVT_HEALTH_SHUT_DOWN:
    case PVT_HEALTH_PAUSED:
    default:
      return G_MAXINT64;
    }
}

static void take_input (PvtHealthWatch *watch, const PvtHealthInput *input);

static gboolean
time_went_by (gpointer data)
{
  const PvtHealthInput tick = { .kind = PVT_HEALTH_IN_TICK };

  take_input (data, &tick);
  return G_SOURCE_REMOVE;
}

static void
clear_timer (PvtHealthWatch *watch)
{
  if (watch->timer == NULL)
    return;
  g_source_destroy (watch->timer);
  g_clear_pointer (&watch->timer, g_source_unref);
}

static void
set_timer (PvtHealthWatch *watch, gint64 when, gint64 now)
{
  clear_timer (watch);
  if (when == G_MAXINT64)
    return;
  watch->timer = g_timeout_source_new ((guint) CLAMP ((when - now) / 1000 + 1, 1, G_MAXINT));
  g_source_set_callback (watch->timer, time_went_by, watch, NULL);
  g_source_attach (watch->timer, watch->context);
}

static void
plan (PvtHealthWatch *watch)
{
  gint64 now = g_get_monotonic_time (), when = pvt_health_next_tick (&watch->health, now);
  gint64 after = look_after (watch), silence = pvt_health_silence (&watch->health, now);
  gboolean counts = !watch->health.stopped && !watch->health.migrating && after != G_MAXINT64;

  if (watch->machine)
    {
      /* A migration's end is seen by looking, where its events are not sent. */
      pvt_machine_set_looking (watch->machine,
                               (counts && silence >= after) || watch->health.migrating);
      if (counts && silence < after)
        when = MIN (when, now + after - silence);
    }
  set_timer (watch, when, now);
}

static void
take_input (PvtHealthWatch *watch, const PvtHealthInput *input)
{
  pvt_health_input (&watch->health, input, g_get_monotonic_time ());
  plan (watch);
}

/* ---- what is done ---- */

static void
command_ended (GObject *process, GAsyncResult *result, gpointer data G_GNUC_UNUSED)
{
  g_subprocess_wait_finish (G_SUBPROCESS (process), result, NULL);
}

/* Nothing of what the guest says reaches the command's words. */
static void
run_command (PvtHealthWatch *watch, const char *command, const PvtHealthChange *change)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_setenv (launcher, "PVT_HEALTH_GUEST", watch->address, TRUE);
  g_subprocess_launcher_setenv (launcher, "PVT_HEALTH_STATE", pvt_health_state_name (change->to), TRUE);
  g_subprocess_launcher_setenv (launcher, "PVT_HEALTH_BEFORE", pvt_health_state_name (change->from), TRUE);
  g_subprocess_launcher_setenv (launcher, "PVT_HEALTH_CAUSE", change->cause, TRUE);
  /* Standard output is the watcher's. */
  g_subprocess_launcher_take_stdout_fd (launcher, dup (STDERR_FILENO));
  process = g_subprocess_launcher_spawn (launcher, &error, "/bin/sh", "-c", command, NULL);
  if (process)
    g_subprocess_wait_async (process, NULL, command_ended, NULL);
  else
    watch->ops->note (watch, error->message, watch->user_data);
}

static void
carry_out (PvtHealthWatch *watch, const PvtHealthChange *change)
{
  gboolean refused;
  const PvtAction *action = pvt_policy_decide (&watch->policy, change, &refused);

  if (refused)
    watch->ops->acted (watch, change->to == PVT_HEALTH_PANICKED ? &watch->policy.on_panic : &watch->policy.on_hang,
                       TRUE, watch->user_data);
  if (action == NULL)
    return;
  watch->ops->acted (watch, action, FALSE, watch->user_data);
  if (action->kind == PVT_ACTION_RUN)
    run_command (watch, action->command, change);
  else if (watch->machine)
    pvt_machine_act (watch->machine, action->kind);
}

static gboolean
grace_is_over (gpointer data)
{
  PvtHealthWatch *watch = data;
  const PvtHealthChange change = { PVT_HEALTH_PANICKED, PVT_HEALTH_PANICKED, watch->cause,
                                   g_get_monotonic_time () };

  g_clear_pointer (&watch->pending, g_source_unref);
  carry_out (watch, &change);
  return G_SOURCE_REMOVE;
}

static void
clear_pending (PvtHealthWatch *watch)
{
  if (watch->pending)
    g_source_destroy (watch->pending);
  g_clear_pointer (&watch->pending, g_source_unref);
}

/* Linux tells of its panic before it writes its last words to pstore, and may
 * reset itself behind that (panic() in kernel/panic.c): it is given time. */
static void
carry_out_later (PvtHealthWatch *watch, const PvtHealthChange *change)
{
  PvtActionKind kind = watch->policy.on_panic.kind;

  clear_pending (watch);
  if (change->to != PVT_HEALTH_PANICKED || watch->grace == 0
      || (kind != PVT_ACTION_RESET && kind != PVT_ACTION_POWER_OFF))
    {
      carry_out (watch, change);
      return;
    }
  watch->pending = g_timeout_source_new ((guint) CLAMP (watch->grace / 1000, 1, G_MAXINT));
  g_source_set_callback (watch->pending, grace_is_over, watch, NULL);
  g_source_attach (watch->pending, watch->context);
}

static void
changed (const PvtHealthChange *change, gpointer data)
{
  PvtHealthWatch *watch = data;

  watch->cause = change->cause;
  watch->ops->changed (watch, change, watch->user_data);
  /* First, for what is done may end the machine and its console with it. */
  if (watch->recorder)
    pvt_recorder_take (watch->recorder, change, watch->plain);
  carry_out_later (watch, change);
}

/* ---- what is heard ---- */

static void
heartbeat (gpointer data, const char *boot_id, gboolean frozen)
{
  PvtHealthWatch *watch = data;
  const PvtHealthInput started = { .kind = PVT_HEALTH_IN_STARTED };
  const PvtHealthInput beat = { PVT_HEALTH_IN_HEARTBEAT, boot_id, frozen, PVT_KERNEL_UNKNOWN };

  /* Without a monitor it is the channel that goes and comes. */
  if (watch->gone)
    take_input (watch, &started);
  watch->gone = FALSE;
  take_input (watch, &beat);
}

static void
channel_gone (gpointer data)
{
  PvtHealthWatch *watch = data;
  const PvtHealthInput gone = { .kind = PVT_HEALTH_IN_GONE };

  if (watch->machine)
    return; /* the monitor knows better */
  watch->gone = TRUE;
  take_input (watch, &gone);
}

static void
unanswered (gpointer data)
{
  PvtHealthWatch *watch = data;

  if (watch->machine)
    pvt_machine_check_channel (watch->machine);
}

static const PvtHeartbeatSink heartbeat_sink = { heartbeat, channel_gone, unanswered };

static void
stop_source (PvtHealthWatch *watch)
{
  if (watch->machine)
    pvt_machine_set_source (watch->machine, NULL, NULL);
  if (watch->source)
    watch->source_ops->stop (watch->source);
  watch->source = NULL;
  g_clear_pointer (&watch->channel, g_free);
}

static void
start_source (PvtHealthWatch *watch, const char *address)
{
  gint64 ask_ms = watch->health.limits.lost / 4000;

  watch->channel = g_strdup (address);
  watch->source = watch->source_ops->start (address, watch->interval,
                                            (int) CLAMP (ask_ms, ASK_MIN_MS, ASK_MAX_MS),
                                            &heartbeat_sink, watch->mailbox);
  if (watch->machine)
    pvt_machine_set_source (watch->machine, watch->source_ops, watch->source);
}

static void
channel_found (gpointer data, const char *address, const char *plain)
{
  PvtHealthWatch *watch = data;

  g_free (watch->plain);
  watch->plain = g_strdup (plain);
  if (g_strcmp0 (watch->channel, address) == 0)
    return;
  stop_source (watch);
  start_source (watch, address);
}

static void
machine_input (gpointer data, const PvtHealthInput *input)
{
  take_input (data, input);
}

static void
take_note (gpointer data, const char *text)
{
  PvtHealthWatch *watch = data;

  watch->ops->note (watch, text, watch->user_data);
}

static const PvtMachineSink machine_sink = { machine_input, channel_found, take_note };

/* ---- life ---- */

static void
copy_action (PvtAction *to, const PvtAction *from)
{
  to->kind = from->kind;
  to->command = g_strdup (from->command);
}

PvtHealthWatch *
pvt_health_watch_new (const PvtHealthWatchConfig *config, const PvtHealthWatchOps *ops, gpointer user_data,
               GError **error)
{
  PvtHealthWatch *watch = g_new0 (PvtHealthWatch, 1);

  watch->address = g_strdup (config->address);
  watch->interval = config->interval;
  watch->grace = config->grace;
  watch->ops = ops;
  watch->user_data = user_data;
  watch->cause = "";
  watch->source_ops = config->source ? config->source : &pvt_heartbeat_poll;
  watch->policy.limit = config->limit;
  copy_action (&watch->policy.on_panic, &config->on_panic);
  copy_action (&watch->policy.on_hang, &config->on_hang);
  watch->context = g_main_context_ref_thread_default ();
  watch->mailbox = pvt_mailbox_new (watch);
  if (config->crash_directory)
    {
      watch->recorder = pvt_recorder_new (config->crash_directory, config->address, config->console,
                                          take_note, watch->mailbox, error);
      if (watch->recorder == NULL)
        {
          pvt_health_watch_free (watch);
          return NULL;
        }
    }
  pvt_health_init (&watch->health, &config->limits, g_get_monotonic_time (), changed, watch);
  if (g_str_has_prefix (config->address, "qemu:"))
    watch->machine = pvt_machine_new (config->address + strlen ("qemu:"),
                                      watch->source_ops->extended ? PVT_EXTENDED_PORT : PVT_AGENT_PORT,
                                      config->interval,
                                      config->on_panic.kind == PVT_ACTION_RESET, &machine_sink,
                                      watch->mailbox);
  else
    {
      watch->plain = watch->source_ops->extended ? NULL : g_strdup (config->address);
      start_source (watch, config->address);
    }
  plan (watch);
  return watch;
}

void
pvt_health_watch_free (PvtHealthWatch *watch)
{
  if (watch == NULL)
    return;
  pvt_mailbox_close (watch->mailbox);
  stop_source (watch);
  pvt_machine_free (watch->machine);
  clear_timer (watch);
  clear_pending (watch);
  pvt_recorder_free (watch->recorder);
  pvt_mailbox_unref (watch->mailbox);
  g_main_context_unref (watch->context);
  pvt_action_clear (&watch->policy.on_panic);
  pvt_action_clear (&watch->policy.on_hang);
  g_free (watch->address);
  g_free (watch->plain);
  g_free (watch);
}

const char *
pvt_health_watch_address (const PvtHealthWatch *watch)
{
  return watch->address;
}

PvtHealthState
pvt_health_watch_state (const PvtHealthWatch *watch)
{
  return pvt_health_state (&watch->health);
}

const char *
pvt_health_watch_cause (const PvtHealthWatch *watch)
{
  return watch->cause;
}
