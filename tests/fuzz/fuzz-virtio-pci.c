/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that does anything to a virtio-pci function: configuration space by both
 * ways, the BAR wherever it lies, the ring's memory. A step is an operation, an
 * offset and a value. */
#include "fuzz.h"

#include <stdlib.h>

#include "tests/support/pci-machine.h"

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
  static const uint32_t known[] = { 0, 1, 0xf, 0xb, RAM_DESC, RAM_DRIVER, RAM_DEVICE, RAM_DATA,
                                    MAP_PCI, 8, 0xffffffff, 0x8000, 0xc000, 3, 0x101, 0x80000000 };

  return step->op & 0x80 ? step->value : known[step->value % 16];
}

static void
run (struct pci_machine *machine, const struct step *step)
{
  unsigned len = 1u << step->len % 4;
  bool write = step->op & 0x40;
  uint64_t value = value_of (step) | (uint64_t) step->value << 32;

  switch (step->op % 6)
    {
    case 0:
      bus_do (&machine->mmio, MAP_ECAM + (1u << 15) + step->offset % 512, &value, len, write);
      break;
    case 1:
      bus_do (&machine->mmio, MAP_ECAM + step->offset * 16u, &value, len, write);
      break;
    case 2:
      bus_do (&machine->ports, PORT_PCI_ADDRESS + step->offset % 8, &value, len, write);
      break;
    case 3: /* wherever the BAR is */
      if (machine->pci.function.bars[0].at != PCI_NOWHERE)
        bus_do (&machine->mmio, machine->pci.function.bars[0].at + step->offset, &value, len, write);
      break;
    case 4: /* the common structure, which has the most to say */
      bus_do (&machine->mmio, machine->pci.function.bars[0].at + step->offset % 64, &value, len, write);
      break;
    default:
      memcpy (machine->ram + step->offset % (RAM_SIZE - 8), &value, len);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static struct pci_machine machine;
  uint16_t on = 2;

  if (pci_machine_new (&machine) != 0)
    abort ();
  bus_do (&machine.mmio, MAP_ECAM + (1u << 15) + 4, &on, 2, true);
  for (; size >= STEP; size -= STEP, data += STEP)
    {
      struct step step;

      memcpy (&step, data, STEP);
      run (&machine, &step);
    }
  pci_machine_free (&machine);
  return 0;
}
