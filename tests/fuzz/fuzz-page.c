/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's shared page. */
#include "fuzz.h"

#include "host-side/client/page-parse.h"
#include "protocol/page/layout.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  guint32 sequence;
  gsize used = pvt_page_parse_head (data, size, &sequence, NULL);
  g_autoptr (PvtPageFigures) figures = NULL;

  g_assert (used <= PVT_PAGE_BYTES_MAX);
  figures = pvt_page_parse (data, size, NULL);
  if (figures == NULL)
    return 0;
  g_assert (used == size && figures->metrics->len + figures->unknown <= PVT_PAGE_METRICS_MAX);
  for (guint i = 0; i < figures->metrics->len; i++)
    {
      const PvtPageMetric *metric = figures->metrics->pdata[i];

      g_assert (strlen (metric->name) <= PVT_PAGE_NAME_MAX && strchr (metric->name, '.'));
      g_assert (g_utf8_validate (metric->name, -1, NULL));
      g_assert (pvt_page_figures_lookup (figures, metric->name) == metric);
      g_assert ((metric->type == PVT_PAGE_TYPE_TEXT) == (metric->text != NULL));
      g_assert (metric->text == NULL || (strlen (metric->text) <= PVT_PAGE_TEXT_MAX
                                         && g_utf8_validate (metric->text, -1, NULL)));
      g_assert (pvt_page_metric_get_value (metric) <= G_MAXDOUBLE);
    }
  return 0;
}
