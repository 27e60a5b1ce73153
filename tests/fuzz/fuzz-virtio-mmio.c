/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that does anything to the registers of a virtio-mmio disk, and to its rings' memory.
 * A step is an operation, an offset and a value. The first byte says whether the disk has
 * a thread of its own, which then looks at rings while they change. */
#include "fuzz.h"

#include <stdlib.h>

#include <virtio/mmio.h>

#include "host-side/vmm/machine/layout.h"
#include "host-side/vmm/virtio/mmio.h"
#include "tests/support/guest-ram.h"
#include "tests/support/without-kvm.h"

#define STEP 8u

struct step
{
  uint8_t op, len;
  uint16_t offset;
  uint32_t value;
};

/* Common values reach further than any. */
static uint32_t
value_of (const struct step *step)
{
  static const uint32_t known[] = { 0, 1, 3, 0xb, 0xf, 8, 16, RAM_DESC, RAM_DRIVER, RAM_DEVICE, RAM_DATA,
                                    RAM_TABLE, 0xffffffff, 0x80, 4, 0x40000000 };

  return step->op & 0x80 ? step->value : known[step->value % 16];
}

static void
run (struct vm *vm, uint8_t *ram, const struct step *step)
{
  unsigned len = 1u << step->len % 4;
  uint64_t value = value_of (step) | (uint64_t) step->value << 32;
  bool write = step->op & 0x40;

  switch (step->op % 4)
    {
    case 0:
      bus_do (&vm->mmio, MAP_VIRTIO_MMIO + step->offset, &value, len, write);
      break;
    case 1: /* registers as they are meant to be used */
      bus_do (&vm->mmio, MAP_VIRTIO_MMIO + step->offset % 64 * 4, &value, 4, write);
      break;
    case 2:
      bus_do (&vm->mmio, MAP_VIRTIO_MMIO + VIRTIO_MMIO_CONFIG + step->offset % 80, &value, len, write);
      break;
    default:
      memcpy (ram + step->offset % (RAM_SIZE - 8), &value, len);
    }
}

static struct virtio_mmio *
make (struct vm *vm, struct virtio_mmio *mmio, unsigned slot)
{
  struct vdev *dev = ram_disk (64 * 1024, "off");

  if (dev == NULL || (slot == 1 && vdev_start_workers (dev) < 0)
      || virtio_mmio_init (mmio, &vm[slot], dev, 0) < 0)
    abort ();
  return mmio;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct vm vms[2]; /* the second one's disk has a worker */
  static struct virtio_mmio mmio[2];
  static uint8_t *ram;
  unsigned which;

  if (ram == NULL)
    {
      ram = ram_new (&vms[0].memory);
      vms[1].memory = vms[0].memory;
      for (unsigned i = 0; i < 2; i++)
        make (vms, &mmio[i], i);
    }
  if (size == 0)
    return 0;
  which = data[0] & 1;
  memset (ram, 0, RAM_SIZE);
  for (data++, size--; size >= STEP; size -= STEP, data += STEP)
    {
      struct step step;

      memcpy (&step, data, STEP);
      run (&vms[which], ram, &step);
    }
  virtio_mmio_reset (&mmio[which]);
  return 0;
}
