/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The policy on the data path: who may pass, and when. Over its rate, what the guest
 * sends stays in its ring and what it is to get stays with the host, and a timer is
 * set to the very moment at which the next frame may pass. */
#include "net-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "host-side/vmm/core/clock.h"

#define SECOND UINT64_C (1000000000)

static struct worker *
worker_of (const struct net_pair *pair)
{
  return pair->net->dev.queues[VIRTIO_NET_QUEUE_RX (pair->index)].worker;
}

static void
on_rx_timer (void *data)
{
  struct net_pair *pair = data;

  worker_unwatch (worker_of (pair), &pair->rx_timer);
  net_rx_pump (pair);
}

static void
on_tx_timer (void *data)
{
  struct net_pair *pair = data;

  worker_unwatch (worker_of (pair), &pair->tx_timer);
  net_tx_pump (pair);
}

int
net_limits_init (struct net_pair *pair)
{
  pair->rx_timer = (struct watch){ timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                   on_rx_timer, pair };
  pair->tx_timer = (struct watch){ timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                   on_tx_timer, pair };
  return pair->rx_timer.fd < 0 || pair->tx_timer.fd < 0 ? -ENOMEM : 0;
}

void
net_limits_finish (struct net_pair *pair)
{
  if (pair->rx_timer.fd > 0)
    close (pair->rx_timer.fd);
  if (pair->tx_timer.fd > 0)
    close (pair->tx_timer.fd);
}

static bool
pass (struct net_pair *pair, enum net_verdict verdict)
{
  atomic_fetch_add_explicit (&pair->verdicts[verdict], 1, memory_order_relaxed);
  return verdict == NET_PASS;
}

static size_t
head_of (uint64_t len)
{
  return len < NET_HEAD ? len : NET_HEAD;
}

bool
net_limits_pass_tx (struct net_pair *pair, const uint8_t *head, uint64_t len)
{
  return pair->policy == NULL
         || pass (pair, net_policy_from_guest (pair->policy, head, head_of (len), clock_ns ()));
}

bool
net_limits_pass_rx (struct net_pair *pair, const uint8_t *head, uint64_t len)
{
  return pair->policy == NULL || pass (pair, net_policy_to_guest (pair->policy, head, head_of (len)));
}

static bool
hold (struct net_pair *pair, struct watch *timer, const struct net_rate *bits,
      const struct net_rate *frames)
{
  uint64_t now = clock_ns (), wait = net_rate_wait (bits, now), other = net_rate_wait (frames, now);
  struct itimerspec until = { 0 };

  if (other > wait)
    wait = other;
  if (wait == 0)
    return false;
  until.it_value.tv_sec = (time_t) (wait / SECOND);
  until.it_value.tv_nsec = (long) (wait % SECOND);
  timerfd_settime (timer->fd, 0, &until, NULL);
  if (worker_of (pair))
    worker_watch (worker_of (pair), timer, EPOLLIN);
  return true;
}

bool
net_limits_hold_tx (struct net_pair *pair)
{
  return pair->policy
         && hold (pair, &pair->tx_timer, &pair->policy->tx_bits, &pair->policy->tx_frames);
}

bool
net_limits_hold_rx (struct net_pair *pair)
{
  return pair->policy
         && hold (pair, &pair->rx_timer, &pair->policy->rx_bits, &pair->policy->rx_frames);
}

static void
charge (struct net_rate *bits, struct net_rate *frames, uint64_t len, uint64_t segments)
{
  uint64_t now = clock_ns ();

  net_rate_charge (bits, now, len * 8);
  net_rate_charge (frames, now, segments);
}

void
net_limits_charge_tx (struct net_pair *pair, uint64_t len, uint64_t segments)
{
  if (pair->policy)
    charge (&pair->policy->tx_bits, &pair->policy->tx_frames, len, segments);
}

void
net_limits_charge_rx (struct net_pair *pair, uint64_t len, uint64_t segments)
{
  if (pair->policy)
    charge (&pair->policy->rx_bits, &pair->policy->rx_frames, len, segments);
}

uint64_t
net_limits_segments (const struct virtio_net_hdr *header, uint64_t len)
{
  return header->gso_size > 0 ? (len + header->gso_size - 1) / header->gso_size : 1;
}

/* In the pair's worker. */
static void
take_policy (void *data)
{
  struct net_pair *pair = data;

  pair->policy = pair->net->policy;
}

/* What waited by the old policy goes on by the new one. */
static void
go_on (void *data)
{
  net_tx_pump (data);
  net_look (data);
}

int
net_set_policy (struct vdev *dev, const char *text, const char **why)
{
  struct net *net = net_of (dev);
  struct net_policy *old = net->policy, *made = NULL;
  int ret = 0;

  if (*text)
    {
      made = calloc (1, sizeof *made);
      ret = made ? net_policy_parse (made, text, net->mac, why) : -ENOMEM;
    }
  if (ret < 0)
    {
      free (made);
      return ret;
    }
  net->policy = made;
  for (unsigned i = 0; i < net->n_pairs; i++)
    {
      struct worker *worker = worker_of (&net->pairs[i]);

      if (worker)
        worker_call (worker, take_policy, &net->pairs[i]);
      else
        take_policy (&net->pairs[i]);
      if (worker)
        worker_call (worker, go_on, &net->pairs[i]);
    }
  free (old);
  return 0;
}
