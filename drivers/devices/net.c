/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network device (5.1): start, stop, configuration and the control queue. */
#include "net.h"

#include <virtio/driver/mem.h>

/* 5.1.3; one pair of queues, no offloads. */
#define WANTED \
  (VIRTIO_BIT (VIRTIO_NET_F_MTU) | VIRTIO_BIT (VIRTIO_NET_F_MAC) \
   | VIRTIO_BIT (VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_BIT (VIRTIO_NET_F_STATUS) \
   | VIRTIO_BIT (VIRTIO_NET_F_CTRL_VQ) | VIRTIO_BIT (VIRTIO_NET_F_CTRL_RX) \
   | VIRTIO_BIT (VIRTIO_NET_F_CTRL_MAC_ADDR))

/* 5.1.3.1 */
static const struct virtio_feature_rule rules[] = {
  { .bit = VIRTIO_NET_F_CTRL_RX, .all = VIRTIO_BIT (VIRTIO_NET_F_CTRL_VQ) },
  { .bit = VIRTIO_NET_F_CTRL_MAC_ADDR, .all = VIRTIO_BIT (VIRTIO_NET_F_CTRL_VQ) },
};

/* No answer a device gives: it never did. */
#define ACK_NONE 0xffu

struct virtio_net_command
{
  struct virtio_net_ctrl_hdr hdr;
  uint8_t data[VIRTIO_NET_MAC_BYTES];
  uint8_t ack;
};

#define ETH_OVERHEAD 18u /* addresses, type, VLAN tag */

static bool
good_mac (const uint8_t *mac)
{
  static const uint8_t none[VIRTIO_NET_MAC_BYTES];

  return !(mac[0] & 1) && memcmp (mac, none, sizeof none) != 0;
}

/* 5.1.5: the device's address or one of our own; its MTU or Ethernet's. */
static int
read_config (struct virtio_net *net, const uint8_t *mac)
{
  static const uint8_t local[VIRTIO_NET_MAC_BYTES] = { 2, 0, 0, 0, 0, 1 };
  virtio_le16 mtu = 0;
  int error = 0;

  memcpy (net->mac, mac ? mac : local, sizeof net->mac);
  if (virtio_device_has (&net->dev, VIRTIO_NET_F_MAC))
    error = virtio_device_config (&net->dev, offsetof (struct virtio_net_config, mac), net->mac,
                                  sizeof net->mac, 1);
  if (!error && !good_mac (net->mac))
    return -VIRTIO_EPROTO;
  net->mtu = 1500;
  if (error || !virtio_device_has (&net->dev, VIRTIO_NET_F_MTU))
    return error;
  error = virtio_device_config (&net->dev, offsetof (struct virtio_net_config, mtu), &mtu, sizeof mtu, 2);
  if (error)
    return error;
  if (virtio_from_le16 (mtu) < VIRTIO_NET_MTU_MIN)
    return -VIRTIO_EPROTO;
  if (virtio_from_le16 (mtu) + ETH_OVERHEAD + sizeof (struct virtio_net_hdr) > VIRTIO_NET_BUFFER_BYTES
      && !virtio_device_has (&net->dev, VIRTIO_NET_F_MRG_RXBUF))
    return -VIRTIO_ENOTSUP; /* 5.1.4.2: a buffer must hold a whole frame */
  if (virtio_from_le16 (mtu) < net->mtu)
    net->mtu = virtio_from_le16 (mtu);
  return 0;
}

/* 5.1.2: receive, transmit, and behind all pairs the control queue. */
static int
start_pair (struct virtio_net *net, uint16_t size)
{
  int error = virtio_queue_start (&net->rx, &net->dev, VIRTIO_NET_QUEUE_RX (0), size, 1, VIRTIO_LEN_STRICT);

  if (!error)
    error = virtio_queue_start (&net->tx, &net->dev, VIRTIO_NET_QUEUE_TX (0), size, 1, VIRTIO_LEN_CLAMP);
  return error;
}

static int
start_queues (struct virtio_net *net)
{
  int error = start_pair (net, 0);

  if (!error && virtio_device_has (&net->dev, VIRTIO_NET_F_CTRL_VQ)) /* one pair: MQ is not accepted */
    error = virtio_queue_start (&net->ctrl, &net->dev, VIRTIO_NET_QUEUE_CTRL (1), 0, 2, VIRTIO_LEN_STRICT);
  return error;
}

static uint16_t
count (const struct virtio_queue *queue, uint16_t most)
{
  return queue->size < most ? queue->size : most;
}

/* 5.1.6.3: the receive queue is kept full. */
static int
give_buffers (struct virtio_net *net)
{
  net->n_rx = count (&net->rx, net->rx_room);
  net->n_tx = count (&net->tx, net->tx_room);
  net->tx_free = (uint32_t) ((1ull << net->n_tx) - 1);
  for (unsigned i = 0; i < net->n_rx; i++)
    {
      int error = virtio_net_post (net, net->rx_buffers[i]);

      if (error)
        return error;
    }
  return 0;
}

static int
start_buffers (struct virtio_net *net)
{
  const struct virtio_hal *hal = net->dev.hal;

  net->rx_room = count (&net->rx, VIRTIO_NET_BUFFERS);
  net->tx_room = count (&net->tx, VIRTIO_NET_BUFFERS);
  net->rx_buffers = hal->ops->alloc (hal->ctx, net->rx_room * sizeof *net->rx_buffers, 16);
  net->tx_buffers = hal->ops->alloc (hal->ctx, net->tx_room * sizeof *net->tx_buffers, 16);
  net->command = hal->ops->alloc (hal->ctx, sizeof *net->command, 16);
  if (!net->rx_buffers || !net->tx_buffers || !net->command)
    return -VIRTIO_ENOMEM;
  return give_buffers (net);
}

/* 2.6.1: one after the other; what is given back belongs to nobody else. */
int
virtio_net_resize (struct virtio_net *net, uint16_t size)
{
  int error = virtio_queue_reset (&net->rx);

  if (!error)
    error = virtio_queue_reset (&net->tx);
  if (error)
    return error;
  virtio_queue_drain_and_free (&net->rx);
  virtio_queue_drain_and_free (&net->tx);
  error = start_pair (net, size);
  if (!error)
    error = give_buffers (net);
  if (error)
    virtio_device_fail (&net->dev);
  else
    virtio_queue_kick (&net->rx);
  return error;
}

/* 3.1.1, with 5.1.5. */
int
virtio_net_start (struct virtio_net *net, struct virtio_transport *transport,
                  const struct virtio_options *options, const uint8_t mac[VIRTIO_NET_MAC_BYTES])
{
  int error;

  memset (net, 0, sizeof *net);
  if (transport->device_id != VIRTIO_ID_NET)
    return -VIRTIO_ENODEV;
  error = virtio_device_begin (&net->dev, transport, options, WANTED, rules,
                               sizeof rules / sizeof *rules);
  if (!error)
    error = read_config (net, mac);
  if (!error)
    error = start_queues (net);
  if (!error)
    error = start_buffers (net);
  if (!error)
    error = virtio_device_ready (&net->dev);
  if (error)
    {
      virtio_device_fail (&net->dev);
      virtio_net_stop (net);
      return error;
    }
  virtio_queue_kick (&net->rx);
  return 0;
}

int
virtio_net_stop (struct virtio_net *net)
{
  const struct virtio_hal *hal = net->dev.hal;
  int error;

  if (!hal)
    return 0;
  error = virtio_device_reset (&net->dev);
  if (error)
    return error;
  virtio_queue_drain_and_free (&net->rx);
  virtio_queue_drain_and_free (&net->tx);
  virtio_queue_drain_and_free (&net->ctrl);
  if (net->rx_buffers)
    hal->ops->free (hal->ctx, net->rx_buffers, net->rx_room * sizeof *net->rx_buffers);
  if (net->tx_buffers)
    hal->ops->free (hal->ctx, net->tx_buffers, net->tx_room * sizeof *net->tx_buffers);
  if (net->command)
    hal->ops->free (hal->ctx, net->command, sizeof *net->command);
  memset (net, 0, sizeof *net);
  return 0;
}

int
virtio_net_link (struct virtio_net *net)
{
  virtio_le16 status = 0;
  int error = virtio_device_check (&net->dev);

  if (error)
    return error;
  if (!virtio_device_has (&net->dev, VIRTIO_NET_F_STATUS)) /* 5.1.4.2 */
    return 1;
  error = virtio_device_config (&net->dev, offsetof (struct virtio_net_config, status), &status,
                                sizeof status, 2);
  return error ? error : !!(virtio_from_le16 (status) & VIRTIO_NET_S_LINK_UP);
}

/* 5.1.6.5: class, command and data, which the device reads; its byte, which it writes. */
static int
control (struct virtio_net *net, uint8_t class_, uint8_t command, const void *data, uint32_t bytes)
{
  struct virtio_seg segs[2];
  void *token;
  uint32_t len;
  int got;

  net->command->hdr.class_ = class_;
  net->command->hdr.command = command;
  memcpy (net->command->data, data, bytes);
  net->command->ack = ACK_NONE;
  segs[0] = (struct virtio_seg) { net->command, (uint32_t) sizeof net->command->hdr + bytes };
  segs[1] = (struct virtio_seg) { &net->command->ack, 1 };
  got = virtio_queue_add (&net->ctrl, segs, 1, 1, net);
  if (got)
    return got;
  virtio_queue_kick (&net->ctrl);
  got = virtio_queue_wait (&net->ctrl, &token, &len);
  if (got < 0)
    {
      virtio_device_fail (&net->dev); /* the command's memory is still the device's */
      return got;
    }
  return __atomic_load_n (&net->command->ack, __ATOMIC_ACQUIRE) == VIRTIO_NET_OK ? 0 : -VIRTIO_EIO;
}

/* 5.1.6.5.2: in one command, so that no half of it ever counts. */
int
virtio_net_set_mac (struct virtio_net *net, const uint8_t mac[VIRTIO_NET_MAC_BYTES])
{
  int error;

  if (!good_mac (mac))
    return -VIRTIO_EINVAL;
  if (!virtio_device_has (&net->dev, VIRTIO_NET_F_CTRL_MAC_ADDR))
    return -VIRTIO_ENOTSUP;
  error = control (net, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, VIRTIO_NET_MAC_BYTES);
  if (!error)
    memcpy (net->mac, mac, VIRTIO_NET_MAC_BYTES);
  return error;
}

/* 5.1.6.5.1 */
int
virtio_net_set_promiscuous (struct virtio_net *net, bool on)
{
  uint8_t value = on;

  if (!virtio_device_has (&net->dev, VIRTIO_NET_F_CTRL_RX))
    return -VIRTIO_ENOTSUP;
  return control (net, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &value, 1);
}

size_t
virtio_net_longest (const struct virtio_net *net)
{
  return net->mtu + (size_t) ETH_OVERHEAD;
}
