/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Console device (5.3): one port, or many with a control queue pair. */
#pragma once

#include <virtio/types.h>

/* 5.3.3 */
#define VIRTIO_CONSOLE_F_SIZE 0
#define VIRTIO_CONSOLE_F_MULTIPORT 1
#define VIRTIO_CONSOLE_F_EMERG_WRITE 2

/* 5.3.4 */
struct virtio_console_config
{
  virtio_le16 cols;
  virtio_le16 rows;
  virtio_le32 max_nr_ports;
  virtio_le32 emerg_wr; /* a character written here comes out at once */
};
VIRTIO_SIZE (struct virtio_console_config, 12);

/* 5.3.2: port 0 has queues 0 and 1, control 2 and 3, port n from 4 + 2 (n - 1). */
#define VIRTIO_CONSOLE_QUEUE_CTRL_RX 2u
#define VIRTIO_CONSOLE_QUEUE_CTRL_TX 3u
#define VIRTIO_CONSOLE_QUEUE_RX(port) ((port) == 0 ? 0u : 2u + 2u * (port))
#define VIRTIO_CONSOLE_QUEUE_TX(port) ((port) == 0 ? 1u : 3u + 2u * (port))

/* 5.3.6.2 */
struct virtio_console_control
{
  virtio_le32 id; /* port */
  virtio_le16 event;
  virtio_le16 value;
};
VIRTIO_SIZE (struct virtio_console_control, 8);

#define VIRTIO_CONSOLE_DEVICE_READY 0u
#define VIRTIO_CONSOLE_DEVICE_ADD 1u
#define VIRTIO_CONSOLE_DEVICE_REMOVE 2u
#define VIRTIO_CONSOLE_PORT_READY 3u
#define VIRTIO_CONSOLE_CONSOLE_PORT 4u
#define VIRTIO_CONSOLE_RESIZE 5u
#define VIRTIO_CONSOLE_PORT_OPEN 6u
#define VIRTIO_CONSOLE_PORT_NAME 7u

/* Follows the control header of a RESIZE. */
struct virtio_console_resize
{
  virtio_le16 cols;
  virtio_le16 rows;
};
VIRTIO_SIZE (struct virtio_console_resize, 4);
