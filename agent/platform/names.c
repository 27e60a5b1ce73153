/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "names.h"

#include "root.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* getdents64(2), which has it in no header. */
typedef struct
{
  guint64 inode;
  gint64 offset;
  guint16 len;
  guint8 type;
  char name[];
} Entry;

int
pvt_names_open (PvtNames *names, int dirfd, const char *path)
{
  int fd = pvt_open_dir_at (dirfd, path);

  names->at = names->len = 0;
  names->fd = fd < 0 ? -1 : fd;
  return fd < 0 ? fd : 0;
}

/* FALSE at the end. */
static gboolean
read_more (PvtNames *names)
{
  long n = names->fd < 0 ? 0 : syscall (SYS_getdents64, names->fd, names->buf, sizeof names->buf);

  names->at = 0;
  names->len = n > 0 ? (gsize) n : 0;
  return n > 0;
}

const char *
pvt_names_next (PvtNames *names)
{
  while (names->at < names->len || read_more (names))
    {
      const Entry *entry = (const Entry *) (const void *) (names->buf + names->at);

      names->at += entry->len;
      if (entry->name[0] != '.')
        return entry->name;
    }
  return NULL;
}

void
pvt_names_close (PvtNames *names)
{
  if (names->fd >= 0)
    close (names->fd);
  names->fd = -1;
}
