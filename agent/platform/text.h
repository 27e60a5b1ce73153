/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walking kernel text files: lines, words and numbers without allocation. */
#pragma once

#include <glib.h>

typedef struct
{
  const char *p;
  const char *end;
} PvtText;

static inline PvtText
pvt_text (const char *data, gsize len)
{
  return (PvtText){ data, data + len };
}

/* The next line, without its newline; FALSE at the end. */
gboolean pvt_text_line (PvtText *text, PvtText *line);

/* The next word of a line: what stands between blanks; FALSE when none is left. */
gboolean pvt_text_word (PvtText *line, PvtText *word);

/* The next word as a decimal number; FALSE when it is none or does not fit. */
gboolean pvt_text_u64 (PvtText *line, guint64 *value);
gboolean pvt_text_double (PvtText *line, double *value);

gboolean pvt_text_is (PvtText word, const char *literal);
gboolean pvt_text_starts (PvtText text, const char *literal);

/* A copy, NUL-terminated; the caller frees. */
char *pvt_text_dup (PvtText word);
