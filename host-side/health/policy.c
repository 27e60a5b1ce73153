/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <string.h>

#define SECOND G_GINT64_CONSTANT (1000000)
#define PERIOD_MAX_S (366u * 86400)

const PvtActionLimit pvt_action_default_limit = { 3, 600 * SECOND };

static const char *const names[] = { "none", "reset", "poweroff", "run" };

const char *
pvt_action_name (PvtActionKind kind)
{
  return names[kind];
}

gboolean
pvt_action_parse (const char *text, PvtAction *action)
{
  for (guint i = 0; i < PVT_ACTION_RUN; i++)
    if (strcmp (text, names[i]) == 0)
      {
        *action = (PvtAction){ (PvtActionKind) i, NULL };
        return TRUE;
      }
  if (!g_str_has_prefix (text, "run:") || text[strlen ("run:")] == '\0')
    return FALSE;
  *action = (PvtAction){ PVT_ACTION_RUN, g_strdup (text + strlen ("run:")) };
  return TRUE;
}

void
pvt_action_clear (PvtAction *action)
{
  g_clear_pointer (&action->command, g_free);
  action->kind = PVT_ACTION_NONE;
}

/* 0: not one of them. */
static guint64
unit_seconds (const char *unit)
{
  static const struct
  {
    const char *name;
    guint seconds;
  } units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };

  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (strcmp (unit, units[i].name) == 0)
      return units[i].seconds;
  return 0;
}

gboolean
pvt_action_limit_parse (const char *text, PvtActionLimit *limit)
{
  guint64 count, period;
  char *end;

  if (!g_ascii_isdigit (*text))
    return FALSE;
  count = g_ascii_strtoull (text, &end, 10);
  if (*end != '/' || !g_ascii_isdigit (end[1]) || count < 1 || count > PVT_ACTION_LIMIT_MAX)
    return FALSE;
  period = g_ascii_strtoull (end + 1, &end, 10);
  if (period < 1 || period > PERIOD_MAX_S || unit_seconds (end) == 0
      || period * unit_seconds (end) > PERIOD_MAX_S)
    return FALSE;
  limit->count = (guint) count;
  limit->period = (gint64) (period * unit_seconds (end)) * SECOND;
  return TRUE;
}

/* Those of the last period. */
static guint
count_recent (const PvtPolicy *policy, gint64 now)
{
  guint n = 0;

  for (guint i = 0; i < policy->n_done; i++)
    n += now - policy->done[i] < policy->limit.period;
  return n;
}

const PvtAction *
pvt_policy_decide (PvtPolicy *policy, const PvtHealthChange *change, gboolean *refused)
{
  const PvtAction *action = change->to == PVT_HEALTH_PANICKED     ? &policy->on_panic
                            : change->to == PVT_HEALTH_GUEST_HUNG ? &policy->on_hang
                                                                  : NULL;

  *refused = FALSE;
  if (action == NULL || action->kind == PVT_ACTION_NONE)
    return NULL;
  if (count_recent (policy, change->when) >= policy->limit.count)
    {
      *refused = TRUE;
      return NULL;
    }
  policy->done[policy->next] = change->when;
  policy->next = (policy->next + 1) % PVT_ACTION_LIMIT_MAX;
  policy->n_done = MIN (policy->n_done + 1, PVT_ACTION_LIMIT_MAX);
  return action;
}
