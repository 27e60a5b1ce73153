/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page-look.h"

#include <string.h>

#define PAUSE_US 50000
#define SCHEME "page:"

const char *
pvt_page_address_file (const char *address)
{
  return g_str_has_prefix (address, SCHEME) ? address + strlen (SCHEME) : NULL;
}

static gboolean
is_another (const PvtPageFigures *a, const PvtPageFigures *b)
{
  return strcmp (a->boot_id, b->boot_id) != 0 || a->updates != b->updates;
}

/* Counters of one boot, the second time later than the first. */
static gboolean
can_be_compared (const PvtPageFigures *a, const PvtPageFigures *b)
{
  return strcmp (a->boot_id, b->boot_id) == 0 && a->monotonic_ns < b->monotonic_ns;
}

gboolean
pvt_page_look (const PvtCli *cli, PvtPageLook *look, GError **error)
{
  const char *file = pvt_page_address_file (cli->address);
  g_autoptr (PvtPage) page = pvt_page_new (file ? file : cli->address);
  gint64 deadline = g_get_monotonic_time () + cli->timeout_ms * G_TIME_SPAN_MILLISECOND;
  PvtPageFigures *first = pvt_page_read (page, error);

  look->before = look->now = NULL;
  if (first == NULL)
    return FALSE;
  look->now = first;
  while (!is_another (first, look->now) && !pvt_page_figures_is_stale (look->now)
         && g_get_monotonic_time () < deadline)
    {
      PvtPageFigures *next;

      g_usleep (PAUSE_US);
      next = pvt_page_read (page, NULL);
      if (next == NULL)
        continue; /* written just now; the deadline is near */
      if (look->now != first)
        pvt_page_figures_free (look->now);
      look->now = next;
    }
  if (look->now != first && can_be_compared (first, look->now))
    look->before = first;
  else if (look->now != first)
    pvt_page_figures_free (first);
  return TRUE;
}

void
pvt_page_look_clear (PvtPageLook *look)
{
  g_clear_pointer (&look->before, pvt_page_figures_free);
  g_clear_pointer (&look->now, pvt_page_figures_free);
}

guint64
pvt_page_u64 (const PvtPageFigures *figures, const char *group, const char *object, const char *field)
{
  g_autofree char *name = g_strconcat (group, ".", object, object[0] ? "." : "", field, NULL);
  const PvtPageMetric *metric = pvt_page_figures_lookup (figures, name);

  return metric && metric->type == PVT_PAGE_TYPE_U64 ? metric->u64 : 0;
}

char *
pvt_page_state_text (const PvtPageLook *look)
{
  const PvtPageFigures *f = look->now;
  GString *text = g_string_new (NULL);

  if (f->ended)
    g_string_append (text, "the agent has ended; ");
  else if (pvt_page_figures_is_stale (f))
    g_string_append_printf (text, "STALE, unchanged for %.1f s; ", (double) f->unchanged_ms / 1000);
  if (f->frozen)
    g_string_append (text, "frozen; ");
  g_string_append_printf (text, "%.1f s old by the clocks, update %" G_GUINT64_FORMAT " each %.0f s of agent %s",
                          (double) f->clock_age_ms / 1000, f->updates, f->period_ms / 1000.0,
                          f->agent_version);
  if (f->omitted)
    g_string_append_printf (text, "; no room for %" G_GUINT64_FORMAT " figures", f->omitted);
  return g_string_free (text, FALSE);
}
