/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpus.h"

#include "bounds.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DIR "sys/devices/system/cpu"

/* "3" or "0-3". */
static gboolean
parse_range (PvtText range, guint8 *bits)
{
  const char *dash = memchr (range.p, '-', (gsize) (range.end - range.p));
  PvtText low = { range.p, dash ? dash : range.end };
  PvtText high = { dash ? dash + 1 : range.p, range.end };
  guint64 first, last;

  if (!pvt_text_u64 (&low, &first) || !pvt_text_u64 (&high, &last) || low.p < low.end
      || high.p < high.end || first > last || last >= PVT_MAX_CPUS)
    return FALSE;
  for (guint64 i = first; i <= last; i++)
    bits[i / 8] |= (guint8) (1 << i % 8);
  return TRUE;
}

gboolean
pvt_cpulist_parse (const char *text, gsize len, guint8 *bits)
{
  const char *p = text, *end = text + len;

  memset (bits, 0, PVT_MAX_CPUS / 8);
  while (end > p && g_ascii_isspace (end[-1]))
    end--;
  while (p < end)
    {
      const char *comma = memchr (p, ',', (gsize) (end - p));

      if (!parse_range ((PvtText){ p, comma ? comma : end }, bits))
        return FALSE;
      p = comma ? comma + 1 : end;
    }
  return TRUE;
}

static gboolean
read_list (const PvtRoot *root, PvtProcFile *file, guint8 *bits, GError **error)
{
  if (!pvt_proc_file_get (file, root, error))
    return FALSE;
  if (pvt_cpulist_parse (file->text, file->len, bits))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "/%s is not a list of CPUs", file->path);
  return FALSE;
}

static gboolean
bit (const guint8 *bits, guint i)
{
  return bits[i / 8] >> i % 8 & 1;
}

GArray *
pvt_cpus_read_kept (PvtCpusFiles *files, const PvtRoot *root, GError **error)
{
  guint8 present[PVT_MAX_CPUS / 8], online[PVT_MAX_CPUS / 8];
  GArray *cpus;

  if (!read_list (root, &files->present, present, error)
      || !read_list (root, &files->online, online, error))
    return NULL;
  cpus = g_array_new (FALSE, FALSE, sizeof (PvtCpu));
  for (guint i = 0; i < PVT_MAX_CPUS; i++)
    if (i % 8 == 0 && present[i / 8] == 0)
      i += 7; /* most of the map is empty */
    else if (bit (present, i))
      {
        char path[64];
        PvtCpu cpu = { i, bit (online, i), FALSE };

        /* A CPU that cannot go has no switch. */
        g_snprintf (path, sizeof path, DIR "/cpu%u/online", i);
        cpu.can_offline = faccessat (root->fd, path, F_OK, 0) == 0;
        g_array_append_val (cpus, cpu);
      }
  return cpus;
}

GArray *
pvt_cpus_read (const PvtRoot *root, GError **error)
{
  PvtCpusFiles files = PVT_CPUS_FILES;
  GArray *cpus = pvt_cpus_read_kept (&files, root, error);

  pvt_proc_file_close (&files.present);
  pvt_proc_file_close (&files.online);
  return cpus;
}

int
pvt_cpu_switch (const PvtRoot *root, guint number, gboolean online)
{
  char path[64];

  g_snprintf (path, sizeof path, DIR "/cpu%u/online", number);
  return pvt_write_at (root->fd, path, online ? "1" : "0");
}
