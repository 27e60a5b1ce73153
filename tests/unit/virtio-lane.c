/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio-lane.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <virtio/device.h>
#include <virtio/driver/error.h>

static struct lane *
lane_of (struct virtio_transport *transport)
{
  return (struct lane *) transport; /* its first member */
}

/* ---- the device's calls ---- */

static void
notify (void *data, unsigned q)
{
  struct lane *lane = data;

  if (lane->threads)
    eventfd_write (lane->heard, 1);
  else
    lane->interrupts |= VIRTIO_INT_QUEUE;
}

static void
config_changed (void *data)
{
  ((struct lane *) data)->interrupts |= VIRTIO_INT_CONFIG;
}

static void
broken (void *data)
{
  struct lane *lane = data;

  lane->status |= VIRTIO_STATUS_NEEDS_RESET;
  lane->interrupts |= VIRTIO_INT_CONFIG;
}

static const struct vdev_transport to_driver = { notify, config_changed, broken };

/* ---- the driver's calls ---- */

static uint8_t
get_status (struct virtio_transport *transport)
{
  struct lane *lane = lane_of (transport);

  return (uint8_t) (lane->dev->hooks ? vdev_hooks_status (lane->dev, lane->status) : lane->status);
}

static void
start_queue (struct lane *lane, unsigned q)
{
  lane->queues[q].features = lane->dev->accepted;
  lane->running[q] = vdev_queue_start (lane->dev, q, &lane->queues[q], NULL, lane->doorbells[q]) == 0;
  if (!lane->running[q])
    broken (lane);
}

static void
start_queues (struct lane *lane)
{
  for (unsigned q = 0; q < lane->dev->n_queues; q++)
    if (lane->queues[q].size)
      start_queue (lane, q);
}

static void
set_status (struct virtio_transport *transport, uint8_t status)
{
  struct lane *lane = lane_of (transport);
  uint32_t gained = status & ~lane->status;

  if (status == 0)
    {
      vdev_reset (lane->dev);
      memset (lane->queues, 0, sizeof lane->queues);
      memset (lane->running, 0, sizeof lane->running);
      lane->status = lane->interrupts = 0;
      return;
    }
  if (gained & VIRTIO_STATUS_FEATURES_OK && vdev_accept (lane->dev, lane->driver_features) < 0)
    gained &= ~(uint32_t) VIRTIO_STATUS_FEATURES_OK;
  lane->status |= gained;
  if (gained & VIRTIO_STATUS_DRIVER_OK)
    start_queues (lane);
}

static uint64_t
get_features (struct virtio_transport *transport)
{
  return lane_of (transport)->dev->features;
}

static void
set_features (struct virtio_transport *transport, uint64_t features)
{
  lane_of (transport)->driver_features = features;
}

static uint32_t
generation (struct virtio_transport *transport)
{
  struct vdev *dev = lane_of (transport)->dev;
  uint32_t value = dev->config_generation;

  if (dev->hooks)
    vdev_hooks_access (dev, VDEV_BUS_PCI_COMMON, 0x15, 1, value, false);
  return value;
}

static uint32_t
config_read (struct virtio_transport *transport, uint32_t offset, unsigned width)
{
  uint32_t value = 0;

  vdev_read_config (lane_of (transport)->dev, offset, &value, width);
  return value;
}

static void
config_write (struct virtio_transport *transport, uint32_t offset, unsigned width, uint32_t value)
{
  vdev_write_config (lane_of (transport)->dev, offset, &value, width);
}

static uint16_t
queue_max (struct virtio_transport *transport, uint16_t index)
{
  struct vdev *dev = lane_of (transport)->dev;

  return index < dev->n_queues ? dev->queues[index].size_max : 0;
}

static int
queue_enable (struct virtio_transport *transport, uint16_t index,
              const struct virtio_queue_setup *setup)
{
  struct lane *lane = lane_of (transport);

  lane->queues[index]
    = (struct virtq_config){ setup->size, setup->desc, setup->driver, setup->device, 0 };
  if (lane->status & VIRTIO_STATUS_DRIVER_OK)
    start_queue (lane, index);
  return 0;
}

/* As the registers do it (registers.c), with its hooks. */
static void
queue_reset (struct virtio_transport *transport, uint16_t index)
{
  struct lane *lane = lane_of (transport);

  if (lane->dev->hooks && vdev_hooks_reset_queue (lane->dev, index))
    return;
  vdev_queue_stop (lane->dev, index);
  memset (&lane->queues[index], 0, sizeof lane->queues[index]);
  lane->running[index] = false;
}

static bool
queue_is_reset (struct virtio_transport *transport, uint16_t index)
{
  struct lane *lane = lane_of (transport);

  return !(lane->dev->hooks && vdev_hooks_resetting (lane->dev, index)) && !lane->running[index];
}

static void
kick (struct virtio_transport *transport, uint16_t index, uint32_t data)
{
  struct lane *lane = lane_of (transport);

  if (lane->running[index])
    vdev_kick (lane->dev, index);
}

static uint32_t
interrupts (struct virtio_transport *transport)
{
  uint32_t pending = lane_of (transport)->interrupts;

  lane_of (transport)->interrupts = 0;
  return pending;
}

static const struct virtio_transport_ops transport_ops = {
  get_status, set_status, get_features, set_features, generation, config_read, config_write,
  queue_max,  queue_enable, queue_reset, queue_is_reset, kick, interrupts,
};

/* ---- the platform ---- */

static void *
take_memory (struct lane *lane, size_t bytes, size_t align, uint64_t *dma)
{
  size_t units = (bytes + LANE_UNIT - 1) / LANE_UNIT, run = 0;

  for (size_t at = 0; at < sizeof lane->taken; at++)
    {
      if (run == 0 && at * LANE_UNIT % (align > LANE_UNIT ? align : LANE_UNIT))
        continue;
      run = lane->taken[at] ? 0 : run + 1;
      if (run < units || units == 0)
        continue;
      memset (lane->taken + at + 1 - run, 1, run);
      *dma = LANE_GPA + (at + 1 - run) * LANE_UNIT;
      memset (lane->ram + (*dma - LANE_GPA), 0, bytes);
      lane->shared++;
      return lane->ram + (*dma - LANE_GPA);
    }
  return NULL;
}

static void
give_memory (struct lane *lane, size_t bytes, uint64_t dma)
{
  memset (lane->taken + (dma - LANE_GPA) / LANE_UNIT, 0, (bytes + LANE_UNIT - 1) / LANE_UNIT);
  lane->shared--;
}

static void *
hal_alloc (void *ctx, size_t bytes, size_t align)
{
  struct lane *lane = ctx;
  struct lane_block *block = calloc (1, sizeof *block + bytes);

  lane->allocs++;
  block->next = lane->blocks;
  block->at = &lane->blocks;
  if (block->next)
    block->next->at = &block->next;
  lane->blocks = block;
  return block + 1;
}

static void
hal_free (void *ctx, void *mem, size_t bytes)
{
  struct lane_block *block = (struct lane_block *) mem - 1;

  if (mem == NULL)
    return;
  ((struct lane *) ctx)->allocs--;
  *block->at = block->next;
  if (block->next)
    block->next->at = block->at;
  free (block);
}

static void *
hal_dma_alloc (void *ctx, size_t bytes, size_t align, uint64_t *dma)
{
  return take_memory (ctx, bytes, align, dma);
}

static void
hal_dma_free (void *ctx, void *mem, size_t bytes, uint64_t dma)
{
  give_memory (ctx, bytes, dma);
}

/* The device sees a copy, as behind an IOMMU that bounces. */
static int
hal_share (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t *dma)
{
  void *bounce = take_memory (ctx, bytes, 1, dma);

  if (bounce == NULL)
    return -VIRTIO_ENOMEM;
  memcpy (bounce, mem, bytes);
  return 0;
}

static void
hal_unshare (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t dma)
{
  struct lane *lane = ctx;

  if (dir & VIRTIO_FROM_DEVICE)
    memcpy (mem, lane->ram + (dma - LANE_GPA), bytes);
  give_memory (lane, bytes, dma);
}

/* A tenth of a millisecond passes between two looks. */
static uint64_t
hal_now_us (void *ctx)
{
  struct lane *lane = ctx;

  lane->looks++;
  return lane->now_us += 100;
}

/* Without workers what a device put off is done while its driver waits. */
static void
hal_relax (void *ctx)
{
  struct lane *lane = ctx;

  for (unsigned q = 0; q < lane->dev->n_queues; q++)
    if (lane->running[q] && !lane->threads)
      lane->dev->ops->kick (lane->dev, q);
}

static const struct virtio_hal_ops hal_ops = {
  .alloc = hal_alloc,
  .free = hal_free,
  .dma_alloc = hal_dma_alloc,
  .dma_free = hal_dma_free,
  .share = hal_share,
  .unshare = hal_unshare,
  .now_us = hal_now_us,
  .relax = hal_relax,
};

void
lane_init (struct lane *lane, struct vdev *dev)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE);
  uint8_t *base = mmap (NULL, LANE_RAM + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  memset (lane, 0, sizeof *lane);
  mprotect (base + page, LANE_RAM, PROT_READ | PROT_WRITE);
  lane->ram = base + page;
  guest_memory_add (&lane->memory, LANE_GPA, LANE_RAM, lane->ram);
  lane->hal = (struct virtio_hal){ &hal_ops, lane };
  lane->dev = dev;
  lane->heard = -1;
  memset (lane->doorbells, -1, sizeof lane->doorbells);
  lane->transport = (struct virtio_transport){ .ops = &transport_ops,
                                               .hal = &lane->hal,
                                               .device_id = (uint16_t) dev->id,
                                               .config_size = dev->config_size };
  vdev_attach (dev, &lane->memory, &to_driver, lane);
}

void
lane_init_with_workers (struct lane *lane, struct vdev *dev)
{
  lane_init (lane, dev);
  lane->threads = true;
  lane->heard = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  for (unsigned q = 0; q < dev->n_queues; q++)
    lane->doorbells[q] = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  vdev_start_workers (dev);
}

void
lane_finish (struct lane *lane)
{
  size_t page = (size_t) sysconf (_SC_PAGESIZE);

  vdev_reset (lane->dev);
  vdev_attach (lane->dev, NULL, NULL, NULL);
  while (lane->blocks)
    hal_free (lane, lane->blocks + 1, 0);
  munmap (lane->ram - page, LANE_RAM + 2 * page);
  for (unsigned q = 0; lane->threads && q < lane->dev->n_queues; q++)
    close (lane->doorbells[q]);
  if (lane->threads)
    close (lane->heard);
}
