/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diskstats.h"

#include "bounds.h"
#include "text.h"

#include <string.h>

static gboolean
parse_line (PvtText line, PvtDiskCounters *disk)
{
  PvtText name;
  gsize len;

  memset (disk, 0, sizeof *disk);
  if (!pvt_text_u64 (&line, &disk->major) || !pvt_text_u64 (&line, &disk->minor)
      || !pvt_text_word (&line, &name))
    return FALSE;
  len = (gsize) (name.end - name.p);
  if (len >= sizeof disk->name)
    return FALSE;
  memcpy (disk->name, name.p, len);
  while (disk->n_fields < PVT_DISK_FIELDS && pvt_text_u64 (&line, &disk->fields[disk->n_fields]))
    disk->n_fields++;
  return disk->n_fields >= 11;
}

void
pvt_diskstats_parse (const char *text, gsize len, GArray *disks)
{
  PvtText rest = pvt_text (text, len), line;
  PvtDiskCounters disk;

  while (disks->len < PVT_MAX_BLOCK_DEVICES && pvt_text_line (&rest, &line))
    if (parse_line (line, &disk))
      g_array_append_val (disks, disk);
}

GArray *
pvt_diskstats_read_kept (PvtProcFile *file, const PvtRoot *root, GError **error)
{
  GArray *disks;

  if (!pvt_proc_file_get (file, root, error))
    return NULL;
  disks = g_array_new (FALSE, FALSE, sizeof (PvtDiskCounters));
  pvt_diskstats_parse (file->text, file->len, disks);
  return disks;
}

GArray *
pvt_diskstats_read (const PvtRoot *root, GError **error)
{
  PvtProcFile file = PVT_DISKSTATS_FILE;
  GArray *disks = pvt_diskstats_read_kept (&file, root, error);

  pvt_proc_file_close (&file);
  return disks;
}
