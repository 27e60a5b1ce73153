/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtq-private.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "host-side/vmm/core/log.h"
#include <virtio/device.h>
#include <virtio/ring.h>

/* "the total length of a chain is at most 2^32" (2.7.5.2) */
#define CHAIN_BYTES_MAX (UINT64_C (1) << 32)

int
virtq_break (struct virtq *ring, const char *why)
{
  vmm_log_guest ("a ring is broken: %s", why);
  ring->broken = true;
  return -EPROTO;
}

int
virtq_start (struct virtq *ring, const struct guest_memory *memory,
             const struct virtq_config *config)
{
  struct virtq fresh = {
    .memory = memory,
    .size = config->size,
    .packed = config->features >> VIRTIO_F_RING_PACKED & 1,
    .event_idx = config->features >> VIRTIO_F_EVENT_IDX & 1,
    .indirect = config->features >> VIRTIO_F_INDIRECT_DESC & 1,
    .avail_wrap = true,
    .used_wrap = true,
  };
  int ret;

  if (config->size == 0 || config->size > VIRTQ_SIZE_MAX)
    return -EINVAL;
  ret = fresh.packed ? virtq_packed_start (&fresh, config) : virtq_split_start (&fresh, config);
  if (ret < 0)
    return ret;
  fresh.ready = true;
  *ring = fresh;
  return 0;
}

void
virtq_stop (struct virtq *ring)
{
  ring->ready = false;
}

uint32_t
virtq_base (const struct virtq *ring)
{
  if (!ring->packed)
    return ring->next_avail;
  return ring->next_avail | (uint32_t) ring->avail_wrap << 15
         | (uint32_t) ring->next_used << 16 | (uint32_t) ring->used_wrap << 31;
}

int
virtq_set_base (struct virtq *ring, uint32_t base)
{
  if (!ring->packed)
    {
      /* Requests are served in order, so what is not used is not begun. */
      ring->next_avail = ring->next_used = (uint16_t) base;
      return 0;
    }
  if ((base & 0x7fff) >= ring->size || (base >> 16 & 0x7fff) >= ring->size)
    return -EINVAL;
  ring->next_avail = base & 0x7fff;
  ring->avail_wrap = base >> 15 & 1;
  ring->next_used = base >> 16 & 0x7fff;
  ring->used_wrap = base >> 31;
  return 0;
}

int
virtq_pop (struct virtq *ring, struct virtq_chain *chain)
{
  int ret;

  if (ring->broken)
    return -EPROTO;
  if (!ring->ready)
    return 0;
  if (ring->hooked)
    vdev_hooks_look (ring->hooked);
  chain->slots = 0;
  chain->n_out = chain->n_in = 0;
  chain->out_len = chain->in_len = 0;
  ret = ring->packed ? virtq_packed_pop (ring, chain) : virtq_split_pop (ring, chain);
  if (ret == 1 && ring->hooked)
    vdev_hooks_took (ring->hooked, chain);
  return ret;
}

void
virtq_push (struct virtq *ring, const struct virtq_chain *chain, uint32_t written)
{
  if (ring->hooked && ring->ready && !ring->broken
      && vdev_hooks_push (ring->hooked, chain, &written))
    return;
  virtq_push_unhooked (ring, chain, written);
}

void
virtq_push_unhooked (struct virtq *ring, const struct virtq_chain *chain, uint32_t written)
{
  if (ring->broken || !ring->ready)
    return;
  if (ring->packed)
    virtq_packed_push (ring, chain, written);
  else
    virtq_split_push (ring, chain, written);
}

/* What hooks have not dealt with goes into @kept; how many. They see no data here. */
static unsigned
ask_hooks (struct virtq *ring, const struct virtq_used *used, unsigned n, struct virtq_used *kept)
{
  static _Thread_local struct virtq_chain chain;
  unsigned left = 0;

  for (unsigned i = 0; i < n; i++)
    {
      kept[left] = used[i];
      chain.id = used[i].id;
      chain.slots = used[i].slots;
      left += !vdev_hooks_push (ring->hooked, &chain, &kept[left].written);
    }
  return left;
}

void
virtq_push_many (struct virtq *ring, const struct virtq_used *used, unsigned n)
{
  struct virtq_used kept[VIRTQ_SIZE_MAX];

  if (ring->broken || !ring->ready || n == 0)
    return;
  if (ring->hooked)
    {
      n = ask_hooks (ring, used, n < VIRTQ_SIZE_MAX ? n : VIRTQ_SIZE_MAX, kept);
      used = kept;
    }
  if (n == 0)
    return;
  if (ring->packed)
    virtq_packed_push_many (ring, used, n);
  else
    virtq_split_push_many (ring, used, n);
}

void
virtq_unpop (struct virtq *ring, const struct virtq_chain *chain)
{
  if (ring->hooked)
    vdev_hooks_put_back (ring->hooked, chain);
  if (!ring->packed)
    {
      ring->next_avail--;
      return;
    }
  if (ring->next_avail < chain->slots)
    {
      ring->next_avail += ring->size;
      ring->avail_wrap = !ring->avail_wrap;
    }
  ring->next_avail -= chain->slots;
}

bool
virtq_must_notify (struct virtq *ring)
{
  bool must;

  if (!ring->ready || ring->broken || ring->unsignalled == 0)
    return false;
  /* The used entry must be seen before we look at what the driver wants (2.7.7). */
  atomic_thread_fence (memory_order_seq_cst);
  must = ring->packed ? virtq_packed_must_notify (ring) : virtq_split_must_notify (ring);
  ring->unsignalled = 0;
  return must;
}

void
virtq_disarm (struct virtq *ring)
{
  if (!ring->ready || ring->broken)
    return;
  if (ring->packed)
    virtq_packed_disarm (ring);
  else
    virtq_split_disarm (ring);
}

bool
virtq_has_more (const struct virtq *ring)
{
  if (!ring->ready || ring->broken)
    return false;
  return ring->packed ? virtq_packed_has_more (ring) : virtq_split_has_more (ring);
}

bool
virtq_arm (struct virtq *ring)
{
  if (!ring->ready || ring->broken)
    return false;
  return ring->packed ? virtq_packed_arm (ring) : virtq_split_arm (ring);
}

int
virtq_add_piece (struct virtq *ring, struct virtq_chain *chain, const struct virtq_piece *piece)
{
  bool in = piece->flags & VIRTIO_DESC_F_WRITE;
  unsigned have = chain->n_out + chain->n_in;
  int n;

  if (!in && chain->n_in > 0)
    return virtq_break (ring, "a readable descriptor behind a writable one");
  if (chain->out_len + chain->in_len + piece->len > CHAIN_BYTES_MAX)
    return virtq_break (ring, "a chain of more than 4 GiB");
  n = guest_memory_iov (ring->memory, piece->addr, piece->len, chain->iov + have,
                        VIRTQ_IOV_MAX - have);
  if (n < 0)
    return virtq_break (ring, n == -E2BIG ? "a chain of too many pieces"
                                          : "a descriptor outside memory");
  if (in)
    {
      chain->n_in += (unsigned) n;
      chain->in_len += piece->len;
    }
  else
    {
      chain->n_out += (unsigned) n;
      chain->out_len += piece->len;
    }
  return 0;
}

unsigned
virtq_slice (const struct iovec *from, unsigned n, uint64_t offset, uint64_t len, struct iovec *to)
{
  unsigned found = 0;

  for (unsigned i = 0; i < n && len > 0; i++)
    {
      size_t room;

      if (offset >= from[i].iov_len)
        {
          offset -= from[i].iov_len;
          continue;
        }
      room = from[i].iov_len - offset;
      to[found].iov_base = (uint8_t *) from[i].iov_base + offset;
      to[found].iov_len = len < room ? len : room;
      len -= to[found++].iov_len;
      offset = 0;
    }
  return found;
}

size_t
virtq_read (const struct virtq_chain *chain, uint64_t offset, void *data, size_t len)
{
  size_t done = 0;

  for (unsigned i = 0; i < chain->n_out && done < len; i++)
    {
      struct iovec part;

      if (virtq_slice (&chain->iov[i], 1, offset, len - done, &part) == 0)
        {
          offset -= chain->iov[i].iov_len;
          continue;
        }
      memcpy ((uint8_t *) data + done, part.iov_base, part.iov_len);
      done += part.iov_len;
      offset = 0;
    }
  return done;
}

size_t
virtq_write (const struct virtq_chain *chain, uint64_t offset, const void *data, size_t len)
{
  size_t done = 0;

  for (unsigned i = chain->n_out; i < chain->n_out + chain->n_in && done < len; i++)
    {
      struct iovec part;

      if (virtq_slice (&chain->iov[i], 1, offset, len - done, &part) == 0)
        {
          offset -= chain->iov[i].iov_len;
          continue;
        }
      memcpy (part.iov_base, (const uint8_t *) data + done, part.iov_len);
      done += part.iov_len;
      offset = 0;
    }
  return done;
}
