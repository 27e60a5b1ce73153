/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the network device share. */
#pragma once

#include <stdatomic.h>

#include "devices.h"
#include "host-side/vmm/net/backend.h"
#include "host-side/vmm/net-policy/policy.h"
#include "net-device.h"
#include "net-filter.h"
#include "net-header.h"

#define NET_HEADER ((unsigned) sizeof (struct virtio_net_hdr))
/* What of a frame is copied before it is judged, so that the guest cannot change it
 * in between. */
#define NET_HEAD 128u
#define NET_BUFFERS_MAX 256u /* of the guest, for one frame */

/* A buffer taken from the receive queue and not used yet. */
struct net_buffer
{
  uint16_t id, slots;
  uint64_t len;
};

struct net;

/* A receive and a transmit queue: all of it belongs to their worker. */
struct net_pair
{
  struct net *net;
  unsigned index;
  struct watch rx, tx; /* the back-end's descriptors */
  bool rx_watched, tx_blocked, dead;
  struct net_policy *policy;        /* NULL: everything goes. All pairs have the same */
  struct watch rx_timer, tx_timer;  /* until the policy lets the next frame pass */
  bool active; /* the back-end gives frames to it */
  struct net_filter filter;
  struct virtq_chain chain;
  /* Buffers of the guest, as one row of bytes. */
  unsigned n_buffers, n_iov;
  uint64_t room;
  struct net_buffer buffers[NET_BUFFERS_MAX];
  struct iovec iov[VIRTQ_IOV_MAX], part[VIRTQ_IOV_MAX];
  uint8_t head[NET_HEADER + NET_HEAD], tx_head[NET_HEAD];
  /* A frame that was read when the guest had not room for every frame. */
  uint8_t *waiting;
  uint64_t waiting_len; /* with its header; 0: none */
  _Atomic uint64_t counts[NET_COUNTS];
  _Atomic uint64_t verdicts[NET_VERDICTS];
};

struct net
{
  struct vdev dev;
  struct net_backend *backend;
  unsigned n_pairs;
  atomic_uint pairs_wanted; /* by the driver */
  atomic_bool link_up;
  uint8_t mac[VIRTIO_NET_MAC_BYTES]; /* that it had from the start */
  struct net_filter filter;          /* the control queue's own */
  struct net_policy *policy;         /* belongs to whoever sets it, one at a time */
  struct net_pair pairs[NET_PAIRS_MAX];
};

static inline struct net *
net_of (struct vdev *dev)
{
  return (struct net *) dev;
}

static inline bool
net_has (const struct net *net, unsigned feature)
{
  return net->dev.accepted >> feature & 1;
}

static inline void
net_count (struct net_pair *pair, enum net_count what, uint64_t by)
{
  /* One writer: no need for an atomic addition. */
  atomic_store_explicit (&pair->counts[what],
                         atomic_load_explicit (&pair->counts[what], memory_order_relaxed) + by,
                         memory_order_relaxed);
}

/* The control queue's index: behind the pairs the driver knows of (5.1.2). */
static inline unsigned
net_control_queue (const struct net *net)
{
  return VIRTIO_NET_QUEUE_CTRL (net_has (net, VIRTIO_NET_F_MQ) ? net->n_pairs : 1);
}

/* ---- net-limits.c: the policy on the data path ---- */

int net_limits_init (struct net_pair *pair);
void net_limits_finish (struct net_pair *pair);
/* Judges a frame by a private copy of its head, and counts. */
bool net_limits_pass_tx (struct net_pair *pair, const uint8_t *head, uint64_t len);
bool net_limits_pass_rx (struct net_pair *pair, const uint8_t *head, uint64_t len);
/* True when nothing may pass yet; the pump is called again when it may. */
bool net_limits_hold_tx (struct net_pair *pair);
bool net_limits_hold_rx (struct net_pair *pair);
/* A frame of @len bytes has passed as @segments of them. */
void net_limits_charge_tx (struct net_pair *pair, uint64_t len, uint64_t segments);
void net_limits_charge_rx (struct net_pair *pair, uint64_t len, uint64_t segments);
/* How many frames a header makes of @len bytes. */
uint64_t net_limits_segments (const struct virtio_net_hdr *header, uint64_t len);

/* Whether frames may go to this pair now. */
bool net_pair_serves (const struct net_pair *pair);
/* In the pair's worker: its receive queue has buffers, or its state changed. */
void net_look (void *pair);
/* Frames to the guest, until there are none or it has no buffers. */
void net_rx_pump (struct net_pair *pair);
void net_rx_ready (void *data);
/* What is not delivered yet is forgotten. */
void net_rx_stop (struct net_pair *pair);
/* Frames from the guest, until there are none or the back-end has no room. */
void net_tx_pump (struct net_pair *pair);
void net_tx_ready (void *data);
void net_tx_stop (struct net_pair *pair);

extern const struct vdev_ops net_device_ops;
void net_store_config (struct net *net, unsigned offset, const void *data, unsigned len);

/* A request on the control queue. */
uint32_t net_control (struct vdev *dev, unsigned q, struct virtq_chain *chain);
/* In the control queue's worker: every pair gets the filter and looks at its state. */
void net_tell_pairs (struct net *net);
