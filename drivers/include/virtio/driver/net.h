/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network interface with one pair of queues. Frames are copied, once each way. */
#pragma once

#include <virtio/driver/queue.h>
#include <virtio/net.h>

/* Buffers each way; a ring that is smaller has fewer. */
#define VIRTIO_NET_BUFFERS 32u
/* One buffer: header and an Ethernet frame of 1518 bytes fit (5.1.6.3.1). */
#define VIRTIO_NET_BUFFER_BYTES 2048u
/* The longest frame that is sent or received, merged buffers together. */
#define VIRTIO_NET_FRAME_MAX (65536u - sizeof (struct virtio_net_hdr))
#define VIRTIO_NET_FRAME_MIN 14u

struct virtio_net
{
  struct virtio_device dev;
  struct virtio_queue rx, tx, ctrl;
  uint8_t mac[VIRTIO_NET_MAC_BYTES];
  uint16_t mtu;
  uint8_t (*rx_buffers)[VIRTIO_NET_BUFFER_BYTES];
  uint8_t (*tx_buffers)[VIRTIO_NET_BUFFER_BYTES];
  struct virtio_net_command *command;
  uint16_t n_rx, n_tx;
  uint16_t rx_room, tx_room; /* buffers there are; a small ring uses fewer */
  uint32_t tx_free; /* bit set: free */
  uint64_t rx_dropped; /* frames that made no sense, or did not fit */
};

/** Starts the interface behind @transport, which outlives it. Without an address
 * of the device's the caller's *@mac is used (may be NULL: 02:00:00:00:00:01). */
int virtio_net_start (struct virtio_net *net, struct virtio_transport *transport,
                      const struct virtio_options *options,
                      const uint8_t mac[VIRTIO_NET_MAC_BYTES]);
int virtio_net_stop (struct virtio_net *net);

/** Sends an Ethernet frame of 14 to mtu + 18 bytes, copied before it returns.
 * -VIRTIO_EAGAIN when all buffers are on their way, -VIRTIO_EINVAL, -VIRTIO_EIO. */
int virtio_net_send (struct virtio_net *net, const void *frame, size_t bytes);

/** Receives a frame into @to: its bytes, 0 when there is none, -VIRTIO_ERANGE
 * when it is longer than @bytes (it is dropped), or -VIRTIO_EIO. */
int virtio_net_receive (struct virtio_net *net, void *to, size_t bytes);

/** Makes both rings anew, of at most @size entries (0: as the options say), while the device
 * runs; frames on their way are lost. -VIRTIO_ENOTSUP without RING_RESET, which must have
 * been asked for; after another error the interface is dead. */
int virtio_net_resize (struct virtio_net *net, uint16_t size);

/** Frames sent and not yet taken by the device; takes back those that were. */
unsigned virtio_net_pending (struct virtio_net *net);

/** 1 when the link is up (as always, when the device cannot tell), 0, or an error. */
int virtio_net_link (struct virtio_net *net);

/** Changes the interface's address. -VIRTIO_ENOTSUP when not offered. */
int virtio_net_set_mac (struct virtio_net *net, const uint8_t mac[VIRTIO_NET_MAC_BYTES]);

/** Whether to receive everybody's frames. -VIRTIO_ENOTSUP when not offered. */
int virtio_net_set_promiscuous (struct virtio_net *net, bool on);
