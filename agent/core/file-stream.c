/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file-stream.h"

#include "agent/platform/root.h"
#include "protocol/codec/encode.h"
#include "protocol/codec/sum64.h"
#include "pvt-tables.h"
#include "pvt-types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CHUNK (128 * 1024)

/* Fewer turns between the thread and the main loop. */
#define PIPE_SIZE (1024 * 1024)
/* Each has a thread. */
#define MAX_TRANSFERS 128

/* SELinux's, and longer than its labels are. */
#define LABEL "security.selinux"
#define MAX_LABEL 4096

typedef struct
{
  PvtStream *stream;
  int file, pipe;
  char *path;
  char *partial; /* where it is written; NULL: it is read */
  PvtFileTarget target;
  /* results */
  PvtSum64 sum; /* of what is written */
  char *error;
} Transfer;

static gint n_transfers;

static void
note_error (Transfer *transfer, const char *what)
{
  if (transfer->error == NULL)
    transfer->error = g_strdup_printf ("cannot %s %s: %s", what, transfer->path, g_strerror (errno));
}

/* ---- the thread ---- */

static gboolean
write_all (int fd, const char *data, gsize len)
{
  while (len > 0)
    {
      gssize n = write (fd, data, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

/* Pages of the file go into the pipe as they are. FALSE at the end, on an error and
 * where there is no splice(2). */
static gboolean
splice_chunk (Transfer *transfer)
{
  gssize n;

  do
    n = splice (transfer->file, NULL, transfer->pipe, NULL, PIPE_SIZE, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno != EINVAL)
    note_error (transfer, "read");
  return n > 0;
}

/* FALSE at the end or on an error. */
static gboolean
move_chunk (Transfer *transfer, int from, int to, char *chunk)
{
  gssize n;

  do
    n = read (from, chunk, CHUNK);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    note_error (transfer, "read");
  if (n <= 0)
    return FALSE;
  if (transfer->partial)
    pvt_sum64_add (&transfer->sum, chunk, (gsize) n);
  if (write_all (to, chunk, (gsize) n))
    return TRUE;
  note_error (transfer, "write");
  return FALSE;
}

/* Of the file that is replaced: a new one has the directory's, and under SELinux it is by
 * its label alone that a service may read its file (xattr(7), setfiles(8)). */
static void
keep_label (Transfer *transfer)
{
  char label[MAX_LABEL], fresh[MAX_LABEL];
  gssize n = getxattr (transfer->path, LABEL, label, sizeof label);
  gssize m = n > 0 ? fgetxattr (transfer->file, LABEL, fresh, sizeof fresh) : -1;

  if (n <= 0 || (n == m && memcmp (label, fresh, (gsize) n) == 0))
    return;
  if (fsetxattr (transfer->file, LABEL, label, (gsize) n, 0) < 0)
    note_error (transfer, "keep the label of");
}

/* On disk before it is seen under its name. */
static void
put_in_place (Transfer *transfer)
{
  const PvtFileTarget *target = &transfer->target;
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = target->mtime } };

  if ((target->uid != (uid_t) -1 || target->gid != (gid_t) -1)
      && fchown (transfer->file, target->uid, target->gid) < 0)
    note_error (transfer, "change the owner of");
  if (fchmod (transfer->file, target->mode) < 0)
    note_error (transfer, "change the mode of");
  keep_label (transfer);
  if (target->mtime >= 0 && futimens (transfer->file, times) < 0)
    note_error (transfer, "change the time of");
  if (transfer->error == NULL && fsync (transfer->file) < 0)
    note_error (transfer, "write");
  if (transfer->error == NULL && rename (transfer->partial, transfer->path) < 0)
    note_error (transfer, "put in place");
}

/* What cannot be spliced is read; at the end of what could, that finds the end. */
static void
read_file (Transfer *transfer, char *chunk)
{
  while (splice_chunk (transfer))
    ;
  while (transfer->error == NULL && move_chunk (transfer, transfer->file, transfer->pipe, chunk))
    ;
}

static void
write_file (Transfer *transfer, char *chunk)
{
  while (move_chunk (transfer, transfer->pipe, transfer->file, chunk))
    ;
  if (transfer->error == NULL && pvt_stream_input_complete (transfer->stream))
    put_in_place (transfer);
}

static void
free_transfer (Transfer *transfer)
{
  pvt_stream_unref (transfer->stream);
  g_free (transfer->path);
  g_free (transfer->partial);
  g_free (transfer);
  g_atomic_int_add (&n_transfers, -1);
}

/* Also the end of a line that was cut looks like the end of the data: the stream
 * knows. What came until then stays for the next attempt. */
static gpointer
run (gpointer data)
{
  Transfer *transfer = data;
  g_autofree char *chunk = g_malloc (CHUNK);
  gboolean reads = transfer->partial == NULL;

  if (reads)
    read_file (transfer, chunk);
  else
    write_file (transfer, chunk);
  close (transfer->file);
  close (transfer->pipe);
  pvt_stream_finish (transfer->stream, reads ? NULL : &transfer->sum, transfer->error);
  free_transfer (transfer);
  return NULL;
}

/* FALSE with @error when there are too many, or no thread is to be had. */
static gboolean
start_thread (Transfer *transfer, GError **error)
{
  GThread *thread = NULL;

  if (g_atomic_int_get (&n_transfers) > MAX_TRANSFERS)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN, "%d transfers are under way already", MAX_TRANSFERS);
  else
    thread = g_thread_try_new ("file", run, transfer, error);
  if (thread)
    g_thread_unref (thread);
  return thread != NULL;
}

static gboolean
start (PvtStream *stream, int file, const char *path, char *partial, const PvtFileTarget *target,
       GError **error)
{
  Transfer *transfer;
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) < 0)
    {
      close (file);
      g_free (partial);
      return pvt_errno_fail (error, "make a pipe for", path);
    }
  fcntl (ends[0], F_SETPIPE_SZ, PIPE_SIZE);
  transfer = g_new0 (Transfer, 1);
  g_atomic_int_inc (&n_transfers);
  transfer->stream = pvt_stream_ref (stream);
  transfer->file = file;
  transfer->path = g_strdup (path);
  transfer->partial = partial;
  pvt_sum64_init (&transfer->sum);
  if (target)
    transfer->target = *target;
  transfer->pipe = ends[partial ? 0 : 1];
  pvt_stream_attach_worker (stream);
  if (partial)
    pvt_stream_attach (stream, ends[1], -1, -1);
  else
    {
      pvt_stream_attach_sum (stream);
      pvt_stream_attach (stream, -1, ends[0], -1);
    }
  if (start_thread (transfer, error))
    return TRUE;
  close (transfer->file);
  close (transfer->pipe);
  free_transfer (transfer);
  return FALSE;
}

/* ---- the commands' side ---- */

gboolean
pvt_file_stream_read (PvtStream *stream, const char *path, guint64 offset, struct stat *st,
                      GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

  if (fd < 0)
    return pvt_errno_fail (error, "open", path);
  if (fstat (fd, st) < 0 || !S_ISREG (st->st_mode))
    {
      close (fd);
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is no regular file", path);
      return FALSE;
    }
  if (offset > (guint64) st->st_size || lseek (fd, (off_t) offset, SEEK_SET) < 0)
    {
      close (fd);
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "%s has %" G_GUINT64_FORMAT " bytes: there is no offset %" G_GUINT64_FORMAT, path,
                   (guint64) st->st_size, offset);
      return FALSE;
    }
  return start (stream, fd, path, NULL, NULL, error);
}

/* Beside the file, so that putting it in place is one rename. */
static char *
partial_name (const char *path)
{
  g_autofree char *directory = g_path_get_dirname (path), *base = g_path_get_basename (path);

  return g_strdup_printf ("%s/.%s.pvtools-part", directory, base);
}

/* Whoever owns the directory may have put something of that name there: another name
 * of a file of somebody else's, say, or a file of his own to read along in. */
static gboolean
is_ours (int fd, const char *name)
{
  struct stat st, named;

  return fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid ()
         && lstat (name, &named) == 0 && named.st_ino == st.st_ino && named.st_dev == st.st_dev;
}

/* -1 with errno: EWOULDBLOCK when another writes it. */
static int
open_partial (const char *partial)
{
  for (guint attempt = 0; attempt < 2; attempt++)
    {
      int fd = open (partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);

      if (fd < 0)
        return -1;
      /* An earlier attempt may still be writing out what it had taken in. */
      if (!pvt_lock_patiently (fd))
        {
          close (fd);
          errno = EWOULDBLOCK;
          return -1;
        }
      /* Nor one that was put in place meanwhile: it has another name. */
      if (is_ours (fd, partial))
        return fd;
      close (fd);
      unlink (partial);
    }
  errno = EEXIST;
  return -1;
}

gboolean
pvt_file_stream_write (PvtStream *stream, const char *path, const PvtFileTarget *target,
                       struct stat *before, GError **error)
{
  g_autofree char *partial = partial_name (path);
  struct stat st;
  int fd;

  if (stat (path, before) < 0)
    memset (before, 0, sizeof *before);
  else if (!S_ISREG (before->st_mode))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is there and no regular file", path);
      return FALSE;
    }
  fd = open_partial (partial);
  if (fd < 0)
    return pvt_errno_fail (error, "write beside", path);
  if (fstat (fd, &st) < 0 || (guint64) st.st_size < target->offset)
    {
      close (fd);
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "%s: there are not %" G_GUINT64_FORMAT " bytes of an earlier attempt", path,
                   target->offset);
      return FALSE;
    }
  if (ftruncate (fd, (off_t) target->offset) < 0 || lseek (fd, (off_t) target->offset, SEEK_SET) < 0)
    {
      close (fd);
      return pvt_errno_fail (error, "write beside", path);
    }
  return start (stream, fd, path, g_steal_pointer (&partial), target, error);
}

gboolean
pvt_file_stream_sum (const char *path, gboolean partial, guint64 length, const gint *cancelled,
                     char text[17], GError **error)
{
  g_autofree char *name = partial ? partial_name (path) : g_strdup (path);
  int fd = open (name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (partial ? O_NOFOLLOW : 0));
  struct stat st;
  PvtSum64 sum;
  gboolean ok;

  if (fd < 0)
    return pvt_errno_fail (error, "open", name);
  pvt_sum64_init (&sum);
  ok = fstat (fd, &st) == 0 && S_ISREG (st.st_mode);
  if (!ok)
    errno = EINVAL;
  ok = ok && pvt_sum64_add_file (&sum, fd, length, cancelled);
  if (!ok)
    pvt_errno_fail (error, "read", name);
  close (fd);
  pvt_sum64_text (&sum, text);
  return ok;
}

gboolean
pvt_file_stream_partial (const char *path, guint64 *bytes, GError **error)
{
  g_autofree char *partial = partial_name (path);
  struct stat st;

  *bytes = 0;
  if (lstat (partial, &st) == 0)
    *bytes = S_ISREG (st.st_mode) ? (guint64) st.st_size : 0;
  else if (errno != ENOENT)
    return pvt_errno_fail (error, "look beside", path);
  return TRUE;
}
