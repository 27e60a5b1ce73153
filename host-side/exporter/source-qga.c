/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stock qemu-ga tells: files of /proc where guest-file-* is allowed, else
 * those commands that it has.
 */
#include "collect.h"
#include "figures.h"
#include "procfs.h"

#include <string.h>

/* Most of a file of /proc that is read; /proc/stat has a number an interrupt. */
#define MAX_FILE (256 * 1024)

static GBytes *
read_handle (PvtCollect *collect, gint64 handle, GError **error)
{
  PvtGuestFileReadArgs args = { .handle = handle, .has_count = TRUE, .count = MAX_FILE };
  g_autoptr (PvtGuestFileRead) read = pvt_client_guest_file_read (
      collect->client, &args, pvt_collect_left (collect), NULL, error);

  return read && read->buf_b64 ? g_bytes_ref (read->buf_b64) : NULL;
}

static GBytes *
read_file (PvtCollect *collect, const char *path, GError **error)
{
  PvtGuestFileOpenArgs open = { .path = (char *) path, .mode = (char *) "r" };
  PvtGuestFileCloseArgs close = { 0 };
  GBytes *text;

  if (!pvt_client_guest_file_open (collect->client, &open, &close.handle,
                                   pvt_collect_left (collect), NULL, error))
    return NULL;
  text = read_handle (collect, close.handle, error);
  /* After a timeout the line is given up anyway. */
  if (text == NULL)
    pvt_client_guest_file_close (collect->client, &close, pvt_collect_left (collect), NULL, NULL);
  else if (!pvt_client_guest_file_close (collect->client, &close, pvt_collect_left (collect), NULL,
                                         error))
    g_clear_pointer (&text, g_bytes_unref);
  return text;
}

static gboolean
parse_file (PvtCollect *collect, const char *path, PvtProcfsParser parser, GError **error)
{
  g_autoptr (GBytes) bytes = read_file (collect, path, error);
  gsize len;
  const char *text;

  if (bytes == NULL)
    return FALSE;
  text = g_bytes_get_data (bytes, &len);
  parser (collect->metrics, text, len);
  return TRUE;
}

/* guest-info was asked by then: no further question. */
static gboolean
may_read (PvtCollect *collect)
{
  static const char *const needed[] = { "guest-file-open", "guest-file-read", "guest-file-close" };

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    if (!pvt_client_has_command (collect->client, needed[i], pvt_collect_left (collect), NULL,
                                 NULL))
      return FALSE;
  return TRUE;
}

static gboolean
refuse (GError **error)
{
  g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED,
                       "this agent does not let files be read");
  return FALSE;
}

static gboolean
from_file (PvtCollect *collect, const char *path, PvtProcfsParser parser, GError **error)
{
  return may_read (collect) ? parse_file (collect, path, parser, error) : refuse (error);
}

/* Comes first: asks guest-info for all that follow. */
static gboolean
collect_agent (PvtCollect *collect, GError **error)
{
  const char *version = pvt_client_get_agent_version (collect->client, pvt_collect_left (collect),
                                                      NULL, error);
  PvtGuestFsfreezeStatus frozen;

  if (version == NULL)
    return FALSE;
  pvt_metrics_add (collect->metrics, PVT_F_AGENT, 1, "kind", "qemu-ga", "version", version,
                   "files", may_read (collect) ? "yes" : "no", NULL);
  if (!pvt_client_guest_fsfreeze_status (collect->client, &frozen, pvt_collect_left (collect),
                                         NULL, error))
    return FALSE;
  collect->sign->frozen = frozen == PVT_GUEST_FSFREEZE_STATUS_FROZEN;
  pvt_metrics_add (collect->metrics, PVT_F_FROZEN, collect->sign->frozen, NULL);
  return TRUE;
}

static gboolean
collect_time (PvtCollect *collect, GError **error)
{
  gint64 ns;

  if (!pvt_client_guest_get_time (collect->client, &ns, pvt_collect_left (collect), NULL, error))
    return FALSE;
  pvt_metrics_add (collect->metrics, PVT_F_TIME, (double) ns / 1e9, NULL);
  return TRUE;
}

static gboolean
collect_stat (PvtCollect *collect, GError **error)
{
  return may_read (collect) ? parse_file (collect, "/proc/stat", pvt_procfs_stat, error)
                            : pvt_collect_cpustats (collect, error);
}

static gboolean
collect_load (PvtCollect *collect, GError **error)
{
  return may_read (collect) ? parse_file (collect, "/proc/loadavg", pvt_procfs_loadavg, error)
                            : pvt_collect_load (collect, error);
}

static gboolean
collect_disks (PvtCollect *collect, GError **error)
{
  return may_read (collect) ? parse_file (collect, "/proc/diskstats", pvt_procfs_diskstats, error)
                            : pvt_collect_diskstats (collect, error);
}

static gboolean
collect_links (PvtCollect *collect, GError **error)
{
  return may_read (collect) ? parse_file (collect, "/proc/net/dev", pvt_procfs_net_dev, error)
                            : pvt_collect_network (collect, error);
}

static gboolean
collect_memory (PvtCollect *collect, GError **error)
{
  return from_file (collect, "/proc/meminfo", pvt_procfs_meminfo, error);
}

static gboolean
collect_vmstat (PvtCollect *collect, GError **error)
{
  return from_file (collect, "/proc/vmstat", pvt_procfs_vmstat, error);
}

static gboolean
collect_files (PvtCollect *collect, GError **error)
{
  return from_file (collect, "/proc/sys/fs/file-nr", pvt_procfs_file_nr, error);
}

/* Kernels without it have no such files: that is no failure of the agent. */
static gboolean
collect_pressure (PvtCollect *collect, GError **error)
{
  return from_file (collect, "/proc/pressure/cpu", pvt_procfs_pressure_cpu, error)
         && from_file (collect, "/proc/pressure/io", pvt_procfs_pressure_io, error)
         && from_file (collect, "/proc/pressure/memory", pvt_procfs_pressure_memory, error);
}

/* total-bytes leaves out what is reserved for root, total-bytes-privileged has
 * it: size as df counts it is the latter, where the agent has it. */
static void
add_filesystem (PvtMetrics *metrics, const PvtGuestFilesystemInfo *fs, GBytes *mounts)
{
  gsize len = 0;
  const char *text = mounts ? g_bytes_get_data (mounts, &len) : NULL;
  g_autofree char *device = NULL;
  PvtFilesystemFigures f = { .fstype = fs->type, .mountpoint = fs->mountpoint };

  device = strchr (fs->name, '/') ? g_strdup (fs->name) : g_strconcat ("/dev/", fs->name, NULL);
  f.device = device;
  f.has_size = fs->has_total_bytes;
  f.size = fs->has_total_bytes_privileged ? fs->total_bytes_privileged : fs->total_bytes;
  f.has_free = f.has_size && fs->has_used_bytes && fs->used_bytes <= f.size;
  f.free = f.size - fs->used_bytes;
  f.has_avail = fs->has_total_bytes && fs->has_used_bytes && fs->used_bytes <= fs->total_bytes;
  f.avail = fs->total_bytes - fs->used_bytes;
  f.has_readonly = text && pvt_procfs_mount_is_readonly (text, len, fs->mountpoint, &f.readonly);
  pvt_figures_filesystem (metrics, &f);
}

static gboolean
collect_filesystems (PvtCollect *collect, GError **error)
{
  g_autoptr (GBytes) mounts = NULL;
  g_autoptr (GPtrArray) list = NULL;

  if (may_read (collect))
    mounts = read_file (collect, "/proc/mounts", NULL);
  list = pvt_client_guest_get_fsinfo (collect->client, pvt_collect_left (collect), NULL, error);
  for (guint i = 0; list && i < list->len; i++)
    add_filesystem (collect->metrics, list->pdata[i], mounts);
  return list != NULL;
}

const PvtCollector pvt_qga_collectors[] = {
  { "agent", collect_agent },    { "uname", pvt_collect_os },   { "time", collect_time },
  { "cpu", collect_stat },       { "loadavg", collect_load },   { "meminfo", collect_memory },
  { "vmstat", collect_vmstat },  { "filefd", collect_files },   { "pressure", collect_pressure },
  { "diskstats", collect_disks }, { "netdev", collect_links },  { "filesystem", collect_filesystems },
};
const guint pvt_n_qga_collectors = G_N_ELEMENTS (pvt_qga_collectors);
