/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-balloon (5.5): pages of the guest go back to the host.
 *
 * Guest memory is a memfd that is mapped shared. MADV_REMOVE punches a hole into it:
 * the host has the page back, and who touches it again, the guest or we, finds zeroes.
 * MADV_DONTNEED and MADV_FREE would only forget our own mapping of it. So nothing has
 * to be done when the guest takes a page back, and a guest that names pages it uses,
 * its rings among them, loses their contents and no more. */
#include "balloon-device.h"
#include "devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <virtio/balloon.h>
#include <virtio/device.h>

#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"

#define PAGE (1u << VIRTIO_BALLOON_PFN_SHIFT)
#define FRAMES_MAX 4096u /* in one request; drivers send 256 or 1024 */
#define FRAMES_STEP 256u
#define STATS_READ_MAX 64u /* entries that are looked at */
#define CHANGE_MS 250u

struct balloon
{
  struct vdev dev;
  size_t page_size; /* the host's */
  _Atomic uint64_t interval;
  struct watch poll, settled; /* timers: statistics are due, a change may be told */
  _Atomic bool changing;      /* the second one runs */
  struct virtq_used held;     /* the statistics' buffer, while @holds */
  bool holds;
  pthread_mutex_t lock; /* of what follows */
  struct balloon_stats stats;
  void (*changed) (void *data, uint64_t actual);
  void *data;
};

/* Host memory that is given back in one call. */
struct run
{
  uint8_t *start, *end;
};

static struct balloon *
balloon_of (struct vdev *dev)
{
  return (struct balloon *) dev;
}

/* The configuration as the driver left it: bytes without an alignment of their own. */
static uint32_t
config_word (struct vdev *dev, size_t offset)
{
  virtio_le32 word;

  pthread_mutex_lock (&dev->config_lock);
  memcpy (&word, dev->config + offset, sizeof word);
  pthread_mutex_unlock (&dev->config_lock);
  return virtio_from_le32 (word);
}

/* ---- giving memory back ---- */

/* Whole pages of the host only: the kernel would round up to them. */
static void
give_back (const struct balloon *balloon, const struct run *run)
{
  uint64_t page = balloon->dev.memory->page ? balloon->dev.memory->page : balloon->page_size;
  uintptr_t mask = (uintptr_t) page - 1;
  uintptr_t start = ((uintptr_t) run->start + mask) & ~mask;
  uintptr_t end = (uintptr_t) run->end & ~mask;

  if (start < end && madvise ((void *) start, end - start, MADV_REMOVE) < 0)
    vmm_log_guest ("balloon: %zu bytes stay here: %s", (size_t) (end - start), strerror (errno));
}

/* Drivers list neighbours upwards or downwards: one call for many. */
static void
give_page (const struct balloon *balloon, struct run *run, uint8_t *page)
{
  if (run->start && page == run->end)
    run->end += PAGE;
  else if (run->start && page + PAGE == run->start)
    run->start = page;
  else
    {
      if (run->start)
        give_back (balloon, run);
      *run = (struct run){ page, page + PAGE };
    }
}

static uint32_t
inflate (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  const struct balloon *balloon = balloon_of (dev);
  struct run run = { NULL, NULL };
  virtio_le32 frames[FRAMES_STEP];
  size_t n, outside = 0;

  for (unsigned done = 0; done < FRAMES_MAX; done += FRAMES_STEP)
    {
      n = virtq_read (chain, done * sizeof *frames, frames, sizeof frames) / sizeof *frames;
      for (size_t i = 0; i < n; i++)
        {
          uint64_t gpa = (uint64_t) virtio_from_le32 (frames[i]) << VIRTIO_BALLOON_PFN_SHIFT;
          uint8_t *page = guest_memory_at (dev->memory, gpa, PAGE);

          if (page)
            give_page (balloon, &run, page);
          else
            outside++;
        }
      if (n < FRAMES_STEP)
        break;
    }
  if (run.start)
    give_back (balloon, &run);
  if (outside)
    vmm_log_guest ("balloon: %zu pages outside the guest's memory", outside);
  return 0;
}

/* A page that is touched again is there again. */
static uint32_t
deflate (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  return 0;
}

/* 5.5.6.6: free pages are the writable buffers. With another poison than zero they
 * would not read as the driver left them (5.5.6.5). */
static uint32_t
report (struct vdev *dev, unsigned q, struct virtq_chain *chain)
{
  bool poisoned = (dev->accepted >> VIRTIO_BALLOON_F_PAGE_POISON & 1)
                  && config_word (dev, offsetof (struct virtio_balloon_config, poison_val)) != 0;

  for (unsigned i = chain->n_out; i < chain->n_out + chain->n_in && !poisoned; i++)
    {
      uint8_t *start = chain->iov[i].iov_base;

      give_back (balloon_of (dev), &(struct run){ start, start + chain->iov[i].iov_len });
    }
  return 0;
}

/* ---- statistics ---- */

static const char *const stat_names[BALLOON_STATS] = {
  [VIRTIO_BALLOON_S_SWAP_IN] = "stat-swap-in",
  [VIRTIO_BALLOON_S_SWAP_OUT] = "stat-swap-out",
  [VIRTIO_BALLOON_S_MAJFLT] = "stat-major-faults",
  [VIRTIO_BALLOON_S_MINFLT] = "stat-minor-faults",
  [VIRTIO_BALLOON_S_MEMFREE] = "stat-free-memory",
  [VIRTIO_BALLOON_S_MEMTOT] = "stat-total-memory",
  [VIRTIO_BALLOON_S_AVAIL] = "stat-available-memory",
  [VIRTIO_BALLOON_S_CACHES] = "stat-disk-caches",
  [VIRTIO_BALLOON_S_HTLB_PGALLOC] = "stat-htlb-pgalloc",
  [VIRTIO_BALLOON_S_HTLB_PGFAIL] = "stat-htlb-pgfail",
};

const char *
balloon_stat_name (unsigned index)
{
  return stat_names[index];
}

static void
forget_stats (struct balloon *balloon)
{
  pthread_mutex_lock (&balloon->lock);
  memset (balloon->stats.value, 0xff, sizeof balloon->stats.value);
  balloon->stats.updated = 0;
  pthread_mutex_unlock (&balloon->lock);
}

static void
take_stats (struct balloon *balloon, const struct virtq_chain *chain)
{
  struct virtio_balloon_stat entries[STATS_READ_MAX];
  size_t n = virtq_read (chain, 0, entries, sizeof entries) / sizeof *entries;
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  pthread_mutex_lock (&balloon->lock);
  memset (balloon->stats.value, 0xff, sizeof balloon->stats.value);
  for (size_t i = 0; i < n; i++)
    if (virtio_from_le16 (entries[i].tag) < BALLOON_STATS)
      balloon->stats.value[virtio_from_le16 (entries[i].tag)] = virtio_from_le64 (entries[i].val);
  balloon->stats.updated = now.tv_sec;
  pthread_mutex_unlock (&balloon->lock);
}

/* The buffer in which the driver sent them goes back: that asks for the next. */
static void
return_buffer (struct balloon *balloon, unsigned q)
{
  if (!balloon->holds)
    return;
  balloon->holds = false;
  virtq_push_many (&balloon->dev.queues[q].ring, &balloon->held, 1);
  vdev_notify (&balloon->dev, q);
}

/* It is kept until statistics are due; a second one has no business here (5.5.6.3). */
static void
serve_stats (struct vdev *dev, unsigned q)
{
  struct balloon *balloon = balloon_of (dev);
  struct virtq *ring = &dev->queues[q].ring;
  static _Thread_local struct virtq_chain chain;
  unsigned budget = 2u * ring->size;
  int ret = 0;

  do
    {
      virtq_disarm (ring);
      while (budget > 0 && (ret = virtq_pop (ring, &chain)) == 1)
        {
          return_buffer (balloon, q);
          take_stats (balloon, &chain);
          balloon->held = (struct virtq_used){ chain.id, chain.slots, 0 };
          balloon->holds = true;
          budget--;
        }
    }
  while (ret == 0 && virtq_arm (ring) && budget > 0);
  if (ret < 0)
    vdev_break (dev);
  else if (budget == 0)
    vdev_kick_again (dev, q);
}

static void
drain (struct watch *timer)
{
  uint64_t count;

  if (read (timer->fd, &count, sizeof count) < 0)
    return;
}

static void
on_poll (void *data)
{
  struct balloon *balloon = data;

  drain (&balloon->poll);
  return_buffer (balloon, VIRTIO_BALLOON_QUEUE_STATS);
}

void
balloon_describe (struct vdev *dev, struct balloon_stats *stats)
{
  struct balloon *balloon = balloon_of (dev);

  pthread_mutex_lock (&balloon->lock);
  *stats = balloon->stats;
  pthread_mutex_unlock (&balloon->lock);
}

int
balloon_set_interval (struct vdev *dev, uint64_t seconds)
{
  struct balloon *balloon = balloon_of (dev);
  struct itimerspec time = { .it_interval.tv_sec = (time_t) seconds, .it_value.tv_sec = (time_t) seconds };

  if (seconds > BALLOON_INTERVAL_MAX)
    return -EINVAL;
  atomic_store (&balloon->interval, seconds);
  return timerfd_settime (balloon->poll.fd, 0, &time, NULL) < 0 ? -errno : 0;
}

uint64_t
balloon_interval (struct vdev *dev)
{
  return atomic_load (&balloon_of (dev)->interval);
}

/* ---- how large it is ---- */

static uint64_t
memory_of (const struct vdev *dev)
{
  uint64_t size = 0;

  for (unsigned i = 0; dev->memory && i < dev->memory->n; i++)
    size += dev->memory->region[i].size;
  return size;
}

void
balloon_set_target (struct vdev *dev, uint64_t bytes)
{
  uint64_t all = memory_of (dev), pages = bytes < all ? (all - bytes) / PAGE : 0;
  virtio_le32 num_pages = virtio_to_le32 (pages < UINT32_MAX ? (uint32_t) pages : UINT32_MAX);

  vdev_set_config (dev, offsetof (struct virtio_balloon_config, num_pages), &num_pages,
                   sizeof num_pages);
}

uint64_t
balloon_actual (struct vdev *dev)
{
  size_t actual = offsetof (struct virtio_balloon_config, actual);
  uint64_t all = memory_of (dev), out = (uint64_t) config_word (dev, actual) * PAGE;

  return out < all ? all - out : 0;
}

static void
tell_soon (struct balloon *balloon)
{
  const struct itimerspec time = { .it_value.tv_nsec = CHANGE_MS * 1000000L };

  if (!atomic_exchange (&balloon->changing, true))
    timerfd_settime (balloon->settled.fd, 0, &time, NULL);
}

static void
on_settled (void *data)
{
  struct balloon *balloon = data;

  drain (&balloon->settled);
  atomic_store (&balloon->changing, false);
  pthread_mutex_lock (&balloon->lock);
  if (balloon->changed)
    balloon->changed (balloon->data, balloon_actual (&balloon->dev));
  pthread_mutex_unlock (&balloon->lock);
}

void
balloon_on_change (struct vdev *dev, void (*changed) (void *data, uint64_t actual), void *data)
{
  struct balloon *balloon = balloon_of (dev);

  pthread_mutex_lock (&balloon->lock);
  balloon->changed = changed;
  balloon->data = data;
  pthread_mutex_unlock (&balloon->lock);
}

/* ---- the device ---- */

/* 5.5.4: @actual and @poison_val are the driver's, the others ours. */
static void
write_config (struct vdev *dev, unsigned offset, const void *data, unsigned len)
{
  const unsigned actual = offsetof (struct virtio_balloon_config, actual);
  const unsigned poison = offsetof (struct virtio_balloon_config, poison_val);
  bool to_actual = offset >= actual && offset + len <= actual + 4, changes;

  if (!to_actual && (offset < poison || offset + len > poison + 4))
    return;
  pthread_mutex_lock (&dev->config_lock);
  changes = memcmp (dev->config + offset, data, len) != 0;
  memcpy (dev->config + offset, data, len);
  pthread_mutex_unlock (&dev->config_lock);
  if (to_actual && changes)
    tell_soon (balloon_of (dev));
}

/* The optional queues follow each other without a gap (5.5.2): without statistics the
 * third is for reports. */
static void
kick (struct vdev *dev, unsigned q)
{
  if (q == VIRTIO_BALLOON_QUEUE_INFLATE)
    vdev_serve (dev, q, inflate);
  else if (q == VIRTIO_BALLOON_QUEUE_DEFLATE)
    vdev_serve (dev, q, deflate);
  else if (q == VIRTIO_BALLOON_QUEUE_STATS && dev->accepted >> VIRTIO_BALLOON_F_STATS_VQ & 1)
    serve_stats (dev, q);
  else if (dev->accepted >> VIRTIO_BALLOON_F_PAGE_REPORTING & 1)
    vdev_serve (dev, q, report);
}

static void
stopped (struct vdev *dev, unsigned q)
{
  if (q == VIRTIO_BALLOON_QUEUE_STATS)
    balloon_of (dev)->holds = false;
}

static void
started (struct vdev *dev)
{
  struct balloon *balloon = balloon_of (dev);

  worker_watch (dev->workers[0], &balloon->poll, EPOLLIN);
  worker_watch (dev->workers[0], &balloon->settled, EPOLLIN);
}

/* Its pages are the guest's again, whoever will run there. */
static void
reset (struct vdev *dev)
{
  const uint8_t zero[4] = { 0 };

  write_config (dev, offsetof (struct virtio_balloon_config, actual), zero, sizeof zero);
  write_config (dev, offsetof (struct virtio_balloon_config, poison_val), zero, sizeof zero);
  forget_stats (balloon_of (dev));
}

static void
balloon_free (struct vdev *dev)
{
  struct balloon *balloon = balloon_of (dev);

  if (balloon->poll.fd >= 0)
    close (balloon->poll.fd);
  if (balloon->settled.fd >= 0)
    close (balloon->settled.fd);
  pthread_mutex_destroy (&balloon->lock);
  free (balloon);
}

static const struct vdev_ops balloon_ops = {
  .kick = kick, .stopped = stopped, .started = started, .write_config = write_config,
  .reset = reset, .free = balloon_free,
};

static void
offer (struct vdev *dev, unsigned bit, bool on)
{
  if (on)
    dev->features |= VIRTIO_BIT (bit);
  else
    dev->features &= ~VIRTIO_BIT (bit);
}

int
balloon_create (const struct options *options, struct vdev **dev)
{
  static const char *const known[] = { "deflate-on-oom", "free-page-reporting", "packed", NULL };
  bool packed = true, oom = false, reporting = false;
  struct balloon *balloon;

  if (options_only (options, known) < 0 || options_get_bool (options, "packed", &packed) < 0
      || options_get_bool (options, "deflate-on-oom", &oom) < 0
      || options_get_bool (options, "free-page-reporting", &reporting) < 0)
    return -EINVAL;
  balloon = calloc (1, sizeof *balloon);
  if (balloon == NULL)
    return -ENOMEM;
  pthread_mutex_init (&balloon->lock, NULL);
  balloon->page_size = (size_t) sysconf (_SC_PAGESIZE);
  balloon->poll = (struct watch){ timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                  on_poll, balloon };
  balloon->settled = (struct watch){ timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                     on_settled, balloon };
  forget_stats (balloon);
  vdev_init (&balloon->dev, &balloon_ops, "balloon", VIRTIO_ID_BALLOON, reporting ? 4 : 3);
  balloon->dev.threads = SANDBOX_BALLOON;
  offer (&balloon->dev, VIRTIO_F_RING_PACKED, packed);
  offer (&balloon->dev, VIRTIO_BALLOON_F_STATS_VQ, true);
  offer (&balloon->dev, VIRTIO_BALLOON_F_DEFLATE_ON_OOM, oom);
  offer (&balloon->dev, VIRTIO_BALLOON_F_PAGE_REPORTING, reporting);
  /* Drivers that fill free pages report them only when they can say with what. */
  offer (&balloon->dev, VIRTIO_BALLOON_F_PAGE_POISON, reporting);
  balloon->dev.config_size = reporting ? sizeof (struct virtio_balloon_config)
                                       : offsetof (struct virtio_balloon_config, free_page_hint_cmd_id);
  if (balloon->poll.fd < 0 || balloon->settled.fd < 0)
    {
      balloon_free (&balloon->dev);
      return -EMFILE;
    }
  *dev = &balloon->dev;
  return 0;
}
