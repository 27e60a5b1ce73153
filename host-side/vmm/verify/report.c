/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify.h"

#include <stdio.h>
#include <string.h>

/* What is known of a clause after a run. */
static const char *
verdict (const struct verify_clause *clause)
{
  if (clause->failed)
    return "failed";
  if (clause->passed)
    return "held";
  if (!verify_clause_covered (clause))
    return "uncovered";
  /* By a unit test or a guest test, if that is all there is. */
  for (char **evidence = clause->evidence; *evidence; evidence++)
    if (strchr (*evidence, ':'))
      return "elsewhere";
  return "not run";
}

static unsigned
count (GPtrArray *clauses, const char *what)
{
  unsigned n = 0;

  for (guint i = 0; i < clauses->len; i++)
    n += strcmp (verdict (clauses->pdata[i]), what) == 0;
  return n;
}

static unsigned
covered (GPtrArray *clauses)
{
  unsigned n = 0;

  for (guint i = 0; i < clauses->len; i++)
    n += verify_clause_covered (clauses->pdata[i]);
  return n;
}

void
verify_list (GPtrArray *clauses)
{
  for (guint i = 0; i < clauses->len; i++)
    {
      const struct verify_clause *clause = clauses->pdata[i];
      const char *reason = clause->fields[CLAUSE_REASON];

      printf ("%-5s %-4s %-52s %s\n      %s\n", clause->fields[CLAUSE_ID],
              clause->fields[CLAUSE_ROLE], clause->fields[CLAUSE_SECTION], clause->fields[CLAUSE_TEXT],
              verify_clause_covered (clause) ? clause->fields[CLAUSE_EVIDENCE]
                                             : (reason ? reason : "no reason given"));
      if (verify_clause_covered (clause) && reason)
        printf ("      %s\n", reason);
    }
  printf ("covered: %u of %u clauses\n", covered (clauses), clauses->len);
}

static const char *
state_of (const struct verify_corner *corner)
{
  return corner->skipped ? "not run" : corner->bad || corner->findings ? "FAILED" : "passed";
}

static int
print_corners (GPtrArray *corners)
{
  int failed = 0;

  printf ("%-23s %-8s %6s %8s %8s  %s\n", "DRIVER/DEVICE/BUS/RING", "RESULT", "CASES", "CHECKS",
          "FINDINGS", "BY");
  for (guint i = 0; i < corners->len; i++)
    {
      const struct verify_corner *corner = corners->pdata[i];

      printf ("%-23s %-8s %6u %8u %8u  %s\n", corner->name, state_of (corner), corner->good + corner->bad,
              corner->checks, corner->findings, corner->skipped ? corner->skipped : corner->lane);
      failed |= !corner->skipped && (corner->bad || corner->findings);
    }
  for (guint i = 0; i < corners->len; i++)
    {
      const struct verify_corner *corner = corners->pdata[i];

      if (corner->wrong->len)
        printf ("\n%s:\n%s", corner->name, corner->wrong->str);
    }
  return failed;
}

int
verify_report (GPtrArray *corners, GPtrArray *clauses)
{
  int failed = print_corners (corners);

  printf ("\n%-5s %-9s %-46s %s\n", "", "", "SECTION", "BY, OR WHY NOT");
  for (guint i = 0; i < clauses->len; i++)
    {
      const struct verify_clause *clause = clauses->pdata[i];
      const char *state = verdict (clause);
      const char *by = strcmp (state, "uncovered") == 0 ? clause->fields[CLAUSE_REASON]
                       : strcmp (state, "elsewhere") == 0 ? clause->fields[CLAUSE_EVIDENCE]
                                                          : clause->where->str;

      printf ("%-5s %-9s %-46s %s\n", clause->fields[CLAUSE_ID], state, clause->fields[CLAUSE_SECTION],
              by ? by : "");
    }
  printf ("\n%u of %u clauses are covered: %u held here, %u failed here, %u by tests elsewhere, "
          "%u by what was not run; %u are not\n",
          covered (clauses), clauses->len, count (clauses, "held"), count (clauses, "failed"),
          count (clauses, "elsewhere"), count (clauses, "not run"), count (clauses, "uncovered"));
  return failed;
}

gboolean
verify_write_tap (GPtrArray *corners, GPtrArray *clauses, const char *path, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  unsigned n = 0;

  g_string_append_printf (text, "1..%u\n", corners->len + clauses->len);
  for (guint i = 0; i < corners->len; i++)
    {
      const struct verify_corner *corner = corners->pdata[i];

      g_string_append_printf (text, "%sok %u - corner %s%s%s\n",
                              corner->bad || corner->findings ? "not " : "", ++n, corner->name,
                              corner->skipped ? " # SKIP " : "", corner->skipped ? corner->skipped : "");
    }
  for (guint i = 0; i < clauses->len; i++)
    {
      const struct verify_clause *clause = clauses->pdata[i];
      gboolean held = strcmp (verdict (clause), "held") == 0;

      g_string_append_printf (text, "%sok %u - clause %s%s%s\n", clause->failed ? "not " : "", ++n,
                              clause->fields[CLAUSE_ID], held || clause->failed ? "" : " # SKIP ",
                              held || clause->failed ? "" : verdict (clause));
    }
  return g_file_set_contents (path, text->str, (gssize) text->len, error);
}

/* The texts are the tree's own and the corners': quotes and control bytes come from
 * a guest's output at most. */
static void
append_string (GString *text, const char *key, const char *value, const char *behind)
{
  g_string_append_printf (text, "\"%s\": \"", key);
  for (const char *at = value ? value : ""; *at; at++)
    if (*at == '"' || *at == '\\')
      g_string_append_printf (text, "\\%c", *at);
    else if ((unsigned char) *at < 0x20 || (unsigned char) *at >= 0x7f)
      g_string_append_printf (text, "\\u%04x", (unsigned char) *at);
    else
      g_string_append_c (text, *at);
  g_string_append_printf (text, "\"%s", behind);
}

gboolean
verify_write_json (GPtrArray *corners, GPtrArray *clauses, const char *path, GError **error)
{
  g_autoptr (GString) text = g_string_new ("{\"corners\": [\n");

  for (guint i = 0; i < corners->len; i++)
    {
      const struct verify_corner *corner = corners->pdata[i];

      g_string_append (text, "  {");
      append_string (text, "name", corner->name, ", ");
      append_string (text, "result", state_of (corner), ", ");
      append_string (text, "by", corner->skipped ? corner->skipped : corner->lane, ", ");
      append_string (text, "wrong", corner->wrong->str, ", ");
      g_string_append_printf (text, "\"good\": %u, \"bad\": %u, \"checks\": %u, \"findings\": %u}%s\n",
                              corner->good, corner->bad, corner->checks, corner->findings,
                              i + 1 < corners->len ? "," : "");
    }
  g_string_append (text, "],\n\"clauses\": [\n");
  for (guint i = 0; i < clauses->len; i++)
    {
      const struct verify_clause *clause = clauses->pdata[i];

      g_string_append (text, "  {");
      append_string (text, "id", clause->fields[CLAUSE_ID], ", ");
      append_string (text, "section", clause->fields[CLAUSE_SECTION], ", ");
      append_string (text, "verdict", verdict (clause), ", ");
      append_string (text, "evidence", clause->fields[CLAUSE_EVIDENCE], ", ");
      append_string (text, "reason", clause->fields[CLAUSE_REASON], ", ");
      append_string (text, "corners", clause->where->str, "");
      g_string_append_printf (text, "}%s\n", i + 1 < clauses->len ? "," : "");
    }
  g_string_append_printf (text, "],\n\"covered\": %u, \"held\": %u, \"failed\": %u, \"clauses_in_all\": %u}\n",
                          covered (clauses), count (clauses, "held"), count (clauses, "failed"),
                          clauses->len);
  return g_file_set_contents (path, text->str, (gssize) text->len, error);
}
