/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The seam between device models and transports.
 *
 * A device is a private struct with a struct vdev first, a table of operations
 * and one line in devices.c. A transport (vhost-user, virtio-mmio, virtio-pci, a
 * test) gives it memory, negotiates features, starts and stops its queues and
 * carries its notifications. Neither knows the other. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "host-side/vmm/core/worker.h"
#include "virtq.h"

#define VDEV_QUEUES_MAX 64
#define VDEV_CONFIG_MAX 256

struct vdev;

/* What a device does. All but kick and free run while no queue does. */
struct vdev_ops
{
  /* In the queue's worker: the driver says that there is something in the queue. */
  void (*kick) (struct vdev *dev, unsigned q);
  /* The queue's worker does nothing else: waits for what is under way and gives it back.
   * Needed by devices that do not serve a request in one go. May be NULL. */
  void (*settle) (struct vdev *dev, unsigned q);
  /* In the queue's worker: the queue runs no more. May be NULL. */
  void (*stopped) (struct vdev *dev, unsigned q);
  /* In the queue's worker: the queue begins anew, and not where it stood. May be NULL. */
  void (*fresh) (struct vdev *dev, unsigned q);
  /* In worker 0, once: the threads are there. May be NULL. */
  void (*started) (struct vdev *dev);
  /* The driver wrote @len bytes at @offset of the configuration, which are in
   * bounds and not stored yet. NULL: nothing may be written. */
  void (*write_config) (struct vdev *dev, unsigned offset, const void *data, unsigned len);
  /* The driver has accepted features. May be NULL. */
  void (*negotiated) (struct vdev *dev);
  /* In worker 0, all queues are stopped: forget what the driver said. May be NULL. */
  void (*reset) (struct vdev *dev);
  void (*free) (struct vdev *dev);
};

/* What a transport does for its device; any thread may call. */
struct vdev_transport
{
  void (*notify) (void *data, unsigned q);    /* a queue has used buffers */
  void (*config_changed) (void *data);        /* the configuration is another */
  void (*broken) (void *data);                /* the device needs a reset */
};

struct vdev_queue
{
  struct virtq ring;
  uint16_t size_max;
  struct worker *worker; /* NULL: served by whoever calls vdev_kick() */
  struct watch kick;     /* an eventfd */
  bool fresh;            /* it begins anew */
  /* of vdev-poll.c */
  unsigned polls_in_vain, polls_left_out;
  unsigned untold, told; /* answers the driver has not heard of; and of how many the last time */
  uint64_t untold_since;
  _Atomic bool stopping; /* somebody waits until it has stopped */
  struct vdev *dev;
  unsigned index;
};

struct vdev
{
  const struct vdev_ops *ops;
  const char *kind;  /* "blk" */
  uint32_t id;       /* virtio device ID */
  uint64_t features; /* offered */
  uint64_t accepted;
  unsigned n_queues;
  unsigned n_workers;
  unsigned worker_share; /* queue q belongs to worker q / worker_share % n_workers */
  unsigned threads;      /* SANDBOX_ kinds of the workers */
  unsigned poll_us;      /* how long vdev_serve() looks for more before it waits for a kick, and
                            the longest that an answer waits to share an interrupt */
  unsigned n_counted;    /* as vhost-user's front-ends count queues: for net, pairs */
  struct worker *workers[VDEV_QUEUES_MAX];
  struct vdev_queue queues[VDEV_QUEUES_MAX];
  uint8_t config[VDEV_CONFIG_MAX];
  unsigned config_size;
  pthread_mutex_t config_lock; /* of its bytes, when they change while drivers read */
  _Atomic uint8_t config_generation;
  struct vdev_hook *hooks; /* who watches; NULL: nobody */
  struct guest_memory *memory;
  const struct vdev_transport *transport;
  void *transport_data;
};

/* ---- for devices ---- */

/* Fills what every device has: the common features and @n_queues queues. */
void vdev_init (struct vdev *dev, const struct vdev_ops *ops, const char *kind, uint32_t id,
                unsigned n_queues);
/* What is returned for a request that was left undone: it goes back into the queue. */
#define VDEV_UNDONE UINT32_MAX
/* Serves requests until the queue is empty: @serve returns the bytes written, or
 * VDEV_UNDONE when vdev_is_stopping(). */
void vdev_serve (struct vdev *dev, unsigned q,
                 uint32_t (*serve) (struct vdev *dev, unsigned q, struct virtq_chain *chain));
/* Waits a little for the driver to put more into the queue, in whose worker it is. TRUE when it
 * did; FALSE means arm the queue and wait for a kick. */
bool vdev_poll (struct vdev *dev, unsigned q);
/* Tells the driver of used buffers if it wants to know. */
void vdev_notify (struct vdev *dev, unsigned q);
/* The same for vdev_serve(), where answers share interrupts: there is one more answer, and the
 * driver is told in time; the driver is told now, as before what may take long. */
void vdev_answered (struct vdev *dev, unsigned q);
void vdev_tell (struct vdev *dev, unsigned q);
/* Whether the driver is just putting requests into the queue, one after another. */
bool vdev_follows (struct vdev *dev, unsigned q);
/* Changes the configuration and tells the driver. Any thread. */
void vdev_set_config (struct vdev *dev, unsigned offset, const void *data, unsigned len);
/* Whether somebody waits for the queue's worker: to stop the queue, or to hold it. After the
 * request at hand it leaves the others for later, by vdev_kick_again(). */
bool vdev_is_wanted (const struct vdev *dev, unsigned q);
/* In the queue's worker: whether it is to stop, so that a long request need not be done to
 * its end: after a reset nobody waits for it, and a queue that goes on begins with it. */
bool vdev_is_stopping (const struct vdev *dev, unsigned q);
/* Has the queue's worker come back to it after others had their turn. */
void vdev_kick_again (struct vdev *dev, unsigned q);
/* The device gives up until it is reset. */
void vdev_break (struct vdev *dev);

/* ---- for transports ---- */

/* @memory stays the transport's and may change while no queue runs. */
void vdev_attach (struct vdev *dev, struct guest_memory *memory,
                  const struct vdev_transport *transport, void *data);
/* Starts the threads that serve the queues. */
int vdev_start_workers (struct vdev *dev);
/* -EINVAL for a feature that was not offered, or no VIRTIO_F_VERSION_1. */
int vdev_accept (struct vdev *dev, uint64_t features);
/* Starts a queue; @kick is an eventfd the device takes, or -1. */
int vdev_queue_start (struct vdev *dev, unsigned q, const struct virtq_config *config,
                      const uint32_t *base, int kick);
/* Stops a queue: when it returns nobody touches it. Returns where it stands. */
uint32_t vdev_queue_stop (struct vdev *dev, unsigned q);
void vdev_kick (struct vdev *dev, unsigned q);
void vdev_read_config (struct vdev *dev, unsigned offset, void *data, unsigned len);
void vdev_write_config (struct vdev *dev, unsigned offset, const void *data, unsigned len);
/* Stops all queues' threads between two requests, and lets them go on; one holder
 * at a time. Resets and the like wait meanwhile. */
void vdev_hold (struct vdev *dev);
void vdev_release (struct vdev *dev);
/* Stops all queues and forgets the driver. */
void vdev_reset (struct vdev *dev);
/* Resets, ends the threads and frees; NULL is accepted. */
void vdev_free (struct vdev *dev);
