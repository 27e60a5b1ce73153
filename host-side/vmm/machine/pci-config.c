/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci-config.h"

#include <linux/pci_regs.h>
#include <string.h>

#define CAPABILITIES_AT 0x40u

/* The bits a memory-only function has in its command register. */
#define COMMAND_BITS (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY \
                      | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)

static void
set (uint8_t *space, unsigned offset, uint64_t value, unsigned len)
{
  for (unsigned i = 0; i < len; i++)
    space[offset + i] = (uint8_t) (value >> 8 * i);
}

static uint32_t
get (const uint8_t *space, unsigned offset, unsigned len)
{
  uint32_t value = 0;

  for (unsigned i = 0; i < len; i++)
    value |= (uint32_t) space[offset + i] << 8 * i;
  return value;
}

void
pci_function_init (struct pci_function *function, const struct pci_function_ops *ops,
                   const struct pci_identity *identity)
{
  memset (function, 0, sizeof *function);
  function->ops = ops;
  function->end = CAPABILITIES_AT;
  set (function->config, PCI_VENDOR_ID, identity->vendor, 2);
  set (function->config, PCI_DEVICE_ID, identity->device, 2);
  set (function->config, PCI_REVISION_ID, identity->revision | identity->class_code << 8, 4);
  set (function->config, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor, 2);
  set (function->config, PCI_SUBSYSTEM_ID, identity->subsystem, 2);
  set (function->writable, PCI_COMMAND, COMMAND_BITS, 2);
  set (function->writable, PCI_CACHE_LINE_SIZE, 0xff, 1);
  set (function->writable, PCI_INTERRUPT_LINE, 0xff, 1);
  for (unsigned bar = 0; bar < PCI_BARS; bar++)
    function->bars[bar].at = PCI_NOWHERE;
}

void
pci_function_add_bar (struct pci_function *function, unsigned bar, uint64_t size, bool wide)
{
  unsigned at = PCI_BASE_ADDRESS_0 + 4 * bar;

  function->bars[bar].size = size;
  function->bars[bar].wide = wide;
  set (function->config, at, wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0, 4);
  set (function->writable, at, ~(size - 1), wide ? 8 : 4);
}

unsigned
pci_function_add_capability (struct pci_function *function, const void *capability, unsigned len,
                             const void *writable)
{
  unsigned at = function->end;
  unsigned link = function->last_capability ? function->last_capability + PCI_CAP_LIST_NEXT
                                            : PCI_CAPABILITY_LIST;

  memcpy (function->config + at, capability, len);
  if (writable)
    memcpy (function->writable + at, writable, len);
  function->config[at + PCI_CAP_LIST_NEXT] = 0;
  function->config[link] = (uint8_t) at;
  function->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
  function->last_capability = at;
  function->end = (at + len + 3) & ~3u;
  return at;
}

uint64_t
pci_function_bar_address (const struct pci_function *function, unsigned bar)
{
  unsigned at = PCI_BASE_ADDRESS_0 + 4 * bar;
  uint64_t address;

  if (function->bars[bar].size == 0 || !(function->config[PCI_COMMAND] & PCI_COMMAND_MEMORY))
    return PCI_NOWHERE;
  address = get (function->config, at, 4) & ~0xfu;
  if (function->bars[bar].wide)
    address |= (uint64_t) get (function->config, at + 4, 4) << 32;
  return address;
}

void
pci_function_place (struct pci_function *function, unsigned bar, uint64_t address)
{
  unsigned at = PCI_BASE_ADDRESS_0 + 4 * bar;

  set (function->config, at, (address & ~UINT64_C (0xf)) | (function->config[at] & 0xf),
       function->bars[bar].wide ? 8 : 4);
}

void
pci_function_keep (struct pci_function *function)
{
  memcpy (function->initial, function->config, sizeof function->initial);
}

void
pci_function_reset (struct pci_function *function)
{
  memcpy (function->config, function->initial, sizeof function->config);
  if (function->ops->reset)
    function->ops->reset (function);
}

void
pci_function_access (struct pci_function *function, unsigned offset, void *bytes, unsigned len,
                     bool write)
{
  uint8_t *data = bytes;

  if (offset >= PCI_CONFIG_BYTES) /* no extended capabilities */
    {
      if (!write)
        memset (bytes, 0, len);
      return;
    }
  if (!write)
    {
      if (function->ops->reads_config)
        function->ops->reads_config (function, offset, len);
      memcpy (bytes, function->config + offset, len);
      return;
    }
  for (unsigned i = 0; i < len; i++)
    {
      uint8_t mask = function->writable[offset + i];

      function->config[offset + i] = (uint8_t) ((function->config[offset + i] & ~mask)
                                                | (data[i] & mask));
    }
  if (function->ops->wrote_config)
    function->ops->wrote_config (function, offset, len);
}
