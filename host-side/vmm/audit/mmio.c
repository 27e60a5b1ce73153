/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a driver does with the registers of virtio-mmio (4.2). One access after the
 * other, under the transport's lock. */
#include "private.h"

#include <virtio/device.h>
#include <virtio/mmio.h>

#define READABLE 1u
#define WRITABLE 2u
#define QUEUE 4u /* belongs to the selected queue's configuration */

static const struct
{
  uint16_t offset;
  uint8_t kind;
} registers[] = {
  { VIRTIO_MMIO_MAGIC_VALUE, READABLE },
  { VIRTIO_MMIO_VERSION, READABLE },
  { VIRTIO_MMIO_DEVICE_ID, READABLE },
  { VIRTIO_MMIO_VENDOR_ID, READABLE },
  { VIRTIO_MMIO_DEVICE_FEATURES, READABLE },
  { VIRTIO_MMIO_DEVICE_FEATURES_SEL, WRITABLE },
  { VIRTIO_MMIO_DRIVER_FEATURES, WRITABLE },
  { VIRTIO_MMIO_DRIVER_FEATURES_SEL, WRITABLE },
  { VIRTIO_MMIO_QUEUE_SEL, WRITABLE },
  { VIRTIO_MMIO_QUEUE_SIZE_MAX, READABLE },
  { VIRTIO_MMIO_QUEUE_SIZE, WRITABLE | QUEUE },
  { VIRTIO_MMIO_QUEUE_READY, READABLE | WRITABLE },
  { VIRTIO_MMIO_QUEUE_NOTIFY, WRITABLE },
  { VIRTIO_MMIO_INTERRUPT_STATUS, READABLE },
  { VIRTIO_MMIO_INTERRUPT_ACK, WRITABLE },
  { VIRTIO_MMIO_STATUS, READABLE | WRITABLE },
  { VIRTIO_MMIO_QUEUE_DESC_LOW, WRITABLE | QUEUE },
  { VIRTIO_MMIO_QUEUE_DESC_HIGH, WRITABLE | QUEUE },
  { VIRTIO_MMIO_QUEUE_DRIVER_LOW, WRITABLE | QUEUE },
  { VIRTIO_MMIO_QUEUE_DRIVER_HIGH, WRITABLE | QUEUE },
  { VIRTIO_MMIO_QUEUE_DEVICE_LOW, WRITABLE | QUEUE },
  { VIRTIO_MMIO_QUEUE_DEVICE_HIGH, WRITABLE | QUEUE },
  { VIRTIO_MMIO_SHM_SEL, WRITABLE },
  { VIRTIO_MMIO_SHM_LEN_LOW, READABLE },
  { VIRTIO_MMIO_SHM_LEN_HIGH, READABLE },
  { VIRTIO_MMIO_SHM_BASE_LOW, READABLE },
  { VIRTIO_MMIO_SHM_BASE_HIGH, READABLE },
  { VIRTIO_MMIO_QUEUE_RESET, READABLE | WRITABLE },
  { VIRTIO_MMIO_CONFIG_GENERATION, READABLE },
};

static unsigned
kind_of (uint64_t offset)
{
  for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++)
    if (registers[i].offset == offset)
      return registers[i].kind;
  return 0;
}

static void
check_register (struct audit *audit, uint64_t offset, unsigned len, bool write)
{
  unsigned kind = kind_of (offset);

  AUDIT (audit, M5, -1, -1, len == 4 && kind & (write ? WRITABLE : READABLE),
         "%s of %u bytes at %#x", write ? "a write" : "a read", len, (unsigned) offset);
  AUDIT (audit, M11, -1, -1, offset < VIRTIO_MMIO_SHM_SEL || offset > VIRTIO_MMIO_SHM_BASE_HIGH,
         "register %#x is used", (unsigned) offset);
  if (audit->mmio.stopping >= 0
      && AUDIT (audit, M8, audit->mmio.stopping, -1, offset == VIRTIO_MMIO_QUEUE_READY && !write,
                "register %#x comes next", (unsigned) offset))
    audit->mmio.stopping = -1;
  audit->mmio.stopping = -1;
}

/* Magic, version and ID come first, and once. */
static void
check_discovery (struct audit *audit, uint64_t offset, bool write)
{
  struct audit_mmio *mmio = &audit->mmio;

  if (offset == VIRTIO_MMIO_MAGIC_VALUE)
    mmio->magic = true;
  else if (offset == VIRTIO_MMIO_VERSION)
    mmio->version |= AUDIT (audit, M6, -1, -1, mmio->magic, "the version comes before the magic");
  else if (offset == VIRTIO_MMIO_DEVICE_ID)
    mmio->id |= AUDIT (audit, M6, -1, -1, mmio->version, "the ID comes before the version");
  else if (!mmio->id)
    mmio->id = !AUDIT (audit, M6, -1, -1, false, "register %#x comes before the ID",
                       (unsigned) offset);
}

void
audit_mmio_reset (struct audit *audit)
{
  struct audit_mmio *mmio = &audit->mmio;

  mmio->interrupts_read = false;
  mmio->interrupts = 0;
  mmio->device_sel = mmio->driver_sel = false;
  for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
    mmio->ready[q] = false;
}

static void
check_queue (struct audit *audit, uint64_t offset, uint32_t value)
{
  struct audit_mmio *mmio = &audit->mmio;
  struct vdev *dev = audit->hook.dev;
  uint32_t q = mmio->queue;

  if (q >= dev->n_queues || q >= VDEV_QUEUES_MAX)
    return;
  if (offset == VIRTIO_MMIO_QUEUE_RESET)
    {
      audit_life_reset_queue (audit, q, value);
      mmio->ready[q] = false;
      return;
    }
  if (offset == VIRTIO_MMIO_QUEUE_READY)
    {
      if (value)
        audit_life_queue (audit, q);
      if (value == 0 && mmio->ready[q])
        mmio->stopping = (int) q;
      mmio->ready[q] = value == 1;
      return;
    }
  AUDIT (audit, M7, (int) q, -1, !mmio->ready[q], "register %#x of a queue that is ready",
         (unsigned) offset);
  if (offset >= VIRTIO_MMIO_QUEUE_DESC_LOW && offset % 0x10 == 0)
    audit_life_tell_area (audit, q, (unsigned) (offset - VIRTIO_MMIO_QUEUE_DESC_LOW) / 0x10);
  if (offset == VIRTIO_MMIO_QUEUE_SIZE)
    AUDIT (audit, M7, (int) q, -1, value > 0 && value <= dev->queues[q].size_max,
           "a size of %u, %u are possible", value, dev->queues[q].size_max);
}

static void
check_acknowledge (struct audit *audit, uint32_t value)
{
  struct audit_mmio *mmio = &audit->mmio;

  AUDIT (audit, M10, -1, -1, mmio->interrupts_read, "%#x is acknowledged", value);
  AUDIT (audit, M9, -1, -1,
         (value & ~(VIRTIO_MMIO_INT_QUEUE | VIRTIO_MMIO_INT_CONFIG)) == 0
           && (value & ~mmio->interrupts) == 0,
         "%#x, read was %#x", value, mmio->interrupts);
  mmio->interrupts_read = false;
}

static void
on_write (struct audit *audit, uint64_t offset, uint32_t value)
{
  struct audit_mmio *mmio = &audit->mmio;

  switch (offset)
    {
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
      mmio->device_sel = true;
      break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
      mmio->driver_sel = true;
      break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
      AUDIT (audit, M7, -1, -1, mmio->driver_sel, "no half was selected for this write");
      audit_life_accept (audit, value);
      mmio->driver_sel = false;
      break;
    case VIRTIO_MMIO_QUEUE_SEL:
      mmio->queue = value;
      break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
      audit_life_notify (audit, value & 0xffff);
      break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
      check_acknowledge (audit, value);
      break;
    case VIRTIO_MMIO_STATUS:
      audit_life_write_status (audit, value);
      if (value == 0)
        audit_mmio_reset (audit);
      break;
    default:
      if (kind_of (offset) & QUEUE || offset == VIRTIO_MMIO_QUEUE_READY
          || offset == VIRTIO_MMIO_QUEUE_RESET)
        check_queue (audit, offset, value);
    }
}

static void
on_read (struct audit *audit, uint64_t offset, uint32_t value)
{
  struct audit_mmio *mmio = &audit->mmio;

  switch (offset)
    {
    case VIRTIO_MMIO_DEVICE_FEATURES:
      AUDIT (audit, M7, -1, -1, mmio->device_sel, "no half was selected for this read");
      mmio->device_sel = false;
      break;
    case VIRTIO_MMIO_INTERRUPT_STATUS:
      mmio->interrupts_read = true;
      mmio->interrupts = value;
      break;
    case VIRTIO_MMIO_STATUS:
      audit_life_read_status (audit, value);
      break;
    case VIRTIO_MMIO_QUEUE_RESET:
      if (mmio->queue < audit->hook.dev->n_queues)
        audit_life_read_reset (audit, mmio->queue, value);
      break;
    default:
      break;
    }
}

static void
on_config (struct audit *audit, uint64_t field, unsigned len, bool write)
{
  AUDIT (audit, M5, -1, -1, (len == 1 || len == 2 || len == 4) && field % len == 0,
         "%u bytes of configuration at %u", len, (unsigned) field);
  audit_life_config (audit, field, len, write);
}

void
audit_mmio_access (struct audit *audit, uint64_t offset, unsigned len, uint64_t value, bool write)
{
  check_discovery (audit, offset, write);
  if (offset >= VIRTIO_MMIO_CONFIG)
    {
      on_config (audit, offset - VIRTIO_MMIO_CONFIG, len, write);
      return;
    }
  audit_life_register (audit, offset == VIRTIO_MMIO_CONFIG_GENERATION && !write);
  check_register (audit, offset, len, write);
  if (write)
    on_write (audit, offset, (uint32_t) value);
  else
    on_read (audit, offset, (uint32_t) value);
}
