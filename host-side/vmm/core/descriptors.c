/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define INHERITED_MAX 256u /* more than anybody names: the others are closed at once */

static int inherited[INHERITED_MAX];
static unsigned n_inherited;

static void
each (void (*function) (int fd, void *data), void *data)
{
  DIR *directory = opendir ("/proc/self/fd");
  const struct dirent *entry;

  if (directory == NULL)
    return;
  while ((entry = readdir (directory)))
    if (entry->d_name[0] != '.' && atoi (entry->d_name) != dirfd (directory))
      function (atoi (entry->d_name), data);
  closedir (directory);
}

static void
note_end (int fd, void *data)
{
  int *end = data;

  if (fd >= *end)
    *end = fd + 1;
}

int
descriptors_end (void)
{
  int end = 0;

  each (note_end, &end);
  return end;
}

static void
note (int fd, void *data)
{
  if (fd <= STDERR_FILENO)
    return;
  if (n_inherited < INHERITED_MAX)
    inherited[n_inherited++] = fd;
  else
    close (fd);
}

void
descriptors_inherited (void)
{
  each (note, NULL);
}

void
descriptors_drop (void)
{
  while (n_inherited > 0)
    {
      int fd = inherited[--n_inherited], flags = fcntl (fd, F_GETFD);

      if (flags >= 0 && !(flags & FD_CLOEXEC))
        close (fd);
    }
}
