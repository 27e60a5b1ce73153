/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a virtio function says of itself in its configuration space (4.1.2, 4.1.4). */
#include "pci.h"

#include <linux/pci_regs.h>
#include <string.h>

#include <virtio/device.h>
#include <virtio/pci.h>

#define SUBSYSTEM 0x1100u /* 0x40 or more (4.1.2.1) */
#define CLASS_OTHER 0x00ff00u

/* Root complex integrated: on the bus of the host bridge, without a link. */
#define EXPRESS_BYTES 0x3cu
#define DEVCTL_BITS (PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE \
                     | PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN \
                     | PCI_EXP_DEVCTL_READRQ)

static uint32_t
class_of (const struct vdev *dev)
{
  switch (dev->id)
    {
    case VIRTIO_ID_BLOCK:
      return 0x010000; /* as others have it: a SCSI controller */
    case VIRTIO_ID_NET:
      return 0x020000;
    case VIRTIO_ID_CONSOLE:
      return 0x078000;
    default:
      return CLASS_OTHER;
    }
}

static void
add_express (struct virtio_pci *pci)
{
  static const uint8_t express[EXPRESS_BYTES] = {
    [0] = PCI_CAP_ID_EXP,
    [PCI_EXP_FLAGS] = 2 | PCI_EXP_TYPE_RC_END << 4,
    [PCI_EXP_DEVCAP + 1] = PCI_EXP_DEVCAP_RBER >> 8,
  };
  static const uint8_t writable[EXPRESS_BYTES] = {
    [PCI_EXP_DEVCTL] = DEVCTL_BITS & 0xff,
    [PCI_EXP_DEVCTL + 1] = DEVCTL_BITS >> 8,
  };

  pci_function_add_capability (&pci->function, express, sizeof express, writable);
}

static void
add_msix (struct virtio_pci *pci)
{
  const uint32_t table = VIRTIO_PCI_TABLE * VIRTIO_PCI_PAGE;
  const uint32_t pending = VIRTIO_PCI_PENDING * VIRTIO_PCI_PAGE;
  static const uint8_t writable[PCI_CAP_MSIX_SIZEOF] = {
    [PCI_MSIX_FLAGS + 1] = (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8,
  };
  uint8_t msix[PCI_CAP_MSIX_SIZEOF] = {
    [0] = PCI_CAP_ID_MSIX,
    [PCI_MSIX_FLAGS] = (uint8_t) (pci->msix.n - 1),
  };

  memcpy (msix + PCI_MSIX_TABLE, &table, 4);
  memcpy (msix + PCI_MSIX_PBA, &pending, 4);
  pci->msix_at = pci_function_add_capability (&pci->function, msix, sizeof msix, writable);
}

static void
add_structure (struct virtio_pci *pci, uint8_t type, enum virtio_pci_page page, uint32_t length)
{
  const struct virtio_pci_notify_cap cap = {
    .cap = { .cap_vndr = VIRTIO_PCI_CAP_ID, .cfg_type = type,
             .cap_len = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? sizeof cap : sizeof cap.cap,
             .offset = page * VIRTIO_PCI_PAGE, .length = length },
    .notify_off_multiplier = VIRTIO_PCI_NOTIFY_STEP,
  };

  pci_function_add_capability (&pci->function, &cap, cap.cap.cap_len, NULL);
}

/* A window onto the BAR for who cannot reach it (4.1.4.9). */
static void
add_window (struct virtio_pci *pci)
{
  const struct virtio_pci_cfg_cap cap = {
    .cap = { .cap_vndr = VIRTIO_PCI_CAP_ID, .cap_len = sizeof cap, .cfg_type = VIRTIO_PCI_CAP_PCI_CFG },
  };
  struct virtio_pci_cfg_cap writable = {
    .cap = { .bar = 0xff, .offset = UINT32_MAX, .length = UINT32_MAX },
  };

  memset (writable.pci_cfg_data, 0xff, sizeof writable.pci_cfg_data);
  pci->window_at = pci_function_add_capability (&pci->function, &cap, sizeof cap, &writable);
}

void
virtio_pci_describe (struct virtio_pci *pci, const struct pci_function_ops *ops)
{
  const struct vdev *dev = pci->regs.dev;
  const struct pci_identity identity = {
    .vendor = VIRTIO_PCI_VENDOR,
    .device = (uint16_t) (VIRTIO_PCI_DEVICE_MODERN + dev->id),
    .subsystem_vendor = VIRTIO_PCI_VENDOR,
    .subsystem = SUBSYSTEM,
    .class_code = class_of (dev),
    .revision = 1,
  };

  pci_function_init (&pci->function, ops, &identity);
  pci_function_add_bar (&pci->function, 0, VIRTIO_PCI_BAR_BYTES, true);
  add_express (pci);
  add_msix (pci);
  add_structure (pci, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_COMMON, VIRTIO_PCI_COMMON_CFG_V1_2);
  add_structure (pci, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_PCI_NOTIFY,
                 dev->n_queues * VIRTIO_PCI_NOTIFY_STEP);
  add_structure (pci, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_ISR, 1);
  if (dev->config_size > 0)
    add_structure (pci, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_DEVICE, dev->config_size);
  add_window (pci);
}
