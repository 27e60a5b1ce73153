/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include "host-side/client/channel-of-qemu.h"
#include "machine-look.h"
#include "machine-news.h"
#include "pvt-error.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QMP_MS 5000
#define RETRY_MS 1000
#define IDLE_MS 60000

/* A balloon driver that has answered and is silent for so long does not run. */
#define BALLOON_STALL_US (8 * G_USEC_PER_SEC)

/* For a state of the machine to change. */
#define SETTLE_TRIES 50
#define SETTLE_US 100000

/* A look at the channel comes later than it could by so much. */
#define CHECK_MARGIN_US 50000

/* Most events that wait to be handled; QEMU limits their rate itself. */
#define MAX_EVENTS 256

struct _PvtMachine
{
  char *path, *port_name;
  gint64 interval;
  gboolean outlive_panic;
  const PvtMachineSink *sink;
  PvtMailbox *mailbox;
  GThread *thread;
  int wake;
  /* from the owner's thread */
  GMutex lock;
  gboolean stopping, looking, check_channel;
  const PvtHeartbeatSource *source_ops;
  gpointer source;
  PvtActionKind action; /* NONE: nothing is to be done */
  /* the thread's own */
  PvtQmp *qmp;
  GQueue events; /* JsonObject */
  char *chardev, *balloon;
  PvtEvidence evidence;
  gboolean was_looking, migrating, moved, told_trouble;
  gboolean stopping_itself; /* QEMU said that it will stop: no STOP of somebody's */
  gint64 next_look, check_at; /* 0: no check is due */
  int port; /* -1: not known */
};

/* ---- to the owner ---- */

static void
tell (PvtMachine *machine, PvtHealthInputKind kind)
{
  const PvtHealthInput input = { .kind = kind };

  pvt_machine_tell_input (machine->sink, machine->mailbox, &input);
}

static void
tell_note (PvtMachine *machine, const char *text)
{
  pvt_machine_tell_note (machine->sink, machine->mailbox, text);
}

/* ---- what is looked at ---- */

static void
look_at_port (PvtMachine *machine)
{
  gboolean open = FALSE, connected = FALSE, away;

  if (machine->chardev == NULL || !pvt_look_port (machine->qmp, machine->chardev, &open, &connected))
    return;
  if (machine->port != open)
    tell (machine, open ? PVT_HEALTH_IN_PORT_OPENED : PVT_HEALTH_IN_PORT_CLOSED);
  machine->port = open;
  g_mutex_lock (&machine->lock);
  away = machine->source && machine->source_ops->is_away (machine->source);
  g_mutex_unlock (&machine->lock);
  if (connected && away)
    tell (machine, PVT_HEALTH_IN_CHANNEL_TAKEN);
}

static void
set_migrating (PvtMachine *machine, gboolean migrating)
{
  if (machine->migrating != migrating)
    tell (machine, migrating ? PVT_HEALTH_IN_MIGRATING : PVT_HEALTH_IN_MIGRATED);
  machine->migrating = migrating;
}

static void
look (PvtMachine *machine)
{
  gint64 now = g_get_monotonic_time ();
  PvtHealthInput input = { .kind = PVT_HEALTH_IN_KERNEL };
  PvtCpuSample sample = { 0 };

  look_at_port (machine);
  set_migrating (machine, pvt_look_migrating (machine->qmp));
  if (pvt_look_cpus (machine->qmp, &sample))
    pvt_evidence_add_cpus (&machine->evidence, &sample);
  if (machine->balloon)
    pvt_evidence_add_balloon (&machine->evidence, pvt_look_balloon (machine->qmp, machine->balloon),
                              now);
  input.kernel = pvt_evidence_verdict (&machine->evidence, BALLOON_STALL_US, now);
  pvt_machine_tell_input (machine->sink, machine->mailbox, &input);
}

static void
look_if_due (PvtMachine *machine)
{
  gboolean looking;

  g_mutex_lock (&machine->lock);
  looking = machine->looking;
  g_mutex_unlock (&machine->lock);
  if (looking && !machine->was_looking)
    {
      pvt_evidence_begin (&machine->evidence);
      machine->next_look = 0;
    }
  machine->was_looking = looking;
  if (!looking || g_get_monotonic_time () < machine->next_look)
    return;
  look (machine);
  machine->next_look = g_get_monotonic_time () + machine->interval;
}

static void
check_if_due (PvtMachine *machine)
{
  gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&machine->lock);
  if (machine->check_channel)
    machine->check_at = now + PVT_SOURCE_AWAY_US + CHECK_MARGIN_US;
  machine->check_channel = FALSE;
  g_mutex_unlock (&machine->lock);
  if (machine->check_at == 0 || now < machine->check_at)
    return;
  machine->check_at = 0;
  look_at_port (machine);
}

/* ---- events ---- */

/* Those that say all by their name. */
static const struct
{
  const char *name;
  PvtHealthInputKind kind;
} plain_events[] = {
  { "RESUME", PVT_HEALTH_IN_RUNNING },          { "WAKEUP", PVT_HEALTH_IN_RUNNING },
  { "SUSPEND", PVT_HEALTH_IN_STOPPED },         { "RESET", PVT_HEALTH_IN_RESET },
  { "SHUTDOWN", PVT_HEALTH_IN_SHUTDOWN },       { "GUEST_PANICKED", PVT_HEALTH_IN_PANICKED },
  { "GUEST_CRASHLOADED", PVT_HEALTH_IN_CRASH_LOADED },
  { "WATCHDOG", PVT_HEALTH_IN_WATCHDOG },
};

static const char *const other_events[] = { "STOP", "VSERPORT_CHANGE", "MIGRATION", NULL };

static gboolean
find_plain_event (const char *name, PvtHealthInputKind *kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (plain_events); i++)
    if (strcmp (name, plain_events[i].name) == 0)
      {
        *kind = plain_events[i].kind;
        return TRUE;
      }
  return FALSE;
}

/* Called while another command waits for its reply: only noted here. */
static void
event_came (const char *name, JsonObject *event, gpointer user_data)
{
  PvtMachine *machine = user_data;
  PvtHealthInputKind kind;

  if ((find_plain_event (name, &kind) || g_strv_contains (other_events, name))
      && machine->events.length < MAX_EVENTS)
    g_queue_push_tail (&machine->events, json_object_ref (event));
}

/* Why the processors stand still. One that runs again by now was stopped. */
static void
take_stop (PvtMachine *machine)
{
  g_autofree char *status = pvt_look_status (machine->qmp);
  PvtHealthInputKind kind = PVT_HEALTH_IN_STOPPED;

  if (machine->stopping_itself)
    {
      machine->stopping_itself = FALSE;
      return;
    }
  machine->moved = strcmp (status, "postmigrate") == 0;
  if (!pvt_look_status_means (status, &kind) || kind == PVT_HEALTH_IN_RUNNING)
    kind = PVT_HEALTH_IN_STOPPED;
  tell (machine, kind);
}

static void
take_event (PvtMachine *machine, JsonObject *event)
{
  const char *name = pvt_json_string (event, "event");
  JsonNode *node = json_object_get_member (event, "data");
  JsonObject *data = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  PvtHealthInputKind kind;

  /* Of a panic and of a watchdog, a STOP behind which tells nothing new. */
  if (g_strcmp0 (pvt_json_string (data, "action"), "pause") == 0)
    machine->stopping_itself = TRUE;
  if (find_plain_event (name, &kind))
    {
      /* What is left behind by a migration ends; the guest does not. */
      if (kind != PVT_HEALTH_IN_SHUTDOWN || !machine->moved)
        tell (machine, kind);
    }
  else if (strcmp (name, "STOP") == 0)
    take_stop (machine);
  else if (strcmp (name, "MIGRATION") == 0)
    set_migrating (machine, pvt_look_is_migrating (pvt_json_string (data, "status")));
  if (strcmp (name, "VSERPORT_CHANGE") == 0 || strcmp (name, "RESET") == 0)
    look_at_port (machine);
}

static void
take_events (PvtMachine *machine)
{
  JsonObject *event;

  while ((event = g_queue_pop_head (&machine->events)) != NULL)
    {
      take_event (machine, event);
      json_object_unref (event);
    }
}

/* ---- actions ---- */

static gboolean
execute (PvtMachine *machine, const char *command)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) done = pvt_qmp_execute (machine->qmp, command, NULL, &error);

  if (done == NULL)
    tell_note (machine, error->message);
  return done != NULL;
}

static gboolean
is_running (PvtMachine *machine)
{
  g_autofree char *status = pvt_look_status (machine->qmp);

  return strcmp (status, "running") == 0;
}

/* A machine that is about to stop would do so behind the reset, too, and stay. */
static void
await_stop (PvtMachine *machine)
{
  for (guint i = 0; machine->stopping_itself && is_running (machine) && i < SETTLE_TRIES; i++)
    g_usleep (SETTLE_US);
}

/* Some states are left only once the reset has been done. */
static void
go_on (PvtMachine *machine)
{
  for (guint i = 0; !is_running (machine) && i < SETTLE_TRIES; i++)
    {
      g_autoptr (JsonNode) done = pvt_qmp_execute (machine->qmp, "cont", NULL, NULL);

      if (done == NULL)
        g_usleep (SETTLE_US);
    }
}

static void
act (PvtMachine *machine)
{
  PvtActionKind action;

  g_mutex_lock (&machine->lock);
  action = machine->action;
  machine->action = PVT_ACTION_NONE;
  g_mutex_unlock (&machine->lock);
  if (action == PVT_ACTION_POWER_OFF)
    execute (machine, "quit");
  if (action != PVT_ACTION_RESET)
    return;
  await_stop (machine);
  if (execute (machine, "system_reset"))
    go_on (machine);
}

/* ---- the connection ---- */

static void
set_panic_action (PvtMachine *machine)
{
  g_autoptr (JsonObject) arguments = json_object_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) done = NULL;

  json_object_set_string_member (arguments, "panic", "none");
  done = pvt_qmp_execute (machine->qmp, "set-action", arguments, &error);
  if (done == NULL)
    tell_note (machine, error->message);
}

static void
greet (PvtMachine *machine)
{
  g_autofree char *status = pvt_look_status (machine->qmp), *path = NULL, *plain = NULL;
  g_autofree char *chardev = NULL;
  g_autoptr (GError) error = NULL;
  PvtHealthInputKind kind;

  tell (machine, PVT_HEALTH_IN_STARTED);
  machine->moved = strcmp (status, "postmigrate") == 0;
  if (pvt_look_status_means (status, &kind))
    tell (machine, kind);
  if (machine->outlive_panic)
    set_panic_action (machine);
  machine->balloon = pvt_look_find_balloon (machine->qmp);
  if (!pvt_qmp_find_channel (machine->qmp, machine->port_name, &machine->chardev, &path, &error))
    {
      tell_note (machine, error->message);
      return;
    }
  look_at_port (machine);
  pvt_qmp_find_channel (machine->qmp, PVT_AGENT_PORT, &chardev, &plain, NULL);
  pvt_machine_tell_channel (machine->sink, machine->mailbox, path, plain);
}

static void
disconnect (PvtMachine *machine)
{
  take_events (machine);
  g_clear_pointer (&machine->qmp, pvt_qmp_close);
  g_clear_pointer (&machine->chardev, g_free);
  g_clear_pointer (&machine->balloon, g_free);
  machine->migrating = machine->stopping_itself = FALSE;
  machine->port = -1;
}

/* Nobody listens there: that machine is no more. One that does not answer is
 * taken by somebody else, and its guest may be well. */
static void
take_failure (PvtMachine *machine, const GError *error)
{
  if (machine->told_trouble || machine->moved)
    return;
  machine->told_trouble = TRUE;
  if (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT))
    tell_note (machine, error->message);
  else
    tell (machine, PVT_HEALTH_IN_GONE);
}

static void
connect (PvtMachine *machine)
{
  g_autoptr (GError) error = NULL;

  machine->qmp = pvt_qmp_open (machine->path, QMP_MS, NULL, &error);
  if (machine->qmp == NULL)
    {
      take_failure (machine, error);
      return;
    }
  machine->told_trouble = FALSE;
  machine->was_looking = FALSE;
  pvt_qmp_set_event_handler (machine->qmp, event_came, machine);
  greet (machine);
}

static int
next_work_ms (const PvtMachine *machine)
{
  gint64 now = g_get_monotonic_time (), left = IDLE_MS;

  if (machine->qmp == NULL)
    return RETRY_MS;
  if (machine->was_looking)
    left = MIN (left, (machine->next_look - now) / 1000 + 1);
  if (machine->check_at)
    left = MIN (left, (machine->check_at - now) / 1000 + 1);
  return (int) MAX (left, 0);
}

static void
wait_for_work (PvtMachine *machine)
{
  struct pollfd fds[] = { { .fd = machine->wake, .events = POLLIN },
                          { .fd = machine->qmp ? pvt_qmp_fd (machine->qmp) : -1, .events = POLLIN } };
  guint64 count;

  if (poll (fds, G_N_ELEMENTS (fds), next_work_ms (machine)) > 0 && fds[0].revents
      && read (machine->wake, &count, sizeof count) < 0 && errno != EAGAIN)
    tell_note (machine, g_strerror (errno));
}

static gboolean
is_stopping (PvtMachine *machine)
{
  gboolean stopping;

  g_mutex_lock (&machine->lock);
  stopping = machine->stopping;
  g_mutex_unlock (&machine->lock);
  return stopping;
}

/* Handling an event asks the monitor, and behind an answer there may be events.
 * FALSE: it is gone. */
static gboolean
drain (PvtMachine *machine)
{
  guint n;

  do
    {
      if (!pvt_qmp_take_events (machine->qmp, NULL))
        return FALSE;
      n = machine->events.length;
      take_events (machine);
    }
  while (n > 0);
  return TRUE;
}

static void
serve (PvtMachine *machine)
{
  if (drain (machine))
    {
      act (machine);
      check_if_due (machine);
      look_if_due (machine);
    }
  /* What came behind the answers does not make the descriptor readable. */
  if (drain (machine))
    return;
  take_events (machine);
  if (!machine->moved)
    tell (machine, PVT_HEALTH_IN_GONE);
  machine->told_trouble = TRUE;
  disconnect (machine);
}

static gpointer
run (gpointer data)
{
  PvtMachine *machine = data;

  while (!is_stopping (machine))
    {
      if (machine->qmp == NULL)
        connect (machine);
      if (machine->qmp)
        serve (machine);
      wait_for_work (machine);
    }
  disconnect (machine);
  return NULL;
}

/* ---- from the owner ---- */

static void
wake (PvtMachine *machine)
{
  guint64 one = 1;

  if (write (machine->wake, &one, sizeof one) < 0)
    g_assert (errno == EAGAIN);
}

PvtMachine *
pvt_machine_new (const char *qmp_path, const char *port, gint64 interval,
                 gboolean outlive_panic, const PvtMachineSink *sink, PvtMailbox *mailbox)
{
  PvtMachine *machine = g_new0 (PvtMachine, 1);

  machine->path = g_strdup (qmp_path);
  machine->port_name = g_strdup (port);
  machine->interval = interval;
  machine->outlive_panic = outlive_panic;
  machine->sink = sink;
  machine->mailbox = pvt_mailbox_ref (mailbox);
  machine->port = -1;
  machine->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  g_mutex_init (&machine->lock);
  machine->thread = g_thread_new ("pvt-machine", run, machine);
  return machine;
}

void
pvt_machine_free (PvtMachine *machine)
{
  if (machine == NULL)
    return;
  g_mutex_lock (&machine->lock);
  machine->stopping = TRUE;
  g_mutex_unlock (&machine->lock);
  wake (machine);
  g_thread_join (machine->thread);
  close (machine->wake);
  g_mutex_clear (&machine->lock);
  pvt_mailbox_unref (machine->mailbox);
  g_free (machine->path);
  g_free (machine->port_name);
  g_free (machine);
}

void
pvt_machine_set_looking (PvtMachine *machine, gboolean looking)
{
  gboolean news;

  g_mutex_lock (&machine->lock);
  news = machine->looking != looking;
  machine->looking = looking;
  g_mutex_unlock (&machine->lock);
  if (news)
    wake (machine);
}

void
pvt_machine_set_source (PvtMachine *machine, const PvtHeartbeatSource *ops, gpointer source)
{
  g_mutex_lock (&machine->lock);
  machine->source_ops = ops;
  machine->source = source;
  g_mutex_unlock (&machine->lock);
}

void
pvt_machine_check_channel (PvtMachine *machine)
{
  g_mutex_lock (&machine->lock);
  machine->check_channel = TRUE;
  g_mutex_unlock (&machine->lock);
  wake (machine);
}

void
pvt_machine_act (PvtMachine *machine, PvtActionKind kind)
{
  g_mutex_lock (&machine->lock);
  machine->action = kind;
  g_mutex_unlock (&machine->lock);
  wake (machine);
}
