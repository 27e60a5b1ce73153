/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run left: TAP of a guest, and lines of the auditor. A guest prints what it
 * likes, and as much: files are read up to a limit, and of what went wrong a part is kept. */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAST 8u /* lines of a guest's output that are shown */
#define FINDING "{\"finding\": \""
#define FILE_MAX (16u << 20)
#define WRONG_MAX 65536u /* bytes of what went wrong in a corner */

/* Up to the limit, and to the first NUL. */
static char *
read_text (const char *path)
{
  char *text = g_malloc (FILE_MAX + 1);
  FILE *file = fopen (path, "re");
  size_t n = file ? fread (text, 1, FILE_MAX, file) : 0;

  if (file)
    fclose (file);
  text[n] = '\0';
  return g_realloc (text, n + 1);
}

static void wrong (struct verify_corner *corner, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
wrong (struct verify_corner *corner, const char *format, ...)
{
  va_list args;

  if (corner->wrong->len > WRONG_MAX)
    return;
  va_start (args, format);
  g_string_append_vprintf (corner->wrong, format, args);
  va_end (args);
  if (corner->wrong->len <= WRONG_MAX)
    return;
  g_string_truncate (corner->wrong, WRONG_MAX);
  g_string_append (corner->wrong, "\nand more\n");
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
verify_take_tap (struct verify_corner *corner, const char *text, GPtrArray *clauses)
{
  g_auto (GStrv) lines = g_strsplit_set (text, "\r\n", -1);
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
        wrong (corner, "%s\n", name ? name + 3 : *line);
      if (name)
        tell_clauses (corner, name, good, clauses);
    }
  if (planned && corner->good > 0)
    return;
  corner->bad++;
  wrong (corner, "the guest did not get to its end: %s; the last it said:\n",
         corner->good ? "no plan" : "no case");
  for (guint n = g_strv_length (lines), i = n > LAST ? n - LAST : 0; i < n; i++)
    if (*lines[i])
      wrong (corner, "  %s\n", lines[i]);
}

void
verify_read_tap (struct verify_corner *corner, const char *path, GPtrArray *clauses)
{
  g_autofree char *text = read_text (path);

  verify_take_tap (corner, text, clauses);
}

/* "{"finding": "S8", ... "what": "..."}": behind its first word. */
static void
finding (struct verify_corner *corner, const char *line, GPtrArray *clauses)
{
  const char *id = line + strlen (FINDING);
  struct verify_clause *clause = verify_clause_find (clauses, id, strcspn (id, "\""));

  corner->findings++;
  wrong (corner, "audit: %s\n", line);
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

      at += 1 + len;
      if (strncmp (at, "\": ", 3) != 0) /* the line was cut off */
        return;
      at += 2;
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
verify_take_audit (struct verify_corner *corner, const char *text, GPtrArray *clauses)
{
  g_auto (GStrv) lines = g_strsplit_set (text, "\r\n", -1);

  for (char **line = lines; *line; line++)
    if (g_str_has_prefix (*line, FINDING))
      {
        if (!asked_for (corner, *line))
          finding (corner, *line, clauses);
      }
    else if (g_str_has_prefix (*line, "{\"device\""))
      checked (corner, *line, clauses);
}

void
verify_read_audit (struct verify_corner *corner, const char *path, GPtrArray *clauses)
{
  g_autofree char *text = read_text (path);

  verify_take_audit (corner, text, clauses);
}
