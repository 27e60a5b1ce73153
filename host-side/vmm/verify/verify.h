/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The conformance matrix: {our driver, Linux's} x {our device, QEMU's} x {pci, mmio}
 * x {split, packed}, and which clauses of the specification it holds. */
#pragma once

#include <glib.h>

/* ---- clauses ---- */

struct verify_clause
{
  char **fields; /* number, whom it binds, section, text, evidence, reason */
  char **evidence;
  /* what this run saw */
  unsigned passed, failed;
  GString *where; /* the corners, separated by blanks */
};

enum verify_field
{
  CLAUSE_ID,
  CLAUSE_ROLE,
  CLAUSE_SECTION,
  CLAUSE_TEXT,
  CLAUSE_EVIDENCE,
  CLAUSE_REASON,
};

/* Of tests/conformance/clauses.tsv, as built in: a GPtrArray of struct verify_clause. */
GPtrArray *verify_clauses_new (void);
/* NULL when there is none with this number, of @len bytes. */
struct verify_clause *verify_clause_find (GPtrArray *clauses, const char *id, gsize len);
/* Whether anything covers it, here or in another test. */
gboolean verify_clause_covered (const struct verify_clause *clause);
/* Counts what one corner says of a clause. */
void verify_clause_saw (struct verify_clause *clause, const char *corner, gboolean good);

/* ---- corners ---- */

struct verify_corner
{
  gboolean linux_driver, qemu_device, mmio, packed;
  char *name; /* "linux/ours/pci/packed" */
  const char *lane; /* how it was run */
  char *skipped; /* why it was not; NULL: it was */
  unsigned good, bad, checks, findings;
  GString *wrong; /* what went wrong, a line each */
};

struct verify_setup
{
  const char *testguest, *kernel, *initrd, *qemu; /* NULL: there is none */
  const char *vmm; /* this program */
  char *directory; /* scratch */
  gboolean kvm;
  unsigned timeout; /* of one run, in seconds */
};

/* All sixteen: a GPtrArray of struct verify_corner. */
GPtrArray *verify_corners_new (void);
/* Runs a corner, or says in it why it cannot be run here. */
void verify_corner_run (struct verify_corner *corner, const struct verify_setup *setup,
                        GPtrArray *clauses);

/* ---- parts ---- */

/* Runs a program with its output into a file until it ends: its exit status, -1 with
 * @error when it cannot be started or takes longer than @seconds. */
int verify_run (char **argv, const char *output, unsigned seconds, GError **error);
/* Starts a program and waits until it listens on @socket: its process, 0 with @error. */
GPid verify_start (char **argv, const char *socket, GError **error);
void verify_stop (GPid pid);
/* Sends back what comes: listens at @path, or connects there as soon as somebody listens,
 * and then the stop waits until the other end has closed. NULL can be stopped. */
struct verify_echo;
struct verify_echo *verify_echo_start (const char *path, gboolean listens);
/* Connects in the same way and says @words, which are kept. */
struct verify_echo *verify_say_start (const char *path, const char *words);
void verify_echo_stop (struct verify_echo *echo);

/* Reads TAP, whose names may end with clauses in brackets. */
void verify_read_tap (struct verify_corner *corner, const char *path, GPtrArray *clauses);
/* Reads what an auditor wrote. */
void verify_read_audit (struct verify_corner *corner, const char *path, GPtrArray *clauses);

/* The same of a text. */
void verify_take_tap (struct verify_corner *corner, const char *text, GPtrArray *clauses);
void verify_take_audit (struct verify_corner *corner, const char *text, GPtrArray *clauses);

/* ---- reports ---- */

void verify_list (GPtrArray *clauses);
/* For people, to standard output; 0 when nothing failed. */
int verify_report (GPtrArray *corners, GPtrArray *clauses);
gboolean verify_write_tap (GPtrArray *corners, GPtrArray *clauses, const char *path, GError **error);
gboolean verify_write_json (GPtrArray *corners, GPtrArray *clauses, const char *path, GError **error);
