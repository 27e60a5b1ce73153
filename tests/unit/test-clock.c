/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clock policy as a table, and what is read of chronyd. */
#include "tap-main.h"

#include "agent/platform/clock-policy.h"
#include "agent/platform/clock-state.h"
#include "agent/platform/time-service.h"

#define S PVT_NS_PER_S
#define MS PVT_NS_PER_MS
#define NOW (G_GINT64_CONSTANT (1800000000) * S)
#define NEVER (-1)

static const struct
{
  const char *what;
  PvtClockCase c;
  PvtClockAction wanted;
} rows[] = {
  { "right", { 0, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_IGNORE },
  { "4.999 ms", { 5 * MS - 1, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_IGNORE },
  { "5 ms behind", { 5 * MS, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_SLEW },
  { "5 ms ahead", { -5 * MS, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_SLEW },
  { "uncertain", { 40 * MS, 40 * MS, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_IGNORE },
  { "certain enough", { 40 * MS, 40 * MS - 1, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_SLEW },
  { "uncertain by minutes", { 90 * S, 100 * S, NOW, NEVER, FALSE, FALSE, TRUE }, PVT_CLOCK_IGNORE },
  { "just below half a second", { 500 * MS - 1, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_SLEW },
  { "half a second behind", { 500 * MS, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_STEP },
  { "half a second ahead", { -500 * MS, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_REFUSE },
  { "back when allowed", { -500 * MS, 0, NOW, NEVER, FALSE, TRUE, FALSE }, PVT_CLOCK_STEP },
  { "force alone does not go back", { -10 * S, 0, NOW, NEVER, FALSE, FALSE, TRUE }, PVT_CLOCK_REFUSE },
  { "a week of sleep", { 7 * 86400 * S, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_STEP },
  { "the bound", { PVT_CLOCK_JUMP_MAX_NS, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_STEP },
  { "past the bound", { PVT_CLOCK_JUMP_MAX_NS + 1, 0, NOW, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_REFUSE },
  { "past it by force", { PVT_CLOCK_JUMP_MAX_NS + 1, 0, NOW, NEVER, FALSE, FALSE, TRUE }, PVT_CLOCK_STEP },
  { "back past the bound", { -PVT_CLOCK_JUMP_MAX_NS - 1, 0, NOW, NEVER, FALSE, TRUE, FALSE }, PVT_CLOCK_REFUSE },
  { "a host in 1970", { -NOW + S, 0, NOW, NEVER, FALSE, TRUE, FALSE }, PVT_CLOCK_REFUSE },
  { "a guest in 1970, a host in 1971", { 365 * 86400 * S, 0, S, NEVER, FALSE, FALSE, FALSE }, PVT_CLOCK_REFUSE },
  { "the same by force", { 365 * 86400 * S, 0, S, NEVER, FALSE, FALSE, TRUE }, PVT_CLOCK_STEP },
  { "a guest in 1970, a host now", { NOW, 0, S, NEVER, FALSE, FALSE, TRUE }, PVT_CLOCK_STEP },
  { "before the epoch", { -NOW - 1, 0, NOW, NEVER, FALSE, TRUE, TRUE }, PVT_CLOCK_REFUSE },
  { "past the end of time", { G_MAXINT64, 0, NOW, NEVER, FALSE, TRUE, TRUE }, PVT_CLOCK_REFUSE },
  { "the least number", { G_MININT64, 0, NOW, NEVER, FALSE, TRUE, TRUE }, PVT_CLOCK_REFUSE },
  { "chrony tracks, little", { 400 * MS, 0, NOW, NEVER, TRUE, FALSE, FALSE }, PVT_CLOCK_IGNORE },
  { "chrony tracks, much", { 60 * S, 0, NOW, NEVER, TRUE, FALSE, FALSE }, PVT_CLOCK_DELEGATE },
  { "chrony tracks, ahead", { -60 * S, 0, NOW, NEVER, TRUE, FALSE, FALSE }, PVT_CLOCK_DELEGATE },
  { "chrony tracks, force", { 60 * S, 0, NOW, NEVER, TRUE, TRUE, TRUE }, PVT_CLOCK_DELEGATE },
  { "stepped just now", { 60 * S, 0, NOW, 0, FALSE, FALSE, TRUE }, PVT_CLOCK_IGNORE },
  { "stepped within the pause", { 60 * S, 0, NOW, PVT_CLOCK_STEP_PAUSE_NS - 1, FALSE, FALSE, FALSE }, PVT_CLOCK_IGNORE },
  { "stepped before it", { 60 * S, 0, NOW, PVT_CLOCK_STEP_PAUSE_NS, FALSE, FALSE, FALSE }, PVT_CLOCK_STEP },
  { "a slew after a step", { 60 * MS, 0, NOW, 0, FALSE, FALSE, FALSE }, PVT_CLOCK_SLEW },
};

static void
the_table (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *why = NULL;
      PvtClockAction got = pvt_clock_decide (&rows[i].c, &why);

      if (got != rows[i].wanted)
        fail_msg ("%s: %s (%s), but %s was wanted", rows[i].what, pvt_clock_action_name (got), why,
                  pvt_clock_action_name (rows[i].wanted));
      assert_true (why && strlen (why) > 5);
    }
}

/* Whatever the figures: never back unasked, never past the bounds unforced. */
static void
anything (void **state G_GNUC_UNUSED)
{
  GRand *rand = g_rand_new_with_seed (11);

  for (guint i = 0; i < 200000; i++)
    {
      guint shift = (guint) g_rand_int_range (rand, 0, 64);
      guint64 bits = ((guint64) g_rand_int (rand) << 32 | g_rand_int (rand)) >> shift;
      PvtClockCase c = { .offset = (gint64) (g_rand_boolean (rand) ? bits : 0 - bits),
                         .uncertainty = (guint64) g_rand_int (rand),
                         .now = NOW,
                         .since_step = g_rand_int_range (rand, -2, 9) * S,
                         .tracking = g_rand_int_range (rand, 0, 4) == 0,
                         .allow_backward = g_rand_boolean (rand),
                         .force = g_rand_boolean (rand) };
      const char *why;

      if (pvt_clock_decide (&c, &why) != PVT_CLOCK_STEP)
        continue;
      assert_true (c.offset > 0 || c.allow_backward);
      assert_false (c.tracking);
      assert_true (c.since_step < 0 || c.since_step >= PVT_CLOCK_STEP_PAUSE_NS);
      assert_true (c.force || (c.offset <= PVT_CLOCK_JUMP_MAX_NS && c.offset >= -PVT_CLOCK_JUMP_MAX_NS));
      assert_true (c.now + c.offset >= (c.force ? 0 : PVT_CLOCK_EARLIEST_NS));
    }
  g_rand_free (rand);
}

static gboolean
tracks (const char *text)
{
  return pvt_chrony_is_tracking (text, strlen (text));
}

/* Lines as chronyc 4.3 prints them. */
static void
chrony (void **state G_GNUC_UNUSED)
{
  assert_true (tracks ("0A000202,10.0.2.2,9,1763700000.123456789,-0.000012,0.000001,0.00002,"
                       "-1.2,0.1,0.3,0.001,0.002,64.2,Normal\n"));
  assert_true (tracks ("0A000202,,9,0,0,0,0,0,0,0,0,0,0,Insert second"));
  assert_false (tracks ("00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,"
                        "0.000,1.000000000,1.000000000,0.0,Not synchronised\n"));
  assert_false (tracks ("7F7F0101,,10,0,0,0,0,0,0,0,0,0,0,Normal"));
  assert_false (tracks ("506 Cannot talk to daemon\n"));
  assert_false (tracks (""));
  assert_false (tracks ("\n0A000202,Normal"));
}

static void
chrony_corrections (void **state G_GNUC_UNUSED)
{
  static const char behind[] = "0A000202,10.0.2.2,6,1763700000.1,-7.820068,0.1,0.2,0,0,0,0,0,64.2,Normal\n";
  static const char *const bad[] = { "", "0A000202,10.0.2.2,6,1763700000.1", "a,b,c,d,1.5", "a,b,c,d,,e",
                                     "a,b,c,d,nan,e", "a,b,c,d,1.5x,e", "a,b,c,d\n,1.5,e",
                                     "a,b,c,d,0.000000000000000000000000000000000000001,e" };
  double seconds = 0;

  assert_true (pvt_chrony_correction (behind, strlen (behind), &seconds));
  assert_true (seconds < -7.82 && seconds > -7.8201);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_false (pvt_chrony_correction (bad[i], strlen (bad[i]), &seconds));
}

/* The pairs are of one moment, whatever the scheduler does. */
static void
clocks_agree (void **state G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  PvtRoot *root = pvt_root_open ("/", &error);
  PvtClockState now;

  assert_null (error);
  pvt_clock_state_read (root, &now);
  assert_true (now.monotonic <= now.boottime);
  assert_true (ABS (now.realtime - now.boottime - pvt_clock_base ()) < S);
  assert_true (pvt_clock_boottime () >= now.boottime);
  pvt_root_free (root);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (the_table),
    cmocka_unit_test (anything),
    cmocka_unit_test (chrony),
    cmocka_unit_test (chrony_corrections),
    cmocka_unit_test (clocks_agree),
  };

  return cmocka_run_group_tests_name ("clock", tests, NULL, NULL);
}
