/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proc-file.h"

#include "bounds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* seq_file(9) fills a buffer of a page at least before it returns. */
#define FIRST_SIZE 4096

static gboolean
make_room (PvtProcFile *file)
{
  if (file->len + 1 < file->size)
    return TRUE;
  if (file->size >= PVT_MAX_PROC_FILE)
    return FALSE;
  file->size = file->size ? file->size * 2 : FIRST_SIZE;
  file->text = g_realloc (file->text, file->size);
  return TRUE;
}

gboolean
pvt_proc_file_read (PvtProcFile *file, const PvtRoot *root)
{
  gssize n;

  if (file->fd < 0 && !file->absent)
    file->fd = openat (root->fd, file->path, O_RDONLY | O_CLOEXEC);
  if (file->fd < 0)
    {
      /* What this kernel does not have it will not get. */
      file->absent = file->absent || errno == ENOENT;
      return FALSE;
    }
  file->len = 0;
  do
    {
      gsize room;

      if (!make_room (file))
        return FALSE;
      room = file->size - file->len - 1;
      n = pread (file->fd, file->text + file->len, room, (off_t) file->len);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      file->len += (gsize) n;
      /* A file of one piece that did not fill the room was read whole. */
      if (!file->records && (gsize) n < room)
        break;
    }
  while (n != 0);
  file->text[file->len] = '\0';
  return TRUE;
}

gboolean
pvt_proc_file_get (PvtProcFile *file, const PvtRoot *root, GError **error)
{
  int failed;

  if (root->fake)
    pvt_proc_file_close (file);
  errno = 0;
  if (pvt_proc_file_read (file, root))
    return TRUE;
  failed = file->absent ? ENOENT : errno ? errno : EFBIG;
  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (failed), "cannot read /%s: %s",
               file->path, g_strerror (failed));
  return FALSE;
}

void
pvt_proc_file_forget (PvtProcFile *file)
{
  g_clear_pointer (&file->text, g_free);
  file->len = file->size = 0;
}

void
pvt_proc_file_close (PvtProcFile *file)
{
  if (file->fd >= 0)
    close (file->fd);
  g_free (file->text);
  *file = (PvtProcFile){ .path = file->path, .records = file->records, .fd = -1 };
}
