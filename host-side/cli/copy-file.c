/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copy.h"
#include "output.h"
#include "protocol/codec/object.h"
#include "protocol/codec/sum64.h"
#include "protocol/message/reply.h"
#include "pvt-tables.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALL_MS 40000

/* For the guest to read all that an earlier attempt has moved. */
#define SUM_MS 600000
#define CHUNK (256 * 1024)

/* Nothing moved for so long: the guest is not there any more. */
#define STALL_MS 60000

/* What qemu-ga's commands move at a time. */
#define PLAIN_CHUNK (1024 * 1024)

/* A file on its way. */
typedef struct
{
  PvtCopy *copy;
  guint32 id;
  int fd;
  PvtSum64 sum;
  guint64 moved;
  gboolean over;
  int write_errno; /* of our side; 0: none */
  PvtStreamEnd end;
  gboolean end_known;
} Transfer;

gboolean
pvt_copy_fail (GError **error, const char *what, const char *path)
{
  int saved = errno;

  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "cannot %s %s: %s", what, path,
               g_strerror (saved));
  return FALSE;
}

void
pvt_copy_progress (const PvtCopy *copy, const char *name, guint64 done, guint64 total)
{
  static gint64 last;
  gint64 now = g_get_monotonic_time ();
  g_autofree char *base = NULL, *safe = NULL;
  double share = total ? (double) done / (double) total : 1;

  if (!copy->progress || (done < total && now - last < 100000))
    return;
  last = now;
  base = g_path_get_basename (name);
  safe = pvt_safe_text (base);
  fprintf (stderr, "\r%-30.30s %3.0f%% %8.1f MiB%s", safe, CLAMP (share, 0, 1) * 100,
           (double) done / (1 << 20), done >= total ? "\n" : "");
}

/* How much was written; all of it unless errno says why not. */
static gsize
write_all (int fd, const char *data, gsize len)
{
  gsize done = 0;

  while (done < len)
    {
      gssize n = write (fd, data + done, len - done);

      if (n < 0 && errno != EINTR)
        break;
      done += n > 0 ? (gsize) n : 0;
    }
  return done;
}

static void
on_data (guint channel, const char *data, gsize len, gpointer user_data)
{
  Transfer *transfer = user_data;

  if (transfer->write_errno == 0)
    {
      gsize n = write_all (transfer->fd, data, len);

      transfer->write_errno = n < len ? errno : 0;
      pvt_sum64_add (&transfer->sum, data, n);
      transfer->moved += n;
    }
  pvt_extended_consumed (transfer->copy->extended, transfer->id, channel, len);
}

static void
on_end (const char *json, gsize len, gpointer user_data)
{
  Transfer *transfer = user_data;

  transfer->over = TRUE;
  transfer->end_known = pvt_decode_untrusted (json, len, &pvt_stream_end_type, &transfer->end);
}

static const PvtExtendedOps ops = { on_data, on_end };

/* Until something moved or can be moved. */
static gboolean
wait_turn (Transfer *transfer, GError **error)
{
  PvtExtended *extended = transfer->copy->extended;
  struct pollfd pfd = { .fd = pvt_extended_fd (extended),
                        .events = POLLIN | (pvt_extended_wants_write (extended) ? POLLOUT : 0) };

  if (poll (&pfd, 1, STALL_MS) == 0)
    {
      g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT,
                   "the guest moved nothing for %d s", STALL_MS / 1000);
      return FALSE;
    }
  return pvt_extended_process (extended, error);
}

/* Both sides have counted and summed what went over. */
static gboolean
check_end (Transfer *transfer, const char *path, GError **error)
{
  const PvtStreamEnd *end = &transfer->end;
  char sum[17];

  pvt_sum64_text (&transfer->sum, sum);
  if (transfer->write_errno)
    {
      errno = transfer->write_errno;
      return pvt_copy_fail (error, "write", path);
    }
  if (!transfer->end_known)
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL,
                 "%s: the guest's word about the end is not understood", path);
  else if (end->error)
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "%s: in the guest: %s", path,
                 end->error);
  else if (end->bytes != transfer->moved
           || g_strcmp0 (end->sum, sum) != 0)
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED,
                 "%s: the guest's checksum of what went over is another", path);
  else
    return TRUE;
  return FALSE;
}

static void
clear_transfer (Transfer *transfer)
{
  pvt_object_clear (&pvt_stream_end_type, &transfer->end);
  if (transfer->fd >= 0)
    close (transfer->fd);
}

/* ---- to the guest ---- */

static gboolean
send_data (Transfer *transfer, const char *path, guint64 total, guint64 offset, GError **error)
{
  g_autofree char *chunk = g_malloc (CHUNK);
  gboolean at_end = FALSE;

  while (!transfer->over)
    {
      PvtExtended *extended = transfer->copy->extended;
      gsize room = MIN (CHUNK, pvt_extended_window (extended, transfer->id));

      if (!at_end && room > 0 && pvt_extended_unsent (extended) < CHUNK)
        {
          gssize n = read (transfer->fd, chunk, room);

          if (n < 0)
            return pvt_copy_fail (error, "read", path);
          pvt_sum64_add (&transfer->sum, chunk, (gsize) n);
          pvt_extended_send (extended, transfer->id, chunk, (gsize) n);
          transfer->moved += (guint64) n;
          at_end = n == 0;
          pvt_copy_progress (transfer->copy, path, offset + transfer->moved, total);
          /* As long as there is room nothing needs to be waited for. */
          if (!pvt_extended_process (extended, error))
            return FALSE;
          continue;
        }
      if (!wait_turn (transfer, error))
        return FALSE;
    }
  return TRUE;
}

/* An earlier attempt may have been at another file: only what both begin with alike
 * stays. A guest that cannot tell has an agent from before that: all goes over again. */
static gboolean
begins_alike (PvtCopy *copy, int fd, const char *path, gboolean partial, guint64 length)
{
  PvtSumFileArgs args = { .path = (char *) path, .length = length, .has_partial = TRUE, .partial = partial };
  g_autofree char *theirs = NULL;
  char ours[17];
  PvtSum64 sum;

  if (length == 0)
    return TRUE;
  pvt_sum64_init (&sum);
  if (!pvt_sum64_add_file (&sum, fd, length, NULL))
    return FALSE;
  pvt_sum64_text (&sum, ours);
  return pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_SUM_FILE], &args, &theirs,
                            SUM_MS, NULL, NULL, NULL, NULL)
         && strcmp (ours, theirs) == 0;
}

static gboolean
send_by_stream (PvtCopy *copy, int fd, const struct stat *st, const char *from, const char *to,
                GError **error)
{
  Transfer transfer = { .copy = copy, .fd = fd };
  PvtStatPartialArgs partial = { .path = (char *) to };
  PvtWriteFileArgs args = { .path = (char *) to,
                            .has_mode = TRUE,
                            .mode = st->st_mode & 07777,
                            .has_mtime = TRUE,
                            .mtime = st->st_mtime,
                            .has_uid = geteuid () == 0,
                            .uid = st->st_uid,
                            .has_gid = geteuid () == 0,
                            .gid = st->st_gid };
  PvtFileAttributes *before = NULL;
  guint64 offset = 0;
  gboolean ok = TRUE;

  pvt_sum64_init (&transfer.sum);
  if (copy->resume)
    ok = pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_STAT_PARTIAL], &partial,
                            &offset, CALL_MS, NULL, NULL, NULL, error);
  offset = MIN (offset, (guint64) st->st_size);
  if (ok && !begins_alike (copy, fd, to, TRUE, offset))
    offset = 0;
  args.has_offset = TRUE;
  args.offset = offset;
  ok = ok && (lseek (fd, (off_t) offset, SEEK_SET) >= 0 || pvt_copy_fail (error, "read", from))
       && pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_WRITE_FILE], &args,
                             &before, CALL_MS, &ops, &transfer, &transfer.id, error);
  pvt_file_attributes_free (before);
  ok = ok && send_data (&transfer, from, (guint64) st->st_size, offset, error)
       && check_end (&transfer, to, error);
  copy->bytes += transfer.moved;
  clear_transfer (&transfer);
  return ok;
}

static gboolean
send_chunk (PvtCopy *copy, gint64 handle, const char *chunk, gsize len, const char *to, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (chunk, len);
  PvtGuestFileWriteArgs args = { .handle = handle, .buf_b64 = bytes };
  g_autoptr (PvtGuestFileWrite) done
      = pvt_client_guest_file_write (copy->client, &args, CALL_MS, NULL, error);

  if (done == NULL)
    return FALSE;
  copy->bytes += len;
  errno = EIO;
  return done->count == (gint64) len || pvt_copy_fail (error, "write all of", to);
}

static gboolean
send_chunks (PvtCopy *copy, int fd, gint64 handle, const char *from, const char *to, GError **error)
{
  g_autofree char *chunk = g_malloc (PLAIN_CHUNK);
  gssize n;

  while ((n = read (fd, chunk, PLAIN_CHUNK)) > 0)
    if (!send_chunk (copy, handle, chunk, (gsize) n, to, error))
      return FALSE;
  return n == 0 || pvt_copy_fail (error, "read", from);
}

static gboolean
send_plainly (PvtCopy *copy, int fd, const char *from, const char *to, GError **error)
{
  PvtGuestFileOpenArgs open_args = { .path = (char *) to, .mode = (char *) "w" };
  PvtGuestFileCloseArgs close_args = { 0 };
  gboolean ok;

  if (!pvt_client_guest_file_open (copy->client, &open_args, &close_args.handle, -1, NULL, error))
    return FALSE;
  ok = send_chunks (copy, fd, close_args.handle, from, to, error);
  /* In any case: the guest keeps what is not closed open for ever. */
  return pvt_client_guest_file_close (copy->client, &close_args, -1, NULL, ok ? error : NULL) && ok;
}

gboolean
pvt_copy_send_file (PvtCopy *copy, const char *from, const char *to, GError **error)
{
  int fd = open (from, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat st;
  gboolean ok;

  if (fd < 0)
    return pvt_copy_fail (error, "open", from);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      close (fd);
      errno = EINVAL;
      return pvt_copy_fail (error, "send anything but a regular file:", from);
    }
  copy->files++;
  if (copy->extended)
    return send_by_stream (copy, fd, &st, from, to, error);
  ok = send_plainly (copy, fd, from, to, error);
  close (fd);
  return ok;
}

/* ---- from the guest ---- */

static int
open_partial (int dir, const char *partial, gboolean resume, guint64 *offset, GError **error)
{
  int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | (resume ? 0 : O_TRUNC);
  int fd = openat (dir, partial, flags, 0600);
  off_t at = fd >= 0 ? lseek (fd, 0, SEEK_END) : -1;

  if (fd < 0)
    pvt_copy_fail (error, "write", partial);
  *offset = at > 0 ? (guint64) at : 0;
  return fd;
}

static gboolean
begin_anew (int fd, const char *partial, guint64 *offset, GError **error)
{
  *offset = 0;
  return (ftruncate (fd, 0) == 0 && lseek (fd, 0, SEEK_SET) == 0)
         || pvt_copy_fail (error, "write", partial);
}

/* The owner is kept where we may; a set-user-id bit of a guest's file is not. */
static gboolean
finish_file (int dir, int fd, const char *partial, const char *name, const PvtFileAttributes *file,
             GError **error)
{
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = file->mtime } };

  if (geteuid () == 0 && fchown (fd, file->uid, file->gid) < 0)
    return pvt_copy_fail (error, "change the owner of", name);
  if (fchmod (fd, file->mode & 0777) < 0 || futimens (fd, times) < 0)
    return pvt_copy_fail (error, "change the mode of", name);
  return renameat (dir, partial, dir, name) == 0 || pvt_copy_fail (error, "put in place", name);
}

static gboolean
fetch_by_stream (PvtCopy *copy, const char *from, int dir, const char *name, GError **error)
{
  g_autofree char *partial = g_strdup_printf (".%s.pvtools-part", name);
  Transfer transfer = { .copy = copy, .fd = -1 };
  PvtReadFileArgs args = { .path = (char *) from, .has_offset = TRUE };
  PvtFileAttributes *file = NULL;
  gboolean ok;

  pvt_sum64_init (&transfer.sum);
  transfer.fd = open_partial (dir, partial, copy->resume, &args.offset, error);
  ok = transfer.fd >= 0
       && (begins_alike (copy, transfer.fd, from, FALSE, args.offset)
           || begin_anew (transfer.fd, partial, &args.offset, error))
       && pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_READ_FILE], &args,
                             &file, CALL_MS, &ops, &transfer, &transfer.id, error);
  /* Once nothing can be written any more, nothing more is waited for. */
  while (ok && !transfer.over && transfer.write_errno == 0)
    {
      ok = wait_turn (&transfer, error);
      pvt_copy_progress (copy, from, args.offset + transfer.moved,
                         MAX (file->size, args.offset + transfer.moved + !transfer.over));
    }
  ok = ok && check_end (&transfer, name, error)
       && finish_file (dir, transfer.fd, partial, name, file, error);
  /* What came in vain is kept for a resume only. */
  if (!ok && !copy->resume && transfer.moved == 0)
    unlinkat (dir, partial, 0);
  copy->bytes += transfer.moved;
  pvt_file_attributes_free (file);
  clear_transfer (&transfer);
  return ok;
}

static gboolean
fetch_plainly (PvtCopy *copy, const char *from, int dir, const char *name, GError **error)
{
  PvtGuestFileOpenArgs open_args = { .path = (char *) from, .mode = (char *) "r" };
  PvtGuestFileCloseArgs close_args = { 0 };
  gboolean ok, eof = FALSE;
  gint64 handle;
  int fd;

  if (!pvt_client_guest_file_open (copy->client, &open_args, &handle, -1, NULL, error))
    return FALSE;
  fd = openat (dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  ok = fd >= 0 || pvt_copy_fail (error, "write", name);
  while (ok && !eof)
    {
      PvtGuestFileReadArgs args = { .handle = handle, .has_count = TRUE, .count = PLAIN_CHUNK };
      g_autoptr (PvtGuestFileRead) part
          = pvt_client_guest_file_read (copy->client, &args, CALL_MS, NULL, error);
      gsize len = 0;
      const char *data = part && part->buf_b64 ? g_bytes_get_data (part->buf_b64, &len) : NULL;

      ok = part != NULL;
      if (ok && write_all (fd, data, len) < len)
        ok = pvt_copy_fail (error, "write", name);
      copy->bytes += len;
      eof = part == NULL || part->eof || len == 0;
    }
  if (fd >= 0)
    close (fd);
  close_args.handle = handle;
  pvt_client_guest_file_close (copy->client, &close_args, -1, NULL, NULL);
  return ok;
}

gboolean
pvt_copy_fetch_file (PvtCopy *copy, const char *from, int dir, const char *name, GError **error)
{
  copy->files++;
  return copy->extended ? fetch_by_stream (copy, from, dir, name, error)
                        : fetch_plainly (copy, from, dir, name, error);
}
