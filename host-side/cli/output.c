/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-text.h"
#include "output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

char *
pvt_safe_text (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char_validated (p, -1);

      if (c == (gunichar) -1 || c == (gunichar) -2)
        {
          g_string_append_printf (out, "\\x%02x", (guchar) *p);
          /* Not one character: go on byte by byte. */
          while ((p[1] & 0xc0) == 0x80)
            g_string_append_printf (out, "\\x%02x", (guchar) * ++p);
        }
      else if (g_unichar_isprint (c) && g_unichar_type (c) != G_UNICODE_FORMAT)
        g_string_append_unichar (out, c);
      else
        g_string_append_printf (out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
    }
  return g_string_free (out, FALSE);
}

char *
pvt_size_text (const PvtCli *cli, guint64 bytes)
{
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
  double value = (double) bytes;
  guint unit = 0;

  if (cli->bytes)
    return g_strdup_printf ("%" G_GUINT64_FORMAT, bytes);
  for (; value >= 1024 && unit < G_N_ELEMENTS (units) - 1; unit++)
    value /= 1024;
  return g_strdup_printf (unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

char *
pvt_share_text (double share)
{
  return g_strdup_printf ("%.1f%%", share * 100);
}

char *
pvt_duration_text (guint64 seconds)
{
  guint64 days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;

  if (days > 0)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " d %" G_GUINT64_FORMAT " h %" G_GUINT64_FORMAT
                            " min",
                            days, hours, minutes);
  if (hours > 0)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " h %" G_GUINT64_FORMAT " min", hours, minutes);
  if (minutes > 0)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " min %" G_GUINT64_FORMAT " s", minutes,
                            seconds % 60);
  return g_strdup_printf ("%" G_GUINT64_FORMAT " s", seconds);
}

const char *
pvt_enum_text (const char *const *texts, guint n, guint value)
{
  return value < n ? texts[value] : "unknown";
}

struct _PvtTable
{
  const PvtCli *cli;
  const char *const *headers;
  guint columns;
  GPtrArray *cells; /* of all rows, headers first */
};

PvtTable *
pvt_table_new (const PvtCli *cli, const char *const *headers)
{
  PvtTable *table = g_new0 (PvtTable, 1);

  table->cli = cli;
  table->headers = headers;
  table->cells = g_ptr_array_new_with_free_func (g_free);
  for (; headers[table->columns]; table->columns++)
    {
      const char *text = headers[table->columns];

      g_ptr_array_add (table->cells, g_strdup (*text == '>' ? text + 1 : text));
    }
  return table;
}

void
pvt_table_row (PvtTable *table, ...)
{
  const char *cell;
  va_list args;

  va_start (args, table);
  while ((cell = va_arg (args, const char *)))
    g_ptr_array_add (table->cells, pvt_safe_text (cell));
  va_end (args);
  g_assert (table->cells->len % table->columns == 0);
}

static void
append_cell (GString *line, const char *text, glong width, gboolean right)
{
  int pad = (int) (width - g_utf8_strlen (text, -1));

  if (right)
    g_string_append_printf (line, "%*s%s  ", pad, "", text);
  else
    g_string_append_printf (line, "%s%*s  ", text, pad, "");
}

void
pvt_table_print (PvtTable *table)
{
  g_autofree glong *widths = g_new0 (glong, table->columns);
  g_autoptr (GString) line = g_string_new (NULL);

  for (guint i = table->cli->no_headers ? table->columns : 0; i < table->cells->len; i++)
    widths[i % table->columns]
        = MAX (widths[i % table->columns], g_utf8_strlen (table->cells->pdata[i], -1));
  for (guint i = table->cli->no_headers ? table->columns : 0; i < table->cells->len; i++)
    {
      guint column = i % table->columns;

      append_cell (line, table->cells->pdata[i], widths[column], *table->headers[column] == '>');
      if (column < table->columns - 1)
        continue;
      puts (g_strchomp (line->str));
      g_string_truncate (line, 0);
    }
  g_ptr_array_unref (table->cells);
  g_free (table);
}

void
pvt_print_fact (const char *name, const char *value)
{
  g_autofree char *safe = value ? pvt_safe_text (value) : NULL;

  if (safe)
    printf ("%-12s %s\n", name, safe);
}

/* The generator leaves DEL, C1 controls and what turns text around (U+202E) as they
 * are: JSON has an escape for each, beyond U+FFFF two. */
void
pvt_print_escaped (const char *text)
{
  for (const char *p = text; *p; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      GUnicodeType type = c < 0x7f ? G_UNICODE_OTHER_LETTER : g_unichar_type (c);

      if (type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT)
        fwrite (p, 1, (gsize) (g_utf8_next_char (p) - p), stdout);
      else if (c > 0xffff)
        printf ("\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
      else
        printf ("\\u%04x", c);
    }
}

void
pvt_print_json (JsonNode *node)
{
  g_autofree char *text = pvt_json_text (node, TRUE);

  pvt_print_escaped (text);
  putchar ('\n');
}

void
pvt_json_add_text (JsonBuilder *builder, const char *name, const char *value)
{
  if (value == NULL)
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

void
pvt_json_add_double (JsonBuilder *builder, const char *name, gboolean has, double value)
{
  /* JSON has no infinity: a guest's figures may come to one. */
  if (!has || !isfinite (value))
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_double_value (builder, value);
}

static gboolean
is_unavailable (const GError *error)
{
  return g_error_matches (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND)
         || g_error_matches (error, PVT_AGENT_ERROR, PVT_AGENT_ERROR_GENERIC);
}

gboolean
pvt_print_sections (PvtCli *cli, const PvtSection *sections, guint n, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) node = NULL;
  JsonArray *missing = json_array_new ();

  for (guint i = 0; i < n; i++)
    {
      GError *failure = NULL;
      JsonNode *value = pvt_client_execute (cli->client, sections[i].command, NULL,
                                            cli->timeout_ms, NULL, &failure);

      if (value && n == 1)
        {
          pvt_print_json (value);
          json_node_unref (value);
          json_array_unref (missing);
          return TRUE;
        }
      if (value)
        json_object_set_member (object, sections[i].key, value);
      else if (n > 1 && is_unavailable (failure))
        {
          json_array_add_string_element (missing, sections[i].key);
          g_error_free (failure);
        }
      else
        {
          json_array_unref (missing);
          g_propagate_error (error, failure);
          return FALSE;
        }
    }
  json_object_set_array_member (object, "unavailable", missing);
  node = json_node_init_object (json_node_alloc (), object);
  pvt_print_json (node);
  return TRUE;
}
