/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the exporter says must be text that Prometheus reads, whatever a guest has sent. */
#pragma once

#include "exposition.h"

#include <math.h>
#include <stdlib.h>

/* Every line: a comment, or a name, perhaps labels, and a finite number. */
static inline void
check_line (const char *line, gboolean (*is_known) (const char *line))
{
  const char *space = strrchr (line, ' ');
  char *end;
  double value;

  if (*line == '#' || *line == '\0')
    return;
  if (space == NULL || !is_known (line))
    abort ();
  value = g_ascii_strtod (space + 1, &end);
  if (end == space + 1 || *end != '\0' || !isfinite (value))
    abort ();
}

/* Seals @metrics; @is_known: whether a line begins with a name that may be there. */
static inline void
check_exposition (PvtMetrics *metrics, gboolean (*is_known) (const char *line))
{
  PvtExposed set = { metrics, NULL, NULL };
  GString *text = g_string_new (NULL);
  g_auto (GStrv) lines = NULL;

  pvt_metrics_seal (metrics);
  pvt_exposition_write (text, &set, 1, "");
  if (!g_utf8_validate (text->str, (gssize) text->len, NULL))
    abort ();
  lines = g_strsplit (text->str, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    check_line (lines[i], is_known);
  g_string_free (text, TRUE);
}
