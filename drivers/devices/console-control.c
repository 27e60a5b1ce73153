/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control queues of a console with several ports (5.3.6.2). */
#include "console.h"

#define OUT 16u /* messages of ours under way */

static int
post (struct virtio_console *console, uint8_t *buffer)
{
  struct virtio_seg seg = { buffer, VIRTIO_CONSOLE_BUFFER_BYTES };

  return virtio_queue_add (&console->ctrl_rx, &seg, 0, 1, buffer);
}

static unsigned
count (const struct virtio_queue *queue, unsigned most)
{
  return queue->size < most ? queue->size : most;
}

/* 5.3.2: behind the queues of port 0, whichever other ports there are. */
int
virtio_console_control_start (struct virtio_console *console)
{
  const struct virtio_hal *hal = console->dev.hal;
  int error = virtio_queue_start (&console->ctrl_rx, &console->dev, VIRTIO_CONSOLE_QUEUE_CTRL_RX, 0, 1,
                                  VIRTIO_LEN_STRICT);

  if (!error)
    error = virtio_queue_start (&console->ctrl_tx, &console->dev, VIRTIO_CONSOLE_QUEUE_CTRL_TX, 0, 1,
                                VIRTIO_LEN_CLAMP);
  if (error)
    return error;
  console->ctrl_in = hal->ops->alloc (hal->ctx, VIRTIO_CONSOLE_BUFFERS * sizeof *console->ctrl_in, 16);
  console->ctrl_out = hal->ops->alloc (hal->ctx, OUT * sizeof *console->ctrl_out, 16);
  if (!console->ctrl_in || !console->ctrl_out)
    return -VIRTIO_ENOMEM;
  console->ctrl_free = (1u << count (&console->ctrl_tx, OUT)) - 1;
  for (unsigned i = 0; i < count (&console->ctrl_rx, VIRTIO_CONSOLE_BUFFERS) && !error; i++)
    error = post (console, console->ctrl_in[i]);
  return error;
}

void
virtio_console_control_stop (struct virtio_console *console)
{
  const struct virtio_hal *hal = console->dev.hal;
  void *token;

  while (virtio_queue_drain (&console->ctrl_rx, &token) || virtio_queue_drain (&console->ctrl_tx, &token))
    ;
  virtio_queue_free (&console->ctrl_rx);
  virtio_queue_free (&console->ctrl_tx);
  if (console->ctrl_in)
    hal->ops->free (hal->ctx, console->ctrl_in, VIRTIO_CONSOLE_BUFFERS * sizeof *console->ctrl_in);
  if (console->ctrl_out)
    hal->ops->free (hal->ctx, console->ctrl_out, OUT * sizeof *console->ctrl_out);
}

static void
sent (struct virtio_console *console, const void *message)
{
  console->ctrl_free |= 1u << ((const struct virtio_console_control *) message - console->ctrl_out);
}

/* Until there is room for a message: a device that takes none is given up. */
static int
make_room (struct virtio_console *console)
{
  void *message;
  uint32_t len;
  int got;

  while ((got = virtio_queue_get (&console->ctrl_tx, &message, &len)) == 1)
    sent (console, message);
  if (got < 0 || console->ctrl_free)
    return got;
  got = virtio_queue_wait (&console->ctrl_tx, &message, &len);
  if (got < 0)
    {
      virtio_device_fail (&console->dev);
      return got;
    }
  sent (console, message);
  return 0;
}

/* 5.3.6.2: a message has id, event and value. */
int
virtio_console_send (struct virtio_console *console, uint32_t port, uint16_t event, uint16_t value)
{
  struct virtio_console_control *message;
  struct virtio_seg seg = { .len = sizeof *message };
  int error = make_room (console);

  if (error)
    return error;
  message = &console->ctrl_out[__builtin_ctz (console->ctrl_free)];
  message->id = virtio_to_le32 (port);
  message->event = virtio_to_le16 (event);
  message->value = virtio_to_le16 (value);
  seg.addr = message;
  error = virtio_queue_add (&console->ctrl_tx, &seg, 1, 0, message);
  if (error)
    return error;
  console->ctrl_free &= ~(1u << (message - console->ctrl_out));
  virtio_queue_kick (&console->ctrl_tx);
  return 0;
}

int
virtio_console_open (struct virtio_console *console, uint32_t port, bool open)
{
  if (port >= console->n_ports || !console->ports[port].added)
    return -VIRTIO_ENODEV;
  if (!console->multiport)
    return 0;
  return virtio_console_send (console, port, VIRTIO_CONSOLE_PORT_OPEN, open);
}

/* 5.3.6.2, PORT_NAME: behind the header, as long as the message was, not ended by NUL. */
static void
set_name (struct virtio_console_port *port, const uint8_t *name, uint32_t len)
{
  uint32_t n = len < VIRTIO_CONSOLE_NAME_MAX ? len : VIRTIO_CONSOLE_NAME_MAX;

  memcpy (port->name, name, n);
  port->name[n] = 0;
}

static void
set_size (struct virtio_console *console, const uint8_t *data)
{
  struct virtio_console_resize size;

  memcpy (&size, data, sizeof size);
  console->cols = virtio_from_le16 (size.cols);
  console->rows = virtio_from_le16 (size.rows);
}

/* 5.3.6.2: each port is answered. One we have queues for is ready, one beyond is not. */
static int
add_port (struct virtio_console *console, uint32_t id)
{
  if (id < console->n_ports)
    console->ports[id].added = true;
  return virtio_console_send (console, id, VIRTIO_CONSOLE_PORT_READY, id < console->n_ports);
}

/* 5.3.6.2: what the device says of a port that was added. */
static int
handle_port (struct virtio_console *console, const struct virtio_console_control *message,
             const uint8_t *rest, uint32_t len)
{
  uint32_t id = virtio_from_le32 (message->id);
  struct virtio_console_port *port = &console->ports[id];

  switch (virtio_from_le16 (message->event))
    {
    case VIRTIO_CONSOLE_DEVICE_REMOVE:
      port->added = port->host_open = port->console = false;
      port->name[0] = 0;
      return 0;
    case VIRTIO_CONSOLE_CONSOLE_PORT:
      port->console = true;
      return virtio_console_send (console, id, VIRTIO_CONSOLE_PORT_OPEN, 1);
    case VIRTIO_CONSOLE_PORT_OPEN:
      port->host_open = virtio_from_le16 (message->value) != 0;
      return 0;
    case VIRTIO_CONSOLE_PORT_NAME:
      set_name (port, rest, len);
      return 0;
    case VIRTIO_CONSOLE_RESIZE:
      if (len >= sizeof (struct virtio_console_resize))
        {
          set_size (console, rest);
          return 0;
        }
      break;
    default:
      break;
    }
  console->ctrl_ignored++;
  return 0;
}

static int
handle (struct virtio_console *console, const uint8_t *data, uint32_t len)
{
  struct virtio_console_control message;
  uint32_t id;

  if (len < sizeof message)
    {
      console->ctrl_ignored++;
      return 0;
    }
  memcpy (&message, data, sizeof message);
  id = virtio_from_le32 (message.id);
  if (virtio_from_le16 (message.event) == VIRTIO_CONSOLE_DEVICE_ADD)
    return add_port (console, id);
  if (id < console->n_ports && console->ports[id].added)
    return handle_port (console, &message, data + sizeof message, len - (uint32_t) sizeof message);
  console->ctrl_ignored++; /* 5.3.6.2.1: about a port that was never added */
  return 0;
}

int
virtio_console_poll (struct virtio_console *console)
{
  unsigned n = 0;

  if (!console->multiport)
    return virtio_device_check (&console->dev);
  for (; n < VIRTIO_CONSOLE_POLL_MAX; n++)
    {
      void *buffer;
      uint32_t len;
      int got = virtio_queue_get (&console->ctrl_rx, &buffer, &len);

      if (got == 0)
        break;
      if (got > 0)
        got = handle (console, buffer, len);
      if (got == 0)
        got = post (console, buffer);
      if (got < 0)
        return got;
    }
  if (n > 0)
    virtio_queue_kick (&console->ctrl_rx);
  return (int) n;
}

int
virtio_console_find (const struct virtio_console *console, const char *name)
{
  for (uint32_t i = 0; i < console->n_ports; i++)
    {
      const char *a = console->ports[i].name, *b = name;

      while (*a && *a == *b)
        {
          a++;
          b++;
        }
      if (console->ports[i].added && *a == *b)
        return (int) i;
    }
  return -VIRTIO_ENODEV;
}
