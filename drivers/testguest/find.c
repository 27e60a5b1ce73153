/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding devices: PCI by configuration mechanism 1 or ECAM, virtio-mmio by the command
 * line as Linux's virtio_mmio.device=SIZE@ADDRESS:IRQ. */
#include "guest.h"

#include <virtio/driver/mmio.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define HEADER_MULTI 0x80u
#define HEADER_BRIDGE 1u

static struct virtio_pci pcis[MAX_DEVICES];
static struct virtio_mmio mmios[MAX_DEVICES];

static uint64_t ecam; /* or 0 */

/* PCI Express 3.0, 7.2.2: 4 KiB a function. */
static uint64_t
ecam_address (void *ctx, uint32_t offset)
{
  return ecam + ((uint64_t) ((uintptr_t) ctx & 0xffff00) << 4) + offset;
}

/* The context is the address of the function. */
static uint32_t
config_read (void *ctx, uint32_t offset, unsigned width)
{
  if (ecam)
    return guest_hal.ops->read (guest_hal.ctx, ecam_address (ctx, offset), width);
  guest_out (CONFIG_ADDRESS, 4, (uint32_t) (uintptr_t) ctx | (offset & 0xfcu));
  return guest_in ((uint16_t) (CONFIG_DATA + (offset & 3)), width);
}

static void
config_write (void *ctx, uint32_t offset, unsigned width, uint32_t value)
{
  if (ecam)
    {
      guest_hal.ops->write (guest_hal.ctx, ecam_address (ctx, offset), width, value);
      return;
    }
  guest_out (CONFIG_ADDRESS, 4, (uint32_t) (uintptr_t) ctx | (offset & 0xfcu));
  guest_out ((uint16_t) (CONFIG_DATA + (offset & 3)), width, value);
}

static void *
function_address (unsigned bus, unsigned slot, unsigned function)
{
  return (void *) (uintptr_t) (0x80000000u | bus << 16 | slot << 11 | function << 8);
}

static bool
try_function (void *at, unsigned n)
{
  struct virtio_pci_config config = { config_read, config_write, at };
  int error;

  guest_pci_assign (&config);
  error = virtio_pci_open (&pcis[n], &guest_hal, &config);
  if (error && error != -VIRTIO_ENODEV)
    print ("# PCI function %x is not usable: error %d\n", (unsigned) (uintptr_t) at & 0xffffff, error);
  return error == 0;
}

static unsigned
scan_slot (unsigned bus, unsigned slot, unsigned *last_bus, struct virtio_transport *found[],
           unsigned n, unsigned room)
{
  unsigned functions = 1;

  for (unsigned function = 0; function < functions && n < room && n < MAX_DEVICES; function++)
    {
      void *at = function_address (bus, slot, function);
      uint32_t type;

      if (config_read (at, 0, 2) == 0xffff)
        continue;
      type = config_read (at, 0x0e, 1);
      if (function == 0 && (type & HEADER_MULTI))
        functions = 8;
      if ((type & 0x7f) == HEADER_BRIDGE && config_read (at, 0x1a, 1) > *last_bus)
        *last_bus = config_read (at, 0x1a, 1);
      if (try_function (at, n))
        {
          found[n] = &pcis[n].transport;
          n++;
        }
    }
  return n;
}

unsigned
find_pci (struct virtio_transport *found[], unsigned room, uint64_t ecam_base)
{
  unsigned last_bus = 0, n = 0;

  ecam = ecam_base;
  guest_out (CONFIG_ADDRESS, 4, 0x80000000u);
  if (!ecam && guest_in (CONFIG_ADDRESS, 4) != 0x80000000u) /* no such mechanism */
    return 0;
  for (unsigned bus = 0; bus <= last_bus; bus++)
    for (unsigned slot = 0; slot < 32; slot++)
      n = scan_slot (bus, slot, &last_bus, found, n, room);
  return n;
}

unsigned
find_mmio (struct virtio_transport *found[], unsigned room)
{
  static const char key[] = "virtio_mmio.device=";
  unsigned n = 0;

  for (const char *at = guest_option (key); at && n < room && n < MAX_DEVICES;)
    {
      uint64_t size = guest_number (at, &at);
      uint64_t address = *at == '@' ? guest_number (at + 1, &at) : 0;

      if (address && virtio_mmio_open (&mmios[n], &guest_hal, address, (uint32_t) size) == 0)
        {
          found[n] = &mmios[n].transport;
          n++;
        }
      while (*at && *at != ' ')
        at++;
      while (*at == ' ')
        at++;
      if (memcmp (at, key, sizeof key - 1) != 0) /* they stand together */
        break;
      at += sizeof key - 1;
    }
  return n;
}
