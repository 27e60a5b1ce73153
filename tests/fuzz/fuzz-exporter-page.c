/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's shared page as the exporter takes it; the text that comes of it must be one
 * that Prometheus reads. */
#include "fuzz.h"

#include "exposition-check.h"
#include "host-side/client/page-parse.h"
#include "shared-figures.h"

static gboolean
is_known (const char *line)
{
  return g_str_has_prefix (line, "node_") || g_str_has_prefix (line, "pvtools_guest_frozen");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (PvtPageFigures) figures = pvt_page_parse (data, size, NULL);
  g_autoptr (PvtMetrics) metrics = pvt_metrics_new ();

  if (figures)
    pvt_shared_figures_add (metrics, figures);
  check_exposition (metrics, is_known);
  return 0;
}
