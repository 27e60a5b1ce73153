/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A console: one port, or several with names ("multiport"). Bytes are copied. */
#pragma once

#include <virtio/console.h>
#include <virtio/driver/queue.h>

/* Ports we serve; those beyond are refused when the device adds them. */
#define VIRTIO_CONSOLE_PORTS 8u
/* Buffers of a port each way, and their size. */
#define VIRTIO_CONSOLE_BUFFERS 8u
#define VIRTIO_CONSOLE_BUFFER_BYTES 256u
#define VIRTIO_CONSOLE_NAME_MAX 63u
/* Control messages handled by one virtio_console_poll. */
#define VIRTIO_CONSOLE_POLL_MAX 32u

typedef uint8_t virtio_console_buffer[VIRTIO_CONSOLE_BUFFER_BYTES];

struct virtio_console_port
{
  struct virtio_queue rx, tx;
  virtio_console_buffer *buffers; /* first those received into, then those sent */
  uint32_t tx_free;               /* bit set: free */
  const uint8_t *unread;          /* what is left of the oldest buffer received */
  uint32_t n_unread;
  uint8_t *unread_buffer;
  bool added;     /* the device has it */
  bool host_open; /* somebody listens there */
  bool console;   /* to be used as a console */
  char name[VIRTIO_CONSOLE_NAME_MAX + 1];
};

struct virtio_console
{
  struct virtio_device dev;
  struct virtio_console_port ports[VIRTIO_CONSOLE_PORTS];
  uint32_t n_ports; /* with queues */
  bool multiport;
  uint16_t cols, rows; /* 0: not known */
  struct virtio_queue ctrl_rx, ctrl_tx;
  virtio_console_buffer *ctrl_in;
  struct virtio_console_control *ctrl_out;
  uint32_t ctrl_free;    /* bit set: free */
  uint64_t ctrl_ignored; /* messages that made no sense */
};

/** Starts the console behind @transport, which outlives it. With several ports
 * they come by and by: call virtio_console_poll. 0 or a negated error. */
int virtio_console_start (struct virtio_console *console, struct virtio_transport *transport,
                          const struct virtio_options *options);
int virtio_console_stop (struct virtio_console *console);

/** Handles what the device says about its ports: how many messages, or an error. */
int virtio_console_poll (struct virtio_console *console);

/** The port of that name that the device has added, or -VIRTIO_ENODEV. */
int virtio_console_find (const struct virtio_console *console, const char *name);

/** Tells the device that somebody uses a port, or no more. */
int virtio_console_open (struct virtio_console *console, uint32_t port, bool open);

/** Sends as much of @bytes as there are free buffers for: how much that is, 0 when
 * none are, -VIRTIO_ENODEV for a port that is not there, or -VIRTIO_EIO. */
int virtio_console_write (struct virtio_console *console, uint32_t port, const void *from,
                          size_t bytes);

/** Receives at most @bytes: how many came, 0 for none, or an error as above. */
int virtio_console_read (struct virtio_console *console, uint32_t port, void *to, size_t bytes);

/** One character by 5.3.4's emerg_wr, which works on a device that was never
 * started: for a panic. -VIRTIO_ENOTSUP when not offered. */
int virtio_console_emergency (struct virtio_transport *transport, char c);
