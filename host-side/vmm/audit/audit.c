/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <virtio/device.h>

static struct audit *
audit_of (struct vdev_hook *hook)
{
  return (struct audit *) hook; /* its first member */
}

static void
on_access (struct vdev_hook *hook, enum vdev_bus bus, uint64_t offset, unsigned len,
           uint64_t value, bool write)
{
  if (bus == VDEV_BUS_MMIO)
    audit_mmio_access (audit_of (hook), offset, len, value, write);
  else
    audit_pci_access (audit_of (hook), bus, offset, len, value, write);
}

static void
on_accepted (struct vdev_hook *hook, uint64_t features)
{
  audit_of (hook)->accepted = features;
  audit_features (audit_of (hook), features);
}

/* A doorbell that rang before the queue runs rang before DRIVER_OK; a vhost-user
 * front-end rings itself, so this is of registers alone. */
static void
check_early_kick (struct audit *audit, unsigned q, int kick)
{
  struct pollfd state = { .fd = kick, .events = POLLIN };

  if (audit->life.seen && kick >= 0 && !(audit->life.status & VIRTIO_STATUS_DRIVER_OK))
    AUDIT (audit, C4, (int) q, -1, poll (&state, 1, 0) != 1, "the doorbell was rung");
}

static void
on_queue_start (struct vdev_hook *hook, unsigned q, const struct virtq_config *config,
                const uint32_t *base, int kick)
{
  check_early_kick (audit_of (hook), q, kick);
  audit_ring_start (audit_of (hook), q, config, base);
}

static void
on_queue_stop (struct vdev_hook *hook, unsigned q)
{
  audit_ring_stop (audit_of (hook), q);
}

static void
on_reset (struct vdev_hook *hook)
{
  audit_of (hook)->accepted = 0;
  audit_of (hook)->ports_ready = false;
}

static void
on_kicked (struct vdev_hook *hook, unsigned q)
{
  struct audit_queue *queue = audit_of (hook)->queues[q];

  if (queue && queue->running && hook->dev->queues[q].ring.ready)
    audit_ring_state (queue, &hook->dev->queues[q].ring, 'k');
}

static void
on_look (struct vdev_hook *hook, unsigned q)
{
  audit_ring_look (audit_of (hook), q);
}

static void
on_took (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain)
{
  audit_ring_took (audit_of (hook), q, chain);
  audit_request (audit_of (hook), q, chain);
}

static void
on_put_back (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain)
{
  audit_ring_put_back (audit_of (hook), q, chain);
}

static bool
on_push (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain, uint32_t *written)
{
  audit_ring_used (audit_of (hook), q, chain);
  return false;
}

static const struct vdev_hook_ops ops = {
  .access = on_access,
  .accepted = on_accepted,
  .queue_start = on_queue_start,
  .queue_stop = on_queue_stop,
  .reset = on_reset,
  .kicked = on_kicked,
  .look = on_look,
  .took = on_took,
  .put_back = on_put_back,
  .push = on_push,
};

int
audit_new (struct audit **result, struct vdev *dev, struct audit_log *log)
{
  struct audit *audit = calloc (1, sizeof *audit);

  if (audit == NULL)
    return -ENOMEM;
  audit->hook.ops = &ops;
  audit->log = log;
  audit->mmio.stopping = audit->pci.vector_at = -1;
  snprintf (audit->name, sizeof audit->name, "%s", dev->kind);
  vdev_hook_add (dev, &audit->hook);
  *result = audit;
  return 0;
}

void
audit_free (struct audit *audit)
{
  if (audit == NULL)
    return;
  for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
    audit_ring_free (audit, q);
  free (audit);
}
