/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page-parse.h"

#include "protocol/page/layout.h"

#include <math.h>
#include <string.h>

static gboolean
refuse (GError **error, PvtClientError code, const char *why)
{
  g_set_error (error, PVT_CLIENT_ERROR, (gint) code, "shared page: %s", why);
  return FALSE;
}

/* ---- header ---- */

static void
take_header (const guint8 *data, PvtPageHeader *header)
{
  memcpy (header, data, sizeof *header);
  header->version = GUINT32_FROM_LE (header->version);
  header->header_size = GUINT32_FROM_LE (header->header_size);
  header->sequence = GUINT32_FROM_LE (header->sequence);
  header->flags = GUINT32_FROM_LE (header->flags);
  header->used = GUINT32_FROM_LE (header->used);
  header->n_metrics = GUINT32_FROM_LE (header->n_metrics);
  header->metrics = GUINT32_FROM_LE (header->metrics);
  header->metric_size = GUINT32_FROM_LE (header->metric_size);
  header->updates = GUINT64_FROM_LE (header->updates);
  header->monotonic_ns = GUINT64_FROM_LE (header->monotonic_ns);
  header->realtime_ns = GUINT64_FROM_LE (header->realtime_ns);
  header->omitted = GUINT64_FROM_LE (header->omitted);
  header->period_ms = GUINT32_FROM_LE (header->period_ms);
}

gsize
pvt_page_parse_head (const guint8 *data, gsize len, guint32 *sequence, GError **error)
{
  static const char magic[sizeof ((PvtPageHeader *) NULL)->magic] = PVT_PAGE_MAGIC;
  PvtPageHeader header;

  if (len < sizeof header)
    return refuse (error, PVT_CLIENT_ERROR_PROTOCOL, "the file is too short to be one");
  take_header (data, &header);
  if (memcmp (header.magic, magic, sizeof magic) != 0)
    return refuse (error, PVT_CLIENT_ERROR_PROTOCOL, "the file does not begin with the label of one");
  /* While the first update is under way all but the sequence may still be nothing. */
  if (header.version == 0)
    return refuse (error, PVT_CLIENT_ERROR_NOT_CONNECTED, "no agent has written to it yet");
  if (header.version != PVT_PAGE_VERSION)
    return refuse (error, PVT_CLIENT_ERROR_UNSUPPORTED, "its layout is of another version");
  if (header.used < sizeof header || header.used > PVT_PAGE_BYTES_MAX)
    return refuse (error, PVT_CLIENT_ERROR_PROTOCOL, "its size is out of bounds");
  *sequence = header.sequence;
  return header.used;
}

/* Text in a field with NULs behind it, of characters that print. */
static char *
take_text (const char *field, gsize size)
{
  char *text = g_strndup (field, size);

  for (char *p = text; *p; p++)
    if (!g_ascii_isprint (*p))
      *p = '?';
  return text;
}

/* ---- metrics ---- */

static gboolean
is_word (const char *text, gsize len)
{
  for (gsize i = 0; i < len; i++)
    if (!g_ascii_islower (text[i]) && !g_ascii_isdigit (text[i]) && text[i] != '-')
      return FALSE;
  return len > 0;
}

static gboolean
prints (const char *text, gsize len)
{
  if (!g_utf8_validate (text, (gssize) len, NULL))
    return FALSE;
  for (const char *p = text; p < text + len; p = g_utf8_next_char (p))
    if (!g_unichar_isprint (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

/* GROUP.FIELD or GROUP.OBJECT.FIELD; the object is any text that prints. */
static gboolean
is_name (const char *name, gsize len)
{
  const char *first = memchr (name, '.', len), *last = g_strrstr_len (name, (gssize) len, ".");
  const char *end = name + len;

  return first && prints (name, len) && is_word (name, (gsize) (first - name)) && is_word (last + 1, (gsize) (end - last - 1))
         && last != first + 1;
}

/* [@offset, @offset + @size) lies behind the header and within @used. */
static gboolean
is_inside (guint32 offset, gsize size, gsize used)
{
  return offset >= sizeof (PvtPageHeader) && offset <= used && size <= used - offset;
}

/* @bits: offset and length. */
static const char *
take_words (const guint8 *data, gsize used, guint64 bits, PvtPageMetric *metric)
{
  guint32 offset = (guint32) bits, length = (guint32) (bits >> 32);

  if (!is_inside (offset, length, used))
    return "a text lies outside of it";
  if (length > PVT_PAGE_TEXT_MAX || !prints ((const char *) data + offset, length))
    return "a text is none";
  metric->text = g_strndup ((const char *) data + offset, length);
  return NULL;
}

static const char *
take_value (const guint8 *data, gsize used, guint32 at, PvtPageMetric *metric)
{
  guint64 bits;

  memcpy (&bits, data + at, sizeof bits);
  bits = GUINT64_FROM_LE (bits);
  if (metric->type == PVT_PAGE_TYPE_TEXT)
    return take_words (data, used, bits, metric);
  metric->u64 = bits;
  metric->i64 = (gint64) bits;
  memcpy (&metric->f64, &bits, sizeof bits);
  if (metric->type != PVT_PAGE_TYPE_F64)
    metric->f64 = 0;
  if (metric->type != PVT_PAGE_TYPE_U64)
    metric->u64 = 0;
  if (metric->type != PVT_PAGE_TYPE_I64)
    metric->i64 = 0;
  return isfinite (metric->f64) ? NULL : "a figure is no number";
}

static const char *
take_metric (const guint8 *data, gsize used, guint32 offset, PvtPageFigures *figures,
             GHashTable *names)
{
  PvtPageMetricWire wire;
  PvtPageMetric *metric;
  guint32 name, value;
  const char *why;
  gsize length;

  memcpy (&wire, data + offset, sizeof wire);
  name = GUINT32_FROM_LE (wire.name);
  length = GUINT16_FROM_LE (wire.name_length);
  value = GUINT32_FROM_LE (wire.value);
  if (!is_inside (name, length, used) || !is_inside (value, sizeof (guint64), used) || value % 8 != 0)
    return "a figure lies outside of it";
  if (length > PVT_PAGE_NAME_MAX || !is_name ((const char *) data + name, length))
    return "a figure has no proper name";
  if (wire.type < PVT_PAGE_TYPE_U64 || wire.type > PVT_PAGE_TYPE_TEXT || wire.unit > PVT_PAGE_UNIT_FLAG)
    {
      figures->unknown++;
      return NULL;
    }
  metric = g_new0 (PvtPageMetric, 1);
  metric->name = g_strndup ((const char *) data + name, length);
  metric->type = (PvtPageType) wire.type;
  metric->unit = (PvtPageUnit) wire.unit;
  g_ptr_array_add (figures->metrics, metric);
  why = take_value (data, used, value, metric);
  if (why)
    return why;
  return g_hash_table_add (names, metric->name) ? NULL : "two figures have the same name";
}

static const char *
take_metrics (const guint8 *data, gsize len, const PvtPageHeader *header, PvtPageFigures *figures)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  guint64 size = header->metric_size, n = header->n_metrics;

  if (header->header_size < sizeof *header || size < sizeof (PvtPageMetricWire) || size > len
      || n > PVT_PAGE_METRICS_MAX || !is_inside (header->metrics, n * size, len))
    return "its table lies outside of it";
  for (guint32 i = 0; i < n; i++)
    {
      const char *why = take_metric (data, len, header->metrics + i * header->metric_size, figures, names);

      if (why)
        return why;
    }
  return NULL;
}

static void
free_metric (gpointer data)
{
  PvtPageMetric *metric = data;

  g_free (metric->name);
  g_free (metric->text);
  g_free (metric);
}

PvtPageFigures *
pvt_page_parse (const guint8 *data, gsize len, GError **error)
{
  g_autoptr (PvtPageFigures) figures = g_new0 (PvtPageFigures, 1);
  PvtPageHeader header;
  const char *why;
  guint32 sequence;

  figures->metrics = g_ptr_array_new_with_free_func (free_metric);
  if (pvt_page_parse_head (data, len, &sequence, error) == 0)
    return NULL;
  take_header (data, &header);
  why = header.used != len ? "its size has changed" : take_metrics (data, len, &header, figures);
  if (why)
    {
      refuse (error, PVT_CLIENT_ERROR_PROTOCOL, why);
      return NULL;
    }
  figures->boot_id = take_text (header.boot_id, sizeof header.boot_id);
  figures->agent_version = take_text (header.agent, sizeof header.agent);
  figures->period_ms = header.period_ms;
  figures->frozen = (header.flags & PVT_PAGE_IS_FROZEN) != 0;
  figures->ended = (header.flags & PVT_PAGE_HAS_ENDED) != 0;
  figures->updates = header.updates;
  figures->monotonic_ns = header.monotonic_ns;
  figures->realtime_ns = header.realtime_ns;
  figures->omitted = header.omitted;
  return g_steal_pointer (&figures);
}

/* ---- figures ---- */

/**
 * pvt_page_figures_copy:
 * @figures: figures
 *
 * Returns: (transfer full): the same once more
 */
PvtPageFigures *
pvt_page_figures_copy (const PvtPageFigures *figures)
{
  PvtPageFigures *copy = g_memdup2 (figures, sizeof *figures);

  copy->boot_id = g_strdup (figures->boot_id);
  copy->agent_version = g_strdup (figures->agent_version);
  /* Nobody changes them. */
  copy->metrics = g_ptr_array_ref (figures->metrics);
  return copy;
}

/**
 * pvt_page_figures_free:
 * @figures: (nullable): figures
 *
 * Frees them.
 */
void
pvt_page_figures_free (PvtPageFigures *figures)
{
  if (figures == NULL)
    return;
  g_free (figures->boot_id);
  g_free (figures->agent_version);
  g_ptr_array_unref (figures->metrics);
  g_free (figures);
}

G_DEFINE_BOXED_TYPE (PvtPageFigures, pvt_page_figures, pvt_page_figures_copy, pvt_page_figures_free)

/**
 * pvt_page_figures_lookup:
 * @figures: figures
 * @name: a name such as `memory.available` or `disks.vda.read-bytes`
 *
 * Finds a figure by its name.
 *
 * Returns: (nullable) (transfer none): the figure of that name
 */
const PvtPageMetric *
pvt_page_figures_lookup (const PvtPageFigures *figures, const char *name)
{
  for (guint i = 0; i < figures->metrics->len; i++)
    {
      const PvtPageMetric *metric = figures->metrics->pdata[i];

      if (strcmp (metric->name, name) == 0)
        return metric;
    }
  return NULL;
}

/**
 * pvt_page_figures_is_stale:
 * @figures: figures
 *
 * An agent that is killed cannot say so: its figures stay as they were. They are stale
 * when they have not changed for three of their periods while they were looked at,
 * which takes a #PvtPage that is read again and again, or when the agent has said that
 * it ends.
 *
 * Returns: whether nobody writes them any more
 */
gboolean
pvt_page_figures_is_stale (const PvtPageFigures *figures)
{
  return figures->ended || figures->unchanged_ms > (guint64) figures->period_ms * 3;
}

/**
 * pvt_page_metric_get_value:
 * @metric: a figure
 *
 * A figure as a number, for those who draw or compare.
 *
 * Returns: its value, whatever its type; large ones are rounded, and text is 0
 */
double
pvt_page_metric_get_value (const PvtPageMetric *metric)
{
  switch (metric->type)
    {
    case PVT_PAGE_TYPE_U64:
      return (double) metric->u64;
    case PVT_PAGE_TYPE_I64:
      return (double) metric->i64;
    case PVT_PAGE_TYPE_F64:
    case PVT_PAGE_TYPE_TEXT:
    default:
      return metric->f64;
    }
}
