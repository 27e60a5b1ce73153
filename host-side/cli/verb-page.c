/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* page: all figures of the memory that a guest shares with its host. */
#include "output.h"
#include "page-look.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_SIZE (1 << 20)

static const char *const units[] = {
  [PVT_PAGE_UNIT_COUNT] = "",    [PVT_PAGE_UNIT_BYTES] = "bytes",     [PVT_PAGE_UNIT_MILLISECONDS] = "ms",
  [PVT_PAGE_UNIT_MICROSECONDS] = "us", [PVT_PAGE_UNIT_NANOSECONDS] = "ns", [PVT_PAGE_UNIT_SHARE] = "share",
  [PVT_PAGE_UNIT_FLAG] = "flag",
};

static void
add_figure (JsonBuilder *builder, const PvtPageMetric *metric)
{
  json_builder_set_member_name (builder, metric->name);
  if (metric->type == PVT_PAGE_TYPE_TEXT)
    json_builder_add_string_value (builder, metric->text);
  else if (metric->unit == PVT_PAGE_UNIT_FLAG)
    json_builder_add_boolean_value (builder, pvt_page_metric_get_value (metric) != 0);
  else if (metric->type == PVT_PAGE_TYPE_F64)
    json_builder_add_double_value (builder, metric->f64);
  else if (metric->type == PVT_PAGE_TYPE_I64)
    json_builder_add_int_value (builder, metric->i64);
  else
    /* JSON of this tree has no numbers beyond. */
    json_builder_add_int_value (builder, (gint64) MIN (metric->u64, (guint64) G_MAXINT64));
}

static void
add_number (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) MIN (value, (guint64) G_MAXINT64));
}

static void
add_flag (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

static void
print_json (const PvtPageFigures *f)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) node = NULL;

  json_builder_begin_object (builder);
  pvt_json_add_text (builder, "boot-id", f->boot_id);
  pvt_json_add_text (builder, "agent", f->agent_version);
  add_number (builder, "period-ms", f->period_ms);
  add_number (builder, "updates", f->updates);
  add_number (builder, "monotonic-ns", f->monotonic_ns);
  add_number (builder, "realtime-ns", f->realtime_ns);
  json_builder_set_member_name (builder, "clock-age-ms");
  json_builder_add_int_value (builder, f->clock_age_ms);
  add_number (builder, "unchanged-ms", f->unchanged_ms);
  add_flag (builder, "stale", pvt_page_figures_is_stale (f));
  add_flag (builder, "ended", f->ended);
  add_flag (builder, "frozen", f->frozen);
  add_number (builder, "omitted", f->omitted);
  add_number (builder, "unknown", f->unknown);
  json_builder_set_member_name (builder, "figures");
  json_builder_begin_object (builder);
  for (guint i = 0; i < f->metrics->len; i++)
    add_figure (builder, f->metrics->pdata[i]);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  node = json_builder_get_root (builder);
  pvt_print_json (node);
}

static char *
value_text (const PvtPageMetric *metric)
{
  switch (metric->type)
    {
    case PVT_PAGE_TYPE_U64:
      return g_strdup_printf ("%" G_GUINT64_FORMAT, metric->u64);
    case PVT_PAGE_TYPE_I64:
      return g_strdup_printf ("%" G_GINT64_FORMAT, metric->i64);
    case PVT_PAGE_TYPE_TEXT:
      return g_strdup (metric->text);
    case PVT_PAGE_TYPE_F64:
    default:
      return g_strdup_printf ("%g", metric->f64);
    }
}

static void
print_table (PvtCli *cli, const PvtPageFigures *f)
{
  static const char *const headers[] = { "FIGURE", ">VALUE", "UNIT", NULL };
  PvtTable *table = pvt_table_new (cli, headers);

  for (guint i = 0; i < f->metrics->len; i++)
    {
      const PvtPageMetric *metric = f->metrics->pdata[i];
      g_autofree char *value = value_text (metric);

      pvt_table_row (table, metric->name, value, units[metric->unit], NULL);
    }
  pvt_table_print (table);
}

gboolean
pvt_page_show (PvtCli *cli, GError **error)
{
  PvtPageLook look;

  if (!pvt_page_look (cli, &look, error))
    return FALSE;
  if (cli->json)
    print_json (look.now);
  else
    {
      g_autofree char *state = pvt_page_state_text (&look);

      print_table (cli, look.now);
      if (!cli->no_headers)
        printf ("\n%s\n", state);
    }
  if (pvt_page_figures_is_stale (look.now))
    cli->exit_code = PVT_EXIT_TIMEOUT;
  pvt_page_look_clear (&look);
  return TRUE;
}

static gboolean
run_page (PvtCli *cli, int argc, char **argv, GError **error)
{
  gboolean create = FALSE;
  gint64 size = DEFAULT_SIZE;
  const GOptionEntry entries[] = {
    { "create", 0, 0, G_OPTION_ARG_NONE, &create, NULL, NULL },
    { "size", 0, 0, G_OPTION_ARG_INT64, &size, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_auto (GStrv) words = pvt_cli_words (entries, argc, argv, error);
  const char *file;

  if (words == NULL || !pvt_cli_take_guest (cli, words, error)
      || !pvt_cli_no_words ((int) g_strv_length (words), words, error))
    return FALSE;
  if (!create)
    return pvt_page_show (cli, error);
  file = pvt_page_address_file (cli->address);
  return pvt_page_prepare (file ? file : cli->address, (guint64) MAX (size, 0), error);
}

const PvtVerb pvt_verb_page = { "page", "[--create [--size BYTES]]",
                                "figures in memory that it shares; GUEST is page:/file", TRUE, run_page };
