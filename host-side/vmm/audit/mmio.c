/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a driver does with the registers of virtio-mmio (4.2), and by them with
 * the device's life (3.1). One access after the other, under the transport's lock. */
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

static void
write_status (struct audit *audit, uint32_t value)
{
  struct audit_mmio *mmio = &audit->mmio;
  uint32_t gained = value & ~mmio->status;

  if (value == 0)
    {
      audit_mmio_reset (audit);
      return;
    }
  AUDIT (audit, C6, -1, -1, (value & mmio->status) == mmio->status, "%#x is written over %#x",
         value, mmio->status);
  AUDIT (audit, C6, -1, -1, !(mmio->status & VIRTIO_STATUS_FAILED), "%#x after FAILED", value);
  if (gained & VIRTIO_STATUS_ACKNOWLEDGE)
    AUDIT (audit, C1, -1, -1, mmio->reset, "ACKNOWLEDGE without a reset");
  /* Who goes on without having read 0 has not waited for the reset. */
  if (gained & VIRTIO_STATUS_ACKNOWLEDGE && mmio->reset)
    AUDIT (audit, C14, -1, -1, mmio->reset_read, "it is not read before ACKNOWLEDGE");
  if (gained & VIRTIO_STATUS_DRIVER)
    AUDIT (audit, C1, -1, -1, value & VIRTIO_STATUS_ACKNOWLEDGE, "DRIVER without ACKNOWLEDGE");
  if (gained & VIRTIO_STATUS_FEATURES_OK)
    AUDIT (audit, C1, -1, -1, mmio->status & VIRTIO_STATUS_DRIVER, "FEATURES_OK without DRIVER");
  if (gained & VIRTIO_STATUS_DRIVER_OK)
    AUDIT (audit, C1, -1, -1, mmio->ok_read, "DRIVER_OK before FEATURES_OK was read back");
  mmio->status = value;
}

void
audit_mmio_reset (struct audit *audit)
{
  struct audit_mmio *mmio = &audit->mmio;

  mmio->status = 0;
  mmio->reset = true;
  mmio->reset_read = mmio->ok_read = mmio->interrupts_read = false;
  mmio->interrupts = 0;
  mmio->device_sel = mmio->driver_sel = false;
  for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
    mmio->ready[q] = false;
}

static void
read_status (struct audit_mmio *mmio, uint32_t value)
{
  mmio->reset_read |= value == 0;
  mmio->ok_read |= (value & VIRTIO_STATUS_FEATURES_OK) != 0;
}

static void
check_queue (struct audit *audit, uint64_t offset, uint32_t value)
{
  struct audit_mmio *mmio = &audit->mmio;
  struct vdev *dev = audit->hook.dev;
  uint32_t q = mmio->queue;

  if (q >= dev->n_queues || q >= VDEV_QUEUES_MAX)
    return;
  if (offset == VIRTIO_MMIO_QUEUE_READY)
    {
      AUDIT (audit, C1, (int) q, -1, value == 0 || mmio->ok_read,
             "a queue before FEATURES_OK was read back");
      if (value == 0 && mmio->ready[q])
        mmio->stopping = (int) q;
      mmio->ready[q] = value == 1;
      return;
    }
  AUDIT (audit, M7, (int) q, -1, !mmio->ready[q], "register %#x of a queue that is ready",
         (unsigned) offset);
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
      AUDIT (audit, C3, -1, -1, !(mmio->status & VIRTIO_STATUS_FEATURES_OK), "%#x", value);
      mmio->driver_sel = false;
      break;
    case VIRTIO_MMIO_QUEUE_SEL:
      mmio->queue = value;
      break;
    case VIRTIO_MMIO_QUEUE_NOTIFY:
      AUDIT (audit, C4, (int) (value & 0xffff) % VDEV_QUEUES_MAX, -1,
             mmio->status & VIRTIO_STATUS_DRIVER_OK, "the doorbell was rung");
      break;
    case VIRTIO_MMIO_INTERRUPT_ACK:
      check_acknowledge (audit, value);
      break;
    case VIRTIO_MMIO_STATUS:
      write_status (audit, value);
      break;
    default:
      if (kind_of (offset) & QUEUE || offset == VIRTIO_MMIO_QUEUE_READY)
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
      read_status (mmio, value);
      break;
    default:
      break;
    }
}

/* A field wider than an access is two reads, with the generation in front and behind. */
static void
check_wide (struct audit *audit, uint64_t field)
{
  struct audit_mmio *mmio = &audit->mmio;
  bool capacity = audit->hook.dev->id == VIRTIO_ID_BLOCK && field < 8;

  if (!capacity)
    return;
  AUDIT (audit, C15, -1, -1, mmio->generation,
         "half of the capacity is read without the generation before it");
  mmio->wide_open = true;
}

static void
on_config (struct audit *audit, uint64_t field, unsigned len, bool write)
{
  bool emergency = audit->hook.dev->id == VIRTIO_ID_CONSOLE && field == 8;

  AUDIT (audit, M5, -1, -1, (len == 1 || len == 2 || len == 4) && field % len == 0,
         "%u bytes of configuration at %u", len, (unsigned) field);
  if (!write)
    {
      audit_config_read (audit, field, len);
      check_wide (audit, field);
    }
  else if (!emergency) /* which is for a device that nobody has set up (5.3.4) */
    AUDIT (audit, C2, -1, -1, audit->mmio.status & VIRTIO_STATUS_FEATURES_OK, "byte %u is written",
           (unsigned) field);
}

void
audit_mmio_access (struct audit *audit, uint64_t offset, unsigned len, uint64_t value, bool write)
{
  struct audit_mmio *mmio = &audit->mmio;
  bool generation = offset == VIRTIO_MMIO_CONFIG_GENERATION && !write;

  mmio->seen = true;
  check_discovery (audit, offset, write);
  if (offset >= VIRTIO_MMIO_CONFIG)
    {
      on_config (audit, offset - VIRTIO_MMIO_CONFIG, len, write);
      return;
    }
  if (mmio->wide_open)
    AUDIT (audit, C15, -1, -1, generation,
           "the capacity was read without the generation behind it");
  mmio->wide_open = false;
  mmio->generation = generation;
  check_register (audit, offset, len, write);
  if (write)
    on_write (audit, offset, (uint32_t) value);
  else
    on_read (audit, offset, (uint32_t) value);
}
