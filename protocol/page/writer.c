/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "writer.h"

#include "layout.h"

#include <string.h>

#define SEQUENCE_WORD (offsetof (PvtPageHeader, sequence) / sizeof (guint32))

void
pvt_page_writer_init (PvtPageWriter *w, volatile void *page, gsize size)
{
  memset (w, 0, sizeof *w);
  w->page = page;
  w->size = (guint32) MIN (size, PVT_PAGE_BYTES_MAX) & ~7u;
  w->metrics = g_byte_array_new ();
  w->values = g_byte_array_new ();
  w->names = g_byte_array_new ();
  w->next = g_malloc0 (w->size);
  w->shown = g_malloc0 (w->size);
  /* Goes on from an agent that was here before, even from one that was killed
   * while it wrote: a reader must not take its half for the whole of ours. */
  w->sequence = GUINT32_FROM_LE (w->page[SEQUENCE_WORD]);
}

void
pvt_page_writer_finish (PvtPageWriter *w)
{
  g_clear_pointer (&w->metrics, g_byte_array_unref);
  g_clear_pointer (&w->values, g_byte_array_unref);
  g_clear_pointer (&w->names, g_byte_array_unref);
  g_clear_pointer (&w->next, g_free);
  g_clear_pointer (&w->shown, g_free);
}

void
pvt_page_writer_begin (PvtPageWriter *w)
{
  g_byte_array_set_size (w->metrics, 0);
  g_byte_array_set_size (w->values, 0);
  g_byte_array_set_size (w->names, 0);
  w->omitted = 0;
}

/* ---- what ---- */

/* Bytes when @more come to the names, and so many metrics are there. */
static gsize
bytes_with (const PvtPageWriter *w, gsize n_metrics, gsize more)
{
  return sizeof (PvtPageHeader) + n_metrics * (sizeof (PvtPageMetricWire) + sizeof (guint64))
         + w->names->len + more;
}

/* Text of the guest's users, such as a mountpoint, becomes what may be in a name. */
static void
append_name (GByteArray *names, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  for (char *p = valid; *p; p = g_utf8_next_char (p))
    {
      if (g_unichar_isprint (g_utf8_get_char (p)))
        g_byte_array_append (names, (const guint8 *) p, (guint) (g_utf8_next_char (p) - p));
      else
        g_byte_array_append (names, (const guint8 *) "?", 1);
    }
}

void
pvt_page_writer_add (PvtPageWriter *w, const char *group, const char *object, const char *field,
                     guint8 type, guint8 unit, guint64 bits)
{
  guint start = w->names->len, n = w->metrics->len / sizeof (PvtPageMetricWire);
  PvtPageMetricWire metric = { .type = type, .unit = unit };
  guint64 value = GUINT64_TO_LE (bits);
  gsize length;

  append_name (w->names, group);
  append_name (w->names, ".");
  if (object[0])
    {
      append_name (w->names, object);
      append_name (w->names, ".");
    }
  append_name (w->names, field);
  length = w->names->len - start;
  if (length > PVT_PAGE_NAME_MAX || n >= PVT_PAGE_METRICS_MAX || bytes_with (w, n + 1, 0) > w->size)
    {
      g_byte_array_set_size (w->names, start);
      w->omitted++;
      return;
    }
  /* Of the names' own beginning, which is known when all are there. */
  metric.name = start;
  metric.name_length = GUINT16_TO_LE ((guint16) length);
  g_byte_array_append (w->metrics, (const guint8 *) &metric, sizeof metric);
  g_byte_array_append (w->values, (const guint8 *) &value, sizeof value);
}

void
pvt_page_writer_add_text (PvtPageWriter *w, const char *group, const char *object, const char *field,
                          const char *text)
{
  guint start = w->names->len, length;
  guint64 omitted = w->omitted;

  append_name (w->names, text);
  length = w->names->len - start;
  if (length > PVT_PAGE_TEXT_MAX)
    w->omitted++;
  else
    /* Of the names' own beginning, as a name's offset is. */
    pvt_page_writer_add (w, group, object, field, PVT_PAGE_WIRE_TEXT, PVT_PAGE_WIRE_COUNT,
                         start | (guint64) length << 32);
  if (w->omitted != omitted)
    g_byte_array_set_size (w->names, start);
}

/* The schema has no units of its own: its fields' names tell them, docs of
 * PvtMemory say that what tells none is bytes. */
static guint8
unit_of (const char *group, const PvtField *field)
{
  static const struct
  {
    const char *suffix;
    guint8 unit;
  } suffixes[] = {
    { "-ms", PVT_PAGE_WIRE_MILLISECONDS }, { "-us", PVT_PAGE_WIRE_MICROSECONDS },
    { "-ns", PVT_PAGE_WIRE_NANOSECONDS },  { "-bytes", PVT_PAGE_WIRE_BYTES },
    { "-avg10", PVT_PAGE_WIRE_SHARE },     { "-avg60", PVT_PAGE_WIRE_SHARE },
    { "-avg300", PVT_PAGE_WIRE_SHARE },
  };

  if (field->kind == PVT_KIND_BOOL)
    return PVT_PAGE_WIRE_FLAG;
  for (guint i = 0; i < G_N_ELEMENTS (suffixes); i++)
    if (g_str_has_suffix (field->name, suffixes[i].suffix))
      return suffixes[i].unit;
  if (strcmp (group, "memory") == 0 && !g_str_has_prefix (field->name, "hugepages-"))
    return PVT_PAGE_WIRE_BYTES;
  return PVT_PAGE_WIRE_COUNT;
}

static void
add_field (PvtPageWriter *w, const char *group, const char *object, const PvtField *field,
           gconstpointer data)
{
  gconstpointer member = (const char *) data + field->offset;
  guint8 type = PVT_PAGE_WIRE_U64;
  guint64 bits;

  switch ((PvtKind) field->kind)
    {
    case PVT_KIND_BOOL:
      bits = *(const gboolean *) member != FALSE;
      break;
    case PVT_KIND_U32:
      bits = *(const guint32 *) member;
      break;
    case PVT_KIND_U64:
      bits = *(const guint64 *) member;
      break;
    case PVT_KIND_I64:
      type = PVT_PAGE_WIRE_I64;
      memcpy (&bits, member, sizeof bits);
      break;
    case PVT_KIND_F64:
      type = PVT_PAGE_WIRE_F64;
      memcpy (&bits, member, sizeof bits);
      break;
    case PVT_KIND_STRUCT:
      if (*(const gconstpointer *) member)
        pvt_page_writer_add_object (w, group, field->name, field->type,
                                    *(const gconstpointer *) member);
      return;
    case PVT_KIND_STRING:
      if (*(const char *const *) member)
        pvt_page_writer_add_text (w, group, object, field->name, *(const char *const *) member);
      return;
    case PVT_KIND_BYTES:
    case PVT_KIND_ENUM:
    case PVT_KIND_UNION:
    case PVT_KIND_ALTERNATE:
    default:
      return; /* neither number nor text */
    }
  pvt_page_writer_add (w, group, object, field->name, type, unit_of (group, field), bits);
}

/* What a figure's name has already: the number of a CPU, a mountpoint, a device. */
static gboolean
names_the_object (const char *group, const PvtField *field)
{
  return strcmp (field->name, group) == 0 || strcmp (field->name, "name") == 0
         || strcmp (field->name, "mountpoint") == 0;
}

void
pvt_page_writer_add_object (PvtPageWriter *w, const char *group, const char *object,
                            const PvtType *type, gconstpointer data)
{
  for (guint i = 0; i < type->n_fields; i++)
    {
      const PvtField *field = &type->fields[i];

      if (field->flags & PVT_FIELD_ARRAY)
        continue;
      if (field->has_offset != PVT_NO_OFFSET
          && !*(const gboolean *) (gconstpointer) ((const char *) data + field->has_offset))
        continue;
      if (!names_the_object (group, field))
        add_field (w, group, object, field, data);
    }
}

/* ---- how ---- */

/* Where the names begin is known when all are there. */
static void
move_text (guint8 *value, guint32 names)
{
  guint64 bits;

  memcpy (&bits, value, sizeof bits);
  bits = GUINT64_TO_LE (GUINT64_FROM_LE (bits) + names);
  memcpy (value, &bits, sizeof bits);
}

static guint32
compose (PvtPageWriter *w, const PvtPageFacts *facts)
{
  guint n = w->metrics->len / sizeof (PvtPageMetricWire);
  guint32 values = sizeof (PvtPageHeader) + w->metrics->len, names = values + w->values->len;
  guint32 used = names + w->names->len;
  PvtPageMetricWire *metrics = (PvtPageMetricWire *) (gpointer) w->metrics->data;
  PvtPageHeader header = {
    .magic = PVT_PAGE_MAGIC,
    .version = GUINT32_TO_LE (PVT_PAGE_VERSION),
    .header_size = GUINT32_TO_LE ((guint32) sizeof header),
    .flags = GUINT32_TO_LE (facts->flags),
    .used = GUINT32_TO_LE (used),
    .n_metrics = GUINT32_TO_LE (n),
    .metrics = GUINT32_TO_LE ((guint32) sizeof header),
    .metric_size = GUINT32_TO_LE ((guint32) sizeof *metrics),
    .updates = GUINT64_TO_LE (++w->updates),
    .monotonic_ns = GUINT64_TO_LE (facts->monotonic_ns),
    .realtime_ns = GUINT64_TO_LE (facts->realtime_ns),
    .omitted = GUINT64_TO_LE (w->omitted),
    .period_ms = GUINT32_TO_LE (facts->period_ms),
    .agent = PVT_VERSION,
  };

  g_strlcpy (header.boot_id, facts->boot_id, sizeof header.boot_id);
  memcpy (w->next, &header, sizeof header);
  for (guint i = 0; i < n; i++)
    {
      PvtPageMetricWire metric = metrics[i];

      metric.name = GUINT32_TO_LE (names + metric.name);
      metric.value = GUINT32_TO_LE (values + i * (guint32) sizeof (guint64));
      memcpy (w->next + sizeof header + i * sizeof metric, &metric, sizeof metric);
    }
  if (w->values->len)
    memcpy (w->next + values, w->values->data, w->values->len);
  for (guint i = 0; i < n; i++)
    if (metrics[i].type == PVT_PAGE_WIRE_TEXT)
      move_text (w->next + values + i * sizeof (guint64), names);
  if (w->names->len)
    memcpy (w->next + names, w->names->data, w->names->len);
  memset (w->next + used, 0, ((used + 3) & ~3u) - used);
  return (used + 3) & ~3u;
}

static void
store (PvtPageWriter *w, gsize word, guint32 value)
{
  __atomic_store_n (&w->page[word], value, __ATOMIC_RELAXED);
}

void
pvt_page_writer_show (PvtPageWriter *w, const PvtPageFacts *facts)
{
  const guint32 *next = (const guint32 *) (gpointer) w->next;
  const guint32 *shown = (const guint32 *) (gpointer) w->shown;
  guint32 bytes = compose (w, facts);
  guint8 *swap = w->shown;

  w->sequence |= 1;
  store (w, SEQUENCE_WORD, GUINT32_TO_LE (w->sequence));
  /* A full fence, not one of release: write-combining memory, which a device's may
   * be mapped as, is not ordered by less. */
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  for (gsize i = 0; i < bytes / sizeof (guint32); i++)
    if (i != SEQUENCE_WORD && (i >= w->shown_bytes / sizeof (guint32) || next[i] != shown[i]))
      store (w, i, next[i]);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  store (w, SEQUENCE_WORD, GUINT32_TO_LE (++w->sequence));
  /* What is behind a page that has shrunk is what was there before. */
  w->shown = w->next;
  w->next = swap;
  w->shown_bytes = bytes;
}
