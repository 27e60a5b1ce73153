/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Console device (5.3): a queue each way for each port. */
#include "console.h"

/* 5.3.3 */
#define WANTED (VIRTIO_BIT (VIRTIO_CONSOLE_F_SIZE) | VIRTIO_BIT (VIRTIO_CONSOLE_F_MULTIPORT))

#define CONFIG(field) offsetof (struct virtio_console_config, field)

static int
post (struct virtio_console_port *port, uint8_t *buffer)
{
  struct virtio_seg seg = { buffer, VIRTIO_CONSOLE_BUFFER_BYTES };

  return virtio_queue_add (&port->rx, &seg, 0, 1, buffer);
}

static unsigned
count (const struct virtio_queue *queue)
{
  return queue->size < VIRTIO_CONSOLE_BUFFERS ? queue->size : VIRTIO_CONSOLE_BUFFERS;
}

/* 5.3.2: a port has a queue each way; 5.3.5: the first is filled at once. */
static int
start_port (struct virtio_console *console, uint32_t number)
{
  const struct virtio_hal *hal = console->dev.hal;
  struct virtio_console_port *port = &console->ports[number];
  int error = virtio_queue_start (&port->rx, &console->dev,
                                  (uint16_t) VIRTIO_CONSOLE_QUEUE_RX (number), 0, 1, VIRTIO_LEN_STRICT);

  if (!error)
    error = virtio_queue_start (&port->tx, &console->dev, (uint16_t) VIRTIO_CONSOLE_QUEUE_TX (number),
                                0, 1, VIRTIO_LEN_CLAMP);
  if (error)
    return error;
  port->buffers = hal->ops->alloc (hal->ctx, 2 * VIRTIO_CONSOLE_BUFFERS * sizeof *port->buffers, 16);
  if (!port->buffers)
    return -VIRTIO_ENOMEM;
  port->tx_free = (1u << count (&port->tx)) - 1;
  for (unsigned i = 0; i < count (&port->rx) && !error; i++)
    error = post (port, port->buffers[i]);
  return error;
}

/* 5.3.4: fields by their features. A port there is no room for stays unused: its
 * PORT_READY says 0. */
static int
read_config (struct virtio_console *console)
{
  virtio_le16 size[2] = { 0, 0 };
  virtio_le32 ports = 0;
  int error = 0;

  console->multiport = virtio_device_has (&console->dev, VIRTIO_CONSOLE_F_MULTIPORT);
  console->n_ports = 1;
  if (virtio_device_has (&console->dev, VIRTIO_CONSOLE_F_SIZE))
    error = virtio_device_config (&console->dev, CONFIG (cols), size, sizeof size, 2);
  console->cols = virtio_from_le16 (size[0]);
  console->rows = virtio_from_le16 (size[1]);
  if (error || !console->multiport)
    return error;
  error = virtio_device_config (&console->dev, CONFIG (max_nr_ports), &ports, sizeof ports, 4);
  if (!error && ports == 0)
    return -VIRTIO_EPROTO;
  console->n_ports = virtio_from_le32 (ports);
  if (console->n_ports > VIRTIO_CONSOLE_PORTS)
    console->n_ports = VIRTIO_CONSOLE_PORTS;
  return error;
}

static int
start_queues (struct virtio_console *console)
{
  int error = read_config (console);

  for (uint32_t i = 0; i < console->n_ports && !error; i++)
    error = start_port (console, i);
  if (!error && console->multiport)
    error = virtio_console_control_start (console);
  return error;
}

/* 3.1.1, with 5.3.5: queues before DRIVER_OK, DEVICE_READY behind it (5.3.6.2). With one
 * port there is nobody to tell of it: it is there. */
int
virtio_console_start (struct virtio_console *console, struct virtio_transport *transport,
                      const struct virtio_options *options)
{
  int error;

  memset (console, 0, sizeof *console);
  if (transport->device_id != VIRTIO_ID_CONSOLE)
    return -VIRTIO_ENODEV;
  error = virtio_device_begin (&console->dev, transport, options, WANTED, NULL, 0);
  if (!error)
    error = start_queues (console);
  if (!error)
    error = virtio_device_ready (&console->dev);
  for (uint32_t i = 0; i < console->n_ports && !error; i++)
    virtio_queue_kick (&console->ports[i].rx);
  if (!error && console->multiport)
    {
      virtio_queue_kick (&console->ctrl_rx);
      error = virtio_console_send (console, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    }
  else if (!error)
    console->ports[0].added = console->ports[0].host_open = console->ports[0].console = true;
  if (error)
    {
      virtio_device_fail (&console->dev);
      virtio_console_stop (console);
    }
  return error;
}

static void
stop_port (const struct virtio_hal *hal, struct virtio_console_port *port)
{
  void *token;

  while (virtio_queue_drain (&port->rx, &token) || virtio_queue_drain (&port->tx, &token))
    ;
  virtio_queue_free (&port->rx);
  virtio_queue_free (&port->tx);
  if (port->buffers)
    hal->ops->free (hal->ctx, port->buffers, 2 * VIRTIO_CONSOLE_BUFFERS * sizeof *port->buffers);
}

int
virtio_console_stop (struct virtio_console *console)
{
  int error;

  if (!console->dev.hal)
    return 0;
  error = virtio_device_reset (&console->dev);
  if (error)
    return error;
  for (uint32_t i = 0; i < VIRTIO_CONSOLE_PORTS; i++)
    stop_port (console->dev.hal, &console->ports[i]);
  virtio_console_control_stop (console);
  memset (console, 0, sizeof *console);
  return 0;
}

static struct virtio_console_port *
port_of (struct virtio_console *console, uint32_t number)
{
  if (number >= console->n_ports || !console->ports[number].added)
    return NULL;
  return &console->ports[number];
}

/* Buffers the device has used are free again. */
static int
take_sent (struct virtio_console_port *port)
{
  virtio_console_buffer *first = port->buffers + VIRTIO_CONSOLE_BUFFERS;
  void *buffer;
  uint32_t len;
  int got;

  while ((got = virtio_queue_get (&port->tx, &buffer, &len)) == 1)
    port->tx_free |= 1u << ((virtio_console_buffer *) buffer - first);
  return got;
}

/* 5.3.6: as much as there are buffers for; how much that was. */
int
virtio_console_write (struct virtio_console *console, uint32_t number, const void *from, size_t bytes)
{
  struct virtio_console_port *port = port_of (console, number);
  size_t done = 0;
  int error = port ? take_sent (port) : -VIRTIO_ENODEV;

  if (error)
    return error;
  while (done < bytes && port->tx_free)
    {
      unsigned n = (unsigned) __builtin_ctz (port->tx_free);
      uint8_t *buffer = port->buffers[VIRTIO_CONSOLE_BUFFERS + n];
      struct virtio_seg seg = { buffer, VIRTIO_CONSOLE_BUFFER_BYTES };

      if (bytes - done < seg.len)
        seg.len = (uint32_t) (bytes - done);
      memcpy (buffer, (const uint8_t *) from + done, seg.len);
      error = virtio_queue_add (&port->tx, &seg, 1, 0, buffer);
      if (error)
        return error;
      port->tx_free &= ~(1u << n);
      done += seg.len;
    }
  virtio_queue_kick (&port->tx);
  return (int) done;
}

/* The oldest buffer received becomes the one that is read from. */
static int
next_buffer (struct virtio_console_port *port)
{
  void *buffer;
  uint32_t len;
  int got;

  if (port->unread_buffer)
    {
      int error = post (port, port->unread_buffer);

      port->unread_buffer = NULL;
      if (error)
        return error;
      virtio_queue_kick (&port->rx);
    }
  got = virtio_queue_get (&port->rx, &buffer, &len);
  if (got == 1)
    {
      port->unread = port->unread_buffer = buffer;
      port->n_unread = len;
    }
  return got;
}

int
virtio_console_read (struct virtio_console *console, uint32_t number, void *to, size_t bytes)
{
  struct virtio_console_port *port = port_of (console, number);

  if (!port)
    return -VIRTIO_ENODEV;
  if (port->n_unread == 0)
    {
      int got = next_buffer (port);

      if (got <= 0)
        return got;
    }
  if (bytes > port->n_unread)
    bytes = port->n_unread;
  memcpy (to, port->unread, bytes);
  port->unread += bytes;
  port->n_unread -= (uint32_t) bytes;
  return (int) bytes;
}

/* 5.3.4: one character by the configuration alone, of a device nobody has set up. */
int
virtio_console_emergency (struct virtio_transport *transport, char c)
{
  if (transport->device_id != VIRTIO_ID_CONSOLE
      || transport->config_size < sizeof (struct virtio_console_config)
      || !(transport->ops->get_features (transport) & VIRTIO_BIT (VIRTIO_CONSOLE_F_EMERG_WRITE)))
    return -VIRTIO_ENOTSUP;
  transport->ops->config_write (transport, CONFIG (emerg_wr), 4, (uint8_t) c);
  return 0;
}
