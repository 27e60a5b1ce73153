/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shared-page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "protocol/page/layout.h"

#define CLASS_RAM 0x050000u
#define SUBSYSTEM 0x1100u /* QEMU's */
#define BAR_REGISTERS 0u
#define REGISTERS_BYTES 256u /* of interrupts, which the plain device has not: all zero */

/* While the machine has not mapped it; then nobody comes here. */
static void
access_bar (struct pci_function *function, unsigned bar, uint64_t offset, void *bytes, unsigned len,
            bool write)
{
  struct shared_page *page = (struct shared_page *) function;

  if (bar == BAR_REGISTERS)
    {
      if (!write)
        memset (bytes, 0, len);
    }
  else if (write)
    memcpy (page->data + offset, bytes, len);
  else
    memcpy (bytes, page->data + offset, len);
}

static void
moved (struct pci_function *function, unsigned bar)
{
  struct shared_page *page = (struct shared_page *) function;

  /* One that cannot be mapped is reached by the window, slowly. */
  if (bar == PVT_PAGE_PCI_BAR && page->map (page->map_data, function->bars[bar].at, page->data, page->size) < 0)
    vmm_log ("the shared page is not mapped: each access to it ends the guest's turn");
}

static int
map_file (struct shared_page *page, int fd)
{
  static const char magic[sizeof ((PvtPageHeader *) NULL)->magic] = PVT_PAGE_MAGIC;
  struct stat st;
  void *data;

  if (fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode))
    return -EINVAL;
  if (st.st_size == 0 && (ftruncate (fd, SHARED_PAGE_BYTES) < 0 || fstat (fd, &st) < 0))
    return -errno;
  if (st.st_size < (off_t) PVT_PAGE_BYTES_MIN || st.st_size > (off_t) SHARED_PAGE_BYTES_MAX
      || (st.st_size & (st.st_size - 1)) != 0)
    return -EFBIG;
  data = mmap (NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED)
    return -errno;
  page->data = data;
  page->size = (uint64_t) st.st_size;
  memcpy (data, magic, sizeof magic);
  return 0;
}

static int
open_file (struct shared_page *page, const char *path)
{
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640);
  int ret = fd < 0 ? -errno : map_file (page, fd);

  if (fd >= 0)
    close (fd);
  if (ret < 0)
    vmm_log ("shared page %s: %s", path, ret == -EFBIG ? "a power of two of 4 KiB to 16 MiB is needed"
                                                      : strerror (-ret));
  return ret;
}

int
shared_page_init (struct shared_page *page, const char *path, shared_page_map map, void *data)
{
  static const struct pci_function_ops ops = { .bar = access_bar, .moved = moved };
  static const struct pci_identity identity = {
    .vendor = PVT_PAGE_PCI_VENDOR,
    .device = PVT_PAGE_PCI_DEVICE,
    .subsystem_vendor = PVT_PAGE_PCI_VENDOR,
    .subsystem = SUBSYSTEM,
    .class_code = CLASS_RAM,
    .revision = 1, /* of the specification */
  };
  int ret;

  memset (page, 0, sizeof *page);
  page->map = map;
  page->map_data = data;
  ret = open_file (page, path);
  if (ret < 0)
    return ret;
  sandbox_expect (SANDBOX_PAGE);
  pci_function_init (&page->function, &ops, &identity);
  pci_function_add_bar (&page->function, BAR_REGISTERS, REGISTERS_BYTES, false);
  pci_function_add_bar (&page->function, PVT_PAGE_PCI_BAR, page->size, true);
  return 0;
}

void
shared_page_finish (struct shared_page *page)
{
  if (page->data)
    munmap (page->data, page->size);
  page->data = NULL;
}
