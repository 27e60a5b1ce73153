/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

G_STATIC_ASSERT (PVT_METRICS_MAX_SAMPLES < G_MAXUINT16);

PvtMetrics *
pvt_metrics_new (void)
{
  PvtMetrics *metrics = g_new0 (PvtMetrics, 1);

  metrics->refs = 1;
  metrics->max_samples = PVT_METRICS_MAX_SAMPLES - PVT_METRICS_RESERVED_SAMPLES;
  metrics->max_label_bytes = PVT_METRICS_MAX_LABEL_BYTES - PVT_METRICS_RESERVED_LABEL_BYTES;
  metrics->samples = g_array_new (FALSE, FALSE, sizeof (PvtSample));
  metrics->labels = g_string_sized_new (1024);
  g_string_append_c (metrics->labels, '\0'); /* offset 0: no labels */
  metrics->seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return metrics;
}

void
pvt_metrics_open_reserve (PvtMetrics *metrics)
{
  metrics->max_samples = PVT_METRICS_MAX_SAMPLES;
  metrics->max_label_bytes = PVT_METRICS_MAX_LABEL_BYTES;
}

PvtMetrics *
pvt_metrics_ref (PvtMetrics *metrics)
{
  g_atomic_int_inc (&metrics->refs);
  return metrics;
}

void
pvt_metrics_unref (PvtMetrics *metrics)
{
  if (metrics == NULL || !g_atomic_int_dec_and_test (&metrics->refs))
    return;
  g_array_unref (metrics->samples);
  g_string_free (metrics->labels, TRUE);
  g_clear_pointer (&metrics->seen, g_hash_table_unref);
  g_free (metrics->first);
  g_free (metrics);
}

/* What is not valid, and what a terminal or a log might obey, becomes U+FFFD. */
static void
append_escaped (GString *out, gunichar c)
{
  if (c == '\\')
    g_string_append (out, "\\\\");
  else if (c == '"')
    g_string_append (out, "\\\"");
  else if (c == '\n')
    g_string_append (out, "\\n");
  else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
    g_string_append (out, "\xef\xbf\xbd");
  else
    g_string_append_unichar (out, c);
}

void
pvt_label_escape (GString *out, const char *value)
{
  const char *end = value + strnlen (value, PVT_METRICS_MAX_LABEL);

  for (const char *p = value; p < end;)
    {
      gunichar c = g_utf8_get_char_validated (p, end - p);

      if (c == (gunichar) -2)
        return; /* a character across the limit */
      append_escaped (out, c == (gunichar) -1 ? 0 : c);
      p = c == (gunichar) -1 ? p + 1 : g_utf8_next_char (p);
    }
}

static gboolean
is_possible (PvtFamilyId family, double value)
{
  if (!isfinite (value))
    return FALSE;
  return pvt_families[family].type == PVT_GAUGE || value >= 0;
}

/* Takes the text of the labels, which starts at @start, away again. */
static void
drop (PvtMetrics *metrics, gsize start)
{
  g_string_truncate (metrics->labels, start);
  metrics->dropped++;
}

/* The labels behind @start are complete: keeps the sample unless it is there. */
static void
keep (PvtMetrics *metrics, PvtFamilyId family, PvtSuffix suffix, double value, gsize start)
{
  const char *labels = metrics->labels->str + start;
  PvtSample sample = { value, (guint32) start, (guint16) family, (guint16) suffix };
  g_autofree char *key = g_strdup_printf ("%d/%d/%s", family, suffix, labels);

  if (!is_possible (family, value) || metrics->samples->len >= metrics->max_samples
      || metrics->labels->len >= metrics->max_label_bytes
      || g_hash_table_contains (metrics->seen, key))
    {
      drop (metrics, start);
      return;
    }
  g_hash_table_add (metrics->seen, g_steal_pointer (&key));
  if (metrics->labels->len == start)
    sample.labels = 0;
  else
    g_string_append_c (metrics->labels, '\0');
  g_array_append_val (metrics->samples, sample);
}

static void
append_label (GString *out, gsize start, const char *name, const char *value)
{
  if (value == NULL)
    return;
  if (out->len > start)
    g_string_append_c (out, ',');
  g_string_append (out, name);
  g_string_append (out, "=\"");
  pvt_label_escape (out, value);
  g_string_append_c (out, '"');
}

void
pvt_metrics_add (PvtMetrics *metrics, PvtFamilyId family, double value, ...)
{
  gsize start = metrics->labels->len;
  const char *name;
  va_list labels;

  va_start (labels, value);
  while ((name = va_arg (labels, const char *)) != NULL)
    append_label (metrics->labels, start, name, va_arg (labels, const char *));
  va_end (labels);
  keep (metrics, family, PVT_SUFFIX_NONE, value, start);
}

void
pvt_metrics_add_like (PvtMetrics *metrics, PvtFamilyId family, double value, const char *prefix,
                      guint32 labels)
{
  gsize start = metrics->labels->len;
  g_autofree char *text = g_strdup (metrics->labels->str + labels);

  if (*text)
    g_string_append (metrics->labels, prefix);
  g_string_append (metrics->labels, text);
  keep (metrics, family, PVT_SUFFIX_NONE, value, start);
}

void
pvt_metrics_add_missing (PvtMetrics *metrics, const PvtMetrics *sealed,
                         gboolean (*wanted) (PvtFamilyId family))
{
  g_autofree guint8 *here = g_malloc0 (PVT_N_FAMILIES);

  for (guint i = 0; i < metrics->samples->len; i++)
    here[g_array_index (metrics->samples, PvtSample, i).family] = TRUE;
  for (guint i = 0; i < sealed->samples->len; i++)
    {
      const PvtSample *sample = &g_array_index (sealed->samples, PvtSample, i);
      gsize start = metrics->labels->len;

      if (here[sample->family] || !wanted (sample->family))
        continue;
      g_string_append (metrics->labels, sealed->labels->str + sample->labels);
      keep (metrics, sample->family, (PvtSuffix) sample->suffix, sample->value, start);
    }
}

void
pvt_metrics_add_histogram (PvtMetrics *metrics, PvtFamilyId family, const double *bounds,
                           const guint64 *counts, guint n_bounds, double sum)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";
  guint64 below = 0;

  for (guint i = 0; i <= n_bounds; i++)
    {
      gsize start = metrics->labels->len;

      below += counts[i];
      if (i < n_bounds)
        g_ascii_formatd (text, sizeof text, "%g", bounds[i]);
      append_label (metrics->labels, start, "le", i < n_bounds ? text : "+Inf");
      keep (metrics, family, PVT_SUFFIX_BUCKET, (double) below, start);
    }
  keep (metrics, family, PVT_SUFFIX_SUM, sum, metrics->labels->len);
  keep (metrics, family, PVT_SUFFIX_COUNT, (double) below, metrics->labels->len);
}

/* A counting sort: the order within a family stays. */
void
pvt_metrics_seal (PvtMetrics *metrics)
{
  guint n = metrics->samples->len;
  GArray *sorted = g_array_sized_new (FALSE, FALSE, sizeof (PvtSample), n);
  g_autofree guint16 *next = g_new0 (guint16, PVT_N_FAMILIES + 1);

  g_clear_pointer (&metrics->seen, g_hash_table_unref);
  metrics->first = g_new0 (guint16, PVT_N_FAMILIES + 1);
  for (guint i = 0; i < n; i++)
    metrics->first[g_array_index (metrics->samples, PvtSample, i).family + 1]++;
  for (guint i = 0; i < PVT_N_FAMILIES; i++)
    metrics->first[i + 1] = (guint16) (metrics->first[i + 1] + metrics->first[i]);
  memcpy (next, metrics->first, sizeof (guint16) * (PVT_N_FAMILIES + 1));
  g_array_set_size (sorted, n);
  for (guint i = 0; i < n; i++)
    {
      const PvtSample *sample = &g_array_index (metrics->samples, PvtSample, i);

      g_array_index (sorted, PvtSample, next[sample->family]++) = *sample;
    }
  g_array_unref (metrics->samples);
  metrics->samples = sorted;
}

gboolean
pvt_metrics_get (const PvtMetrics *metrics, PvtFamilyId family, double *value)
{
  if (metrics->first[family] == metrics->first[family + 1])
    return FALSE;
  *value = g_array_index (metrics->samples, PvtSample, metrics->first[family]).value;
  return TRUE;
}
