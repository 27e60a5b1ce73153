/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of the block device by io_uring(7): all that a kick finds go to the kernel with
 * one system call, and none waits for another's disk.
 *
 * They are given back in the order they came, however they end. So what is true of a back-end
 * that serves one by one stays true: if it is killed, all behind the used index are
 * repeated by its successor, and none in front of it. A flush waits for all before it and
 * all behind wait for it (IOSQE_IO_DRAIN), as when they are served one by one.
 *
 * A ring is made before the sandbox is entered, and restricted to reading, writing and
 * fsync: a system call filter does not see what is asked for through a ring. */
#include "blk-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef PVT_HAVE_LIBURING
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"

#define DEPTH 64u /* under way in a queue at a time */
#define BYTES_MAX (128u << 20) /* and no more requests beyond so much: who resets waits for all */

struct request
{
  struct virtq_chain chain;
  struct virtio_blk_req req;
  struct iovec iov[VIRTQ_IOV_MAX];
  struct iovec *at; /* what is left of it */
  unsigned n;
  uint64_t offset, left, written;
  uint64_t bytes; /* in the beginning */
  bool flushing; /* a write that is followed by a flush of its own */
  bool done, headless;
  int result;
};

struct blk_uring
{
  struct io_uring ring;
  struct watch watch;
  bool watched;
  struct blk *blk;
  unsigned q;
  unsigned first, n; /* requests taken and not given back, in their order */
  unsigned io;       /* of them with the kernel */
  uint64_t bytes;    /* of the @n */
  struct request *requests;
};

static bool
is_full (const struct blk_uring *uring)
{
  return uring->n == DEPTH || uring->bytes >= BYTES_MAX;
}

/* ---- to the kernel ---- */

static void
finish (struct request *request, int result)
{
  request->done = true;
  request->result = result;
}

static void
ask_for_flush (struct blk_uring *uring, struct request *request, unsigned flags)
{
  struct io_uring_sqe *sqe = io_uring_get_sqe (&uring->ring);

  io_uring_prep_fsync (sqe, uring->blk->disk.fd, IORING_FSYNC_DATASYNC);
  sqe->flags |= flags;
  io_uring_sqe_set_data (sqe, request);
  uring->io++;
}

/* There is a place for it: a request has at most one at a time, and they are DEPTH. */
static void
ask_for_data (struct blk_uring *uring, struct request *request)
{
  struct io_uring_sqe *sqe = io_uring_get_sqe (&uring->ring);

  if (request->req.type == VIRTIO_BLK_T_IN)
    io_uring_prep_readv (sqe, uring->blk->disk.fd, request->at, request->n, request->offset);
  else
    io_uring_prep_writev (sqe, uring->blk->disk.fd, request->at, request->n, request->offset);
  io_uring_sqe_set_data (sqe, request);
  uring->io++;
}

static void
begin_data (struct blk_uring *uring, struct request *request)
{
  int n = blk_data (uring->blk, &request->chain, &request->req, request->iov, &request->left);

  if (n < 0 || request->left == 0)
    {
      finish (request, n < 0 ? n : 0);
      return;
    }
  uring->bytes += request->bytes = request->left;
  request->at = request->iov;
  request->n = (unsigned) n;
  request->offset = request->req.sector * VIRTIO_BLK_SECTOR;
  request->written = request->req.type == VIRTIO_BLK_T_IN ? request->left : 0;
  ask_for_data (uring, request);
}

/* False when it was left undone. */
static bool
begin (struct blk_uring *uring, struct request *request)
{
  request->done = request->flushing = false;
  request->written = request->bytes = 0;
  request->headless = !blk_head (&request->chain, &request->req);
  if (request->headless)
    finish (request, 0);
  else if (request->req.type == VIRTIO_BLK_T_IN || request->req.type == VIRTIO_BLK_T_OUT)
    begin_data (uring, request);
  else if (request->req.type == VIRTIO_BLK_T_FLUSH)
    ask_for_flush (uring, request, IOSQE_IO_DRAIN);
  else /* rare, and partly not to be had by a ring: BLKDISCARD */
    finish (request, blk_perform (uring->blk, uring->q, &request->chain, &request->req,
                                  &request->written));
  return !request->done || request->result != -ECANCELED;
}

/* ---- from the kernel ---- */

/* Goes on behind what was transferred. */
static void
advance (struct request *request, uint64_t done)
{
  request->offset += done;
  request->left -= done;
  while (request->n > 0 && done >= request->at->iov_len)
    {
      done -= request->at->iov_len;
      request->at++, request->n--;
    }
  if (request->n > 0)
    {
      request->at->iov_base = (uint8_t *) request->at->iov_base + done;
      request->at->iov_len -= done;
    }
}

static void
take_result (struct blk_uring *uring, struct request *request, int result)
{
  bool write = request->req.type == VIRTIO_BLK_T_OUT;

  uring->io--;
  if (request->req.type == VIRTIO_BLK_T_FLUSH || request->flushing)
    {
      if (result == -EINTR || result == -EAGAIN)
        ask_for_flush (uring, request, 0);
      else
        finish (request, result);
      return;
    }
  if (result == 0 || (result < 0 && result != -EINTR && result != -EAGAIN))
    {
      request->written = 0;
      finish (request, result < 0 ? result : -EIO);
      return;
    }
  if (result > 0)
    advance (request, (uint64_t) result);
  request->flushing = request->left == 0 && write && !uring->blk->write_back;
  if (request->left > 0)
    ask_for_data (uring, request);
  else if (request->flushing)
    ask_for_flush (uring, request, 0);
  else
    finish (request, 0);
}

static void
take_results (struct blk_uring *uring)
{
  struct io_uring_cqe *cqe;

  while (io_uring_peek_cqe (&uring->ring, &cqe) == 0)
    {
      struct request *request = io_uring_cqe_get_data (cqe);
      int result = cqe->res;

      io_uring_cqe_seen (&uring->ring, cqe);
      take_result (uring, request, result);
    }
}

static void
submit (struct blk_uring *uring)
{
  int ret = 0;

  while (io_uring_sq_ready (&uring->ring) > 0 && ret >= 0)
    {
      ret = io_uring_submit (&uring->ring);
      if (ret == -EINTR || ret == -EAGAIN || ret == -EBUSY) /* memory is short: try again */
        ret = 0;
    }
  if (ret < 0)
    {
      vmm_log ("%s: io_uring: %s", uring->blk->path, strerror (-ret));
      abort ();
    }
}

static void
give_back (struct blk_uring *uring)
{
  struct virtq *ring = &uring->blk->dev.queues[uring->q].ring;
  bool any = false;

  while (uring->n > 0 && uring->requests[uring->first].done)
    {
      struct request *request = &uring->requests[uring->first];

      virtq_push (ring, &request->chain,
                  request->headless
                    ? 0 : blk_answer (&request->chain, request->result, request->written));
      uring->first = (uring->first + 1) % DEPTH;
      uring->n--;
      uring->bytes -= request->bytes;
      any = true;
    }
  if (any)
    vdev_notify (&uring->blk->dev, uring->q);
}

void
blk_uring_settle (struct blk *blk, unsigned q)
{
  struct blk_uring *uring = blk->urings[q];
  bool full = is_full (uring);
  struct io_uring_cqe *cqe;

  while (uring->io > 0)
    {
      submit (uring);
      if (io_uring_wait_cqe (&uring->ring, &cqe) == 0)
        take_results (uring);
    }
  give_back (uring);
  if (full) /* no result will bring us back to what was left in the queue */
    vdev_kick_again (&blk->dev, q);
}

/* Sends what was begun and gives back what has ended: cached data is there at once. */
static void
turn (struct blk_uring *uring)
{
  if (uring->blk->dev.queues[uring->q].worker == NULL)
    {
      blk_uring_settle (uring->blk, uring->q);
      return;
    }
  submit (uring);
  take_results (uring);
  submit (uring); /* the rest of short transfers, flushes */
  give_back (uring);
}

static void
on_results (void *data)
{
  struct blk_uring *uring = data;
  bool full = is_full (uring);

  turn (uring);
  if (full)
    blk_uring_kick (uring->blk, uring->q);
}

void
blk_uring_kick (struct blk *blk, unsigned q)
{
  struct blk_uring *uring = blk->urings[q];
  struct vdev_queue *queue = &blk->dev.queues[q];
  unsigned budget = 2u * queue->ring.size;
  int ret = 0;

  if (queue->worker && !uring->watched)
    uring->watched = worker_watch (queue->worker, &uring->watch, EPOLLIN) == 0;
  for (;;)
    {
      virtq_disarm (&queue->ring);
      while (budget > 0 && !is_full (uring))
        {
          struct request *request = &uring->requests[(uring->first + uring->n) % DEPTH];

          ret = virtq_pop (&queue->ring, &request->chain);
          if (ret != 1)
            break;
          uring->n++;
          budget = vdev_is_wanted (&blk->dev, q) ? 0 : budget - 1;
          if (!begin (uring, request))
            {
              virtq_unpop (&queue->ring, &request->chain);
              uring->n--;
              budget = 0;
            }
        }
      turn (uring);
      if (ret < 0)
        vdev_break (&blk->dev);
      else if (budget == 0) /* others of this worker have their turn */
        vdev_kick_again (&blk->dev, q);
      if (ret < 0 || budget == 0 || is_full (uring)) /* results bring us back */
        return;
      if (ret == 0 && !virtq_arm (&queue->ring))
        return;
    }
}

/* ---- rings ---- */

/* io_uring_register(2); liburing 2.3 forgot to export its functions for these two. */
static int
ask_ring (struct io_uring *ring, unsigned what, void *argument, unsigned n)
{
  return syscall (SYS_io_uring_register, ring->ring_fd, what, argument, n) < 0 ? -errno : 0;
}

static int
restrict_ring (struct io_uring *ring)
{
  struct io_uring_restriction allowed[] = {
    { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
    { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
    { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC },
    { .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_IO_DRAIN },
  };
  int ret = ask_ring (ring, IORING_REGISTER_RESTRICTIONS, allowed,
                      sizeof allowed / sizeof allowed[0]);

  return ret < 0 ? ret : ask_ring (ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int
open_one (struct blk *blk, unsigned q)
{
  struct blk_uring *uring = calloc (1, sizeof *uring);
  int ret;

  if (uring == NULL)
    return -ENOMEM;
  ret = io_uring_queue_init (DEPTH, &uring->ring, IORING_SETUP_R_DISABLED);
  if (ret < 0)
    goto free_uring;
  ret = restrict_ring (&uring->ring);
  if (ret < 0)
    goto exit_ring;
  uring->requests = calloc (DEPTH, sizeof uring->requests[0]);
  ret = uring->requests ? 0 : -ENOMEM;
  if (ret < 0)
    goto exit_ring;
  uring->blk = blk;
  uring->q = q;
  uring->watch = (struct watch){ uring->ring.ring_fd, on_results, uring };
  blk->urings[q] = uring;
  return 0;

exit_ring:
  io_uring_queue_exit (&uring->ring);
free_uring:
  free (uring);
  return ret;
}

int
blk_uring_open (struct blk *blk)
{
  int ret = 0;

  for (unsigned q = 0; q < blk->dev.n_queues && ret == 0; q++)
    ret = open_one (blk, q);
  if (ret < 0)
    blk_uring_close (blk);
  return ret;
}

void
blk_uring_close (struct blk *blk)
{
  for (unsigned q = 0; q < BLK_QUEUES_MAX; q++)
    if (blk->urings[q])
      {
        io_uring_queue_exit (&blk->urings[q]->ring);
        free (blk->urings[q]->requests);
        free (blk->urings[q]);
        blk->urings[q] = NULL;
      }
}

#else /* a build without liburing */

int
blk_uring_open (struct blk *blk)
{
  return -ENOSYS;
}

void
blk_uring_close (struct blk *blk)
{
}

void
blk_uring_kick (struct blk *blk, unsigned q)
{
}

void
blk_uring_settle (struct blk *blk, unsigned q)
{
}
#endif
