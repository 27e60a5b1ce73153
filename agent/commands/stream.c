/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The extended channel's greeting, programs and files as streams. */
#include "agent/core/call.h"
#include "agent/core/file-stream.h"
#include "agent/core/log.h"
#include "agent/platform/child.h"
#include "agent/platform/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL 1

gboolean
pvt_handle_hello (PvtCall *call G_GNUC_UNUSED, const PvtHelloArgs *args, PvtHello **result,
                  GError **error G_GNUC_UNUSED)
{
  static const char *const features[] = { "exec", "terminal", "files", "cancel", "deadline", "telemetry", NULL };

  *result = pvt_hello_new ();
  (*result)->protocol = PROTOCOL;
  (*result)->nonce = g_strdup (args->nonce);
  (*result)->version = g_strdup (PVT_VERSION);
  (*result)->window = PVT_STREAM_WINDOW;
  (*result)->features = g_strdupv ((char **) features);
  return TRUE;
}

/* ---- programs ---- */

/* The child's ends of its descriptors, and ours. */
typedef struct
{
  int child[3], ours[3];
  int terminal; /* our end of it, or -1 */
} Ends;

static void
close_fds (const int *fds, guint n)
{
  for (guint i = 0; i < n; i++)
    if (fds[i] >= 0)
      close (fds[i]);
}

static gboolean
open_terminal (Ends *ends, const PvtExecArgs *args)
{
  struct winsize size = { .ws_row = args->has_rows ? (unsigned short) args->rows : 24,
                          .ws_col = args->has_columns ? (unsigned short) args->columns : 80 };
  int master, slave;

  if (openpty (&master, &slave, NULL, NULL, &size) < 0)
    return FALSE;
  fcntl (master, F_SETFD, FD_CLOEXEC);
  fcntl (slave, F_SETFD, FD_CLOEXEC);
  ends->terminal = ends->ours[0] = master;
  ends->ours[1] = fcntl (master, F_DUPFD_CLOEXEC, 3);
  for (guint i = 0; i < 3; i++)
    ends->child[i] = slave;
  return ends->ours[1] >= 0;
}

static gboolean
open_pipe (int *reads, int *writes)
{
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return FALSE;
  *reads = ends[0];
  *writes = ends[1];
  return TRUE;
}

static gboolean
open_ends (Ends *ends, const PvtExecArgs *args)
{
  if (args->has_terminal && args->terminal)
    return open_terminal (ends, args);
  return (!(args->has_input && args->input) || open_pipe (&ends->child[0], &ends->ours[0]))
         && open_pipe (&ends->ours[1], &ends->child[1])
         && open_pipe (&ends->ours[2], &ends->child[2]);
}

/* The agent's environment with the request's put over it. */
static char **
make_environment (char *const *over)
{
  char **env = g_get_environ ();

  for (gsize i = 0; over && over[i]; i++)
    {
      g_auto (GStrv) pair = g_strsplit (over[i], "=", 2);

      if (pair[0] && *pair[0] && pair[1])
        env = g_environ_setenv (env, pair[0], pair[1], TRUE);
    }
  return env;
}

static void
close_child_ends (Ends *ends)
{
  if (ends->terminal >= 0)
    close (ends->child[0]);
  else
    close_fds (ends->child, 3);
}

static gboolean
start (const PvtExecArgs *args, Ends *ends, pid_t *pid, GError **error)
{
  g_auto (GStrv) env = make_environment (args->env);
  PvtChildSpec spec = { .argv = args->argv,
                        .env = env,
                        .directory = args->directory ? args->directory : "/",
                        .user = args->user,
                        .in = ends->child[0],
                        .out = ends->child[1],
                        .err = ends->child[2],
                        .terminal = ends->terminal >= 0,
                        .apart = TRUE };

  return pvt_child_start (&spec, pid, error);
}

gboolean
pvt_handle_exec (PvtCall *call, const PvtExecArgs *args, PvtExecStarted **result, GError **error)
{
  Ends ends = { { -1, -1, -1 }, { -1, -1, -1 }, -1 };
  pid_t pid;
  gboolean ok;

  if (args->argv[0] == NULL)
    return pvt_call_fail (error, "argv is empty: which program?");
  ok = open_ends (&ends, args);
  if (!ok)
    pvt_call_fail (error, "cannot make pipes or a terminal: %s", g_strerror (errno));
  else
    ok = start (args, &ends, &pid, error);
  close_child_ends (&ends);
  if (!ok)
    {
      close_fds (ends.ours, 3);
      return FALSE;
    }
  pvt_log (PVT_LOG_INFO, "%s: exec of %s is process %d", call->channel, args->argv[0], (int) pid);
  pvt_stream_attach_child (call->stream, pid, ends.terminal);
  pvt_stream_attach (call->stream, ends.ours[0], ends.ours[1], ends.ours[2]);
  *result = pvt_exec_started_new ();
  (*result)->pid = pid;
  return TRUE;
}

/* ---- files ---- */

static PvtFileAttributes *
describe (const struct stat *st)
{
  PvtFileAttributes *entry = pvt_file_attributes_new ();

  entry->size = (guint64) st->st_size;
  entry->mode = st->st_mode & 07777;
  entry->uid = st->st_uid;
  entry->gid = st->st_gid;
  entry->mtime = st->st_mtime;
  return entry;
}

gboolean
pvt_handle_read_file (PvtCall *call, const PvtReadFileArgs *args, PvtFileAttributes **result,
                      GError **error)
{
  struct stat st;

  if (!pvt_file_stream_read (call->stream, args->path, args->has_offset ? args->offset : 0, &st, error))
    return FALSE;
  pvt_log (PVT_LOG_INFO, "%s: reads %s", call->channel, args->path);
  *result = describe (&st);
  return TRUE;
}

gboolean
pvt_handle_write_file (PvtCall *call, const PvtWriteFileArgs *args, PvtFileAttributes **result,
                       GError **error)
{
  PvtFileTarget target = { .offset = args->has_offset ? args->offset : 0,
                           .mode = args->has_mode ? args->mode : 0644,
                           .uid = args->has_uid ? args->uid : (uid_t) -1,
                           .gid = args->has_gid ? args->gid : (gid_t) -1,
                           .mtime = args->has_mtime ? args->mtime : -1 };
  struct stat before = { 0 };

  if (!pvt_file_stream_write (call->stream, args->path, &target, &before, error))
    return FALSE;
  pvt_log (PVT_LOG_INFO, "%s: writes %s", call->channel, args->path);
  *result = describe (&before);
  return TRUE;
}

gboolean
pvt_handle_stat_partial (PvtCall *call G_GNUC_UNUSED, const PvtStatPartialArgs *args, guint64 *result,
                         GError **error)
{
  return pvt_file_stream_partial (args->path, result, error);
}

gboolean
pvt_handle_sum_file (PvtCall *call, const PvtSumFileArgs *args, char **result, GError **error)
{
  char text[17];

  if (!pvt_file_stream_sum (args->path, args->has_partial && args->partial, args->length,
                            call->cancelled, text, error))
    return FALSE;
  *result = g_strdup (text);
  return TRUE;
}

gboolean
pvt_handle_list_directory (PvtCall *call G_GNUC_UNUSED, const PvtListDirectoryArgs *args,
                           GPtrArray **result, GError **error)
{
  static const PvtFileType types[] = { PVT_FILE_TYPE_REGULAR, PVT_FILE_TYPE_DIRECTORY,
                                       PVT_FILE_TYPE_LINK, PVT_FILE_TYPE_OTHER };
  g_autoptr (GPtrArray) entries = pvt_directory_list (args->path, error);

  if (entries == NULL)
    return FALSE;
  *result = g_ptr_array_sized_new (entries->len);
  for (guint i = 0; i < entries->len; i++)
    {
      PvtListedFile *file = entries->pdata[i];
      PvtDirectoryEntry *entry = pvt_directory_entry_new ();

      entry->name = g_strdup (file->name);
      entry->type = types[file->kind];
      entry->size = (guint64) file->st.st_size;
      entry->mode = file->st.st_mode & 07777;
      entry->uid = file->st.st_uid;
      entry->gid = file->st.st_gid;
      entry->mtime = file->st.st_mtime;
      entry->target = g_strdup (file->target);
      g_ptr_array_add (*result, entry);
    }
  return TRUE;
}

gboolean
pvt_handle_make_directory (PvtCall *call G_GNUC_UNUSED, const PvtMakeDirectoryArgs *args,
                           GError **error)
{
  return pvt_directory_make (args->path, args->has_mode ? args->mode : 0755,
                             args->has_uid ? args->uid : (uid_t) -1,
                             args->has_gid ? args->gid : (gid_t) -1, error);
}

gboolean
pvt_handle_make_link (PvtCall *call G_GNUC_UNUSED, const PvtMakeLinkArgs *args, GError **error)
{
  return pvt_directory_link (args->path, args->target, error);
}
