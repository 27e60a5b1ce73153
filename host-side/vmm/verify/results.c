/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run left: TAP of a guest, and lines of the auditor. */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#define LAST 8u /* lines of a guest's output that are shown */

static char **
read_lines (const char *path)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_new0 (char *, 1);
  return g_strsplit_set (text, "\r\n", -1);
}

/* "... [C12 P7]": the clauses of a case. */
static void
tell_clauses (struct verify_corner *corner, const char *name, gboolean good, GPtrArray *clauses)
{
  const char *open = strrchr (name, '['), *end = open ? strchr (open, ']') : NULL;

  while (end && open < end)
    {
      gsize len = strcspn (open + 1, " ]");
      struct verify_clause *clause = verify_clause_find (clauses, open + 1, len);

      if (clause)
        verify_clause_saw (clause, corner->name, good);
      open += 1 + len;
    }
}

void
verify_read_tap (struct verify_corner *corner, const char *path, GPtrArray *clauses)
{
  g_auto (GStrv) lines = read_lines (path);
  gboolean planned = FALSE;

  for (char **line = lines; *line; line++)
    {
      gboolean good = g_str_has_prefix (*line, "ok ");
      gboolean bad = g_str_has_prefix (*line, "not ok ");
      const char *name = strstr (*line, " - ");

      planned |= g_str_has_prefix (*line, "1..");
      if (!good && !bad)
        continue;
      corner->good += good;
      corner->bad += bad;
      if (bad)
        g_string_append_printf (corner->wrong, "%s\n", name ? name + 3 : *line);
      if (name)
        tell_clauses (corner, name, good, clauses);
    }
  if (planned && corner->good > 0)
    return;
  corner->bad++;
  g_string_append_printf (corner->wrong, "the guest did not get to its end: %s; the last it said:\n",
                          corner->good ? "no plan" : "no case");
  for (guint n = g_strv_length (lines), i = n > LAST ? n - LAST : 0; i < n; i++)
    if (*lines[i])
      g_string_append_printf (corner->wrong, "  %s\n", lines[i]);
}

/* "{"finding": "S8", ... "what": "..."}" */
static void
finding (struct verify_corner *corner, const char *line, GPtrArray *clauses)
{
  const char *id = strstr (line, "\"finding\": \"") + strlen ("\"finding\": \"");
  struct verify_clause *clause = verify_clause_find (clauses, id, strcspn (id, "\""));

  corner->findings++;
  g_string_append_printf (corner->wrong, "audit: %s\n", line);
  if (clause)
    verify_clause_saw (clause, corner->name, FALSE);
}

/* "... "checked": {"C1": 20, ...}}" */
static void
checked (struct verify_corner *corner, const char *line, GPtrArray *clauses)
{
  const char *at = strstr (line, "\"checked\": {");

  for (at = at ? strchr (at, '{') : NULL; at && (at = strchr (at, '"')); at = strpbrk (at, ",}"))
    {
      gsize len = strcspn (at + 1, "\"");
      struct verify_clause *clause = verify_clause_find (clauses, at + 1, len);

      at += len + 2;
      corner->checks += (unsigned) strtoul (at + 1, NULL, 10);
      if (clause)
        verify_clause_saw (clause, corner->name, TRUE);
    }
}

/* Our test guest leaves features out to try the others: that is no finding. */
static gboolean
asked_for (const struct verify_corner *corner, const char *line)
{
  return !corner->linux_driver && strstr (line, "\"finding\": \"F4\"") != NULL;
}

void
verify_read_audit (struct verify_corner *corner, const char *path, GPtrArray *clauses)
{
  g_auto (GStrv) lines = read_lines (path);

  for (char **line = lines; *line; line++)
    if (g_str_has_prefix (*line, "{\"finding\""))
      {
        if (!asked_for (corner, *line))
          finding (corner, *line, clauses);
      }
    else if (g_str_has_prefix (*line, "{\"device\""))
      checked (corner, *line, clauses);
}
