/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Findings: a line of JSON each, or text for people. Everything printed is made
 * here of numbers and constant texts, so nothing needs escaping. */
#include "private.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-side/vmm/core/log.h"

#define FINDINGS_MAX 16u /* printed of one clause of one device; the rest is counted */

struct audit_log
{
  FILE *file; /* NULL: text to standard error */
  bool ours;
  pthread_mutex_t lock; /* findings come from all workers */
};

static const struct
{
  const char *id, *section, *level, *text;
} clauses[] = {
#define X(id, section, level, text) { #id, section, #level, text },
  AUDIT_CLAUSES (X)
#undef X
};

int
audit_log_new_stream (struct audit_log **result, void *stream)
{
  struct audit_log *log = calloc (1, sizeof *log);

  if (log == NULL)
    return -ENOMEM;
  log->file = stream;
  pthread_mutex_init (&log->lock, NULL);
  *result = log;
  return 0;
}

int
audit_log_new (struct audit_log **log, const char *path)
{
  FILE *file = path ? fopen (path, "we") : NULL;
  int ret;

  if (path && file == NULL)
    {
      ret = -errno;
      vmm_log ("%s: %s", path, strerror (-ret));
      return ret;
    }
  /* The buffer is made now: later stdio looks at the file first, in whichever thread. */
  if (file)
    setvbuf (file, NULL, _IOFBF, BUFSIZ);
  ret = audit_log_new_stream (log, file);
  if (ret == 0 && file)
    (*log)->ours = true;
  else if (file)
    fclose (file);
  return ret;
}

void
audit_log_free (struct audit_log *log)
{
  if (log == NULL)
    return;
  if (log->ours)
    fclose (log->file);
  pthread_mutex_destroy (&log->lock);
  free (log);
}

/* "l 5 3 0 0; k 6 3 0 0": letter, available, used, flags, event; the oldest first. */
static void
print_states (FILE *out, const struct audit_queue *queue)
{
  unsigned n = queue->n_states < AUDIT_HISTORY ? queue->n_states : AUDIT_HISTORY;

  for (unsigned i = 0; i < n; i++)
    {
      const struct audit_state *state = &queue->states[(queue->n_states - n + i) % AUDIT_HISTORY];

      fprintf (out, "%s%c %u %u %u %u", i ? "; " : "", state->what, state->avail, state->used,
               state->flags, state->event);
    }
}

static void
print_json (FILE *out, const struct audit *audit, enum audit_clause clause, int q, int index,
            const char *text)
{
  fprintf (out, "{\"finding\": \"%s\", \"section\": \"%s\", \"level\": \"%s\", \"device\": \"%s\"",
           clauses[clause].id, clauses[clause].section, clauses[clause].level, audit->name);
  if (q >= 0)
    fprintf (out, ", \"queue\": %d", q);
  if (index >= 0)
    fprintf (out, ", \"index\": %d", index);
  fprintf (out, ", \"what\": \"%s\"", text);
  if (q >= 0 && audit->queues[q])
    {
      fputs (", \"states\": \"", out);
      print_states (out, audit->queues[q]);
      fputs ("\"", out);
    }
  fputs ("}\n", out);
}

static void
print_text (const struct audit *audit, enum audit_clause clause, int q, int index,
            const char *text)
{
  fprintf (stderr, "audit: %s", audit->name);
  if (q >= 0)
    fprintf (stderr, " queue %d", q);
  if (index >= 0)
    fprintf (stderr, " at %d", index);
  fprintf (stderr, ": %s (%s, %s): %s; %s\n", clauses[clause].id, clauses[clause].section,
           clauses[clause].level, clauses[clause].text, text);
  if (q >= 0 && audit->queues[q] && audit->queues[q]->n_states)
    {
      fputs ("audit:   the ring before: ", stderr);
      print_states (stderr, audit->queues[q]);
      fputs ("\n", stderr);
    }
}

bool
audit_find (struct audit *audit, enum audit_clause clause, int q, int index, const char *format, ...)
{
  char text[256];
  va_list args;

  if (atomic_fetch_add (&audit->found[clause], 1) >= FINDINGS_MAX)
    return false;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  pthread_mutex_lock (&audit->log->lock);
  if (audit->log->file)
    {
      print_json (audit->log->file, audit, clause, q, index, text);
      fflush (audit->log->file);
    }
  else
    print_text (audit, clause, q, index, text);
  pthread_mutex_unlock (&audit->log->lock);
  return false;
}

static void
report_json (FILE *out, struct audit *audit)
{
  const char *comma = "";

  fprintf (out, "{\"device\": \"%s\", \"features\": %llu, \"findings\": %llu, \"checked\": {",
           audit->name, (unsigned long long) audit->accepted,
           (unsigned long long) audit_findings (audit));
  for (unsigned i = 0; i < AUDIT_CLAUSE_COUNT; i++)
    if (audit->checked[i])
      {
        fprintf (out, "%s\"%s\": %llu", comma, clauses[i].id, audit->checked[i]);
        comma = ", ";
      }
  fputs ("}}\n", out);
  fflush (out);
}

static void
report_text (struct audit *audit)
{
  unsigned n = 0;
  uint64_t checks = 0;

  for (unsigned i = 0; i < AUDIT_CLAUSE_COUNT; i++)
    {
      n += audit->checked[i] > 0;
      checks += audit->checked[i];
    }
  fprintf (stderr, "audit: %s: %llu checks of %u clauses, %llu findings\n", audit->name,
           (unsigned long long) checks, n, (unsigned long long) audit_findings (audit));
}

static uint64_t
checks_of (const struct audit *audit)
{
  uint64_t sum = 0;

  for (unsigned i = 0; i < AUDIT_CLAUSE_COUNT; i++)
    sum += audit->checked[i];
  return sum;
}

void
audit_report (struct audit *audit)
{
  uint64_t checks = checks_of (audit);

  if (checks == audit->reported) /* whoever came said nothing */
    return;
  audit->reported = checks;
  pthread_mutex_lock (&audit->log->lock);
  if (audit->log->file)
    report_json (audit->log->file, audit);
  else
    report_text (audit);
  pthread_mutex_unlock (&audit->log->lock);
}

static int
find_clause (const char *id)
{
  for (unsigned i = 0; i < AUDIT_CLAUSE_COUNT; i++)
    if (strcmp (clauses[i].id, id) == 0)
      return (int) i;
  return -1;
}

uint64_t
audit_checked (const struct audit *audit, const char *clause)
{
  int i = find_clause (clause);

  return i < 0 ? 0 : audit->checked[i];
}

uint64_t
audit_found (const struct audit *audit, const char *clause)
{
  int i = find_clause (clause);

  return i < 0 ? 0 : audit->found[i];
}

uint64_t
audit_findings (const struct audit *audit)
{
  uint64_t sum = 0;

  for (unsigned i = 0; i < AUDIT_CLAUSE_COUNT; i++)
    sum += audit->found[i];
  return sum;
}

const char *
audit_clause_at (unsigned index)
{
  return index < AUDIT_CLAUSE_COUNT ? clauses[index].id : NULL;
}
