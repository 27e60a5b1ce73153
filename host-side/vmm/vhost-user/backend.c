/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <virtio/types.h>

#include "host-side/vmm/core/log.h"
#include "shrink.h"
#include "wire.h"

#define PAGE 4096u

/* What the front-end has said of a ring. It runs when it has addresses, a kick
 * and is enabled; every change stops it and starts it again where it stood. */
struct vring
{
  struct vhost_user_vring_addr addr;
  uint16_t size;
  uint32_t base;
  int kick, call, err;
  bool has_addr, enabled, running;
};

struct mapping
{
  void *base;
  size_t len;
  struct vhost_user_region region;
};

_Static_assert (VHOST_USER_REGIONS_MAX <= SHRINK_MAPPINGS_MAX, "all of them");

struct backend
{
  int fd;
  struct vdev *dev;
  struct guest_memory memory;
  unsigned n_mappings;
  struct mapping mappings[VHOST_USER_REGIONS_MAX];
  uint64_t protocol_features;
  bool accepted; /* features */
  struct vring vrings[VDEV_QUEUES_MAX];
};

/* ---- what the device calls ---- */

static void
notify (void *data, unsigned q)
{
  struct backend *backend = data;

  if (backend->vrings[q].call >= 0)
    eventfd_write (backend->vrings[q].call, 1);
}

static void
config_changed (void *data)
{
  /* Would need the back-end channel; nothing here changes its configuration. */
}

static void
broken (void *data)
{
  struct backend *backend = data;

  for (unsigned q = 0; q < backend->dev->n_queues; q++)
    if (backend->vrings[q].err >= 0)
      eventfd_write (backend->vrings[q].err, 1);
}

static const struct vdev_transport transport = { notify, config_changed, broken };

/* ---- rings ---- */

/* From the front-end's address to the guest's; false when it is in no region. */
static bool
to_gpa (const struct backend *backend, uint64_t user, uint64_t *gpa)
{
  for (unsigned i = 0; i < backend->n_mappings; i++)
    {
      const struct vhost_user_region *region = &backend->mappings[i].region;

      if (user - region->user < region->size)
        {
          *gpa = region->gpa + (user - region->user);
          return true;
        }
    }
  return false;
}

static void
stop_vring (struct backend *backend, unsigned q)
{
  struct vring *vring = &backend->vrings[q];

  if (vring->running)
    vring->base = vdev_queue_stop (backend->dev, q);
  vring->running = false;
}

static int
start_vring (struct backend *backend, unsigned q)
{
  struct vring *vring = &backend->vrings[q];
  struct virtq_config config = { .size = vring->size, .features = backend->dev->accepted };
  int ret;

  if (!vring->has_addr || !vring->enabled || vring->kick < 0 || !backend->accepted)
    return 0;
  if (!to_gpa (backend, vring->addr.desc, &config.desc)
      || !to_gpa (backend, vring->addr.avail, &config.driver)
      || !to_gpa (backend, vring->addr.used, &config.device))
    return -EFAULT;
  ret = vdev_queue_start (backend->dev, q, &config, &vring->base, vring->kick);
  vring->running = ret == 0;
  return ret;
}

static int
restart_vring (struct backend *backend, unsigned q)
{
  stop_vring (backend, q);
  return start_vring (backend, q);
}

/* ---- memory ---- */

static void
unmap_all (struct backend *backend)
{
  for (unsigned i = 0; i < backend->n_mappings; i++)
    {
      shrink_watch (i, NULL, 0);
      munmap (backend->mappings[i].base, backend->mappings[i].len);
    }
  backend->n_mappings = 0;
  backend->memory.n = 0;
}

static int
map_region (struct backend *backend, const struct vhost_user_region *region, int fd)
{
  struct mapping *mapping = &backend->mappings[backend->n_mappings];
  uint64_t len = region->mmap_offset + region->size;
  struct stat st;
  int ret;

  /* Rings are read and written in place, aligned as the guest has them. */
  if ((region->gpa ^ region->mmap_offset) % PAGE)
    return -EINVAL;
  /* A file shorter than it says; one that becomes so later is shrink.c's. */
  if (len < region->size || fstat (fd, &st) < 0 || st.st_size < 0 || len > (uint64_t) st.st_size)
    return -EINVAL;
  mapping->base = mmap (NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapping->base == MAP_FAILED)
    return -errno;
  mapping->len = len;
  mapping->region = *region;
  ret = guest_memory_add (&backend->memory, region->gpa, region->size,
                          (uint8_t *) mapping->base + region->mmap_offset);
  if (ret < 0)
    munmap (mapping->base, len);
  else
    shrink_watch (backend->n_mappings++, mapping->base, len);
  return ret;
}

static int
set_mem_table (struct backend *backend, struct vhost_user_message *message)
{
  int ret = 0;

  if (message->memory.n > VHOST_USER_REGIONS_MAX || message->n_fds != message->memory.n)
    return -EINVAL;
  for (unsigned q = 0; q < backend->dev->n_queues; q++)
    stop_vring (backend, q);
  unmap_all (backend);
  for (unsigned i = 0; i < message->memory.n && ret == 0; i++)
    ret = map_region (backend, &message->memory.region[i], message->fds[i]);
  for (unsigned q = 0; q < backend->dev->n_queues && ret == 0; q++)
    ret = start_vring (backend, q);
  return ret;
}

/* ---- the other messages ---- */

static int
get_features (struct backend *backend, struct vhost_user_message *message)
{
  message->u64 = backend->dev->features | VIRTIO_BIT (VHOST_USER_F_PROTOCOL_FEATURES);
  return sizeof message->u64;
}

static int
set_features (struct backend *backend, struct vhost_user_message *message)
{
  uint64_t features = message->u64 & ~VIRTIO_BIT (VHOST_USER_F_PROTOCOL_FEATURES);
  bool negotiated = message->u64 >> VHOST_USER_F_PROTOCOL_FEATURES & 1;
  int ret;

  for (unsigned q = 0; q < backend->dev->n_queues; q++)
    stop_vring (backend, q);
  ret = vdev_accept (backend->dev, features);
  backend->accepted = ret == 0;
  for (unsigned q = 0; q < backend->dev->n_queues && ret == 0; q++)
    {
      backend->vrings[q].enabled |= !negotiated;
      ret = start_vring (backend, q);
    }
  return ret;
}

static int
get_protocol_features (struct backend *backend, struct vhost_user_message *message)
{
  message->u64 = VIRTIO_BIT (VHOST_USER_PROTOCOL_F_MQ) | VIRTIO_BIT (VHOST_USER_PROTOCOL_F_CONFIG)
                 | VIRTIO_BIT (VHOST_USER_PROTOCOL_F_REPLY_ACK)
                 | VIRTIO_BIT (VHOST_USER_PROTOCOL_F_RESET_DEVICE);
  return sizeof message->u64;
}

static int
set_protocol_features (struct backend *backend, struct vhost_user_message *message)
{
  backend->protocol_features = message->u64;
  return 0;
}

static int
get_queue_num (struct backend *backend, struct vhost_user_message *message)
{
  message->u64 = backend->dev->n_counted;
  return sizeof message->u64;
}

static int
do_nothing (struct backend *backend, struct vhost_user_message *message)
{
  return 0;
}

static int
set_vring_num (struct backend *backend, struct vhost_user_message *message)
{
  if (message->state.num == 0 || message->state.num > VIRTQ_SIZE_MAX)
    return -EINVAL;
  backend->vrings[message->state.index].size = (uint16_t) message->state.num;
  return restart_vring (backend, message->state.index);
}

static int
set_vring_addr (struct backend *backend, struct vhost_user_message *message)
{
  struct vring *vring = &backend->vrings[message->addr.index];

  vring->addr = message->addr;
  vring->has_addr = true;
  return restart_vring (backend, message->addr.index);
}

static int
set_vring_base (struct backend *backend, struct vhost_user_message *message)
{
  stop_vring (backend, message->state.index);
  backend->vrings[message->state.index].base = message->state.num;
  return start_vring (backend, message->state.index);
}

/* This is also how a front-end stops a ring. */
static int
get_vring_base (struct backend *backend, struct vhost_user_message *message)
{
  struct vring *vring = &backend->vrings[message->state.index];

  stop_vring (backend, message->state.index);
  message->state.num = vring->base;
  if (vring->kick >= 0)
    close (vring->kick);
  vring->kick = -1;
  return sizeof message->state;
}

static int
set_vring_enable (struct backend *backend, struct vhost_user_message *message)
{
  backend->vrings[message->state.index].enabled = message->state.num;
  return restart_vring (backend, message->state.index);
}

/* KICK, CALL and ERR: takes the descriptor in place of the old one. */
static int
set_vring_fd (struct backend *backend, struct vhost_user_message *message)
{
  unsigned q = message->u64 & VHOST_USER_VRING_INDEX;
  struct vring *vring = &backend->vrings[q];
  int *slot = message->header.request == VHOST_USER_SET_VRING_KICK   ? &vring->kick
              : message->header.request == VHOST_USER_SET_VRING_CALL ? &vring->call
                                                                     : &vring->err;
  int fd = -1;

  if (!(message->u64 & VHOST_USER_VRING_NO_FD))
    {
      if (message->n_fds != 1)
        return -EINVAL;
      fd = message->fds[0];
      /* Who does not read, or reads what we were about to, keeps nobody waiting. */
      if (fcntl (fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
      message->fds[0] = -1;
    }
  stop_vring (backend, q);
  if (*slot >= 0)
    close (*slot);
  *slot = fd;
  /* What we told on the old one while this message was on its way may have been
   * heard by nobody: QEMU looks at it before we have the new one. One interrupt too
   * many does no harm. */
  if (slot == &vring->call && fd >= 0)
    eventfd_write (fd, 1);
  return start_vring (backend, q);
}

static int
get_config (struct backend *backend, struct vhost_user_message *message)
{
  struct vhost_user_config *config = &message->config;

  if (config->size > VHOST_USER_CONFIG_MAX || config->offset > VHOST_USER_CONFIG_MAX)
    return -EINVAL;
  vdev_read_config (backend->dev, config->offset, config->data, config->size);
  return (int) (offsetof (struct vhost_user_config, data) + config->size);
}

static int
set_config (struct backend *backend, struct vhost_user_message *message)
{
  const struct vhost_user_config *config = &message->config;

  if (config->size > VHOST_USER_CONFIG_MAX || config->offset > VHOST_USER_CONFIG_MAX)
    return -EINVAL;
  vdev_write_config (backend->dev, config->offset, config->data, config->size);
  return 0;
}

static int
reset_device (struct backend *backend, struct vhost_user_message *message)
{
  for (unsigned q = 0; q < backend->dev->n_queues; q++)
    stop_vring (backend, q);
  vdev_reset (backend->dev);
  backend->accepted = false;
  return 0;
}

/* What precedes a handler: the smallest payload, and where the ring's index is. */
enum index_place { NO_RING, RING_IN_STATE, RING_IN_U64 };

static const struct
{
  int (*handle) (struct backend *backend, struct vhost_user_message *message);
  uint32_t min_size;
  enum index_place ring;
} handlers[VHOST_USER_REQUEST_MAX] = {
  [VHOST_USER_GET_FEATURES] = { get_features, 0, NO_RING },
  [VHOST_USER_SET_FEATURES] = { set_features, 8, NO_RING },
  [VHOST_USER_SET_OWNER] = { do_nothing, 0, NO_RING },
  [VHOST_USER_RESET_OWNER] = { do_nothing, 0, NO_RING },
  [VHOST_USER_SET_MEM_TABLE] = { set_mem_table, 8, NO_RING },
  [VHOST_USER_SET_VRING_NUM] = { set_vring_num, 8, RING_IN_STATE },
  [VHOST_USER_SET_VRING_ADDR] = { set_vring_addr, 40, RING_IN_STATE },
  [VHOST_USER_SET_VRING_BASE] = { set_vring_base, 8, RING_IN_STATE },
  [VHOST_USER_GET_VRING_BASE] = { get_vring_base, 8, RING_IN_STATE },
  [VHOST_USER_SET_VRING_KICK] = { set_vring_fd, 8, RING_IN_U64 },
  [VHOST_USER_SET_VRING_CALL] = { set_vring_fd, 8, RING_IN_U64 },
  [VHOST_USER_SET_VRING_ERR] = { set_vring_fd, 8, RING_IN_U64 },
  [VHOST_USER_GET_PROTOCOL_FEATURES] = { get_protocol_features, 0, NO_RING },
  [VHOST_USER_SET_PROTOCOL_FEATURES] = { set_protocol_features, 8, NO_RING },
  [VHOST_USER_GET_QUEUE_NUM] = { get_queue_num, 0, NO_RING },
  [VHOST_USER_SET_VRING_ENABLE] = { set_vring_enable, 8, RING_IN_STATE },
  [VHOST_USER_GET_CONFIG] = { get_config, 12, NO_RING },
  [VHOST_USER_SET_CONFIG] = { set_config, 12, NO_RING },
  [VHOST_USER_RESET_DEVICE] = { reset_device, 0, NO_RING },
};

/* The size of the reply, 0 for none, or negative errno. */
static int
dispatch (struct backend *backend, struct vhost_user_message *message)
{
  uint32_t request = message->header.request;
  uint64_t ring = 0;

  if (request >= VHOST_USER_REQUEST_MAX || handlers[request].handle == NULL
      || message->header.size < handlers[request].min_size)
    return -EINVAL;
  if (handlers[request].ring == RING_IN_STATE)
    ring = message->state.index;
  else if (handlers[request].ring == RING_IN_U64)
    ring = message->u64 & VHOST_USER_VRING_INDEX;
  if (ring >= backend->dev->n_queues)
    return -EINVAL;
  return handlers[request].handle (backend, message);
}

static int
answer (struct backend *backend, struct vhost_user_message *message)
{
  bool acknowledge = message->header.flags & VHOST_USER_NEED_REPLY
                     && backend->protocol_features >> VHOST_USER_PROTOCOL_F_REPLY_ACK & 1;
  int ret = dispatch (backend, message);

  if (ret < 0)
    vmm_log_guest ("vhost-user: request %u: %s", message->header.request, strerror (-ret));
  if (ret > 0)
    return vhost_user_reply (backend->fd, message, (uint32_t) ret);
  if (!acknowledge)
    return ret;
  message->u64 = ret < 0;
  return vhost_user_reply (backend->fd, message, sizeof message->u64);
}

static void
close_vring (struct vring *vring)
{
  int fds[] = { vring->kick, vring->call, vring->err };

  for (unsigned i = 0; i < sizeof fds / sizeof fds[0]; i++)
    if (fds[i] >= 0)
      close (fds[i]);
}

int
vhost_user_serve (struct vdev *dev, int fd)
{
  struct backend backend = { .fd = fd, .dev = dev };
  struct vhost_user_message message;
  int ret;

  for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
    backend.vrings[q].kick = backend.vrings[q].call = backend.vrings[q].err = -1;
  /* How long a queue may be is the front-end's to say: QEMU's virtio-mmio offers 1024. */
  for (unsigned q = 0; q < dev->n_queues; q++)
    dev->queues[q].size_max = VIRTQ_SIZE_MAX;
  vdev_attach (dev, &backend.memory, &transport, &backend);
  while ((ret = vhost_user_receive (fd, &message)) == 1)
    {
      ret = answer (&backend, &message);
      vhost_user_close_fds (&message);
      if (ret < 0)
        break;
    }
  vdev_reset (dev);
  vdev_attach (dev, NULL, NULL, NULL);
  for (unsigned q = 0; q < dev->n_queues; q++)
    close_vring (&backend.vrings[q]);
  unmap_all (&backend);
  close (fd);
  return ret;
}
