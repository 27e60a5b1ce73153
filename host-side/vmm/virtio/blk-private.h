/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the block device share: blk.c has the requests and serves them one by
 * one, blk-uring.c keeps several under way. */
#pragma once

#include <virtio/blk.h>

#include "disk.h"
#include "vdev.h"

#define BLK_QUEUES_MAX 16u

struct blk_uring;

struct blk
{
  struct vdev dev;
  struct disk disk;
  char *path;
  char serial[VIRTIO_BLK_ID_BYTES];
  bool write_back; /* what a completed write means: in the cache, or on the disk */
  struct blk_uring *urings[BLK_QUEUES_MAX]; /* NULL: preadv(2) and pwritev(2) */
};

static inline struct blk *
blk_of (struct vdev *dev)
{
  return (struct blk *) dev;
}

/* ---- blk.c ---- */

/* The data of a read or write as pieces of memory: how many; -EINVAL for what the disk has
 * not, or may not be. @len: its bytes. */
int blk_data (struct blk *blk, const struct virtq_chain *chain, const struct virtio_blk_req *req,
              struct iovec *iov, uint64_t *len);
/* Does a whole request of queue @q here and now. @written: bytes in front of the status.
 * -ECANCELED: it was left undone, for the queue is to stop. */
int blk_perform (struct blk *blk, unsigned q, const struct virtq_chain *chain,
                 const struct virtio_blk_req *req, uint64_t *written);
/* False for a chain without a head, or without room for a status: nothing can be said. */
bool blk_head (const struct virtq_chain *chain, struct virtio_blk_req *req);
/* Writes the status for @ret; what the used ring is to say. */
uint32_t blk_answer (const struct virtq_chain *chain, int ret, uint64_t written);

/* ---- blk-uring.c ---- */

/* Makes a ring for each queue, before the sandbox is entered: -ENOSYS in a build without
 * liburing, or what the kernel says (io_uring_setup(2), the sysctl io_uring_disabled). */
int blk_uring_open (struct blk *blk);
void blk_uring_close (struct blk *blk);
/* In the queue's worker: serves what is in the queue. */
void blk_uring_kick (struct blk *blk, unsigned q);
/* Waits for what is under way; nothing new is taken. */
void blk_uring_settle (struct blk *blk, unsigned q);
