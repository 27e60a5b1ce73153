/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The errors of the library, returned negated. The numbers are Linux's, so that
 * a hosted program may print them with strerror. */
#pragma once

enum virtio_error
{
  VIRTIO_EIO = 5,         /* the device broke a rule, or is dead: reset it */
  VIRTIO_EAGAIN = 11,     /* nothing now, or no room now */
  VIRTIO_ENOMEM = 12,     /* the platform had no memory at start */
  VIRTIO_ENODEV = 19,     /* no such device, or it has been pulled out */
  VIRTIO_EINVAL = 22,     /* the caller's mistake */
  VIRTIO_EROFS = 30,      /* a read-only disk */
  VIRTIO_ERANGE = 34,     /* past the end of the disk */
  VIRTIO_ENODATA = 61,    /* a peer sends no more */
  VIRTIO_EPROTO = 71,     /* what the device describes cannot be */
  VIRTIO_ENOTSUP = 95,    /* not negotiated */
  VIRTIO_ECONNRESET = 104, /* a connection was cut off */
  VIRTIO_ETIMEDOUT = 110, /* the device did not answer in time */
  VIRTIO_ECONNREFUSED = 111, /* nobody listens there */
};
