/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a driver does with the registers of virtio-pci (4.1). One access after the
 * other, under the transport's lock. */
#include "private.h"

#include <virtio/device.h>
#include <virtio/pci.h>

#include "host-side/vmm/virtio/pci.h"

#define COMMON(field) offsetof (struct virtio_pci_common_cfg, field)

#define READ_ONLY 1u
#define QUEUE 2u  /* frozen once the selected queue is enabled */
#define VECTOR 4u
#define AREA 8u

static const struct
{
  uint8_t offset, width, kind;
} fields[] = {
  { COMMON (device_feature_select), 4, 0 },
  { COMMON (device_feature), 4, READ_ONLY },
  { COMMON (driver_feature_select), 4, 0 },
  { COMMON (driver_feature), 4, 0 },
  { COMMON (config_msix_vector), 2, VECTOR },
  { COMMON (num_queues), 2, READ_ONLY },
  { COMMON (device_status), 1, 0 },
  { COMMON (config_generation), 1, READ_ONLY },
  { COMMON (queue_select), 2, 0 },
  { COMMON (queue_size), 2, QUEUE },
  { COMMON (queue_msix_vector), 2, VECTOR },
  { COMMON (queue_enable), 2, 0 },
  { COMMON (queue_notify_off), 2, READ_ONLY },
  { COMMON (queue_desc), 4, QUEUE | AREA },
  { COMMON (queue_desc) + 4, 4, QUEUE },
  { COMMON (queue_driver), 4, QUEUE | AREA },
  { COMMON (queue_driver) + 4, 4, QUEUE },
  { COMMON (queue_device), 4, QUEUE | AREA },
  { COMMON (queue_device) + 4, 4, QUEUE },
  { COMMON (queue_notif_config_data), 2, READ_ONLY },
  { COMMON (queue_reset), 2, 0 },
};

#define N_FIELDS (sizeof fields / sizeof fields[0])
#define ALL_AREAS 7u

/* The field an access begins in, or N_FIELDS. */
static unsigned
field_at (uint64_t offset)
{
  unsigned i = 0;

  while (i < N_FIELDS && fields[i].offset != offset)
    i++;
  return i;
}

/* ---- the common structure ---- */

static void
check_size (struct audit *audit, uint32_t q, uint32_t size)
{
  bool packed = audit_has (audit, VIRTIO_F_RING_PACKED);

  AUDIT (audit, PCI8, (int) q, -1,
         size > 0 && size <= audit->hook.dev->queues[q].size_max && (packed || (size & (size - 1)) == 0),
         "a size of %u, %u are possible", size, audit->hook.dev->queues[q].size_max);
}

static void
check_enable (struct audit *audit, uint32_t q, uint32_t value)
{
  struct audit_pci *pci = &audit->pci;

  AUDIT (audit, PCI8, (int) q, -1, value == 1, "%u is written to queue_enable", value);
  if (value != 1)
    return;
  audit_life_queue (audit, q);
  AUDIT (audit, PCI8, (int) q, -1, pci->written[q] == ALL_AREAS,
         "the queue is enabled before all of its areas were told (%#x)", pci->written[q]);
  pci->enabled[q] = true;
}

static void
write_queue (struct audit *audit, unsigned field, uint32_t value)
{
  struct audit_pci *pci = &audit->pci;
  uint32_t q = pci->queue, offset = fields[field].offset;

  if (q >= audit->hook.dev->n_queues || q >= VDEV_QUEUES_MAX)
    return;
  if (fields[field].kind & QUEUE)
    AUDIT (audit, PCI8, (int) q, -1, !pci->enabled[q], "field %u of a queue that is enabled", offset);
  if (fields[field].kind & AREA)
    {
      pci->written[q] |= (uint8_t) (1u << (offset - COMMON (queue_desc)) / 8);
      audit_life_tell_area (audit, q, (offset - COMMON (queue_desc)) / 8);
    }
  if (offset == COMMON (queue_size))
    check_size (audit, q, value);
  else if (offset == COMMON (queue_enable))
    check_enable (audit, q, value);
  else if (offset == COMMON (queue_reset))
    {
      audit_life_reset_queue (audit, q, value);
      pci->enabled[q] = false;
    }
}

/* There is a vector a queue and one for the configuration. */
static void
write_vector (struct audit *audit, unsigned field, uint32_t value)
{
  uint32_t n = audit->hook.dev->n_queues + 1;

  AUDIT (audit, PCI16, -1, -1, value < n || value == VIRTIO_NO_VECTOR, "vector %u of %u", value, n);
  audit->pci.vector_at = fields[field].offset;
}

static void
forget (struct audit_pci *pci)
{
  for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
    {
      pci->enabled[q] = false;
      pci->written[q] = 0;
    }
  pci->vector_at = -1;
}

static void
write_common (struct audit *audit, unsigned field, uint32_t value)
{
  uint32_t offset = fields[field].offset;

  AUDIT (audit, PCI8, -1, -1, !(fields[field].kind & READ_ONLY), "field %u is written", offset);
  if (fields[field].kind & VECTOR)
    write_vector (audit, field, value);
  else if (offset == COMMON (driver_feature))
    audit_life_accept (audit, value);
  else if (offset == COMMON (queue_select))
    audit->pci.queue = value;
  else if (offset > COMMON (queue_select))
    write_queue (audit, field, value);
  else if (offset == COMMON (device_status))
    {
      audit_life_write_status (audit, value);
      if (value == 0)
        forget (&audit->pci);
    }
}

/* A vector that was written is read before anything else is done. */
static void
check_read_back (struct audit *audit, uint64_t offset, bool write)
{
  int at = audit->pci.vector_at;

  audit->pci.vector_at = -1;
  if (at >= 0)
    AUDIT (audit, PCI16, -1, -1, !write && offset == (uint64_t) at,
           "the vector at %d was not read back: field %u comes next", at, (unsigned) offset);
}

static void
on_common (struct audit *audit, uint64_t offset, unsigned len, uint32_t value, bool write)
{
  unsigned field = field_at (offset);

  audit_life_register (audit, offset == COMMON (config_generation) && !write);
  check_read_back (audit, offset, write);
  if (!AUDIT (audit, PCI3, -1, -1, field < N_FIELDS && fields[field].width == len,
              "%s of %u bytes at %u of the common structure", write ? "a write" : "a read", len,
              (unsigned) offset))
    return;
  if (write)
    write_common (audit, field, value);
  else if (offset == COMMON (device_status))
    audit_life_read_status (audit, value);
  else if (offset == COMMON (queue_reset) && audit->pci.queue < audit->hook.dev->n_queues)
    audit_life_read_reset (audit, audit->pci.queue, value);
}

/* ---- the other structures ---- */

static void
on_config (struct audit *audit, uint64_t offset, unsigned len, bool write)
{
  AUDIT (audit, PCI3, -1, -1, (len == 1 || len == 2 || len == 4) && offset % len == 0,
         "%u bytes of configuration at %u", len, (unsigned) offset);
  audit_life_config (audit, offset, len, write);
}

/* A change of the configuration is a reason to look at it. */
static void
on_isr (struct audit *audit, uint64_t offset, unsigned len, uint64_t value, bool write)
{
  AUDIT (audit, PCI3, -1, -1, offset == 0 && len == 1 && !write, "%s of %u bytes at %u of the ISR status",
         write ? "a write" : "a read", len, (unsigned) offset);
  audit->pci.isr_read |= audit->pci.msix && (audit->life.status & VIRTIO_STATUS_DRIVER_OK)
                         && !(value & VIRTIO_PCI_ISR_CONFIG);
}

/* No NOTIF_CONFIG_DATA is offered here: the value is the queue's number; in its place
 * queue_notify_off is the number, too. */
static void
on_notify (struct audit *audit, uint64_t offset, unsigned len, uint32_t value, bool write)
{
  unsigned width = audit_has (audit, VIRTIO_F_NOTIFICATION_DATA) ? 4 : 2;
  uint64_t q = offset / VIRTIO_PCI_NOTIFY_STEP;

  AUDIT (audit, PCI17, (int) (q % VDEV_QUEUES_MAX), -1,
         write && len == width && offset % VIRTIO_PCI_NOTIFY_STEP == 0 && q < audit->hook.dev->n_queues
           && (value & 0xffff) == q,
         "%s of %u bytes at %u, %#x", write ? "a write" : "a read", len, (unsigned) offset, value);
  audit_life_notify (audit, (uint32_t) q);
  if (audit->pci.msix)
    AUDIT (audit, PCI11, -1, -1, !audit->pci.isr_read,
           "it was read since the last doorbell, with MSI-X on and no change of the configuration");
  audit->pci.isr_read = false;
}

static void
on_window (struct audit *audit, uint64_t offset, unsigned len, uint64_t bar)
{
  AUDIT (audit, PCI14, -1, -1,
         bar == 0 && (len == 1 || len == 2 || len == 4) && offset % len == 0
           && offset < VIRTIO_PCI_TABLE * VIRTIO_PCI_PAGE,
         "%u bytes at %#x of BAR %u", len, (unsigned) offset, (unsigned) bar);
}

void
audit_pci_access (struct audit *audit, enum vdev_bus bus, uint64_t offset, unsigned len,
                  uint64_t value, bool write)
{
  switch (bus)
    {
    case VDEV_BUS_PCI_COMMON:
      on_common (audit, offset, len, (uint32_t) value, write);
      break;
    case VDEV_BUS_PCI_DEVICE:
      on_config (audit, offset, len, write);
      break;
    case VDEV_BUS_PCI_ISR:
      on_isr (audit, offset, len, value, write);
      break;
    case VDEV_BUS_PCI_NOTIFY:
      on_notify (audit, offset, len, (uint32_t) value, write);
      break;
    case VDEV_BUS_PCI_WINDOW:
      on_window (audit, offset, len, value);
      break;
    case VDEV_BUS_PCI_MSIX:
      audit->pci.msix = value;
      break;
    default:
      break;
    }
}
