/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clauses that bind every device: negotiation, resets, configuration, registers.
 * A name ends with the clauses' numbers (tests/conformance/clauses.tsv). */
#include "guest.h"

#include <virtio/driver/mmio.h>
#include <virtio/driver/queue.h>
#include <virtio/mmio.h>
#include <virtio/net.h>
#include <virtio/pci.h>

#define LOOKS 2000u

static uint8_t
status (struct virtio_transport *transport)
{
  return transport->ops->get_status (transport);
}

static bool
reset (struct virtio_transport *transport)
{
  transport->ops->set_status (transport, 0);
  for (unsigned i = 0; i < LOOKS; i++)
    if (status (transport) == 0)
      return true;
  return false;
}

/* Bits 44 to 49 have no meaning in 1.4, and SR_IOV is for devices that have functions. */
#define UNDEFINED (0x3full << 44)

static bool
closed (uint16_t id, uint64_t offered)
{
  uint64_t control = VIRTIO_BIT (VIRTIO_NET_F_CTRL_RX) | VIRTIO_BIT (VIRTIO_NET_F_CTRL_VLAN)
                     | VIRTIO_BIT (VIRTIO_NET_F_GUEST_ANNOUNCE) | VIRTIO_BIT (VIRTIO_NET_F_MQ)
                     | VIRTIO_BIT (VIRTIO_NET_F_CTRL_MAC_ADDR);

  if (id != VIRTIO_ID_NET)
    return true;
  if (!(offered & VIRTIO_BIT (VIRTIO_NET_F_CTRL_VQ)) && (offered & control))
    return false;
  return (offered & VIRTIO_BIT (VIRTIO_NET_F_CSUM))
         || !(offered & (VIRTIO_BIT (VIRTIO_NET_F_HOST_TSO4) | VIRTIO_BIT (VIRTIO_NET_F_HOST_TSO6)));
}

static void
features (struct virtio_transport *transport)
{
  uint64_t offered = transport->ops->get_features (transport);

  check (offered & VIRTIO_BIT (VIRTIO_F_VERSION_1), "offers VERSION_1 [F2]");
  check (!(offered & UNDEFINED), "offers nothing that is not defined [C11]");
  check (closed (transport->device_id, offered), "offers nothing without what it needs [C11]");
  check (!(offered & VIRTIO_BIT (VIRTIO_F_SR_IOV)), "has no SR_IOV without functions [F6]");
}

/* Before features are agreed on, and the same when read again in other widths. */
static void
configuration (struct virtio_transport *transport)
{
  uint32_t bytes = transport->config_size < 24 ? transport->config_size & ~3u : 24;
  bool same = true;

  for (uint32_t at = 0; at < bytes; at += 4)
    {
      uint32_t whole = transport->ops->config_read (transport, at, 4), parts = 0;

      for (unsigned i = 0; i < 4; i++)
        parts |= transport->ops->config_read (transport, at + i, 1) << 8 * i;
      same &= whole == parts;
    }
  check (same, "configuration is readable before FEATURES_OK [C16]");
}

static void
mmio_registers (struct virtio_mmio *mmio)
{
  const struct virtio_hal *hal = mmio->transport.hal;
  uint32_t (*get) (void *, uint64_t, unsigned) = hal->ops->read;

  check (get (hal->ctx, mmio->base + VIRTIO_MMIO_MAGIC_VALUE, 4) == VIRTIO_MMIO_MAGIC
           && get (hal->ctx, mmio->base + VIRTIO_MMIO_VERSION, 4) == VIRTIO_MMIO_VERSION_MODERN,
         "magic and version [M1]");
  hal->ops->write (hal->ctx, mmio->base + VIRTIO_MMIO_QUEUE_SEL, 4, 0);
  check (get (hal->ctx, mmio->base + VIRTIO_MMIO_INTERRUPT_STATUS, 4) == 0
           && get (hal->ctx, mmio->base + VIRTIO_MMIO_QUEUE_READY, 4) == 0,
         "no interrupt and no queue is left after a reset [M2]");
}

static void
pci_common (struct virtio_pci *pci)
{
  const struct virtio_hal *hal = pci->transport.hal;
  uint64_t common = pci->common.base;
  uint32_t size, high;

  hal->ops->write (hal->ctx, common, 4, 2);
  check (hal->ops->read (hal->ctx, common + 4, 4) == 0, "features beyond the second word are 0 [PCI7]");
  hal->ops->write (hal->ctx, common + offsetof (struct virtio_pci_common_cfg, queue_select), 2,
                   pci->num_queues);
  size = hal->ops->read (hal->ctx, common + offsetof (struct virtio_pci_common_cfg, queue_size), 2);
  check (size == 0, "a queue that is not there has size 0 [PCI7]");
  hal->ops->write (hal->ctx, common + offsetof (struct virtio_pci_common_cfg, queue_select), 2, 0);
  check (hal->ops->read (hal->ctx, common + offsetof (struct virtio_pci_common_cfg, queue_enable), 2) == 0,
         "no queue is enabled after a reset [PCI7]");
  hal->ops->write (hal->ctx, common + offsetof (struct virtio_pci_common_cfg, queue_desc) + 4, 4, 5);
  hal->ops->write (hal->ctx, common + offsetof (struct virtio_pci_common_cfg, queue_desc), 4, 0x1000);
  high = hal->ops->read (hal->ctx, common + offsetof (struct virtio_pci_common_cfg, queue_desc) + 4, 4);
  check (high == 5, "halves of an address are independent [PCI4]");
}

static void
pci_structures (struct virtio_pci *pci)
{
  const struct virtio_hal *hal = pci->transport.hal;
  uint32_t id = pci->config.read (pci->config.ctx, 0, 4);
  bool inside = true;

  check ((id & 0xffff) == 0x1af4 && id >> 16 >= 0x1000 && id >> 16 <= 0x107f,
         "vendor and device are of virtio [PCI1]");
  check (pci->common.length >= VIRTIO_PCI_COMMON_CFG_V1_0 && pci->isr.length >= 1,
         "structures are as long as what is in them [PCI6]");
  check (pci->device.length == 0 || pci->device.base % 4 == 0, "configuration is aligned [PCI12]");
  for (uint16_t q = 0; q < pci->num_queues && q < VIRTIO_PCI_QUEUES; q++)
    {
      uint32_t off;

      hal->ops->write (hal->ctx, pci->common.base + offsetof (struct virtio_pci_common_cfg, queue_select),
                       2, q);
      off = hal->ops->read (hal->ctx, pci->common.base
                            + offsetof (struct virtio_pci_common_cfg, queue_notify_off), 2);
      inside &= (uint64_t) off * pci->notify_multiplier + 2 <= pci->notify.length;
    }
  check (inside, "each queue's doorbell lies in the structure [PCI9]");
  hal->ops->read (hal->ctx, pci->isr.base, 1);
  check (hal->ops->read (hal->ctx, pci->isr.base, 1) == 0, "a read clears the ISR [PCI10]");
}

/* Nothing is taken and nothing told before DRIVER_OK, whatever lies in the ring. */
static void
silence (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_queue queue;
  static uint8_t data[16];
  struct virtio_seg seg = { data, sizeof data };
  struct virtio_device dev;
  unsigned early = 0;
  uint32_t len = 0;
  void *token;

  if (!check_error (virtio_device_begin (&dev, transport, options, 0, NULL, 0), "agrees on the least"))
    return;
  if (!check_error (virtio_queue_start (&queue, &dev, 0, 8, 1, VIRTIO_LEN_STRICT), "sets up a queue"))
    return;
  virtio_queue_add (&queue, &seg, 0, 1, data);
  for (unsigned i = 0; i < LOOKS && !early; i++)
    early = virtio_queue_get (&queue, &token, &len) != 0;
  check (!early && transport->ops->interrupts (transport) == 0,
         "takes nothing before DRIVER_OK [C8 M3]");
  virtio_device_ready (&dev);
  virtio_queue_kick (&queue);
  transport->ops->notify (transport, 0, 0);
  check (virtio_queue_wait (&queue, &token, &len) == 1, "and takes it after, also when told twice [S14]");
  check (len >= 1 && len <= sizeof data, "with at least a byte, and no more than there was room for [R2 S11]");
  check_error (virtio_device_reset (&dev), "resets");
  check (status (transport) == 0, "its status reads 0 [C13]");
  virtio_queue_drain_and_free (&queue);
}

void
test_clauses (struct virtio_transport *transport, const char *bus,
              const struct virtio_options *options)
{
  if (!check (reset (transport), "resets, and its status reads 0 [C13]"))
    return;
  features (transport);
  if (!guest_option ("polite=")) /* fields whose features are not offered are read, too */
    configuration (transport);
  if (bus[0] == 'm')
    mmio_registers ((struct virtio_mmio *) transport); /* its first member */
  else
    {
      pci_common ((struct virtio_pci *) transport);
      pci_structures ((struct virtio_pci *) transport);
      test_window ((struct virtio_pci *) transport);
      test_vectors ((struct virtio_pci *) transport);
    }
  reset (transport);
  if (transport->device_id == VIRTIO_ID_RNG)
    silence (transport, options);
  test_reset (transport, bus, options);
}
