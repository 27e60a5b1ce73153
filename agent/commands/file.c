/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files by handle. Plain descriptors, no stdio buffers: what a write was told
 * is in the file, and a read sees what is there now.
 */
#include "agent/core/call.h"
#include "agent/core/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HANDLES 256
#define DEFAULT_COUNT 4096
#define MAX_COUNT (48 * 1024 * 1024)
/* Contents that are on their way, read or waiting to be written to who asked. */
#define MAX_UNDER_WAY (96 * 1024 * 1024)

typedef struct
{
  gint64 handle; /* 0: the slot is free */
  int fd;
  gboolean busy; /* a command works on it */
  gboolean eof;  /* the last read came to the end */
} OpenFile;

static OpenFile files[MAX_HANDLES];
static gint64 last_handle;
static GMutex lock;

/* Flags of an fopen(3) mode, or -1. */
static int
parse_mode (const char *mode)
{
  static const struct
  {
    const char *mode;
    int flags;
  } table[] = {
    { "r", O_RDONLY },
    { "w", O_WRONLY | O_CREAT | O_TRUNC },
    { "a", O_WRONLY | O_CREAT | O_APPEND },
    { "r+", O_RDWR },
    { "w+", O_RDWR | O_CREAT | O_TRUNC },
    { "a+", O_RDWR | O_CREAT | O_APPEND },
  };
  char plain[4];
  gsize n = 0;

  /* 'b' means nothing on Linux and may stand behind the letter or the '+'. */
  for (gsize i = 0; mode[i]; i++)
    {
      if (mode[i] == 'b' && i > 0)
        continue;
      if (n == sizeof plain - 1)
        return -1;
      plain[n++] = mode[i];
    }
  plain[n] = '\0';
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (strcmp (plain, table[i].mode) == 0)
      return table[i].flags;
  return -1;
}

static gboolean
keep (int fd, gint64 *handle)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  (void) locker;
  for (guint i = 0; i < MAX_HANDLES; i++)
    if (files[i].handle == 0)
      {
        /* Handles never repeat, not even over restarts of the agent: one from
         * before must not name another file. */
        if (last_handle == 0)
          last_handle = g_get_real_time () / 1000000 * 1000;
        files[i] = (OpenFile){ ++last_handle, fd, FALSE, FALSE };
        *handle = files[i].handle;
        return TRUE;
      }
  return FALSE;
}

/* Takes the file out for one command; put_back() ends that. */
static OpenFile *
take (gint64 handle, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  (void) locker;
  for (guint i = 0; i < MAX_HANDLES; i++)
    if (files[i].handle == handle && handle != 0)
      {
        if (files[i].busy)
          {
            pvt_call_fail (error, "handle %" G_GINT64_FORMAT " is busy with an earlier command",
                           handle);
            return NULL;
          }
        files[i].busy = TRUE;
        return &files[i];
      }
  pvt_call_fail (error, "handle '%" G_GINT64_FORMAT "' has not been found", handle);
  return NULL;
}

static void
put_back (OpenFile *file)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  (void) locker;
  file->busy = FALSE;
}

gboolean
pvt_handle_guest_file_open (PvtCall *call G_GNUC_UNUSED, const PvtGuestFileOpenArgs *args,
                            gint64 *result, GError **error)
{
  const char *mode = args->mode ? args->mode : "r";
  int flags = parse_mode (mode), fd;

  if (flags < 0)
    return pvt_call_fail (error, "invalid file open mode '%s'", mode);
  /* Non-blocking, so that a fifo or a device without a peer holds nobody up. */
  fd = open (args->path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
  if (fd < 0)
    return pvt_call_fail (error, "failed to open file '%s' (mode: '%s'): %s", args->path, mode,
                          g_strerror (errno));
  if (keep (fd, result))
    return TRUE;
  close (fd);
  return pvt_call_fail (error, "%d files are open already: close some first", MAX_HANDLES);
}

gboolean
pvt_handle_guest_file_close (PvtCall *call G_GNUC_UNUSED, const PvtGuestFileCloseArgs *args,
                             GError **error)
{
  OpenFile *file = take (args->handle, error);
  int fd, failed;

  if (file == NULL)
    return FALSE;
  fd = file->fd;
  file->handle = 0;
  put_back (file);
  failed = close (fd) < 0 ? errno : 0;
  return failed == 0 || pvt_call_fail (error, "failed to close handle: %s", g_strerror (failed));
}

/* Reads until @count, the end, or nothing more at once. */
static gssize
read_fully (int fd, guint8 *data, gsize count, gboolean *eof)
{
  gsize done = 0;

  while (done < count)
    {
      gssize n = read (fd, data + done, count - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return errno == EAGAIN || done > 0 ? (gssize) done : -1;
      if (n == 0)
        {
          *eof = TRUE;
          break;
        }
      done += (gsize) n;
    }
  return (gssize) done;
}

/* The buffer for a read: not larger than what is left of a regular file, so
 * that asking for 48 MiB of a small one costs little. */
static gsize
buffer_size (int fd, gsize count)
{
  struct stat st;
  off_t at;

  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode) || st.st_size == 0)
    return count;
  at = lseek (fd, 0, SEEK_CUR);
  if (at < 0 || at >= st.st_size)
    return MIN (count, DEFAULT_COUNT);
  return MIN (count, (gsize) (st.st_size - at) + 1);
}

static gsize under_way;

/* What was read, until it is in the answer. */
typedef struct
{
  guint8 *data;
  gsize size;
} Contents;

static void
free_contents (gpointer data)
{
  Contents *contents = data;

  g_atomic_pointer_add (&under_way, -(gssize) contents->size);
  g_free (contents->data);
  g_free (contents);
}

/* NULL with @error when so much is read already by who does not take it. One alone
 * always may. */
static Contents *
new_contents (gsize size, GError **error)
{
  gsize others = (gsize) g_atomic_pointer_add (&under_way, (gssize) size) + pvt_channels_waiting ();
  Contents *contents = g_new (Contents, 1);

  *contents = (Contents){ NULL, size };
  if (others + size <= MAX_UNDER_WAY)
    contents->data = g_malloc (size + 1);
  if (contents->data)
    return contents;
  free_contents (contents);
  pvt_call_fail (error, "%" G_GSIZE_FORMAT " bytes of earlier answers are not taken yet: read less at a time",
                 others);
  return NULL;
}

gboolean
pvt_handle_guest_file_read (PvtCall *call G_GNUC_UNUSED, const PvtGuestFileReadArgs *args,
                            PvtGuestFileRead **result, GError **error)
{
  gint64 count = args->has_count ? args->count : DEFAULT_COUNT;
  OpenFile *file;
  Contents *contents;
  gboolean eof = FALSE;
  gssize n;

  if (count < 0 || count > MAX_COUNT)
    return pvt_call_fail (error, "value '%" G_GINT64_FORMAT "' is invalid for argument count: 0 to %d",
                          count, MAX_COUNT);
  file = take (args->handle, error);
  if (file == NULL)
    return FALSE;
  contents = new_contents (buffer_size (file->fd, (gsize) count), error);
  if (contents == NULL)
    {
      put_back (file);
      return FALSE;
    }
  n = read_fully (file->fd, contents->data, contents->size, &eof);
  if (n < 0)
    pvt_call_fail (error, "failed to read file: %s", g_strerror (errno));
  file->eof = eof;
  put_back (file);
  if (n < 0)
    {
      free_contents (contents);
      return FALSE;
    }
  *result = pvt_guest_file_read_new ();
  (*result)->count = n;
  (*result)->eof = eof;
  (*result)->buf_b64 = g_bytes_new_with_free_func (contents->data, (gsize) n, free_contents, contents);
  return TRUE;
}

/* Writes all; a pipe that is full is waited for, within the budget. */
static gboolean
write_fully (PvtCall *call, int fd, const guint8 *data, gsize count, GError **error)
{
  while (count > 0)
    {
      gssize n = write (fd, data, count);
      struct pollfd pfd = { .fd = fd, .events = POLLOUT };

      if (n >= 0)
        {
          data += n;
          count -= (gsize) n;
        }
      else if (errno != EAGAIN && errno != EINTR)
        return pvt_call_fail (error, "failed to write to file: %s", g_strerror (errno));
      else if (pvt_call_cancelled (call))
        return pvt_call_fail (error, "the reader of the file did not take the data in time");
      else if (errno == EAGAIN)
        poll (&pfd, 1, 100);
    }
  return TRUE;
}

gboolean
pvt_handle_guest_file_write (PvtCall *call, const PvtGuestFileWriteArgs *args,
                             PvtGuestFileWrite **result, GError **error)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (args->buf_b64, &len);
  gint64 count = args->has_count ? args->count : (gint64) len;
  OpenFile *file;
  gboolean ok;

  if (count < 0 || (gsize) count > len)
    return pvt_call_fail (error,
                          "value '%" G_GINT64_FORMAT "' is invalid for argument count: "
                          "%" G_GSIZE_FORMAT " bytes were sent",
                          count, len);
  file = take (args->handle, error);
  if (file == NULL)
    return FALSE;
  ok = write_fully (call, file->fd, data, (gsize) count, error);
  put_back (file);
  if (!ok)
    return FALSE;
  *result = pvt_guest_file_write_new ();
  (*result)->count = count;
  return TRUE;
}

/* SEEK_SET and so on from a name or from qemu-ga's number; -1: neither. */
static int
parse_whence (const PvtGuestFileWhence *whence)
{
  static const int by_name[] = { SEEK_SET, SEEK_CUR, SEEK_END };

  if (whence->branch == PVT_GUEST_FILE_WHENCE_IS_NAME)
    return by_name[whence->name];
  return whence->value >= 0 && whence->value <= 2 ? by_name[whence->value] : -1;
}

gboolean
pvt_handle_guest_file_seek (PvtCall *call G_GNUC_UNUSED, const PvtGuestFileSeekArgs *args,
                            PvtGuestFileSeek **result, GError **error)
{
  int whence = parse_whence (args->whence);
  OpenFile *file;
  gboolean eof;
  off_t at;

  if (whence < 0)
    return pvt_call_fail (error, "invalid whence code %" G_GINT64_FORMAT, args->whence->value);
  file = take (args->handle, error);
  if (file == NULL)
    return FALSE;
  at = lseek (file->fd, args->offset, whence);
  if (at < 0)
    pvt_call_fail (error, "failed to seek file: %s", g_strerror (errno));
  else
    file->eof = FALSE;
  eof = file->eof;
  put_back (file);
  if (at < 0)
    return FALSE;
  *result = pvt_guest_file_seek_new ();
  (*result)->position = at;
  (*result)->eof = eof;
  return TRUE;
}

gboolean
pvt_handle_guest_file_flush (PvtCall *call G_GNUC_UNUSED, const PvtGuestFileFlushArgs *args,
                             GError **error)
{
  OpenFile *file = take (args->handle, error);

  if (file == NULL)
    return FALSE;
  /* There is no buffer of ours: every write is in the kernel already. */
  put_back (file);
  return TRUE;
}
