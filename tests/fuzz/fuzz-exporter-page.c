/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's shared page as the exporter takes it; the text that comes of it must be one
 * that Prometheus reads. */
#include "fuzz.h"

#include "exposition.h"
#include "host-side/client/page-parse.h"
#include "shared-figures.h"

#include <math.h>
#include <stdlib.h>

/* Every line: a comment, or a name, perhaps labels, and a finite number. */
static void
check_line (const char *line)
{
  const char *space = strrchr (line, ' ');
  char *end;
  double value;

  if (*line == '#' || *line == '\0')
    return;
  if (space == NULL || !(g_str_has_prefix (line, "node_") || g_str_has_prefix (line, "pvtools_guest_frozen")))
    abort ();
  value = g_ascii_strtod (space + 1, &end);
  if (end == space + 1 || *end != '\0' || !isfinite (value))
    abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (PvtPageFigures) figures = pvt_page_parse (data, size, NULL);
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();
  PvtExposed set = { metrics, NULL, NULL };
  GString *text = g_string_new (NULL);
  g_auto (GStrv) lines = NULL;

  if (figures)
    pvt_shared_figures_add (metrics, figures);
  pvt_metrics_seal (metrics);
  pvt_exposition_write (text, &set, 1, "");
  g_assert (g_utf8_validate (text->str, (gssize) text->len, NULL));
  lines = g_strsplit (text->str, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    check_line (lines[i]);
  g_string_free (text, TRUE);
  return 0;
}
