/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases for a console: the port named "echo" has a host behind it that sends back
 * what it gets; one without several ports is only written to. */
#include "guest.h"

#include <virtio/driver/console.h>

#define WAIT_CYCLES 20000000000ull
#define BYTES 3000u

static struct virtio_console console;
static uint8_t out[BYTES], in[BYTES];

static int
wait_for_port (const char *name)
{
  uint64_t start = cycles ();

  while (cycles () - start < WAIT_CYCLES)
    {
      int port, n = virtio_console_poll (&console);

      if (n < 0)
        return n;
      port = virtio_console_find (&console, name);
      if (port >= 0 && console.ports[port].host_open)
        return port;
    }
  return -VIRTIO_ETIMEDOUT;
}

/* Sends @bytes and takes what comes back meanwhile. */
static bool
echoes (uint32_t port, unsigned bytes)
{
  uint64_t start = cycles ();
  unsigned sent = 0, got = 0;

  fill_pattern (out, BYTES, bytes);
  memset (in, 0, BYTES);
  while (got < bytes && cycles () - start < WAIT_CYCLES)
    {
      int n = sent < bytes ? virtio_console_write (&console, port, out + sent, bytes - sent) : 0;

      if (n < 0)
        return false;
      sent += (unsigned) n;
      n = virtio_console_read (&console, port, in + got, bytes - got);
      if (n < 0)
        return false;
      got += (unsigned) n;
    }
  return got == bytes && memcmp (in, out, bytes) == 0;
}

static void
test_ports (void)
{
  static const uint16_t sizes[] = { 1, 255, 256, 257, BYTES };
  int port = wait_for_port ("echo");

  if (!check (port >= 0, "finds its port by name [CO4]"))
    return;
  check_error (virtio_console_open (&console, (uint32_t) port, true), "opens it");
  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
    check (echoes ((uint32_t) port, sizes[i]), "gets back what it sent");
  check (virtio_console_write (&console, VIRTIO_CONSOLE_PORTS, out, 1) == -VIRTIO_ENODEV,
         "knows no port beyond its ports");
  check_error (virtio_console_open (&console, (uint32_t) port, false), "closes it");
}

void
test_console (struct virtio_transport *transport, const struct virtio_options *options)
{
  if (virtio_console_emergency (transport, '!') == 0)
    check (true, "takes an emergency character before it is started [CO1]");
  if (!check_error (virtio_console_start (&console, transport, options), "starts"))
    return;
  test_features (&console.dev);
  if (console.multiport)
    test_ports ();
  else
    check (virtio_console_write (&console, 0, "hello\n", 6) == 6, "writes to its only port");
  check_error (virtio_console_stop (&console), "stops");
}
