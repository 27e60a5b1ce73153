/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

static bool
fails (struct fake_platform *platform)
{
  return platform->fail_in > 0 && --platform->fail_in == 0;
}

static void *
fake_alloc (void *ctx, size_t bytes, size_t align)
{
  struct fake_platform *platform = ctx;

  (void) align; /* malloc's will do */
  if (fails (platform))
    return NULL;
  platform->allocs++;
  return calloc (1, bytes);
}

static void
fake_free (void *ctx, void *mem, size_t bytes)
{
  struct fake_platform *platform = ctx;

  (void) bytes;
  platform->allocs--;
  free (mem);
}

static uint64_t
add_mapping (struct fake_platform *platform, void *mem, void *bounce, size_t bytes, int dir)
{
  if (platform->n_mappings == platform->cap_mappings)
    {
      platform->cap_mappings = platform->cap_mappings * 2 + 64;
      platform->mappings = realloc (platform->mappings,
                                    platform->cap_mappings * sizeof *platform->mappings);
    }
  platform->next_dma = (platform->next_dma + 0xfff) & ~0xfffull; /* aligned for anything */
  platform->mappings[platform->n_mappings++] =
    (struct fake_mapping) { platform->next_dma, mem, bounce, bytes, dir };
  platform->next_dma += bytes + 0x1000; /* a gap, so that no access runs over */
  return platform->mappings[platform->n_mappings - 1].dma;
}

static struct fake_mapping *
find (struct fake_platform *platform, uint64_t dma)
{
  for (size_t i = platform->n_mappings; i-- > 0;)
    if (dma >= platform->mappings[i].dma && dma - platform->mappings[i].dma < platform->mappings[i].bytes)
      return &platform->mappings[i];
  return NULL;
}

static void
drop (struct fake_platform *platform, struct fake_mapping *mapping)
{
  free (mapping->bounce);
  *mapping = platform->mappings[--platform->n_mappings];
}

static void *
fake_dma_alloc (void *ctx, size_t bytes, size_t align, uint64_t *dma)
{
  void *mem;

  (void) align;
  if (fails (ctx))
    return NULL;
  mem = calloc (1, bytes);
  *dma = add_mapping (ctx, mem, mem, bytes, VIRTIO_TO_DEVICE | VIRTIO_FROM_DEVICE);
  return mem;
}

static void
fake_dma_free (void *ctx, void *mem, size_t bytes, uint64_t dma)
{
  struct fake_platform *platform = ctx;
  struct fake_mapping *mapping = find (platform, dma);

  if (!mapping || mapping->mem != mem || mapping->bytes != bytes)
    platform->wrong = "freed what was not allocated";
  else
    drop (platform, mapping);
}

static int
fake_share (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t *dma)
{
  void *bounce;

  if (fails (ctx))
    return -VIRTIO_ENOMEM;
  bounce = malloc (bytes);
  if (dir == VIRTIO_TO_DEVICE)
    memcpy (bounce, mem, bytes);
  else
    memset (bounce, 0xa5, bytes);
  *dma = add_mapping (ctx, mem, bounce, bytes, (int) dir);
  return 0;
}

static void
fake_unshare (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t dma)
{
  struct fake_platform *platform = ctx;
  struct fake_mapping *mapping = find (platform, dma);

  if (!mapping || mapping->mem != mem || mapping->bytes != bytes || mapping->dir != (int) dir)
    {
      platform->wrong = "unshared what was not shared";
      return;
    }
  if (dir == VIRTIO_FROM_DEVICE)
    memcpy (mem, mapping->bounce, bytes);
  drop (platform, mapping);
}

static int
fake_map (void *ctx, uint64_t address, uint64_t bytes, uint64_t *base)
{
  (void) ctx;
  (void) bytes;
  *base = address;
  return 0;
}

static uint32_t
fake_read (void *ctx, uint64_t at, unsigned width)
{
  struct fake_platform *platform = ctx;

  if (at % width)
    platform->wrong = "an access that is not aligned";
  if (at >= FAKE_PCI_BASE && at < FAKE_PCI_BASE + FAKE_PCI_BYTES)
    return fake_pci_read (platform->device, (uint32_t) (at - FAKE_PCI_BASE), width);
  if (at >= FAKE_MMIO_BASE && at < FAKE_MMIO_BASE + FAKE_MMIO_BYTES)
    return fake_mmio_read (platform->device, (uint32_t) (at - FAKE_MMIO_BASE), width);
  platform->wrong = "a read outside of the registers";
  return 0xffffffffu;
}

static void
fake_write (void *ctx, uint64_t at, unsigned width, uint32_t value)
{
  struct fake_platform *platform = ctx;

  if (at % width)
    platform->wrong = "an access that is not aligned";
  if (at >= FAKE_PCI_BASE && at < FAKE_PCI_BASE + FAKE_PCI_BYTES)
    fake_pci_write (platform->device, (uint32_t) (at - FAKE_PCI_BASE), width, value);
  else if (at >= FAKE_MMIO_BASE && at < FAKE_MMIO_BASE + FAKE_MMIO_BYTES)
    fake_mmio_write (platform->device, (uint32_t) (at - FAKE_MMIO_BASE), width, value);
  else
    platform->wrong = "a write outside of the registers";
}

static uint64_t
fake_now (void *ctx)
{
  struct fake_platform *platform = ctx;

  return platform->now_us += platform->step_us;
}

/* Where another processor may come between: a test says what it does there. */
static void
fake_barrier (void *ctx)
{
  struct fake_platform *platform = ctx;

  if (platform->at_barrier)
    platform->at_barrier (platform->barrier_user);
}

static const struct virtio_hal_ops fake_ops = {
  .alloc = fake_alloc,
  .free = fake_free,
  .dma_alloc = fake_dma_alloc,
  .dma_free = fake_dma_free,
  .share = fake_share,
  .unshare = fake_unshare,
  .map = fake_map,
  .read = fake_read,
  .write = fake_write,
  .now_us = fake_now,
  .barrier = fake_barrier,
};

void
fake_platform_init (struct fake_platform *platform)
{
  memset (platform, 0, sizeof *platform);
  platform->hal.ops = &fake_ops;
  platform->hal.ctx = platform;
  platform->next_dma = 0x100000000ull; /* no address here fits into 32 bits */
  platform->step_us = 100;
}

void
fake_platform_clear (struct fake_platform *platform)
{
  while (platform->n_mappings)
    drop (platform, &platform->mappings[0]);
  free (platform->mappings);
  platform->mappings = NULL;
  platform->cap_mappings = 0;
}

void *
fake_mem (struct fake_platform *platform, uint64_t dma, size_t bytes, int dir)
{
  struct fake_mapping *mapping = find (platform, dma);

  if (!mapping || bytes > mapping->bytes - (dma - mapping->dma) || (mapping->dir & dir) != dir)
    {
      platform->wrong = "the device was sent to memory that is not shared with it";
      return NULL;
    }
  return (uint8_t *) mapping->bounce + (dma - mapping->dma);
}
