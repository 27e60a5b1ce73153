/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests of device models: a guest's memory with nothing mapped around it, a
 * scratch disk, and the driver's side of a ring in few lines. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <virtio/device.h>
#include <virtio/ring.h>

#include "host-side/vmm/virtio/devices.h"

#define RAM_SIZE 0x40000u
#define RAM_GPA 0x100000u /* not zero, so that offsets are not addresses */
#define RAM_DESC RAM_GPA
#define RAM_DRIVER (RAM_GPA + 0x8000u)
#define RAM_DEVICE (RAM_GPA + 0xc000u)
#define RAM_TABLE (RAM_GPA + 0x10000u) /* indirect */
#define RAM_DATA (RAM_GPA + 0x18000u)

static inline uint8_t *
ram_new (struct guest_memory *memory)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE);
  uint8_t *base = mmap (NULL, RAM_SIZE + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  mprotect (base + page, RAM_SIZE, PROT_READ | PROT_WRITE);
  memory->n = 0;
  guest_memory_add (memory, RAM_GPA, RAM_SIZE, base + page);
  return base + page;
}

/* A disk of @size zero bytes that lives as long as the device. @aio: "threads" or
 * "io_uring". */
static inline struct vdev *
ram_disk_by (size_t size, const char *readonly, const char *aio)
{
  struct options options = { 0 };
  int fd = memfd_create ("disk", MFD_CLOEXEC);
  struct vdev *dev = NULL;
  char path[32];

  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  if (ftruncate (fd, (off_t) size) == 0)
    {
      options_add (&options, "file", path);
      options_add (&options, "serial", "serial");
      options_add (&options, "readonly", readonly);
      options_add (&options, "aio", aio);
      blk_create (&options, &dev);
    }
  close (fd);
  return dev;
}

static inline struct vdev *
ram_disk (size_t size, const char *readonly)
{
  return ram_disk_by (size, readonly, "threads");
}

static inline int
ram_start (struct vdev *dev, unsigned q, uint16_t size, uint64_t features)
{
  struct virtq_config config = { size, RAM_DESC, RAM_DRIVER, RAM_DEVICE, features };

  return vdev_queue_start (dev, q, &config, NULL, -1);
}
