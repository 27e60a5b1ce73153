/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shared-page.h"

#include "shared-figures.h"

#include <string.h>

/* How often a page is looked at that is new. */
#define PAUSE_US 50000

static const char *const names[PVT_SHARED_N_STATES] = {
  [PVT_SHARED_USED] = "used",     [PVT_SHARED_NEW] = "new",       [PVT_SHARED_STALE] = "stale",
  [PVT_SHARED_ENDED] = "ended",   [PVT_SHARED_SLOW] = "slow",     [PVT_SHARED_CUT] = "cut",
  [PVT_SHARED_TORN] = "torn",     [PVT_SHARED_BROKEN] = "broken", [PVT_SHARED_ABSENT] = "absent",
  [PVT_SHARED_FOREIGN] = "foreign",
};

void
pvt_shared_clear (PvtShared *shared)
{
  g_clear_object (&shared->page);
  g_free (shared->file);
  *shared = (PvtShared){ .state = PVT_SHARED_NEW };
}

void
pvt_shared_set_file (PvtShared *shared, const char *file)
{
  if (g_strcmp0 (shared->file, file) == 0)
    return;
  pvt_shared_clear (shared);
  shared->file = g_strdup (file);
  shared->page = file ? pvt_page_new (file) : NULL;
}

/* Whether it has ever changed while we looked on. */
static void
compare (PvtShared *shared, const PvtPageFigures *figures)
{
  if (shared->seen
      && (shared->updates != figures->updates || shared->monotonic_ns != figures->monotonic_ns
          || strcmp (shared->boot_id, figures->boot_id) != 0))
    shared->live = TRUE;
  shared->seen = TRUE;
  shared->updates = figures->updates;
  shared->monotonic_ns = figures->monotonic_ns;
  g_strlcpy (shared->boot_id, figures->boot_id, sizeof shared->boot_id);
  shared->unchanged = (double) figures->unchanged_ms / 1000;
}

static PvtSharedState
judge (const PvtShared *shared, const PvtPageFigures *figures, const char *boot_id)
{
  if (figures->ended)
    return PVT_SHARED_ENDED;
  if (figures->period_ms > PVT_SHARED_MAX_PERIOD_MS)
    return PVT_SHARED_SLOW;
  if (pvt_page_figures_is_stale (figures))
    return PVT_SHARED_STALE;
  if (figures->omitted > 0)
    return PVT_SHARED_CUT;
  if (!shared->live)
    return PVT_SHARED_NEW;
  if (*boot_id && strcmp (boot_id, shared->boot_id) != 0)
    return PVT_SHARED_FOREIGN;
  return PVT_SHARED_USED;
}

static PvtSharedState
state_of_failure (const GError *error)
{
  switch ((PvtClientError) error->code)
    {
    case PVT_CLIENT_ERROR_NOT_CONNECTED:
      return PVT_SHARED_ABSENT;
    case PVT_CLIENT_ERROR_BUSY:
      return PVT_SHARED_TORN;
    case PVT_CLIENT_ERROR_PROTOCOL:
    case PVT_CLIENT_ERROR_UNSUPPORTED:
    case PVT_CLIENT_ERROR_FAILED:
    case PVT_CLIENT_ERROR_DISCONNECTED:
    case PVT_CLIENT_ERROR_INVALID_ADDRESS:
    case PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT:
    case PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT:
    default:
      return PVT_SHARED_BROKEN;
    }
}

/* An error for those who have no channel to ask instead. */
static void
refuse (PvtSharedState state, GError **error)
{
  PvtClientError code = PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT;

  if (state == PVT_SHARED_ENDED)
    code = PVT_CLIENT_ERROR_DISCONNECTED;
  else if (state == PVT_SHARED_SLOW || state == PVT_SHARED_CUT)
    code = PVT_CLIENT_ERROR_UNSUPPORTED;
  g_set_error (error, PVT_CLIENT_ERROR, (gint) code, "the shared page is of no use: %s", names[state]);
}

static PvtPageFigures *
look (PvtShared *shared, const char *boot_id, GError **error)
{
  PvtPageFigures *figures = pvt_page_read (shared->page, error);

  if (figures == NULL)
    {
      shared->state = error && *error ? state_of_failure (*error) : PVT_SHARED_BROKEN;
      if (shared->state == PVT_SHARED_TORN || shared->state == PVT_SHARED_BROKEN)
        shared->quiet_until = g_get_monotonic_time () + PVT_SHARED_QUIET_US;
      return NULL;
    }
  compare (shared, figures);
  shared->state = judge (shared, figures, boot_id);
  if (shared->state == PVT_SHARED_USED)
    return figures;
  pvt_page_figures_free (figures);
  refuse (shared->state, error);
  return NULL;
}

PvtPageFigures *
pvt_shared_read (PvtShared *shared, const char *boot_id, gint64 patience_us, GError **error)
{
  gint64 now = g_get_monotonic_time (), until = now + patience_us;
  PvtPageFigures *figures = NULL;
  g_autoptr (GError) failure = NULL;

  if (shared->quiet_until > now)
    {
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
                   "the shared page is left alone for a while: %s", names[shared->state]);
      return NULL;
    }
  while ((figures = look (shared, boot_id, &failure)) == NULL && shared->state == PVT_SHARED_NEW
         && g_get_monotonic_time () < until)
    {
      g_clear_error (&failure);
      g_usleep (PAUSE_US);
    }
  if (figures == NULL)
    g_propagate_error (error, g_steal_pointer (&failure));
  return figures;
}

/* What only the channel tells. All else of it is of a time that is over. */
static gboolean
is_rest (PvtFamilyId family)
{
  return family < PVT_F_UP || family == PVT_F_AGENT || family == PVT_F_HUNG
         || family == PVT_F_AGENT_REQUESTS || family == PVT_F_AGENT_ERRORS
         || family == PVT_F_AGENT_UPTIME;
}

/* The same while filesystems are frozen: what must not be touched is not told. */
static gboolean
is_rest_while_frozen (PvtFamilyId family)
{
  return is_rest (family) && !(family >= PVT_F_FS_SIZE && family <= PVT_F_FS_ERROR);
}

gboolean
pvt_shared_collect (PvtShared *shared, const char *boot_id, gint64 patience_us, const PvtMetrics *rest,
                    PvtMetrics *metrics, PvtSign *sign, GError **error)
{
  g_autoptr (PvtPageFigures) figures = pvt_shared_read (shared, boot_id, patience_us, error);

  if (figures == NULL)
    return FALSE;
  pvt_shared_figures_add (metrics, figures);
  sign->frozen = figures->frozen;
  g_strlcpy (sign->boot_id, figures->boot_id, sizeof sign->boot_id);
  if (rest)
    pvt_metrics_add_missing (metrics, rest, figures->frozen ? is_rest_while_frozen : is_rest);
  return TRUE;
}

void
pvt_shared_add_state (const PvtShared *shared, PvtMetrics *metrics)
{
  if (shared->file == NULL)
    return;
  for (guint i = 0; i < PVT_SHARED_N_STATES; i++)
    pvt_metrics_add (metrics, PVT_F_PAGE, shared->state == i, "state", names[i], NULL);
  if (shared->seen)
    pvt_metrics_add (metrics, PVT_F_PAGE_AGE, shared->unchanged, NULL);
}
