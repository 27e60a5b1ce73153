/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the structures of a virtio-pci device in its BARs (4.1.4). */
#include "pci.h"

#include <virtio/driver/mem.h>

#define PCI_COMMAND 0x04u
#define PCI_COMMAND_IO 1u
#define PCI_COMMAND_MEMORY 2u
#define PCI_COMMAND_MASTER 4u
#define PCI_STATUS 0x06u
#define PCI_STATUS_CAPS 0x10u
#define PCI_HEADER_TYPE 0x0eu
#define PCI_BAR0 0x10u
#define PCI_BARS 6u
#define PCI_BAR_IO 1u
#define PCI_BAR_TYPE 6u
#define PCI_BAR_64 4u
#define PCI_CAP_POINTER 0x34u
#define PCI_CAPS_FIRST 0x40u

/* No more capabilities fit into 256 bytes: a longer list is a loop. */
#define CAPS_MAX 48u

struct bar
{
  uint64_t address;
  uint64_t size; /* 0: not a memory BAR, or not there */
};

static uint32_t
get (struct virtio_pci *pci, uint32_t offset, unsigned width)
{
  return pci->config.read (pci->config.ctx, offset, width);
}

static void
set (struct virtio_pci *pci, uint32_t offset, unsigned width, uint32_t value)
{
  pci->config.write (pci->config.ctx, offset, width, value);
}

/* PCI 3.0, 6.2.5.1: writes ones and sees which stick. */
static uint32_t
size_bits (struct virtio_pci *pci, uint32_t offset, uint32_t value)
{
  uint32_t bits;

  set (pci, offset, 4, 0xffffffffu);
  bits = get (pci, offset, 4);
  set (pci, offset, 4, value);
  return bits;
}

/* Returns how many BAR registers it took. */
static unsigned
read_bar (struct virtio_pci *pci, unsigned index, struct bar *bar)
{
  uint32_t offset = PCI_BAR0 + 4 * index;
  uint32_t low = get (pci, offset, 4);
  uint64_t mask = size_bits (pci, offset, low) & ~0xfu;
  bool wide = !(low & PCI_BAR_IO) && (low & PCI_BAR_TYPE) == PCI_BAR_64 && index + 1 < PCI_BARS;

  if (low & PCI_BAR_IO)
    return 1;
  bar->address = low & ~0xfu;
  if (wide)
    {
      uint32_t high = get (pci, offset + 4, 4);

      bar->address |= (uint64_t) high << 32;
      mask |= (uint64_t) size_bits (pci, offset + 4, high) << 32;
    }
  else if (mask)
    mask |= 0xffffffff00000000u;
  bar->size = bar->address ? ~mask + 1 : 0; /* one without an address is of no use */
  return wide ? 2 : 1;
}

/* With decoding off, or the BAR would lie elsewhere for a moment. */
static void
read_bars (struct virtio_pci *pci, struct bar bars[PCI_BARS])
{
  uint32_t command = get (pci, PCI_COMMAND, 2);

  memset (bars, 0, PCI_BARS * sizeof *bars);
  set (pci, PCI_COMMAND, 2, command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
  for (unsigned i = 0; i < PCI_BARS;)
    i += read_bar (pci, i, &bars[i]);
  set (pci, PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static struct virtio_pci_region *
region_for (struct virtio_pci *pci, uint8_t type, uint32_t *least)
{
  switch (type)
    {
    case VIRTIO_PCI_CAP_COMMON_CFG:
      *least = VIRTIO_PCI_COMMON_CFG_V1_0;
      return &pci->common;
    case VIRTIO_PCI_CAP_NOTIFY_CFG:
      *least = 2;
      return &pci->notify;
    case VIRTIO_PCI_CAP_ISR_CFG:
      *least = 1;
      return &pci->isr;
    case VIRTIO_PCI_CAP_DEVICE_CFG:
      *least = 1;
      return &pci->device;
    default:
      return NULL;
    }
}

/* 4.1.4.1: the first instance that can be used is the one to use; what cannot be
 * right is passed over. */
static int
take_cap (struct virtio_pci *pci, const struct bar bars[PCI_BARS], uint32_t at)
{
  uint8_t cap_len = (uint8_t) get (pci, at + 2, 1);
  uint8_t type = (uint8_t) get (pci, at + 3, 1);
  uint8_t bar = (uint8_t) get (pci, at + 4, 1);
  uint32_t offset = get (pci, at + 8, 4);
  uint32_t length = get (pci, at + 12, 4);
  uint32_t least;
  struct virtio_pci_region *region = region_for (pci, type, &least);
  uint32_t needs = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? sizeof (struct virtio_pci_notify_cap)
                                                     : sizeof (struct virtio_pci_cap);

  if (!region || region->length || cap_len < needs || at + needs > 256)
    return 0;
  if (bar >= PCI_BARS || length < least || (uint64_t) offset + length > bars[bar].size)
    return 0;
  if (offset % (type == VIRTIO_PCI_CAP_NOTIFY_CFG ? 2 : type == VIRTIO_PCI_CAP_ISR_CFG ? 1 : 4))
    return 0;
  if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
    pci->notify_multiplier = get (pci, at + 16, 4);
  region->length = length;
  return pci->transport.hal->ops->map (pci->transport.hal->ctx, bars[bar].address + offset, length,
                                       &region->base);
}

int
virtio_pci_find_regions (struct virtio_pci *pci)
{
  struct bar bars[PCI_BARS];
  uint32_t at;

  if ((get (pci, PCI_HEADER_TYPE, 1) & 0x7f) || !(get (pci, PCI_STATUS, 2) & PCI_STATUS_CAPS))
    return -VIRTIO_EPROTO;
  read_bars (pci, bars);
  at = get (pci, PCI_CAP_POINTER, 1) & ~3u;
  for (unsigned n = 0; at != 0; n++)
    {
      int error = 0;

      if (n == CAPS_MAX || at < PCI_CAPS_FIRST || at + sizeof (struct virtio_pci_cap) > 256)
        break; /* what was found so far decides */
      if (get (pci, at, 1) == VIRTIO_PCI_CAP_ID)
        error = take_cap (pci, bars, at);
      if (error)
        return error;
      at = get (pci, at + 1, 1) & ~3u;
    }
  return pci->common.length && pci->notify.length && pci->isr.length ? 0 : -VIRTIO_EPROTO;
}
