/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exposition.h"

#include <math.h>

/* Integers up to here are exact in a double. */
#define EXACT 9007199254740992.0

static const char *const suffixes[] = { "", "_bucket", "_sum", "_count" };
static const char *const types[] = { "gauge", "counter", "histogram", "untyped" };

/* Most figures are: this is several times as fast as printf(). */
static void
append_integer (GString *out, gint64 value)
{
  char digits[24];
  guint64 left = value < 0 ? (guint64) -value : (guint64) value;
  guint at = sizeof digits;

  do
    digits[--at] = (char) ('0' + left % 10);
  while (left /= 10);
  if (value < 0)
    digits[--at] = '-';
  g_string_append_len (out, digits + at, (gssize) (sizeof digits - at));
}

void
pvt_exposition_number (GString *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (fabs (value) <= EXACT && value == floor (value))
    {
      append_integer (out, (gint64) value);
      return;
    }
  g_ascii_formatd (text, sizeof text, "%.15g", value);
  if (g_ascii_strtod (text, NULL) != value)
    g_ascii_formatd (text, sizeof text, "%.17g", value);
  g_string_append (out, text);
}

static void
write_label (GString *out, const char *name, const char *value)
{
  if (value == NULL)
    return;
  if (out->str[out->len - 1] != '{')
    g_string_append_c (out, ',');
  g_string_append (out, name);
  g_string_append (out, "=\"");
  pvt_label_escape (out, value);
  g_string_append_c (out, '"');
}

static void
write_sample (GString *out, const char *name, const char *guest, const char *domain,
              const PvtMetrics *metrics, const PvtSample *sample)
{
  const char *labels = metrics->labels->str + sample->labels;

  g_string_append (out, name);
  g_string_append (out, suffixes[sample->suffix]);
  if (guest || domain || *labels)
    {
      g_string_append_c (out, '{');
      write_label (out, "guest", guest);
      write_label (out, "domain", domain);
      if (*labels && out->str[out->len - 1] != '{')
        g_string_append_c (out, ',');
      g_string_append (out, labels);
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, ' ');
  pvt_exposition_number (out, sample->value);
  g_string_append_c (out, '\n');
}

static void
write_head (GString *out, const char *name, const PvtFamily *family)
{
  g_string_append_printf (out, "# HELP %s %s\n# TYPE %s %s\n", name, family->help, name,
                          types[family->type]);
}

static void
write_family (GString *out, guint f, const PvtExposed *sets, guint n_sets, const char *prefix)
{
  const PvtFamily *family = &pvt_families[f];
  gboolean ours = g_str_has_prefix (family->name, "pvtools_"), begun = FALSE;
  gboolean libvirts = g_str_has_prefix (family->name, "libvirt_");
  char name[128];

  g_snprintf (name, sizeof name, "%s%s", ours ? "" : prefix, family->name);
  for (guint s = 0; s < n_sets; s++)
    for (guint i = sets[s].metrics->first[f]; i < sets[s].metrics->first[f + 1]; i++)
      {
        if (!begun)
          write_head (out, name, family);
        begun = TRUE;
        write_sample (out, name, libvirts ? NULL : sets[s].guest, libvirts ? sets[s].domain : NULL,
                      sets[s].metrics,
                      &g_array_index (sets[s].metrics->samples, PvtSample, i));
      }
}

void
pvt_exposition_write (GString *out, const PvtExposed *sets, guint n_sets, const char *prefix)
{
  for (guint f = 0; f < PVT_N_FAMILIES; f++)
    write_family (out, f, sets, n_sets, prefix);
}
