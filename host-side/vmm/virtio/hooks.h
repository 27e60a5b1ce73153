/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who watches or disturbs a device: the auditor (audit/) and the fault injector
 * (fault/). A device without hooks, as nearly all are, pays one branch where it
 * would call them. Hooks of a queue run in the queue's worker. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vdev;
struct vdev_queue;
struct virtq;
struct virtq_chain;
struct virtq_config;
struct vdev_hook;

/* Which registers an access reached. */
enum vdev_bus
{
  VDEV_BUS_MMIO,       /* 4.2.2, device configuration from 0x100 on */
  VDEV_BUS_PCI_COMMON, /* 4.1.4.3 */
  VDEV_BUS_PCI_DEVICE, /* 4.1.4.6 */
  VDEV_BUS_PCI_ISR,    /* 4.1.4.5 */
  VDEV_BUS_PCI_NOTIFY, /* 4.1.4.4 */
  VDEV_BUS_PCI_WINDOW, /* 4.1.4.9: @value is the BAR */
  VDEV_BUS_PCI_MSIX,   /* the function's MSI-X is on, or off: @value */
};

/* All of them may be NULL. */
struct vdev_hook_ops
{
  /* A driver's access: a read after it was served, a write before. */
  void (*access) (struct vdev_hook *hook, enum vdev_bus bus, uint64_t offset, unsigned len,
                  uint64_t value, bool write);
  /* What the status register is to read as instead of @status. */
  uint32_t (*status) (struct vdev_hook *hook, uint32_t status);
  /* The driver's features, whether they are taken or not. */
  void (*accepted) (struct vdev_hook *hook, uint64_t features);
  /* Before a configuration is checked. @kick: an eventfd or -1; @base: where to go
   * on, NULL for a ring that begins. */
  void (*queue_start) (struct vdev_hook *hook, unsigned q, const struct virtq_config *config,
                       const uint32_t *base, int kick);
  void (*queue_stop) (struct vdev_hook *hook, unsigned q);
  void (*reset) (struct vdev_hook *hook);
  /* Before a queue alone is reset. True: the hook has dealt with it. */
  bool (*reset_queue) (struct vdev_hook *hook, unsigned q);
  /* Whether the driver is to read that the queue's reset goes on. */
  bool (*resetting) (struct vdev_hook *hook, unsigned q);
  void (*kicked) (struct vdev_hook *hook, unsigned q);
  /* Before the ring is looked at; after a request was taken from it, or put back. */
  void (*look) (struct vdev_hook *hook, unsigned q);
  void (*took) (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain);
  void (*put_back) (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain);
  /* Before a request is made used; @written may be changed. True: the hook has
   * dealt with it. */
  bool (*push) (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain,
                uint32_t *written);
  /* Whether the driver is told of used buffers, when it @must be or need not. */
  bool (*notify) (struct vdev_hook *hook, unsigned q, bool must);
  /* What the driver is to read of the configuration. */
  void (*read_config) (struct vdev_hook *hook, unsigned offset, uint8_t *data, unsigned len);
};

/* Kept by whoever hangs it in, before the device is attached to a transport. */
struct vdev_hook
{
  const struct vdev_hook_ops *ops;
  struct vdev *dev;
  struct vdev_hook *next;
};

/* Watchers come first: they see what a driver did, not what was made of it. */
void vdev_hook_add (struct vdev *dev, struct vdev_hook *hook);

/* ---- for vdev.c, virtq.c and transports: called only when there are hooks ---- */

void vdev_hooks_access (struct vdev *dev, enum vdev_bus bus, uint64_t offset, unsigned len,
                        uint64_t value, bool write);
uint32_t vdev_hooks_status (struct vdev *dev, uint32_t status);
void vdev_hooks_accepted (struct vdev *dev, uint64_t features);
void vdev_hooks_queue_start (struct vdev *dev, unsigned q, const struct virtq_config *config,
                             const uint32_t *base, int kick);
void vdev_hooks_queue_stop (struct vdev *dev, unsigned q);
void vdev_hooks_reset (struct vdev *dev);
bool vdev_hooks_reset_queue (struct vdev *dev, unsigned q);
bool vdev_hooks_resetting (struct vdev *dev, unsigned q);
void vdev_hooks_kicked (struct vdev *dev, unsigned q);
bool vdev_hooks_notify (struct vdev *dev, unsigned q, bool must);
void vdev_hooks_read_config (struct vdev *dev, unsigned offset, uint8_t *data, unsigned len);
void vdev_hooks_look (struct vdev_queue *queue);
void vdev_hooks_took (struct vdev_queue *queue, const struct virtq_chain *chain);
void vdev_hooks_put_back (struct vdev_queue *queue, const struct virtq_chain *chain);
bool vdev_hooks_push (struct vdev_queue *queue, const struct virtq_chain *chain, uint32_t *written);
