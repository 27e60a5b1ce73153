/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"

#define SECTOR 512u

/* An open file description lock (fcntl(2)), so that nobody writes one image twice. */
static int
lock (const struct disk *disk)
{
  struct flock whole = { .l_type = disk->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

  return fcntl (disk->fd, F_OFD_SETLK, &whole) < 0 ? -errno : 0;
}

static int
measure (struct disk *disk)
{
  struct stat st;

  if (fstat (disk->fd, &st) < 0)
    return -errno;
  disk->is_device = S_ISBLK (st.st_mode);
  disk->size = (uint64_t) st.st_size;
  if (disk->is_device && ioctl (disk->fd, BLKGETSIZE64, &disk->size) < 0)
    return -errno;
  if (!disk->is_device && !S_ISREG (st.st_mode))
    return -EINVAL;
  disk->size -= disk->size % SECTOR;
  return disk->size > 0 ? 0 : -ENODATA;
}

int
disk_open (struct disk *disk, const char *path, bool readonly)
{
  int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  int ret;

  disk->readonly = readonly;
  disk->fd = open (path, flags);
  if (disk->fd < 0)
    {
      ret = -errno;
      vmm_log ("%s: %s", path, strerror (-ret));
      return ret;
    }
  ret = measure (disk);
  if (ret == -ENODATA)
    vmm_log ("%s: the image is too small: a disk has at least one sector of %u bytes", path, SECTOR);
  else if (ret < 0)
    vmm_log ("%s: neither a file nor a block device", path);
  if (ret < 0)
    goto close;
  ret = lock (disk);
  if (ret < 0)
    {
      vmm_log ("%s: locked (%s): another machine has this disk", path, strerror (-ret));
      goto close;
    }
  return 0;

close:
  close (disk->fd);
  disk->fd = -1;
  return ret;
}

void
disk_close (struct disk *disk)
{
  if (disk->fd >= 0)
    close (disk->fd);
  disk->fd = -1;
}

int
disk_grow (struct disk *disk, uint64_t size)
{
  uint64_t there;

  if (size < disk->size || size % SECTOR || size > INT64_MAX)
    return -EINVAL;
  if (disk->is_device && ioctl (disk->fd, BLKGETSIZE64, &there) < 0)
    return -errno;
  if (disk->is_device && there < size)
    return -ENOSPC;
  if (!disk->is_device && !disk->readonly && ftruncate (disk->fd, (off_t) size) < 0)
    return -errno;
  if (!disk->is_device && disk->readonly && size > disk->size)
    return -EROFS;
  disk->size = size;
  return 0;
}

typedef ssize_t (*transfer_fn) (int fd, const struct iovec *iov, int n, off_t offset);

/* Goes on after short transfers, which signals and full disks cause. */
static int
transfer (struct disk *disk, struct iovec *iov, unsigned n, uint64_t offset, transfer_fn function)
{
  while (n > 0)
    {
      ssize_t done;

      if (iov->iov_len == 0)
        {
          iov++, n--;
          continue;
        }
      done = function (disk->fd, iov, (int) n, (off_t) offset);
      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        return done < 0 ? -errno : -EIO;
      offset += (uint64_t) done;
      while (n > 0 && (size_t) done >= iov->iov_len)
        {
          done -= (ssize_t) iov->iov_len;
          iov++, n--;
        }
      if (n > 0)
        {
          iov->iov_base = (uint8_t *) iov->iov_base + done;
          iov->iov_len -= (size_t) done;
        }
    }
  return 0;
}

int
disk_read (struct disk *disk, struct iovec *iov, unsigned n, uint64_t offset)
{
  return transfer (disk, iov, n, offset, preadv);
}

int
disk_write (struct disk *disk, struct iovec *iov, unsigned n, uint64_t offset)
{
  return transfer (disk, iov, n, offset, pwritev);
}

int
disk_flush (struct disk *disk)
{
  return fdatasync (disk->fd) < 0 ? -errno : 0;
}

static int
allocate (struct disk *disk, int mode, uint64_t offset, uint64_t len)
{
  int ret;

  do
    ret = fallocate (disk->fd, mode, (off_t) offset, (off_t) len);
  while (ret < 0 && errno == EINTR);
  return ret < 0 ? -errno : 0;
}

int
disk_discard (struct disk *disk, uint64_t offset, uint64_t len)
{
  uint64_t range[2] = { offset, len };

  if (disk->is_device)
    return ioctl (disk->fd, BLKDISCARD, range) < 0 ? -errno : 0;
  return allocate (disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
}

/* For file systems that cannot: zeroes are written. */
static int
write_zeroes_by_hand (struct disk *disk, uint64_t offset, uint64_t len)
{
  static const uint8_t zeroes[64 * 1024] __attribute__ ((aligned (4096)));

  while (len > 0)
    {
      struct iovec iov = { (void *) zeroes, len < sizeof zeroes ? len : sizeof zeroes };
      size_t step = iov.iov_len;
      int ret = disk_write (disk, &iov, 1, offset);

      if (ret < 0)
        return ret;
      offset += step;
      len -= step;
    }
  return 0;
}

int
disk_write_zeroes (struct disk *disk, uint64_t offset, uint64_t len, bool unmap)
{
  uint64_t range[2] = { offset, len };
  int ret = -EOPNOTSUPP;

  if (disk->is_device)
    ret = ioctl (disk->fd, BLKZEROOUT, range) < 0 ? -errno : 0;
  else if (unmap)
    ret = disk_discard (disk, offset, len);
  if (ret == -EOPNOTSUPP && !disk->is_device)
    ret = allocate (disk, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, len);
  return ret == -EOPNOTSUPP ? write_zeroes_by_hand (disk, offset, len) : ret;
}
