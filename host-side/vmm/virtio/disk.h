/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a block device is made of: a raw file or a block device of the host. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct disk
{
  int fd;
  uint64_t size; /* bytes, a multiple of 512 */
  bool readonly;
  bool is_device;
};

/* Opens and locks it. Never looks into the file for a format: what is in it is
 * the guest's. */
int disk_open (struct disk *disk, const char *path, bool readonly);
void disk_close (struct disk *disk);
/* Nobody uses it meanwhile. 0, -EINVAL for a size that is smaller or no multiple of
 * 512, -ENOSPC for a device of the host that is not that large. */
int disk_grow (struct disk *disk, uint64_t size);

/* All of them 0 or negative errno; bounds are the caller's. @iov is changed. */
int disk_read (struct disk *disk, struct iovec *iov, unsigned n, uint64_t offset);
int disk_write (struct disk *disk, struct iovec *iov, unsigned n, uint64_t offset);
int disk_flush (struct disk *disk);
/* The bytes may read as anything afterwards. -EOPNOTSUPP is possible. */
int disk_discard (struct disk *disk, uint64_t offset, uint64_t len);
/* The bytes read as zero afterwards; @unmap: they need not be allocated. */
int disk_write_zeroes (struct disk *disk, uint64_t offset, uint64_t len, bool unmap);
