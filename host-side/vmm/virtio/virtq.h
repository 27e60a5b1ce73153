/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device's side of a virtqueue, split and packed (virtio 1.x, 2.7 and 2.8).
 *
 * The guest may write into its rings at any time. Everything is therefore read
 * once into locals and checked there; indices are kept here and never read
 * back; a ring that breaks a rule is marked broken and serves nobody until it
 * is configured anew. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hooks.h"
#include "host-side/vmm/core/memory.h"

#define VIRTQ_SIZE_MAX 1024
#define VIRTQ_IOV_MAX 1024 /* what preadv(2) takes */

/* What a driver has written into the transport's registers. */
struct virtq_config
{
  uint16_t size;
  uint64_t desc;   /* guest physical: descriptors, or the packed ring */
  uint64_t driver; /* the available ring, or the driver's event structure */
  uint64_t device; /* the used ring, or the device's event structure */
  uint64_t features;
};

struct virtq
{
  const struct guest_memory *memory;
  uint16_t size;
  bool ready, broken;
  bool packed, event_idx, indirect;
  uint8_t *desc, *driver, *device; /* the host's addresses of the three areas */
  uint16_t next_avail; /* split: counts freely; packed: a slot */
  uint16_t next_used;
  bool avail_wrap, used_wrap; /* packed */
  uint32_t unsignalled;       /* used since the driver was last told, or nearly */
  struct vdev_queue *hooked;  /* whose hooks are called; NULL: there are none */
};

/* One request: what the device may read, then what it may write. */
struct virtq_chain
{
  uint16_t id;
  uint16_t slots; /* of the packed ring */
  unsigned n_out, n_in;
  uint64_t out_len, in_len;
  struct iovec iov[VIRTQ_IOV_MAX]; /* n_out pieces, then n_in */
};

/* Checks and takes a configuration; the ring starts at index 0. -EINVAL for a
 * bad size, alignment or address. */
int virtq_start (struct virtq *ring, const struct guest_memory *memory,
                 const struct virtq_config *config);
void virtq_stop (struct virtq *ring);

/* Where a ring stands, in the form of vhost's "vring base": restoring it goes on there. */
uint32_t virtq_base (const struct virtq *ring);
int virtq_set_base (struct virtq *ring, uint32_t base);

/* The next request: 1; 0 when there is none; -EPROTO when the ring is broken. */
int virtq_pop (struct virtq *ring, struct virtq_chain *chain);
/* Gives a request back with @written bytes in it. */
void virtq_push (struct virtq *ring, const struct virtq_chain *chain, uint32_t written);
/* As virtq_push, past the hooks: for them alone. */
void virtq_push_unhooked (struct virtq *ring, const struct virtq_chain *chain, uint32_t written);
/* One request given back: its chain's id and slots, and the bytes written into it. */
struct virtq_used
{
  uint16_t id, slots;
  uint32_t written;
};
/* Gives @n requests back at once: the driver sees all of them or none. */
void virtq_push_many (struct virtq *ring, const struct virtq_used *used, unsigned n);
/* Undoes the last pop, for what cannot be served yet; of several the last one first. */
void virtq_unpop (struct virtq *ring, const struct virtq_chain *chain);

/* Whether the driver wants to hear of what was pushed since the last call. */
bool virtq_must_notify (struct virtq *ring);
/* Asks the driver to be silent while we look at the ring anyway. */
void virtq_disarm (struct virtq *ring);
/* Whether there is something to pop, as far as is seen without a fence. */
bool virtq_has_more (const struct virtq *ring);
/* Asks the driver to notify; true when something came meanwhile: look again. */
bool virtq_arm (struct virtq *ring);

/* Copies from the readable part at @offset; the number of bytes there were. */
size_t virtq_read (const struct virtq_chain *chain, uint64_t offset, void *data, size_t len);
/* Copies into the writable part at @offset; the number of bytes that fit. */
size_t virtq_write (const struct virtq_chain *chain, uint64_t offset, const void *data, size_t len);
/* The pieces that are @len bytes at @offset of @n pieces; the number of pieces. */
unsigned virtq_slice (const struct iovec *from, unsigned n, uint64_t offset, uint64_t len,
                      struct iovec *to);
