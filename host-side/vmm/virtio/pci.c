/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci.h"

#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include <virtio/device.h>
#include <virtio/pci.h>

#include "host-side/vmm/core/log.h"

static struct virtio_pci *
pci_of (struct pci_function *function)
{
  return (struct virtio_pci *) function; /* its first member */
}

/* ---- what the device calls ---- */

/* Without MSI-X nobody is interrupted: the status tells who polls (4.1.4.5). */
static void
notify (void *data, unsigned q)
{
  struct virtio_pci *pci = data;

  if (atomic_load (&pci->msix.enabled))
    msix_raise (&pci->msix, atomic_load (&pci->queue_vector[q])); /* NO_VECTOR raises none */
  else
    atomic_fetch_or (&pci->isr, VIRTIO_PCI_ISR_QUEUE);
}

static void
config_changed (void *data)
{
  struct virtio_pci *pci = data;

  atomic_fetch_or (&pci->isr, VIRTIO_PCI_ISR_CONFIG);
  msix_raise (&pci->msix, atomic_load (&pci->config_vector));
}

static void
broken (void *data)
{
  struct virtio_pci *pci = data;

  if (registers_break (&pci->regs))
    config_changed (pci);
}

static const struct vdev_transport transport = { notify, config_changed, broken };

/* ---- the BAR ---- */

/* Who watches is told of every access, as it was made. */
static void
tell_hooks (struct virtio_pci *pci, enum vdev_bus bus, uint64_t offset, const void *bytes,
            unsigned len, bool write)
{
  uint64_t value = 0;

  if (pci->regs.dev->hooks == NULL)
    return;
  memcpy (&value, bytes, len < sizeof value ? len : sizeof value);
  vdev_hooks_access (pci->regs.dev, bus, offset, len, value, write);
}

/* A doorbell the machine does not catch; which one it is tells the queue. */
static void
access_doorbell (struct virtio_pci *pci, uint64_t offset, const void *bytes, unsigned len, bool write)
{
  tell_hooks (pci, VDEV_BUS_PCI_NOTIFY, offset, bytes, len, write);
  if (write && offset % VIRTIO_PCI_NOTIFY_STEP == 0)
    vdev_kick (pci->regs.dev, (unsigned) (offset / VIRTIO_PCI_NOTIFY_STEP));
}

static void
access_page (struct virtio_pci *pci, uint64_t page, uint64_t offset, void *bytes, unsigned len,
             bool write)
{
  switch (page)
    {
    case VIRTIO_PCI_COMMON:
      virtio_pci_access_common (pci, offset, bytes, len, write);
      break;
    case VIRTIO_PCI_ISR: /* reading clears */
      if (offset == 0 && len == 1 && !write)
        *(uint8_t *) bytes = atomic_exchange (&pci->isr, 0);
      tell_hooks (pci, VDEV_BUS_PCI_ISR, offset, bytes, len, write);
      break;
    case VIRTIO_PCI_DEVICE:
      if (!write)
        vdev_read_config (pci->regs.dev, (unsigned) offset, bytes, len);
      tell_hooks (pci, VDEV_BUS_PCI_DEVICE, offset, bytes, len, write);
      if (write)
        vdev_write_config (pci->regs.dev, (unsigned) offset, bytes, len);
      break;
    case VIRTIO_PCI_NOTIFY:
      access_doorbell (pci, offset, bytes, len, write);
      break;
    case VIRTIO_PCI_TABLE:
      msix_table (&pci->msix, offset, bytes, len, write);
      break;
    case VIRTIO_PCI_PENDING:
      if (!write)
        msix_pending (&pci->msix, offset, bytes, len);
      break;
    default:
      break;
    }
}

static void
access_bar (struct pci_function *function, unsigned bar, uint64_t offset, void *bytes, unsigned len,
            bool write)
{
  struct virtio_pci *pci = pci_of (function);
  uint64_t in_page = offset % VIRTIO_PCI_PAGE;

  if (in_page + len > VIRTIO_PCI_PAGE)
    return;
  pthread_mutex_lock (&pci->lock);
  access_page (pci, offset / VIRTIO_PCI_PAGE, in_page, bytes, len, write);
  pthread_mutex_unlock (&pci->lock);
}

/* ---- configuration space ---- */

/* The window's access: its BAR, offset and length are what the guest wrote. */
static void
use_window (struct virtio_pci *pci, bool write)
{
  struct virtio_pci_cfg_cap *cap = (void *) (pci->function.config + pci->window_at);
  uint32_t offset = cap->cap.offset, len = cap->cap.length;

  if (len && pci->regs.dev->hooks) /* of no length: somebody looks at all there is */
    vdev_hooks_access (pci->regs.dev, VDEV_BUS_PCI_WINDOW, offset, len, cap->cap.bar, write);
  if (cap->cap.bar != 0 || (len != 1 && len != 2 && len != 4) || offset % len
      || offset >= VIRTIO_PCI_BAR_BYTES)
    return;
  if (!write)
    memset (cap->pci_cfg_data, 0xff, sizeof cap->pci_cfg_data);
  access_bar (&pci->function, 0, offset, cap->pci_cfg_data, len, write);
}

static bool
hits_window (const struct virtio_pci *pci, unsigned offset, unsigned len)
{
  unsigned data = pci->window_at + (unsigned) offsetof (struct virtio_pci_cfg_cap, pci_cfg_data);

  return offset <= data && data < offset + len;
}

static void
reads_config (struct pci_function *function, unsigned offset, unsigned len)
{
  if (hits_window (pci_of (function), offset, len))
    use_window (pci_of (function), false);
}

static void
wrote_config (struct pci_function *function, unsigned offset, unsigned len)
{
  struct virtio_pci *pci = pci_of (function);
  unsigned flags = pci->msix_at + PCI_MSIX_FLAGS + 1; /* the byte with its two bits */
  uint8_t bits = function->config[flags];

  if (offset <= flags && flags < offset + len)
    {
      pthread_mutex_lock (&pci->lock);
      msix_control (&pci->msix, bits & PCI_MSIX_FLAGS_ENABLE >> 8, bits & PCI_MSIX_FLAGS_MASKALL >> 8);
      if (pci->regs.dev->hooks)
        vdev_hooks_access (pci->regs.dev, VDEV_BUS_PCI_MSIX, 0, 2, (bits & PCI_MSIX_FLAGS_ENABLE >> 8) != 0,
                           true);
      pthread_mutex_unlock (&pci->lock);
    }
  if (hits_window (pci, offset, len))
    use_window (pci, true);
}

/* The doorbells are where the BAR is. What cannot be caught comes by access_doorbell(), as
 * all do that somebody watches: a caught one says neither its width nor its value. */
static void
moved (struct pci_function *function, unsigned bar)
{
  struct virtio_pci *pci = pci_of (function);
  const struct virtio_pci_platform *platform = pci->platform;
  uint64_t to = function->bars[0].at;

  for (unsigned q = 0; q < pci->regs.dev->n_queues; q++)
    {
      uint64_t offset = VIRTIO_PCI_NOTIFY * VIRTIO_PCI_PAGE + q * VIRTIO_PCI_NOTIFY_STEP;

      if (pci->doorbell[q])
        platform->doorbell (platform->data, pci->doorbells_at + offset, pci->regs.kick[q], false);
      pci->doorbell[q] = to != PCI_NOWHERE && pci->regs.dev->hooks == NULL
                         && platform->doorbell (platform->data, to + offset, pci->regs.kick[q], true) == 0;
    }
  pci->doorbells_at = to;
}

static void
reset (struct pci_function *function)
{
  struct virtio_pci *pci = pci_of (function);

  pthread_mutex_lock (&pci->lock);
  registers_reset (&pci->regs);
  msix_reset (&pci->msix);
  virtio_pci_forget (pci);
  pthread_mutex_unlock (&pci->lock);
}

static const struct pci_function_ops function_ops
  = { access_bar, reads_config, wrote_config, moved, reset };

/* ---- interrupt messages ---- */

static void
route (void *data, unsigned vector, uint64_t address, uint32_t value)
{
  struct virtio_pci *pci = data;

  if (pci->platform->route (pci->platform->data, pci->line[vector], address, value) < 0)
    vmm_log_guest ("%s: vector %u has an address nobody knows", pci->regs.dev->kind, vector);
}

static void
fire (void *data, unsigned vector)
{
  struct virtio_pci *pci = data;
  const uint64_t one = 1;

  /* Full of interrupts that KVM has not taken yet: they are one then. */
  if (write (pci->irq_fd[vector], &one, sizeof one) < 0)
    return;
}

static const struct msix_ops msix_ops = { route, fire };

int
virtio_pci_init (struct virtio_pci *pci, struct vdev *dev, struct guest_memory *memory,
                 const struct virtio_pci_platform *platform)
{
  int ret;

  pci->platform = platform;
  pci->doorbells_at = PCI_NOWHERE;
  pthread_mutex_init (&pci->lock, NULL);
  for (unsigned i = 0; i < MSIX_VECTORS_MAX; i++)
    pci->irq_fd[i] = -1;
  msix_init (&pci->msix, dev->n_queues + 1, &msix_ops, pci);
  ret = registers_init (&pci->regs, dev);
  virtio_pci_forget (pci);
  virtio_pci_describe (pci, &function_ops);
  vdev_attach (dev, memory, &transport, pci);
  for (unsigned i = 0; i < pci->msix.n && ret == 0; i++)
    ret = platform->new_line (platform->data, &pci->line[i], &pci->irq_fd[i]);
  return ret;
}

void
virtio_pci_finish (struct virtio_pci *pci)
{
  vdev_reset (pci->regs.dev);
  vdev_attach (pci->regs.dev, NULL, NULL, NULL);
  registers_finish (&pci->regs);
  for (unsigned i = 0; i < pci->msix.n; i++)
    if (pci->irq_fd[i] >= 0)
      close (pci->irq_fd[i]);
  pthread_mutex_destroy (&pci->lock);
}
