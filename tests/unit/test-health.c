/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every condition a guest can be in, and everything that can happen then. */
#include "tap-main.h"

#include "host-side/health/health.h"

#include <stdlib.h>

#define S G_GINT64_CONSTANT (1000000)
#define LOST (30 * S)
#define HANG (60 * S)
#define BOOT (300 * S)
#define FROZEN (600 * S)
#define DUMP (200 * S)

#define BOOT_A "0a3f9b9e-0000-4000-8000-000000000000"
#define BOOT_B "0b3f9b9e-0000-4000-8000-000000000000"

static const PvtHealthLimits limits = { LOST, HANG, BOOT, FROZEN, DUMP };

/* Changes so far: "ok panicked ". */
typedef struct
{
  PvtHealth health;
  GString *seen;
  char cause[40];
  gint64 now;
} Guest;

static void
changed (const PvtHealthChange *change, gpointer data)
{
  Guest *guest = data;

  assert_int_not_equal (change->from, change->to);
  assert_int_equal (change->when, guest->now);
  assert_true (change->cause && *change->cause);
  g_string_append_printf (guest->seen, "%s ", pvt_health_state_name (change->to));
  g_strlcpy (guest->cause, change->cause, sizeof guest->cause);
}

static void
begin (Guest *guest)
{
  guest->now = 1000 * S;
  guest->seen = g_string_new (NULL);
  pvt_health_init (&guest->health, &limits, guest->now, changed, guest);
}

static void
end (Guest *guest)
{
  g_string_free (guest->seen, TRUE);
}

static void
put (Guest *guest, PvtHealthInputKind kind)
{
  const PvtHealthInput input = { .kind = kind };

  pvt_health_input (&guest->health, &input, guest->now);
}

static void
beat (Guest *guest, const char *boot_id, gboolean frozen)
{
  const PvtHealthInput input = { PVT_HEALTH_IN_HEARTBEAT, boot_id, frozen, PVT_KERNEL_UNKNOWN };

  pvt_health_input (&guest->health, &input, guest->now);
}

static void
see (Guest *guest, PvtKernel kernel)
{
  const PvtHealthInput input = { PVT_HEALTH_IN_KERNEL, NULL, FALSE, kernel };

  pvt_health_input (&guest->health, &input, guest->now);
}

static void
pass (Guest *guest, gint64 time)
{
  guest->now += time;
  put (guest, PVT_HEALTH_IN_TICK);
}

static PvtHealthState
state (const Guest *guest)
{
  return pvt_health_state (&guest->health);
}

/* Brings a guest into a condition by what really leads there. */
static void
bring (Guest *guest, PvtHealthState condition)
{
  begin (guest);
  if (condition == PVT_HEALTH_STARTING)
    return;
  beat (guest, BOOT_A, condition == PVT_HEALTH_FROZEN);
  switch (condition)
    {
    case PVT_HEALTH_AGENT_LOST:
      pass (guest, HANG);
      break;
    case PVT_HEALTH_GUEST_HUNG:
      see (guest, PVT_KERNEL_DEAD);
      pass (guest, LOST);
      break;
    case PVT_HEALTH_PANICKED:
      put (guest, PVT_HEALTH_IN_PANICKED);
      break;
    case PVT_HEALTH_DUMPING:
      put (guest, PVT_HEALTH_IN_CRASH_LOADED);
      break;
    case PVT_HEALTH_REBOOTED:
      put (guest, PVT_HEALTH_IN_RESET);
      break;
    case PVT_HEALTH_SHUT_DOWN:
      put (guest, PVT_HEALTH_IN_SHUTDOWN);
      break;
    case PVT_HEALTH_PAUSED:
      put (guest, PVT_HEALTH_IN_STOPPED);
      break;
    case PVT_HEALTH_STARTING:
    case PVT_HEALTH_OK:
    case PVT_HEALTH_FROZEN:
    default:
      break;
    }
  assert_int_equal (state (guest), condition);
  g_string_truncate (guest->seen, 0);
}

/* What happens, by the column of the table below. */
static void
happen (Guest *guest, guint column)
{
  static const PvtHealthInputKind events[] = {
    PVT_HEALTH_IN_STARTED, PVT_HEALTH_IN_PANICKED, PVT_HEALTH_IN_CRASH_LOADED,
    PVT_HEALTH_IN_WATCHDOG, PVT_HEALTH_IN_BROKEN, PVT_HEALTH_IN_RESET, PVT_HEALTH_IN_SHUTDOWN,
    PVT_HEALTH_IN_GONE, PVT_HEALTH_IN_STOPPED, PVT_HEALTH_IN_RUNNING, PVT_HEALTH_IN_PORT_OPENED,
    PVT_HEALTH_IN_PORT_CLOSED, PVT_HEALTH_IN_CHANNEL_TAKEN, PVT_HEALTH_IN_MIGRATING,
    PVT_HEALTH_IN_MIGRATED, PVT_HEALTH_IN_TICK,
  };
  const guint n = G_N_ELEMENTS (events);

  if (column < n)
    put (guest, events[column]);
  else if (column < n + 4)
    beat (guest, column < n + 2 ? BOOT_A : BOOT_B, column % 2 != n % 2);
  else if (column < n + 6)
    beat (guest, NULL, column % 2 != n % 2);
  else
    see (guest, (PvtKernel) (column - n - 6));
}

/* The states told, one letter each: Starting Ok Lost Hung Panicked Dumping
 * Rebooted shut-down(X) paused(Z) Frozen; "-" none. */
#define N_COLUMNS 26
static const char *const columns[N_COLUMNS] = {
  "started", "panicked", "crash-loaded", "watchdog", "broken", "reset", "shutdown", "gone",
  "stopped", "running", "port opened", "port closed", "channel taken", "migrating", "migrated",
  "tick", "beat", "frozen beat", "beat of another boot", "frozen beat of another boot",
  "beat of some boot", "frozen beat of some boot", "kernel unknown", "kernel alive",
  "kernel busy", "kernel dead",
};

static const struct
{
  PvtHealthState condition;
  const char *told[N_COLUMNS];
} table[] = {
  /*                       started               reset       stop     open             migr     tick same boot  other boot   some boot  kernel      */
  { PVT_HEALTH_STARTING,   { "-", "P", "D", "H", "H", "R", "X", "X", "Z", "-", "-", "-", "-", "-", "-", "-", "O", "F", "O", "F", "O", "F", "-", "-", "-", "-" } },
  { PVT_HEALTH_OK,         { "S", "P", "D", "H", "H", "R", "X", "X", "Z", "-", "-", "-", "-", "-", "-", "-", "-", "F", "RO", "RF", "-", "F", "-", "-", "-", "-" } },
  { PVT_HEALTH_AGENT_LOST, { "S", "P", "D", "H", "H", "R", "X", "X", "Z", "-", "-", "-", "-", "-", "-", "-", "O", "F", "RO", "RF", "O", "F", "-", "-", "-", "H" } },
  { PVT_HEALTH_GUEST_HUNG, { "S", "P", "D", "-", "-", "R", "X", "X", "Z", "-", "-", "-", "-", "-", "-", "-", "O", "F", "RO", "RF", "O", "F", "-", "L", "-", "-" } },
  { PVT_HEALTH_PANICKED,   { "S", "-", "-", "-", "-", "R", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "RO", "RF", "-", "-", "-", "-", "-", "-" } },
  { PVT_HEALTH_DUMPING,    { "S", "P", "-", "-", "-", "R", "X", "X", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "RO", "RF", "-", "-", "-", "-", "-", "-" } },
  { PVT_HEALTH_REBOOTED,   { "S", "P", "D", "H", "H", "-", "X", "X", "Z", "-", "-", "-", "-", "-", "-", "-", "-", "-", "O", "F", "O", "F", "-", "-", "-", "-" } },
  { PVT_HEALTH_SHUT_DOWN,  { "S", "P", "D", "-", "-", "R", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "RO", "RF", "-", "-", "-", "-", "-", "-" } },
  { PVT_HEALTH_PAUSED,     { "S", "P", "D", "-", "-", "-", "X", "X", "-", "O", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-" } },
  { PVT_HEALTH_FROZEN,     { "S", "P", "D", "H", "H", "R", "X", "X", "Z", "-", "-", "-", "-", "-", "-", "-", "O", "-", "RO", "RF", "O", "-", "-", "-", "-", "-" } },
};

static const char letters[PVT_HEALTH_N_STATES + 1] = "SOLHPDRXZF";

static char *
spell (const GString *seen)
{
  g_auto (GStrv) words = g_strsplit (seen->str, " ", -1);
  GString *text = g_string_new (NULL);

  for (guint i = 0; words[i] && *words[i]; i++)
    for (guint s = 0; s < PVT_HEALTH_N_STATES; s++)
      if (strcmp (words[i], pvt_health_state_name ((PvtHealthState) s)) == 0)
        g_string_append_c (text, letters[s]);
  if (text->len == 0)
    g_string_append_c (text, '-');
  return g_string_free (text, FALSE);
}

static void
every_state_and_input (void **unused G_GNUC_UNUSED)
{
  assert_int_equal (G_N_ELEMENTS (table), PVT_HEALTH_N_STATES);
  for (guint row = 0; row < G_N_ELEMENTS (table); row++)
    for (guint column = 0; column < N_COLUMNS; column++)
      {
        g_autofree char *told = NULL;
        Guest guest;

        bring (&guest, table[row].condition);
        happen (&guest, column);
        told = spell (guest.seen);
        if (strcmp (told, table[row].told[column]) != 0)
          fail_msg ("%s, %s: told %s, wanted %s", pvt_health_state_name (table[row].condition),
                    columns[column], told, table[row].told[column]);
        end (&guest);
      }
}

/* ---- time ---- */

static const struct
{
  const char *what;
  PvtHealthState condition;
  int port; /* -1: not known */
  PvtKernel kernel;
  gint64 limit; /* the silence; one microsecond less tells nothing */
  const char *cause;
  PvtHealthState wanted;
} silences[] = {
  { "nothing known", PVT_HEALTH_OK, -1, PVT_KERNEL_UNKNOWN, HANG, "silence", PVT_HEALTH_AGENT_LOST },
  { "port open", PVT_HEALTH_OK, 1, PVT_KERNEL_UNKNOWN, HANG, "silence", PVT_HEALTH_AGENT_LOST },
  { "port closed", PVT_HEALTH_OK, 0, PVT_KERNEL_UNKNOWN, LOST, "port-closed", PVT_HEALTH_AGENT_LOST },
  { "port closed, busy", PVT_HEALTH_OK, 0, PVT_KERNEL_BUSY, LOST, "port-closed", PVT_HEALTH_AGENT_LOST },
  { "port closed, dead", PVT_HEALTH_OK, 0, PVT_KERNEL_DEAD, LOST, "kernel-dead", PVT_HEALTH_GUEST_HUNG },
  { "alive", PVT_HEALTH_OK, 1, PVT_KERNEL_ALIVE, LOST, "kernel-alive", PVT_HEALTH_AGENT_LOST },
  { "dead", PVT_HEALTH_OK, 1, PVT_KERNEL_DEAD, LOST, "kernel-dead", PVT_HEALTH_GUEST_HUNG },
  { "busy", PVT_HEALTH_OK, 1, PVT_KERNEL_BUSY, HANG, "all-processors-busy", PVT_HEALTH_GUEST_HUNG },
  { "busy, port unknown", PVT_HEALTH_OK, -1, PVT_KERNEL_BUSY, HANG, "all-processors-busy", PVT_HEALTH_GUEST_HUNG },
  { "never came", PVT_HEALTH_STARTING, -1, PVT_KERNEL_UNKNOWN, BOOT + HANG - LOST, "silence", PVT_HEALTH_AGENT_LOST },
  { "never came, busy", PVT_HEALTH_STARTING, -1, PVT_KERNEL_BUSY, BOOT + HANG - LOST, "silence", PVT_HEALTH_AGENT_LOST },
  { "never came, busy, port open", PVT_HEALTH_STARTING, 1, PVT_KERNEL_BUSY, BOOT + HANG - LOST, "all-processors-busy", PVT_HEALTH_GUEST_HUNG },
  { "never came, closed", PVT_HEALTH_STARTING, 0, PVT_KERNEL_BUSY, BOOT, "port-closed", PVT_HEALTH_AGENT_LOST },
  { "never came, dead", PVT_HEALTH_STARTING, -1, PVT_KERNEL_DEAD, BOOT, "kernel-dead", PVT_HEALTH_GUEST_HUNG },
  { "did not come back", PVT_HEALTH_REBOOTED, 0, PVT_KERNEL_ALIVE, BOOT, "port-closed", PVT_HEALTH_AGENT_LOST },
  { "did not come back, alive", PVT_HEALTH_REBOOTED, 1, PVT_KERNEL_ALIVE, BOOT, "kernel-alive", PVT_HEALTH_AGENT_LOST },
  { "frozen", PVT_HEALTH_FROZEN, 1, PVT_KERNEL_ALIVE, FROZEN, "kernel-alive", PVT_HEALTH_AGENT_LOST },
  { "frozen, nothing known", PVT_HEALTH_FROZEN, -1, PVT_KERNEL_UNKNOWN, FROZEN + HANG - LOST, "silence", PVT_HEALTH_AGENT_LOST },
  { "frozen, dead", PVT_HEALTH_FROZEN, 1, PVT_KERNEL_DEAD, FROZEN, "kernel-dead", PVT_HEALTH_GUEST_HUNG },
  { "dumping", PVT_HEALTH_DUMPING, 0, PVT_KERNEL_BUSY, DUMP, "dump-too-long", PVT_HEALTH_PANICKED },
};

static void
learn (Guest *guest, int port, PvtKernel kernel)
{
  if (port >= 0)
    put (guest, port ? PVT_HEALTH_IN_PORT_OPENED : PVT_HEALTH_IN_PORT_CLOSED);
  see (guest, kernel);
}

static void
every_silence (void **unused G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (silences); i++)
    {
      Guest guest;
      gint64 next;

      bring (&guest, silences[i].condition);
      learn (&guest, silences[i].port, silences[i].kernel);
      /* The driver that ticks when it is told to comes right. */
      do
        {
          next = pvt_health_next_tick (&guest.health, guest.now);
          assert_true (next != G_MAXINT64 && next > guest.now);
          if (next < 1000 * S + silences[i].limit)
            pass (&guest, next - guest.now);
        }
      while (next < 1000 * S + silences[i].limit);
      pass (&guest, 1000 * S + silences[i].limit - 1 - guest.now);
      if (guest.seen->len)
        fail_msg ("%s: told %stoo early", silences[i].what, guest.seen->str);
      pass (&guest, 1);
      if (state (&guest) != silences[i].wanted || strcmp (guest.cause, silences[i].cause) != 0)
        fail_msg ("%s: %s (%s)", silences[i].what, pvt_health_state_name (state (&guest)),
                  guest.cause);
      end (&guest);
    }
}

/* In those nothing follows from time, however long. */
static void
no_alarm (void **unused G_GNUC_UNUSED)
{
  static const PvtHealthState quiet[] = { PVT_HEALTH_PANICKED, PVT_HEALTH_SHUT_DOWN,
                                          PVT_HEALTH_PAUSED, PVT_HEALTH_AGENT_LOST,
                                          PVT_HEALTH_GUEST_HUNG };
  static const PvtKernel kernels[] = { PVT_KERNEL_UNKNOWN, PVT_KERNEL_BUSY };

  for (guint i = 0; i < G_N_ELEMENTS (quiet); i++)
    for (guint k = 0; k < G_N_ELEMENTS (kernels); k++)
      {
        Guest guest;

        bring (&guest, quiet[i]);
        learn (&guest, 0, kernels[k]);
        assert_true (pvt_health_next_tick (&guest.health, guest.now) == G_MAXINT64);
        pass (&guest, 1000 * FROZEN);
        assert_int_equal (guest.seen->len, 0);
        end (&guest);
      }
}

static void
silence_that_means_nothing (void **unused G_GNUC_UNUSED)
{
  Guest guest;

  bring (&guest, PVT_HEALTH_OK);
  put (&guest, PVT_HEALTH_IN_MIGRATING);
  see (&guest, PVT_KERNEL_DEAD);
  pass (&guest, 100 * HANG);
  assert_true (pvt_health_silence (&guest.health, guest.now) == 0);
  put (&guest, PVT_HEALTH_IN_MIGRATED);
  pass (&guest, LOST - 1);
  assert_int_equal (guest.seen->len, 0);
  put (&guest, PVT_HEALTH_IN_CHANNEL_TAKEN);
  pass (&guest, LOST - 1);
  put (&guest, PVT_HEALTH_IN_STOPPED);
  see (&guest, PVT_KERNEL_DEAD);
  pass (&guest, 100 * HANG);
  put (&guest, PVT_HEALTH_IN_RUNNING);
  pass (&guest, HANG - 1);
  assert_string_equal (guest.seen->str, "paused ok ");
  pass (&guest, 1);
  assert_string_equal (guest.seen->str, "paused ok agent-lost ");
  end (&guest);
}

static void
a_pause_hides_no_crash (void **unused G_GNUC_UNUSED)
{
  Guest guest;

  bring (&guest, PVT_HEALTH_OK);
  put (&guest, PVT_HEALTH_IN_STOPPED);
  put (&guest, PVT_HEALTH_IN_PANICKED);
  put (&guest, PVT_HEALTH_IN_RESET);
  assert_string_equal (guest.seen->str, "paused panicked paused ");
  put (&guest, PVT_HEALTH_IN_RUNNING);
  beat (&guest, BOOT_A, FALSE); /* sent before the reset */
  assert_string_equal (guest.seen->str, "paused panicked paused rebooted ");
  beat (&guest, BOOT_B, FALSE);
  assert_string_equal (guest.seen->str, "paused panicked paused rebooted ok ");
  end (&guest);
}

static void
watchdogs (void **unused G_GNUC_UNUSED)
{
  Guest guest;

  bring (&guest, PVT_HEALTH_OK);
  put (&guest, PVT_HEALTH_IN_WATCHDOG);
  see (&guest, PVT_KERNEL_ALIVE); /* user space hangs all the same */
  pass (&guest, HANG);
  assert_string_equal (guest.seen->str, "guest-hung ");
  beat (&guest, BOOT_A, FALSE); /* so it was its feeder alone */
  assert_string_equal (guest.seen->str, "guest-hung ok ");
  end (&guest);
}

static void
boot_ids_are_cut (void **unused G_GNUC_UNUSED)
{
  g_autofree char *a = g_strnfill (1000, 'a'), *b = g_strnfill (PVT_HEALTH_BOOT_ID_MAX, 'a');
  Guest guest;

  begin (&guest);
  beat (&guest, a, FALSE);
  beat (&guest, b, FALSE); /* the same as far as it counts */
  assert_string_equal (guest.seen->str, "ok ");
  b[PVT_HEALTH_BOOT_ID_MAX - 1] = 'b';
  beat (&guest, b, FALSE);
  assert_string_equal (guest.seen->str, "ok rebooted ok ");
  end (&guest);
}

/* Whatever comes in whatever order: a change is one, its end is the state, and a
 * crash is never taken back but by another boot. */
static void
anything (void **unused G_GNUC_UNUSED)
{
  GRand *rand = g_rand_new_with_seed (7);
  Guest guest;

  begin (&guest);
  for (guint i = 0; i < 300000; i++)
    {
      PvtHealthState before = state (&guest);
      guint column = (guint) g_rand_int_range (rand, 0, N_COLUMNS);
      gint64 next;

      g_string_truncate (guest.seen, 0);
      if (g_rand_int_range (rand, 0, 4) == 0)
        pass (&guest, (gint64) g_rand_int_range (rand, 0, 400) * S);
      happen (&guest, column);
      next = pvt_health_next_tick (&guest.health, guest.now);
      assert_true (next > guest.now);
      if (guest.seen->len == 0)
        assert_int_equal (state (&guest), before);
      else
        {
          g_autofree char *told = spell (guest.seen);

          assert_int_equal (letters[state (&guest)], told[strlen (told) - 1]);
          if (before == PVT_HEALTH_PANICKED)
            assert_true (*told == 'R' || *told == 'S' || *told == 'Z');
        }
    }
  end (&guest);
  g_rand_free (rand);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_state_and_input),
    cmocka_unit_test (every_silence),
    cmocka_unit_test (no_alarm),
    cmocka_unit_test (silence_that_means_nothing),
    cmocka_unit_test (a_pause_hides_no_crash),
    cmocka_unit_test (watchdogs),
    cmocka_unit_test (boot_ids_are_cut),
    cmocka_unit_test (anything),
  };

  return cmocka_run_group_tests_name ("health", tests, NULL, NULL);
}
