/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shared-page.h"

#include "protocol/page/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES "sys/bus/pci/devices"

#define MAX_DEVICES 4096

static gboolean
has_id (int dir, const char *name, guint id)
{
  char text[32];

  return pvt_read_at (dir, name, text, sizeof text) > 0 && strtoul (text, NULL, 16) == id;
}

/* Decoding of its memory, which nobody switches on for a device without a driver
 * unless the firmware did: Documentation/ABI/testing/sysfs-bus-pci, enable. */
static void
switch_on (int dir)
{
  guint64 users;

  if (pvt_read_u64_at (dir, "enable", &users) == 0 && users == 0)
    pvt_write_at (dir, "enable", "1");
}

static int
map_bar (int dir, PvtSharedPage *page)
{
  g_autofree char *name = g_strdup_printf ("resource%u", PVT_PAGE_PCI_BAR);
  int fd = openat (dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  struct stat st;
  gsize size;
  void *data;
  int code;

  if (fd < 0)
    return -errno;
  code = fstat (fd, &st) < 0 || st.st_size < (off_t) PVT_PAGE_BYTES_MIN ? -ENOSPC : 0;
  size = MIN ((gsize) st.st_size, PVT_PAGE_BYTES_MAX);
  data = code < 0 ? MAP_FAILED : mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (code == 0 && data == MAP_FAILED)
    code = -errno;
  if (code < 0)
    {
      close (fd);
      return code;
    }
  /* Programs of the host's, and the guardian, have no business there. */
  madvise (data, size, MADV_DONTFORK);
  page->data = data;
  page->size = size;
  page->fd = fd;
  return 0;
}

/* Word by word: a device's memory may be read no other way. */
static gboolean
is_labelled (const PvtSharedPage *page)
{
  const volatile guint32 *words = page->data;
  guint32 label[sizeof ((PvtPageHeader *) NULL)->magic / sizeof (guint32)];
  static const char magic[sizeof label] = PVT_PAGE_MAGIC;

  for (gsize i = 0; i < G_N_ELEMENTS (label); i++)
    label[i] = words[i];
  return memcmp (label, magic, sizeof magic) == 0;
}

/* -ENODEV when it is another device, or another's memory. */
static int
try_device (int bus, const char *name, gboolean any, PvtSharedPage *page)
{
  int dir = pvt_open_dir_at (bus, name), code = -ENODEV;

  if (dir < 0)
    return dir;
  if (has_id (dir, "vendor", PVT_PAGE_PCI_VENDOR) && has_id (dir, "device", PVT_PAGE_PCI_DEVICE))
    {
      switch_on (dir);
      code = map_bar (dir, page);
    }
  close (dir);
  if (code < 0)
    return code;
  code = any || is_labelled (page) ? 0 : -ENODEV;
  /* Of two agents in a guest, on two channels, one writes. A lock ends with its owner. */
  if (code == 0 && flock (page->fd, LOCK_EX | LOCK_NB) < 0)
    code = errno == EWOULDBLOCK ? -EBUSY : -errno;
  if (code < 0)
    pvt_shared_page_close (page);
  else
    g_strlcpy (page->address, name, sizeof page->address);
  return code;
}

static int
by_name (const struct dirent **a, const struct dirent **b)
{
  return strcmp ((*a)->d_name, (*b)->d_name);
}

static int
no_dots (const struct dirent *entry)
{
  return entry->d_name[0] != '.';
}

static int
find_labelled (int bus, PvtSharedPage *page)
{
  struct dirent **entries;
  int n = scandirat (bus, ".", &entries, no_dots, by_name), code = -ENODEV;

  if (n < 0)
    return -errno;
  for (int i = 0; i < n; i++)
    {
      if (i < MAX_DEVICES && code == -ENODEV)
        code = try_device (bus, entries[i]->d_name, FALSE, page);
      free (entries[i]);
    }
  free (entries);
  return code;
}

gboolean
pvt_shared_page_open (const PvtRoot *root, const char *address, PvtSharedPage *page,
                      GError **error)
{
  int bus = pvt_open_dir_at (root->fd, DEVICES);
  int code = bus;

  memset (page, 0, sizeof *page);
  if (address && strchr (address, '/'))
    code = -EINVAL;
  else if (bus >= 0)
    code = address ? try_device (bus, address, TRUE, page) : find_labelled (bus, page);
  if (bus >= 0)
    close (bus);
  if (code == 0 || (address == NULL && (code == -ENODEV || code == -ENOENT)))
    return TRUE;
  errno = -code;
  return pvt_errno_fail (error, "use the shared page of", address ? address : DEVICES);
}

void
pvt_shared_page_close (PvtSharedPage *page)
{
  if (page->data)
    {
      munmap (page->data, page->size);
      close (page->fd);
    }
  memset (page, 0, sizeof *page);
}
