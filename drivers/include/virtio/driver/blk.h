/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk. Offsets and lengths are in sectors of 512 bytes, whatever its block size. */
#pragma once

#include <virtio/blk.h>
#include <virtio/driver/queue.h>

/* Requests at a time, and data segments of each. */
#define VIRTIO_BLK_REQUESTS 32u
#define VIRTIO_BLK_SEGS 16u
/* What one request moves at most; longer transfers are several. */
#define VIRTIO_BLK_BYTES_MAX (1u << 20)

struct virtio_blk_request;

struct virtio_blk
{
  struct virtio_device dev;
  struct virtio_queue queue;
  uint64_t capacity; /* sectors */
  uint32_t block_size;
  uint32_t segment_bytes; /* of a data segment */
  uint32_t segments;      /* data segments of a request */
  uint32_t max_discard, max_write_zeroes; /* sectors of one request */
  bool read_only;
  struct virtio_blk_request *requests;
  uint16_t n_requests;
  uint32_t free_requests; /* bit set: free */
};

/**
 * Starts the disk behind @transport, which outlives it; memory is taken from
 * the transport's hal here and nowhere else. 0 or a negated error; then the
 * device is reset and nothing is held. A device that could not be reset (it is
 * gone, say) may still write to what it was given: that is kept until
 * virtio_blk_stop succeeds. The other devices' starts do the same.
 */
int virtio_blk_start (struct virtio_blk *blk, struct virtio_transport *transport,
                      const struct virtio_options *options);

/** Resets the disk and frees what it had. After an error the memory is left to
 * a device that may still write to it. */
int virtio_blk_stop (struct virtio_blk *blk);

/**
 * Reads or writes @bytes, a multiple of 512, at @sector; returns when done.
 * -VIRTIO_ERANGE past the end, -VIRTIO_EROFS, -VIRTIO_EIO when the disk says
 * so or is dead, -VIRTIO_ETIMEDOUT (then it is dead).
 */
int virtio_blk_read (struct virtio_blk *blk, uint64_t sector, void *to, size_t bytes);
int virtio_blk_write (struct virtio_blk *blk, uint64_t sector, const void *from, size_t bytes);

/** Makes what was written stable; 0 at once when the disk has no volatile cache. */
int virtio_blk_flush (struct virtio_blk *blk);

/** Whether the disk may keep what is written in its cache (as it does in the beginning), or
 * has each write stable when it is done; also all writes of before are then, as they are
 * flushed. -VIRTIO_ENOTSUP when not offered. */
int virtio_blk_set_write_back (struct virtio_blk *blk, bool on);

/** -VIRTIO_ENOTSUP when not offered. What is discarded reads as anything. */
int virtio_blk_discard (struct virtio_blk *blk, uint64_t sector, uint64_t sectors);
int virtio_blk_write_zeroes (struct virtio_blk *blk, uint64_t sector, uint64_t sectors, bool unmap);

/** The serial number, ended by NUL. */
int virtio_blk_get_id (struct virtio_blk *blk, char id[VIRTIO_BLK_ID_BYTES + 1]);

/** After an interrupt about the configuration: reads the capacity anew. */
int virtio_blk_refresh (struct virtio_blk *blk);

/* ---- several requests at a time ---- */

/** Begins a read or write of one request (at most VIRTIO_BLK_BYTES_MAX bytes and
 * segments * segment_bytes). -VIRTIO_EAGAIN when too many are under way.
 * virtio_blk_kick tells the disk, virtio_blk_poll returns @token. */
int virtio_blk_submit (struct virtio_blk *blk, uint32_t type, uint64_t sector, void *data,
                       uint32_t bytes, void *token);
bool virtio_blk_kick (struct virtio_blk *blk);
/** 1 with *@token and the request's *@result, 0, or a negated error. */
int virtio_blk_poll (struct virtio_blk *blk, void **token, int *result);
