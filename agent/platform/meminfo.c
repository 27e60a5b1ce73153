/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meminfo.h"

#include "bounds.h"
#include "text.h"

#include <string.h>

typedef struct
{
  const char *key;
  gsize offset;
} Row;

#define ROW(key, field) { key ":", G_STRUCT_OFFSET (PvtMeminfo, field) }

static const Row rows[] = {
  ROW ("MemTotal", total),          ROW ("MemFree", free),
  ROW ("MemAvailable", available),  ROW ("Buffers", buffers),
  ROW ("Cached", cached),           ROW ("SReclaimable", reclaimable),
  ROW ("Shmem", shared),            ROW ("Dirty", dirty),
  ROW ("Writeback", writeback),     ROW ("SwapTotal", swap_total),
  ROW ("SwapFree", swap_free),      ROW ("SwapCached", swap_cached),
  ROW ("HugePages_Total", huge_total), ROW ("HugePages_Free", huge_free),
  ROW ("Hugepagesize", huge_size),
};

/* "kB" behind the number means KiB. */
static guint64
scaled (PvtText line, guint64 value)
{
  PvtText unit;

  if (pvt_text_word (&line, &unit) && pvt_text_is (unit, "kB"))
    return value > G_MAXINT64 / 1024 ? G_MAXINT64 : value * 1024;
  return value;
}

static void
parse_line (PvtText line, PvtMeminfo *info, guint *seen)
{
  PvtText key;
  guint64 value;

  if (!pvt_text_word (&line, &key) || !pvt_text_u64 (&line, &value))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (pvt_text_is (key, rows[i].key))
      {
        *(guint64 *) ((char *) info + rows[i].offset) = scaled (line, value);
        *seen |= 1u << i;
        return;
      }
}

gboolean
pvt_meminfo_parse (const char *text, gsize len, PvtMeminfo *info)
{
  PvtText rest = pvt_text (text, len), line;
  PvtMeminfo found;
  guint seen = 0;

  memset (&found, 0, sizeof found);
  while (pvt_text_line (&rest, &line))
    parse_line (line, &found, &seen);
  if (!(seen & 1))
    return FALSE;
  if (!(seen & 4))
    {
      /* What the kernel's own estimate amounts to on an idle system. */
      found.available = MIN (found.free + found.buffers + found.cached + found.reclaimable
                                 - MIN (found.shared, found.cached),
                             found.total);
      found.available_estimated = TRUE;
    }
  *info = found;
  return TRUE;
}

gboolean
pvt_meminfo_read (const PvtRoot *root, PvtMeminfo *info, GError **error)
{
  char text[16384];
  gssize len = pvt_root_read (root, "proc/meminfo", text, sizeof text, error);

  if (len < 0)
    return FALSE;
  if (pvt_meminfo_parse (text, (gsize) len, info))
    return TRUE;
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "/proc/meminfo has no MemTotal");
  return FALSE;
}
