/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <virtio/blk.h>
#include <virtio/device.h>
#include <virtio/mmio.h>
#include <virtio/pci.h>
#include <virtio/types.h>

#include "host-side/vmm/core/log.h"

static const struct fault_kind kinds[] = {
#define X(id, name, clauses, text) { name, clauses, text },
  FAULTS (X)
#undef X
};

const struct fault_kind *
fault_kind_at (unsigned index)
{
  return index < FAULT_COUNT ? &kinds[index] : NULL;
}

static struct fault *
fault_of (struct vdev_hook *hook)
{
  return (struct fault *) hook; /* its first member */
}

bool
fault_now (struct fault *fault, enum fault_id id)
{
  unsigned seen;

  if (!fault->on[id] || fault->ended)
    return false;
  seen = atomic_fetch_add (&fault->seen[id], 1);
  if (seen != fault->when[id] && !(fault->every[id] && seen > fault->when[id]))
    return false;
  fault->count++;
  return true;
}

/* ---- registers and configuration ---- */

static uint32_t
on_status (struct vdev_hook *hook, uint32_t status)
{
  struct fault *fault = fault_of (hook);

  if (status == 0 && fault_now (fault, FAULT_RESET_STUCK))
    fault->stuck = true;
  if (fault->stuck)
    return VIRTIO_STATUS_NEEDS_RESET;
  if (fault->on[FAULT_FEATURES_REFUSED] && !fault->ended && status & VIRTIO_STATUS_FEATURES_OK)
    {
      fault->count++;
      status &= ~VIRTIO_STATUS_FEATURES_OK;
    }
  return status;
}

/* Every look at the generation sees another. */
static void
on_access (struct vdev_hook *hook, enum vdev_bus bus, uint64_t offset, unsigned len,
           uint64_t value, bool write)
{
  struct fault *fault = fault_of (hook);

  bool generation = (bus == VDEV_BUS_MMIO && offset == VIRTIO_MMIO_CONFIG_GENERATION)
                    || (bus == VDEV_BUS_PCI_COMMON
                        && offset == offsetof (struct virtio_pci_common_cfg, config_generation));

  if (fault->on[FAULT_CONFIG_RESTLESS] && !fault->ended && !write && generation)
    {
      hook->dev->config_generation++;
      fault->count++;
    }
}

/* The capacity, of which @data are bytes, halved. */
static void
shrink (const struct vdev *dev, unsigned offset, uint8_t *data, unsigned len)
{
  uint64_t capacity;

  memcpy (&capacity, dev->config, sizeof capacity);
  capacity /= 2;
  for (unsigned i = 0; i < len && offset + i < sizeof capacity; i++)
    data[i] = ((uint8_t *) &capacity)[offset + i];
}

static void
on_read_config (struct vdev_hook *hook, unsigned offset, uint8_t *data, unsigned len)
{
  struct fault *fault = fault_of (hook);

  if (fault->ended)
    return;
  if (fault_now (fault, FAULT_CONFIG_ONES))
    memset (data, 0xff, len);
  if (fault->shrunk && hook->dev->id == VIRTIO_ID_BLOCK)
    shrink (hook->dev, offset, data, len);
}

/* ---- requests ---- */

static void
on_took (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain)
{
  struct fault *fault = fault_of (hook);

  if (hook->dev->id == VIRTIO_ID_BLOCK && fault_now (fault, FAULT_CAPACITY_SHRINKS))
    {
      fault->shrunk = true;
      /* Nothing is written: the bytes are halved when they are read. */
      vdev_set_config (hook->dev, 0, hook->dev->config, 0);
    }
  if (fault_now (fault, FAULT_NEEDS_RESET))
    {
      fault->broken = true;
      vdev_break (hook->dev);
    }
}

static bool
on_notify (struct vdev_hook *hook, unsigned q, bool must)
{
  struct fault *fault = fault_of (hook);

  if (must && fault_now (fault, FAULT_IRQ_LOST))
    return false;
  if (!must && fault_now (fault, FAULT_IRQ_SPURIOUS))
    return true;
  return must;
}

/* A device that was reset is one that answers again. */
static void
on_reset (struct vdev_hook *hook)
{
  struct fault *fault = fault_of (hook);

  fault->stalled = fault->broken = false;
  for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
    fault->resetting[q] = fault->uses[q] = false;
}

/* ---- a queue's own reset ---- */

static bool
on_reset_queue (struct vdev_hook *hook, unsigned q)
{
  struct fault *fault = fault_of (hook);

  if (fault_now (fault, FAULT_QUEUE_RESET_STUCK))
    fault->resetting[q] = true;
  if (fault_now (fault, FAULT_QUEUE_RESET_USED))
    fault->uses[q] = true;
  return fault->resetting[q] || fault_now (fault, FAULT_QUEUE_RESET_IGNORED);
}

static bool
on_resetting (struct vdev_hook *hook, unsigned q)
{
  return fault_of (hook)->resetting[q];
}

/* The device's last moment with it. */
static void
on_queue_stop (struct vdev_hook *hook, unsigned q)
{
  if (fault_of (hook)->uses[q])
    fault_use_all (fault_of (hook), q);
  fault_of (hook)->uses[q] = false;
}

static const struct vdev_hook_ops ops = {
  .access = on_access,
  .status = on_status,
  .reset = on_reset,
  .reset_queue = on_reset_queue,
  .resetting = on_resetting,
  .queue_stop = on_queue_stop,
  .took = on_took,
  .push = fault_push,
  .notify = on_notify,
  .read_config = on_read_config,
};

/* ---- the list ---- */

/* splitmix64: every seed and fault have an occasion of their own. */
static uint32_t
choose (uint64_t seed, unsigned id)
{
  uint64_t x = seed + (id + 1) * UINT64_C (0x9e3779b97f4a7c15);

  x = (x ^ (x >> 30)) * UINT64_C (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C (0x94d049bb133111eb);
  return (uint32_t) ((x ^ (x >> 31)) % 8);
}

/* "NAME[@N][+]" of @len bytes. */
static int
take (struct fault *fault, const char *word, size_t len, uint64_t seed)
{
  size_t name = strcspn (word, "@+,");
  unsigned id = 0;
  char *end;

  while (id < FAULT_COUNT
         && (strlen (kinds[id].name) != name || strncmp (kinds[id].name, word, name) != 0))
    id++;
  if (id == FAULT_COUNT)
    {
      vmm_log ("fault: there is no '%.*s'", (int) name, word);
      return -EINVAL;
    }
  fault->on[id] = true;
  fault->every[id] = len > 0 && word[len - 1] == '+';
  fault->when[id] = choose (seed, id);
  if (word[name] == '@')
    {
      fault->when[id] = (uint32_t) strtoul (word + name + 1, &end, 10);
      if (end == word + name + 1 || end + fault->every[id] != word + len)
        {
          vmm_log ("fault: '%.*s': NAME@NUMBER is needed", (int) len, word);
          return -EINVAL;
        }
    }
  return 0;
}

int
fault_new (struct fault **result, struct vdev *dev, const char *list, uint64_t seed)
{
  struct fault *fault = calloc (1, sizeof *fault);
  int ret = fault ? 0 : -ENOMEM;

  while (ret == 0 && *list)
    {
      size_t len = strcspn (list, ",");

      ret = take (fault, list, len, seed);
      list += len + (list[len] == ',');
    }
  if (ret < 0)
    {
      free (fault);
      return ret;
    }
  fault->hook.ops = &ops;
  if (fault->on[FAULT_FEATURES_UNKNOWN])
    {
      dev->features |= VIRTIO_BIT (42) | VIRTIO_BIT (49) | VIRTIO_BIT (51);
      fault->count++;
    }
  vdev_hook_add (dev, &fault->hook);
  *result = fault;
  return 0;
}

void
fault_end (struct fault *fault)
{
  fault->ended = true;
  fault->stalled = fault->shrunk = fault->broken = fault->stuck = false;
  for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
    fault->resetting[q] = false;
}

unsigned
fault_count (const struct fault *fault)
{
  return fault->count;
}

void
fault_free (struct fault *fault)
{
  free (fault);
}
