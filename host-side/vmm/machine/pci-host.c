/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci-host.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "layout.h"

/* The generic PCI Express host bridge of Red Hat's range: no driver binds to it. */
#define BRIDGE_VENDOR 0x1b36u
#define BRIDGE_DEVICE 0x0008u
#define BRIDGE_CLASS 0x060000u

#define ADDRESS_ENABLE 0x80000000u

/* ---- where BARs answer ---- */

static bool
in_window (const struct pci_window *window, uint64_t address, uint64_t size)
{
  return address >= window->base && address - window->base < window->size
         && size <= window->size - (address - window->base);
}

/* A BAR that the guest has put elsewhere, over memory for one, does not answer. */
static uint64_t
place_of (const struct pci_host *host, const struct pci_function *function, unsigned bar)
{
  uint64_t address = pci_function_bar_address (function, bar);
  uint64_t size = function->bars[bar].size;

  if (address == PCI_NOWHERE
      || !(in_window (&host->windows[0], address, size) || in_window (&host->windows[1], address, size)))
    return PCI_NOWHERE;
  return address;
}

static void
find_bars (struct pci_host *host, struct pci_function *function)
{
  for (unsigned bar = 0; bar < PCI_BARS; bar++)
    {
      uint64_t at = place_of (host, function, bar);

      if (at == function->bars[bar].at)
        continue;
      function->bars[bar].at = at;
      if (function->ops->moved)
        function->ops->moved (function, bar);
    }
}

/* Of overlapping ones the first answers. */
static struct pci_function *
function_at (struct pci_host *host, uint64_t address, unsigned len, unsigned *bar, uint64_t *offset)
{
  for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
    for (unsigned i = 0; host->functions[slot] && i < PCI_BARS; i++)
      {
        const struct pci_bar *at = &host->functions[slot]->bars[i];

        if (at->at == PCI_NOWHERE || address < at->at || address - at->at >= at->size)
          continue;
        *bar = i;
        *offset = address - at->at;
        return len <= at->size - *offset ? host->functions[slot] : NULL;
      }
  return NULL;
}

static void
access_window (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  const struct pci_window *window = device;
  struct pci_function *function;
  unsigned bar;
  uint64_t in_bar;

  pthread_mutex_lock (&window->host->lock);
  function = function_at (window->host, window->base + offset, len, &bar, &in_bar);
  pthread_mutex_unlock (&window->host->lock);
  if (function && function->ops->bar)
    function->ops->bar (function, bar, in_bar, bytes, len, write);
}

/* ---- configuration ---- */

/* @at: bus, device and function above a register's offset of 12 bits. */
static void
access_config (struct pci_host *host, uint32_t at, void *bytes, unsigned len, bool write)
{
  unsigned slot = at >> 15 & 0x1f, offset = at & (PCI_CONFIG_SPACE - 1);
  struct pci_function *function = (at >> 12 & 7) || at >> 20 ? NULL : host->functions[slot];

  if (function == NULL || len > 4 || offset % len)
    return;
  pci_function_access (function, offset, bytes, len, write);
  if (write && (offset < PCI_STATUS || (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_CARDBUS_CIS)))
    find_bars (host, function);
}

static void
access_ecam (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct pci_host *host = device;

  pthread_mutex_lock (&host->lock);
  access_config (host, (uint32_t) offset, bytes, len, write);
  pthread_mutex_unlock (&host->lock);
}

/* PCI 3.0, 3.2.2.3.2: the address is written as 32 bits. */
static void
access_address (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct pci_host *host = device;

  if (offset != 0 || len != 4)
    return;
  pthread_mutex_lock (&host->lock);
  if (write)
    memcpy (&host->address, bytes, 4);
  else
    memcpy (bytes, &host->address, 4);
  pthread_mutex_unlock (&host->lock);
}

/* Bus in bits 16 to 23, device and function in 8 to 15, register in 2 to 7. */
static void
access_data (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  struct pci_host *host = device;
  uint32_t at;

  pthread_mutex_lock (&host->lock);
  at = (host->address & 0xffff00u) << 4 | (host->address & 0xfcu);
  if (host->address & ADDRESS_ENABLE)
    access_config (host, at + (uint32_t) offset, bytes, len, write);
  pthread_mutex_unlock (&host->lock);
}

/* ---- making it ---- */

int
pci_host_init (struct pci_host *host, struct bus *ports, struct bus *mmio,
               const struct pci_window windows[2])
{
  static const struct pci_function_ops none = { 0 };
  static const struct pci_identity identity = {
    .vendor = BRIDGE_VENDOR, .device = BRIDGE_DEVICE, .class_code = BRIDGE_CLASS,
  };
  int ret = 0;

  memset (host, 0, sizeof *host);
  pthread_mutex_init (&host->lock, NULL);
  pci_function_init (&host->bridge, &none, &identity);
  pci_function_keep (&host->bridge);
  host->functions[0] = &host->bridge;
  for (unsigned i = 0; i < 2 && ret == 0; i++)
    {
      host->windows[i] = (struct pci_window){ windows[i].base, windows[i].size, host };
      if (windows[i].size > 0)
        ret = bus_add (mmio, windows[i].base, windows[i].size, access_window, &host->windows[i]);
    }
  host->next = windows[0].base;
  if (ret == 0)
    ret = bus_add (mmio, MAP_ECAM, MAP_ECAM_SIZE, access_ecam, host);
  if (ret == 0)
    ret = bus_add (ports, PORT_PCI_ADDRESS, 4, access_address, host);
  return ret < 0 ? ret : bus_add (ports, PORT_PCI_DATA, 4, access_data, host);
}

void
pci_host_finish (struct pci_host *host)
{
  if (host->windows[0].host) /* initialized */
    pthread_mutex_destroy (&host->lock);
}

int
pci_host_add (struct pci_host *host, struct pci_function *function)
{
  unsigned slot = 0;

  while (slot < PCI_SLOTS && host->functions[slot])
    slot++;
  if (slot == PCI_SLOTS)
    return -ENOSPC;
  for (unsigned bar = 0; bar < PCI_BARS; bar++)
    {
      uint64_t size = function->bars[bar].size;
      uint64_t at = (host->next + size - 1) & ~(size - 1);

      if (size == 0)
        continue;
      if (!in_window (&host->windows[0], at, size))
        return -ENOSPC;
      pci_function_place (function, bar, at);
      host->next = at + size;
    }
  pci_function_keep (function);
  host->functions[slot] = function;
  return (int) slot;
}

void
pci_host_reset (struct pci_host *host)
{
  pthread_mutex_lock (&host->lock);
  host->address = 0;
  for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
    if (host->functions[slot])
      {
        pci_function_reset (host->functions[slot]);
        find_bars (host, host->functions[slot]);
      }
  pthread_mutex_unlock (&host->lock);
}
