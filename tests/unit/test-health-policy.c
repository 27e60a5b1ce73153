/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done about a crash, how often, and what is read of processors. */
#include "tap-main.h"

#include "host-side/health/evidence.h"
#include "host-side/health/policy.h"

#define S G_GINT64_CONSTANT (1000000)

static const PvtAction *
decide (PvtPolicy *policy, PvtHealthState to, gint64 when, gboolean *refused)
{
  const PvtHealthChange change = { PVT_HEALTH_OK, to, "test", when };

  return pvt_policy_decide (policy, &change, refused);
}

static void
actions (void **state G_GNUC_UNUSED)
{
  static const char *const bad[] = { "", "Reset", "run", "run:", "reset ", "kill" };
  PvtAction action = { PVT_ACTION_RESET, NULL };

  assert_true (pvt_action_parse ("none", &action) && action.kind == PVT_ACTION_NONE);
  assert_true (pvt_action_parse ("reset", &action) && action.kind == PVT_ACTION_RESET);
  assert_true (pvt_action_parse ("poweroff", &action) && action.kind == PVT_ACTION_POWER_OFF);
  assert_true (pvt_action_parse ("run:a b; c", &action) && action.kind == PVT_ACTION_RUN);
  assert_string_equal (action.command, "a b; c");
  pvt_action_clear (&action);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_false (pvt_action_parse (bad[i], &action));
}

static void
limits (void **state G_GNUC_UNUSED)
{
  static const char *const bad[]
      = { "", "3", "3/", "/5", "0/5", "101/5", "3/0", "-1/5", "3/-5", "3/5x", "3/5ms", "3/ 5",
          "3/367d", "3/99999999999999999999", "99999999999999999999/5", "3/18446744073709551615d" };
  PvtActionLimit limit = { 0, 0 };

  assert_true (pvt_action_limit_parse ("3/10m", &limit));
  assert_true (limit.count == 3 && limit.period == 600 * S);
  assert_true (pvt_action_limit_parse ("100/7", &limit));
  assert_true (limit.count == 100 && limit.period == 7 * S);
  assert_true (pvt_action_limit_parse ("1/366d", &limit));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_false (pvt_action_limit_parse (bad[i], &limit));
}

static void
what_calls_for_what (void **state G_GNUC_UNUSED)
{
  PvtPolicy policy = { { PVT_ACTION_RESET, NULL }, { PVT_ACTION_POWER_OFF, NULL }, { 100, 100 * S },
                       { 0 }, 0, 0 };
  gboolean refused = TRUE;

  for (guint i = 0; i < PVT_HEALTH_N_STATES; i++)
    {
      const PvtAction *action = decide (&policy, (PvtHealthState) i, 0, &refused);

      assert_false (refused);
      if (i == PVT_HEALTH_PANICKED)
        assert_ptr_equal (action, &policy.on_panic);
      else if (i == PVT_HEALTH_GUEST_HUNG)
        assert_ptr_equal (action, &policy.on_hang);
      else
        assert_null (action);
    }
  policy.on_panic.kind = PVT_ACTION_NONE;
  assert_null (decide (&policy, PVT_HEALTH_PANICKED, 0, &refused));
  assert_false (refused);
}

/* In no period more than the limit, whatever the times; and up to it always. */
static void
no_loop (void **state G_GNUC_UNUSED)
{
  static const guint counts[] = { 1, 2, 3, PVT_ACTION_LIMIT_MAX };
  GRand *rand = g_rand_new_with_seed (3);

  for (guint c = 0; c < G_N_ELEMENTS (counts); c++)
    {
      PvtPolicy policy = { { PVT_ACTION_RESET, NULL }, { PVT_ACTION_RESET, NULL },
                           { counts[c], 600 * S }, { 0 }, 0, 0 };
      gint64 done[4000], now = 0;
      guint n = 0;

      for (guint i = 0; i < G_N_ELEMENTS (done); i++)
        {
          guint recent = 0;
          gboolean refused;
          const PvtAction *action;

          now += g_rand_int_range (rand, 0, 1200 / (int) counts[c] + 2) * S;
          for (guint k = 0; k < n; k++)
            recent += now - done[k] < 600 * S;
          action = decide (&policy, i % 2 ? PVT_HEALTH_PANICKED : PVT_HEALTH_GUEST_HUNG, now, &refused);
          assert_true ((action != NULL) == (recent < counts[c]));
          assert_true (refused == (action == NULL));
          if (action)
            done[n++] = now;
        }
      assert_true (n > counts[c]);
    }
  g_rand_free (rand);
}

/* ---- processors ---- */

#define CPU(n, rfl, hlt) \
  "CPU#" n "\r\nRAX=0000000000000000 RBX=0000000000000000\r\n" \
  "RIP=ffffffff81c1a4bd RFL=" rfl " [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=" hlt "\r\n" \
  "ES =0000 0000000000000000 ffffffff 00000000\r\n"
#define IDLE(n) CPU (n, "00000246", "1")
#define DEAD(n) CPU (n, "00000046", "1")
#define SPIN(n) CPU (n, "00000202", "0")
#define DEAF(n) CPU (n, "00000002", "0")

static const struct
{
  const char *text;
  PvtCpuSample wanted; /* no CPUs: not understood */
} texts[] = {
  { IDLE ("0"), { 1, 1, 0, 0 } },
  { DEAD ("0"), { 1, 0, 1, 1 } },
  { SPIN ("0"), { 1, 0, 0, 0 } },
  { DEAF ("0"), { 1, 0, 0, 1 } },
  { IDLE ("0") DEAD ("1") SPIN ("2") DEAF ("3"), { 4, 1, 1, 2 } },
  { "\r\nCPU#0\r\nEAX=0 EFL=00000046 [] CPL=0 II=0 A20=1 SMM=0 HLT=1", { 1, 0, 1, 1 } },
  { "", { 0, 0, 0, 0 } },
  { "RFL=00000246 HLT=1", { 0, 0, 0, 0 } },
  { "CPU#0\n PC=0 X00=0 PSTATE=600003c5", { 0, 0, 0, 0 } },
  { IDLE ("0") "CPU#1\nRFL= HLT=1", { 0, 0, 0, 0 } },
  { "CPU#0 RFL=00000246 HLT=", { 0, 0, 0, 0 } },
};

static void
registers (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      PvtCpuSample got = { 0 };

      if (pvt_cpu_sample_parse (texts[i].text, strlen (texts[i].text), &got) != (texts[i].wanted.cpus > 0)
          || memcmp (&got, &texts[i].wanted, sizeof got) != 0)
        fail_msg ("text %u: %u %u %u %u", i, got.cpus, got.asleep, got.dead, got.uninterrupted);
    }
}

static void
too_many_processors (void **state G_GNUC_UNUSED)
{
  GString *text = g_string_new (NULL);
  PvtCpuSample got = { 0 };

  for (guint i = 0; i <= PVT_EVIDENCE_MAX_CPUS; i++)
    g_string_append (text, IDLE ("0"));
  assert_true (pvt_cpu_sample_parse (text->str, text->len, &got));
  assert_int_equal (got.cpus, PVT_EVIDENCE_MAX_CPUS);
  g_string_free (text, TRUE);
}

/* Samples of two processors, one letter each moment: a sleeping one, busy, all
 * deaf, all dead; capitals: the balloon moved; a dot: nothing but time. */
static const struct
{
  const char *samples;
  PvtKernel wanted;
} verdicts[] = {
  { "", PVT_KERNEL_UNKNOWN },
  { "....", PVT_KERNEL_UNKNOWN },
  { "b", PVT_KERNEL_BUSY },
  { "bbbbbbbbbbbb", PVT_KERNEL_BUSY },
  { "s", PVT_KERNEL_ALIVE },
  { "bbbbbs", PVT_KERNEL_ALIVE },
  { "sbbb", PVT_KERNEL_ALIVE },
  { "sbbbb", PVT_KERNEL_BUSY },
  { "d", PVT_KERNEL_BUSY },
  { "dd", PVT_KERNEL_DEAD },
  { "sdd", PVT_KERNEL_DEAD },
  { "dbd", PVT_KERNEL_BUSY },
  { "ddb", PVT_KERNEL_BUSY },
  { "dds", PVT_KERNEL_ALIVE },
  { "uuuuu", PVT_KERNEL_BUSY },
  { "uuuuuu", PVT_KERNEL_DEAD },
  { "buuuuuu", PVT_KERNEL_DEAD },
  { "uuuuuub", PVT_KERNEL_BUSY },
  { "bB", PVT_KERNEL_BUSY }, /* it has answered once, nobody knows when */
  { "bBB", PVT_KERNEL_ALIVE },
  { "bBBbbbbbbb", PVT_KERNEL_DEAD }, /* the balloon's driver stopped */
  { "bBBbbbbbb", PVT_KERNEL_ALIVE },
  { "B.........", PVT_KERNEL_DEAD },
  { "Bssssssssss", PVT_KERNEL_ALIVE },   /* but a processor idles */
  { "BBBBBBBBBBBBBB", PVT_KERNEL_ALIVE },
  { "BBDD", PVT_KERNEL_DEAD },
};

static void
evidence (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (verdicts); i++)
    {
      PvtEvidence seen = { 0 };
      gint64 now = 1000 * S, update = 0;

      pvt_evidence_begin (&seen);
      for (const char *c = verdicts[i].samples; *c; c++, now += S)
        {
          char kind = g_ascii_tolower (*c);
          PvtCpuSample sample = { 2, kind == 's', kind == 'd' ? 2 : 0, kind == 'd' || kind == 'u' ? 2 : 0 };

          if (kind == '.')
            sample.cpus = 0;
          pvt_evidence_add_cpus (&seen, &sample);
          update += g_ascii_isupper (*c) ? 1 : 0;
          pvt_evidence_add_balloon (&seen, update, now);
        }
      if (pvt_evidence_verdict (&seen, 8 * S, now) != verdicts[i].wanted)
        fail_msg ("'%s': %d, wanted %d", verdicts[i].samples,
                  pvt_evidence_verdict (&seen, 8 * S, now), verdicts[i].wanted);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (actions),
    cmocka_unit_test (limits),
    cmocka_unit_test (what_calls_for_what),
    cmocka_unit_test (no_loop),
    cmocka_unit_test (registers),
    cmocka_unit_test (too_many_processors),
    cmocka_unit_test (evidence),
  };

  return cmocka_run_group_tests_name ("health-policy", tests, NULL, NULL);
}
