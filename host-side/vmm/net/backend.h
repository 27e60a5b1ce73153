/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is behind a network device: a tap of the host, a socket to a peer, or libslirp.
 *
 * A back-end moves whole frames, each behind a virtio_net_hdr (5.1.6) when @header
 * is set. It has two non-blocking descriptors for every pair of queues, one to wait
 * for frames and one to wait for room; they belong to the worker of their pair. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "host-side/vmm/core/options.h"

#define NET_PAIRS_MAX 8u

struct net_backend;

struct net_backend_ops
{
  /* One frame; @iov has the header in front when there are headers. Bytes or negative
   * errno: -EAGAIN when there is none, or no room for one. */
  ssize_t (*send) (struct net_backend *backend, unsigned pair, const struct iovec *iov, unsigned n);
  ssize_t (*receive) (struct net_backend *backend, unsigned pair, const struct iovec *iov,
                      unsigned n);
  /* Whether the back-end may give frames to this pair. May be NULL. */
  void (*set_active) (struct net_backend *backend, unsigned pair, bool active);
  /* The guest takes what these VIRTIO_NET_F_GUEST_ features say. May be NULL. */
  void (*set_offloads) (struct net_backend *backend, uint64_t features);
  /* Once, before the sandbox is entered: threads may be made. Negative errno. May be NULL. */
  int (*start) (struct net_backend *backend);
  void (*free) (struct net_backend *backend);
};

struct net_backend
{
  const struct net_backend_ops *ops;
  const char *kind;
  unsigned n_pairs;
  unsigned threads; /* SANDBOX_ kinds of those who send and receive */
  int fds[NET_PAIRS_MAX];      /* readable when there is a frame */
  int send_fds[NET_PAIRS_MAX]; /* writable when there is room for one */
  bool header;
  uint64_t features; /* of VIRTIO_NET_F_, that it makes possible */
  unsigned mtu;      /* 0: not known */
  _Atomic uint64_t dropped; /* frames for the guest that found its queue full */
};

/* Numbers of inherited descriptors, "3:4"; how many, or -EINVAL. They become
 * non-blocking and are closed on exec. */
int net_backend_take_fds (const char *text, int fds[NET_PAIRS_MAX]);
/* Makes the send descriptors of those that do both. */
int net_backend_split_fds (struct net_backend *backend);
void net_backend_close_fds (struct net_backend *backend);

/* tap=NAME or fds=A[:B...], and queues=N. */
int net_tap_new (const struct options *options, unsigned n_pairs, struct net_backend **backend);
/* local=PATH,peer=PATH or socket-fd=N, and offload=on|off. */
int net_peer_new (const struct options *options, struct net_backend **backend);
/* user, hostfwd=RULE (any number), net=ADDRESS/BITS, mtu=BYTES, and restrict, ipv6,
 * host-loopback=on|off. -ENOTSUP when this was built without libslirp. */
int net_user_new (const struct options *options, struct net_backend **backend);
