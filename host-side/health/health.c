/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health.h"

#include <string.h>

#define SECOND G_GINT64_CONSTANT (1000000)

const PvtHealthLimits pvt_health_default_limits
    = { 30 * SECOND, 60 * SECOND, 300 * SECOND, 600 * SECOND, 300 * SECOND };

const char *
pvt_health_state_name (PvtHealthState state)
{
  static const char *const names[] = {
    "starting", "ok", "agent-lost", "guest-hung", "panicked",
    "dumping", "rebooted", "shut-down", "paused", "frozen",
  };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == PVT_HEALTH_N_STATES);
  return names[state];
}

/* A crash and an end stay what they are when the processors stop. */
static gboolean
pause_hides (PvtHealthState condition)
{
  return condition != PVT_HEALTH_PANICKED && condition != PVT_HEALTH_DUMPING
         && condition != PVT_HEALTH_SHUT_DOWN;
}

PvtHealthState
pvt_health_state (const PvtHealth *health)
{
  return health->stopped && pause_hides (health->condition) ? PVT_HEALTH_PAUSED
                                                            : health->condition;
}

static void
show (PvtHealth *health, const char *cause, gint64 now)
{
  PvtHealthChange change = { health->shown, pvt_health_state (health), cause, now };

  if (change.from == change.to)
    return;
  health->shown = change.to;
  if (health->changed)
    health->changed (&change, health->user_data);
}

/* The clock of silence begins anew, and what was found out in the last one is old. */
static void
hear (PvtHealth *health, gint64 now)
{
  health->heard = now;
  health->kernel = PVT_KERNEL_UNKNOWN;
  health->barked = FALSE;
}

static void
move (PvtHealth *health, PvtHealthState condition, const char *cause, gint64 now)
{
  /* Those that have a limit of their own count from their beginning. */
  if (condition == PVT_HEALTH_REBOOTED || condition == PVT_HEALTH_DUMPING)
    hear (health, now);
  health->condition = condition;
  show (health, cause, now);
}

void
pvt_health_init (PvtHealth *health, const PvtHealthLimits *limits, gint64 now,
                 PvtHealthChanged changed, gpointer user_data)
{
  memset (health, 0, sizeof *health);
  health->limits = *limits;
  health->changed = changed;
  health->user_data = user_data;
  health->heard = now;
}

/* ---- events: what follows from each, whatever the time ---- */

#define STAY (-1)

typedef struct
{
  const char *cause;
  gint8 next[PVT_HEALTH_N_STATES]; /* by condition */
} Event;

enum
{
  P = PVT_HEALTH_PANICKED,
  D = PVT_HEALTH_DUMPING,
  H = PVT_HEALTH_GUEST_HUNG,
  R = PVT_HEALTH_REBOOTED,
  X = PVT_HEALTH_SHUT_DOWN,
  S = PVT_HEALTH_STARTING,
  o = STAY,
};

/* The machine's end after a panic is QEMU's answer to it, not the guest's wish:
 * "panicked" stays. */
static const Event events[PVT_HEALTH_N_INPUTS] = {
  /*                                               S  ok L  H  P  D  R  X  -  F */
  [PVT_HEALTH_IN_STARTED] = { "machine-started", { S, S, S, S, S, S, S, S, o, S } },
  [PVT_HEALTH_IN_PANICKED] = { "panic-event",    { P, P, P, P, o, P, P, P, o, P } },
  [PVT_HEALTH_IN_CRASH_LOADED] = { "crash-loaded-event", { D, D, D, D, o, o, D, D, o, D } },
  [PVT_HEALTH_IN_WATCHDOG] = { "watchdog-event", { H, H, H, o, o, o, H, o, o, H } },
  [PVT_HEALTH_IN_BROKEN] = { "processor-error",  { H, H, H, o, o, o, H, o, o, H } },
  [PVT_HEALTH_IN_RESET] = { "reset-event",       { R, R, R, R, R, R, R, R, o, R } },
  [PVT_HEALTH_IN_SHUTDOWN] = { "shutdown-event", { X, X, X, X, o, X, X, o, o, X } },
  [PVT_HEALTH_IN_GONE] = { "machine-gone",       { X, X, X, X, o, X, X, o, o, X } },
};

static void
take_event (PvtHealth *health, PvtHealthInputKind kind, gint64 now)
{
  int next = events[kind].next[health->condition];
  PvtHealthState shown = health->shown;

  if (kind == PVT_HEALTH_IN_STARTED)
    {
      PvtHealthLimits limits = health->limits;

      pvt_health_init (health, &limits, now, health->changed, health->user_data);
      health->shown = shown;
    }
  if (kind == PVT_HEALTH_IN_WATCHDOG || kind == PVT_HEALTH_IN_BROKEN)
    health->barked = TRUE;
  if (next != STAY)
    move (health, (PvtHealthState) next, events[kind].cause, now);
}

/* ---- heartbeats ---- */

/* A heartbeat of another boot than the one that is known. */
static gboolean
is_new_boot (const PvtHealth *health, const char *boot_id)
{
  return boot_id && *health->boot_id
         && strncmp (boot_id, health->boot_id, PVT_HEALTH_BOOT_ID_MAX) != 0;
}

/* It was sent before the end that is known of. */
static gboolean
is_late (const PvtHealth *health, const PvtHealthInput *input)
{
  switch (health->condition)
    {
    case PVT_HEALTH_PANICKED:
    case PVT_HEALTH_DUMPING:
    case PVT_HEALTH_SHUT_DOWN:
      return TRUE;
    case PVT_HEALTH_REBOOTED:
      return input->boot_id && *health->boot_id;
    case PVT_HEALTH_STARTING:
    case PVT_HEALTH_OK:
    case PVT_HEALTH_AGENT_LOST:
    case PVT_HEALTH_GUEST_HUNG:
    case PVT_HEALTH_PAUSED:
    case PVT_HEALTH_FROZEN:
    default:
      return FALSE;
    }
}

static void
take_heartbeat (PvtHealth *health, const PvtHealthInput *input, gint64 now)
{
  gboolean new_boot = is_new_boot (health, input->boot_id);

  if (!new_boot && is_late (health, input))
    return;
  hear (health, now);
  if (input->boot_id)
    g_strlcpy (health->boot_id, input->boot_id, sizeof health->boot_id);
  if (new_boot && health->condition != PVT_HEALTH_REBOOTED)
    move (health, PVT_HEALTH_REBOOTED, "boot-id", now);
  move (health, input->frozen ? PVT_HEALTH_FROZEN : PVT_HEALTH_OK, "heartbeat", now);
}

/* ---- time ---- */

gint64
pvt_health_silence (const PvtHealth *health, gint64 now)
{
  return health->stopped || health->migrating ? 0 : MAX (now - health->heard, 0);
}

/* The silence after which something is said, and after which it is said even of
 * a guest that nothing can be told about. G_MAXINT64: never. */
static void
get_limits (const PvtHealth *health, gint64 *first, gint64 *last)
{
  gint64 more = MAX (health->limits.hang - health->limits.lost, 0);

  switch (health->condition)
    {
    case PVT_HEALTH_OK:
      *first = health->limits.lost;
      break;
    case PVT_HEALTH_STARTING:
    case PVT_HEALTH_REBOOTED:
      *first = health->limits.boot;
      break;
    case PVT_HEALTH_FROZEN:
      *first = health->limits.frozen;
      break;
    case PVT_HEALTH_DUMPING:
      *first = health->limits.dump;
      more = 0;
      break;
    case PVT_HEALTH_AGENT_LOST:
    case PVT_HEALTH_GUEST_HUNG:
    case PVT_HEALTH_PANICKED:
    case PVT_HEALTH_SHUT_DOWN:
    case PVT_HEALTH_PAUSED:
    default:
      *first = *last = G_MAXINT64;
      return;
    }
  *last = *first + more;
}

/* The silence is long enough to say something. */
static void
judge (PvtHealth *health, gboolean is_last, gint64 now)
{
  gboolean closed = health->port_known && !health->port_open;
  gboolean never_heard = health->condition == PVT_HEALTH_STARTING
                         || health->condition == PVT_HEALTH_REBOOTED;

  if (health->kernel == PVT_KERNEL_DEAD)
    move (health, PVT_HEALTH_GUEST_HUNG, "kernel-dead", now);
  else if (closed)
    move (health, PVT_HEALTH_AGENT_LOST, "port-closed", now);
  else if (health->kernel == PVT_KERNEL_ALIVE)
    move (health, PVT_HEALTH_AGENT_LOST, "kernel-alive", now);
  else if (is_last && health->kernel == PVT_KERNEL_BUSY
           && (health->port_open || !never_heard))
    move (health, PVT_HEALTH_GUEST_HUNG, "all-processors-busy", now);
  else if (is_last)
    move (health, PVT_HEALTH_AGENT_LOST, "silence", now);
}

static void
look (PvtHealth *health, gint64 now)
{
  gint64 silence = pvt_health_silence (health, now), first, last;

  if (health->stopped || health->migrating)
    return;
  get_limits (health, &first, &last);
  if (health->condition == PVT_HEALTH_AGENT_LOST && health->kernel == PVT_KERNEL_DEAD)
    move (health, PVT_HEALTH_GUEST_HUNG, "kernel-dead", now);
  else if (health->condition == PVT_HEALTH_GUEST_HUNG && health->kernel == PVT_KERNEL_ALIVE
           && !health->barked)
    move (health, PVT_HEALTH_AGENT_LOST, "kernel-alive", now);
  else if (health->condition == PVT_HEALTH_DUMPING && silence >= first)
    move (health, PVT_HEALTH_PANICKED, "dump-too-long", now);
  else if (silence >= first)
    judge (health, silence >= last, now);
}

gint64
pvt_health_next_tick (const PvtHealth *health, gint64 now)
{
  gint64 first, last;

  if (health->stopped || health->migrating)
    return G_MAXINT64;
  get_limits (health, &first, &last);
  if (first == G_MAXINT64 || now >= health->heard + last)
    return G_MAXINT64;
  return health->heard + (now < health->heard + first ? first : last);
}

/* ---- all of them ---- */

void
pvt_health_input (PvtHealth *health, const PvtHealthInput *input, gint64 now)
{
  switch (input->kind)
    {
    case PVT_HEALTH_IN_HEARTBEAT:
      take_heartbeat (health, input, now);
      break;
    case PVT_HEALTH_IN_PORT_OPENED:
    case PVT_HEALTH_IN_PORT_CLOSED:
      health->port_known = TRUE;
      health->port_open = input->kind == PVT_HEALTH_IN_PORT_OPENED;
      break;
    case PVT_HEALTH_IN_CHANNEL_TAKEN:
      hear (health, now);
      break;
    case PVT_HEALTH_IN_KERNEL:
      health->kernel = input->kernel;
      break;
    case PVT_HEALTH_IN_STOPPED:
      health->stopped = TRUE;
      show (health, "stop-event", now);
      break;
    case PVT_HEALTH_IN_RUNNING:
      hear (health, now);
      health->stopped = FALSE;
      show (health, "resume-event", now);
      break;
    case PVT_HEALTH_IN_MIGRATING:
    case PVT_HEALTH_IN_MIGRATED:
      hear (health, now);
      health->migrating = input->kind == PVT_HEALTH_IN_MIGRATING;
      break;
    case PVT_HEALTH_IN_TICK:
      break;
    case PVT_HEALTH_IN_STARTED:
    case PVT_HEALTH_IN_PANICKED:
    case PVT_HEALTH_IN_CRASH_LOADED:
    case PVT_HEALTH_IN_WATCHDOG:
    case PVT_HEALTH_IN_BROKEN:
    case PVT_HEALTH_IN_RESET:
    case PVT_HEALTH_IN_SHUTDOWN:
    case PVT_HEALTH_IN_GONE:
    default:
      take_event (health, input->kind, now);
    }
  look (health, now);
}
