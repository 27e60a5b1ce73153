/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verify.h"

#include <string.h>

static const char *const lines[] = {
#include "host-side/vmm/clauses.inc"
};

static void
clause_free (gpointer data)
{
  struct verify_clause *clause = data;

  g_strfreev (clause->fields);
  g_strfreev (clause->evidence);
  g_string_free (clause->where, TRUE);
  g_free (clause);
}

GPtrArray *
verify_clauses_new (void)
{
  GPtrArray *clauses = g_ptr_array_new_with_free_func (clause_free);

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      struct verify_clause *clause = g_new0 (struct verify_clause, 1);

      clause->fields = g_strsplit (lines[i], "\t", -1);
      g_assert (g_strv_length (clause->fields) >= CLAUSE_REASON);
      clause->evidence = g_strsplit (clause->fields[CLAUSE_EVIDENCE], " ", -1);
      clause->where = g_string_new (NULL);
      g_ptr_array_add (clauses, clause);
    }
  return clauses;
}

struct verify_clause *
verify_clause_find (GPtrArray *clauses, const char *id, gsize len)
{
  for (guint i = 0; i < clauses->len; i++)
    {
      struct verify_clause *clause = clauses->pdata[i];

      if (strlen (clause->fields[CLAUSE_ID]) == len
          && strncmp (clause->fields[CLAUSE_ID], id, len) == 0)
        return clause;
    }
  return NULL;
}

gboolean
verify_clause_covered (const struct verify_clause *clause)
{
  return strcmp (clause->fields[CLAUSE_EVIDENCE], "-") != 0;
}

void
verify_clause_saw (struct verify_clause *clause, const char *corner, gboolean good)
{
  g_auto (GStrv) seen = g_strsplit (clause->where->str, " ", -1);

  clause->passed += good;
  clause->failed += !good;
  if (!g_strv_contains ((const char *const *) seen, corner))
    g_string_append_printf (clause->where, "%s%s", clause->where->len ? " " : "", corner);
}
