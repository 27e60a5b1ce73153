/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people and programs read. Text of a guest is never printed as it came:
 * what a terminal would obey is escaped. */
#pragma once

#include "cli.h"

/* Text with control characters as \xNN; the caller frees. */
char *pvt_safe_text (const char *text);

/* 1536 -> "1.5 KiB", or "1536" with --bytes; the caller frees. */
char *pvt_size_text (const PvtCli *cli, guint64 bytes);

/* 0.254 -> "25.4%"; the caller frees. */
char *pvt_share_text (double share);

/* 93784 -> "1 d 2 h 3 min"; the caller frees. */
char *pvt_duration_text (guint64 seconds);

/* The text of a value of an enum; "unknown" for one that is from a newer agent, or made up. */
const char *pvt_enum_text (const char *const *texts, guint n, guint value);

/* A table: cells are escaped, columns that begin with '>' in @headers are
 * right-aligned. */
typedef struct _PvtTable PvtTable;
PvtTable *pvt_table_new (const PvtCli *cli, const char *const *headers);
/* NULL-terminated cells, as many as headers; a NULL cell cannot be given: use "-". */
void pvt_table_row (PvtTable *table, ...) G_GNUC_NULL_TERMINATED;
/* Prints and frees. */
void pvt_table_print (PvtTable *table);

/* "Name:   value" lines; a NULL value prints nothing. */
void pvt_print_fact (const char *name, const char *value);

/* JSON text, with what a terminal may obey, or is turned around by, escaped. */
void pvt_print_escaped (const char *text);

/* JSON with a newline behind it. */
void pvt_print_json (JsonNode *node);

/* A member of the object that is being built; of a text that is NULL, and of a number
 * when not @has, there is none. */
void pvt_json_add_text (JsonBuilder *builder, const char *name, const char *value);
void pvt_json_add_double (JsonBuilder *builder, const char *name, gboolean has, double value);

/* One part of a verb's JSON: what a command returns, under a key. */
typedef struct
{
  const char *key;
  const char *command;
} PvtSection;

/*
 * Prints an object with a member for each section. What this agent cannot tell
 * is absent, and its key is in "unavailable". With a single section its value
 * is printed alone and a failure is an error.
 */
gboolean pvt_print_sections (PvtCli *cli, const PvtSection *sections, guint n, GError **error);
