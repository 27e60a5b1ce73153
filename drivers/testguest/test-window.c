/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registers of virtio-pci by other ways than a driver's: the window of configuration
 * space (4.1.4.9), and with option rude=1 as no driver may, so that an auditor has
 * something to find. */
#include "guest.h"

#include <virtio/driver/rng.h>
#include <virtio/pci.h>

#define CAPABILITIES 0x34u
#define CAP_MSIX 0x11u
#define MSIX_ENABLE 0x8000u
#define COMMON(field) (uint32_t) offsetof (struct virtio_pci_common_cfg, field)
#define CAP(field) (uint32_t) offsetof (struct virtio_pci_cap, field)
#define WINDOW_DATA (uint32_t) offsetof (struct virtio_pci_cfg_cap, pci_cfg_data)

static uint32_t
config (struct virtio_pci *pci, uint32_t offset, unsigned width)
{
  return pci->config.read (pci->config.ctx, offset, width);
}

static void
set_config (struct virtio_pci *pci, uint32_t offset, unsigned width, uint32_t value)
{
  pci->config.write (pci->config.ctx, offset, width, value);
}

static uint32_t
get (struct virtio_pci *pci, uint64_t at, unsigned width)
{
  return pci->transport.hal->ops->read (pci->transport.hal->ctx, at, width);
}

static void
set (struct virtio_pci *pci, uint64_t at, unsigned width, uint32_t value)
{
  pci->transport.hal->ops->write (pci->transport.hal->ctx, at, width, value);
}

/* The capability of this ID and, of virtio's own, type; 0 for none. */
static uint32_t
capability (struct virtio_pci *pci, uint8_t id, uint8_t type)
{
  uint32_t at = config (pci, CAPABILITIES, 1);

  for (unsigned i = 0; i < 48 && at; i++)
    {
      if (config (pci, at, 1) == id && (id == CAP_MSIX || config (pci, at + CAP (cfg_type), 1) == type))
        return at;
      at = config (pci, at + 1, 1);
    }
  return 0;
}

/* Points the window at @bytes bytes, @field bytes into the common structure. */
static uint32_t
aim (struct virtio_pci *pci, uint32_t field, uint32_t bytes)
{
  uint32_t window = capability (pci, VIRTIO_PCI_CAP_ID, VIRTIO_PCI_CAP_PCI_CFG);
  uint32_t common = capability (pci, VIRTIO_PCI_CAP_ID, VIRTIO_PCI_CAP_COMMON_CFG);

  if (!window || !common)
    return 0;
  set_config (pci, window + CAP (bar), 1, config (pci, common + CAP (bar), 1));
  set_config (pci, window + CAP (offset), 4, config (pci, common + CAP (offset), 4) + field);
  set_config (pci, window + CAP (length), 4, bytes);
  return window + WINDOW_DATA;
}

void
test_window (struct virtio_pci *pci)
{
  uint32_t data = aim (pci, COMMON (num_queues), 2);

  if (!check (data != 0, "has a window in configuration space [PCI13]"))
    return;
  check (config (pci, data, 2) == get (pci, pci->common.base + COMMON (num_queues), 2),
         "which reads what is there [PCI13]");
  data = aim (pci, COMMON (driver_feature_select), 4);
  set_config (pci, data, 4, 1);
  check (get (pci, pci->common.base + COMMON (driver_feature_select), 4) == 1, "and writes to it [PCI13]");
  set_config (pci, data, 4, 0);
  set_config (pci, data - WINDOW_DATA + CAP (length), 4, 0); /* who looks at all there is reads nothing */
}

/* ---- a vector's life (4.1.5.1.2.1) ---- */

/* Any vector of the table's for any event, none for one beyond, and none after a reset. */
void
test_vectors (struct virtio_pci *pci)
{
  uint32_t msix = capability (pci, CAP_MSIX, 0), last;
  uint64_t vector = pci->common.base + COMMON (config_msix_vector);
  bool good = true;

  if (!msix)
    {
      print ("# no MSI-X\n");
      return;
    }
  last = config (pci, msix + 2, 2) & 0x7ff; /* one less than there are */
  for (uint32_t i = 0; i <= last; i++)
    {
      set (pci, vector, 2, i);
      good &= get (pci, vector, 2) == i;
    }
  check (good, "maps each of its vectors [PCI15]");
  set (pci, vector, 2, VIRTIO_NO_VECTOR);
  check (get (pci, vector, 2) == VIRTIO_NO_VECTOR, "and takes it away [PCI15]");
  set (pci, vector, 2, last);
  good = get (pci, vector, 2) == last;
  pci->transport.ops->set_status (&pci->transport, 0);
  check (good && get (pci, vector, 2) == VIRTIO_NO_VECTOR, "and so does a reset [PCI15]");
}

/* ---- what no driver may ---- */

static void
rude_registers (struct virtio_pci *pci)
{
  uint64_t common = pci->common.base;
  uint32_t data;

  get (pci, common + COMMON (device_feature), 2);            /* PCI3: half a field */
  set (pci, common + COMMON (num_queues), 2, 1);             /* PCI8: it is read-only */
  set (pci, common + COMMON (queue_select), 2, 0);
  set (pci, common + COMMON (queue_enable), 2, 0);           /* PCI8: never disabled */
  set (pci, common + COMMON (config_msix_vector), 2, 0x123); /* PCI16: beyond the table */
  set (pci, common + COMMON (queue_select), 2, 0);           /* PCI16: not read back */
  data = aim (pci, 1, 2);                                    /* PCI14: not a multiple */
  config (pci, data, 2);
  set_config (pci, data - WINDOW_DATA + CAP (length), 4, 0);
}

/* With a device that works: interrupts looked at though they come by messages, and
 * doorbells of a wrong width. */
static void
rude_driver (struct virtio_pci *pci, const struct virtio_options *options)
{
  static struct virtio_rng rng;
  uint32_t msix = capability (pci, CAP_MSIX, 0);
  uint8_t byte;

  if (!check_error (virtio_rng_start (&rng, &pci->transport, options), "starts, rudely"))
    return;
  set_config (pci, msix + 2, 2, config (pci, msix + 2, 2) | MSIX_ENABLE);
  get (pci, pci->isr.base, 1);                /* PCI11 */
  set (pci, pci->doorbell[0], 4, 0);          /* PCI17: 32 bits */
  set (pci, pci->doorbell[0], 2, 1);          /* PCI17: another queue's number */
  check_error (virtio_rng_read (&rng, &byte, 1), "is served all the same");
  set_config (pci, msix + 2, 2, config (pci, msix + 2, 2) & ~MSIX_ENABLE);
  check_error (virtio_rng_stop (&rng), "stops");
}

void
test_rude (struct virtio_pci *pci, const struct virtio_options *options)
{
  if (pci->transport.device_id != VIRTIO_ID_RNG)
    return;
  rude_registers (pci);
  rude_driver (pci, options);
}
