/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drivers on a device whose every write comes from the input: features,
 * configuration, capabilities, used entries, scribbles over all shared memory,
 * its status at any time. Each call ends in bounded time, nothing outside of what
 * was shared is touched, and once the device can be reset all memory is back: also
 * after a start in which it went away, whose memory it might have written to. */
#include "fuzz.h"

#include "drivers/fake/fake.h"

#include <virtio/driver/blk.h>
#include <virtio/driver/console.h>
#include <virtio/driver/mmio.h>
#include <virtio/driver/net.h>
#include <virtio/driver/pci.h>
#include <virtio/driver/rng.h>
#include <virtio/driver/vsock.h>

struct input
{
  const uint8_t *data;
  size_t left;
};

static struct input input;
static struct fake_platform platform;
static struct fake_device fake;
static struct fake_disk disk;
static struct fake_wire wire;
static struct fake_ports ports;
static struct fake_host host;
static void (*honest) (struct fake_device *device, uint16_t index);

static uint64_t
take (unsigned bytes)
{
  uint64_t value = 0;

  for (; bytes > 0 && input.left > 0; bytes--, input.left--)
    value = value << 8 | *input.data++;
  return value;
}

/* ---- the device ---- */

/* Some bytes of something the device may write to. */
static void
scribble (void)
{
  struct fake_mapping *mapping;
  size_t at;

  if (platform.n_mappings == 0)
    return;
  mapping = &platform.mappings[take (1) % platform.n_mappings];
  at = take (2) % mapping->bytes;
  if (mapping->dir & VIRTIO_FROM_DEVICE)
    for (unsigned n = take (1) % 32; n > 0 && at < mapping->bytes; n--)
      ((uint8_t *) mapping->bounce)[at++] = (uint8_t) take (1);
}

static void
use (uint16_t index, bool popped)
{
  struct fake_chain chain = { .id = 0 };

  if (!fake.queues[index].enabled || (popped && !fake_pop (&fake, index, &chain)))
    return;
  if (popped)
    fake_push (&fake, index, &chain, (uint32_t) take (2));
  else
    fake_push_raw (&fake, index, (uint32_t) take (4), (uint32_t) take (4), (uint16_t) take (1));
}

static void
disturb (void)
{
  switch (take (1) % 10)
    {
    case 0:
      fake.status |= (uint8_t) take (1);
      break;
    case 1:
      fake.status &= (uint8_t) take (1);
      break;
    case 2:
      fake.gone = take (1) == 1;
      break;
    case 3:
      fake.restless = take (1) & 1;
      break;
    case 4:
      fake.generation++;
      fake.config[take (1) % FAKE_CONFIG] = (uint8_t) take (1);
      break;
    case 5:
      disk.force_status = (uint8_t) take (1);
      break;
    case 6:
      wire.merge = take (1) % 8;
      break;
    case 7:
      fake.queue_reset_looks = (unsigned) take (1) % 16;
      break;
    case 8:
      fake.queue_reset_ignored = take (1) & 1;
      break;
    default:
      wire.ack = (uint8_t) take (1);
      break;
    }
}

/* A few things, then perhaps what a device should do. */
static void
act (struct fake_device *device, uint16_t index)
{
  for (unsigned n = take (1) % 8; n > 0; n--)
    switch (take (1) % 6)
      {
      case 0:
        use (index, false);
        break;
      case 1:
        use (index, true);
        break;
      case 2:
        scribble ();
        break;
      case 3:
        disturb ();
        break;
      default:
        if (device->queues[index].enabled)
          honest (device, index);
        break;
      }
}

/* ---- the driver's user ---- */

static uint8_t buffer[16384];

/* What could be started can be stopped. What could not was perhaps never there. */
static void
stopped (bool started, int error)
{
  if (started)
    g_assert_cmpint (error, ==, 0);
}

static void
use_blk (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_blk blk;
  char id[VIRTIO_BLK_ID_BYTES + 1];
  void *token;
  int result;
  bool started;

  started = virtio_blk_start (&blk, transport, options) == 0;
  while (started && input.left > 0)
    {
      act (&fake, 0);
      switch (take (1) % 10)
        {
        case 0: virtio_blk_read (&blk, take (1), buffer, take (1) % 32 * 512); break;
        case 1: virtio_blk_write (&blk, take (1), buffer, take (1) % 32 * 512); break;
        case 2: virtio_blk_flush (&blk); break;
        case 3: virtio_blk_discard (&blk, take (1), take (1)); break;
        case 4: virtio_blk_write_zeroes (&blk, take (1), take (1), true); break;
        case 5: virtio_blk_get_id (&blk, id); break;
        case 6: virtio_blk_submit (&blk, take (1) & 1, take (1), buffer, 512, buffer); break;
        case 7: virtio_blk_kick (&blk); break;
        case 8: virtio_blk_set_write_back (&blk, take (1) & 1); break;
        default:
          if (virtio_blk_poll (&blk, &token, &result) == 1)
            g_assert_true (token == buffer);
          virtio_blk_refresh (&blk);
          break;
        }
    }
  fake.gone = fake.reset_stuck = false;
  stopped (started, virtio_blk_stop (&blk));
}

static void
use_net (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_net net;
  bool started;

  started = virtio_net_start (&net, transport, options, NULL) == 0;
  while (started && input.left > 0)
    {
      act (&fake, (uint16_t) (take (1) % 3));
      switch (take (1) % 6)
        {
        case 0: virtio_net_send (&net, buffer, take (2) % 2048); break;
        case 1: g_assert_cmpint (virtio_net_receive (&net, buffer, 2048), <=, 2048); break;
        case 2: virtio_net_pending (&net); break;
        case 3: virtio_net_set_mac (&net, (const uint8_t *) "\2abcde"); break;
        case 4: virtio_net_resize (&net, (uint16_t) take (1)); break;
        default: virtio_net_link (&net); break;
        }
    }
  fake.gone = fake.reset_stuck = false;
  stopped (started, virtio_net_stop (&net));
}

static void
use_rng (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_rng rng;
  bool started;

  started = virtio_rng_start (&rng, transport, options) == 0;
  while (started && input.left > 0)
    {
      act (&fake, 0);
      virtio_rng_read (&rng, buffer, take (1));
    }
  fake.gone = fake.reset_stuck = false;
  stopped (started, virtio_rng_stop (&rng));
}

static void
use_console (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_console console;
  bool started;

  virtio_console_emergency (transport, 'x');
  started = virtio_console_start (&console, transport, options) == 0;
  while (started && input.left > 0)
    {
      act (&fake, (uint16_t) (take (1) % 6));
      switch (take (1) % 6)
        {
        case 0: virtio_console_write (&console, (uint32_t) take (1) % 3, buffer, take (2) % 4096); break;
        case 1: virtio_console_read (&console, (uint32_t) take (1) % 3, buffer, take (2) % 512); break;
        case 2: virtio_console_open (&console, (uint32_t) take (1) % 3, true); break;
        case 3: virtio_console_find (&console, "one"); break;
        case 4:
          if (virtio_device_has (&console.dev, VIRTIO_CONSOLE_F_MULTIPORT))
            fake_console_say (&fake, (uint32_t) take (1), (uint16_t) take (1) % 9, (uint16_t) take (1),
                              buffer, (uint32_t) take (1) % 248);
          break;
        default: virtio_console_poll (&console); break;
        }
    }
  fake.gone = fake.reset_stuck = false;
  stopped (started, virtio_console_stop (&console));
}

/* A packet whose every field is the input's, or nearly one of a connection. */
static void
say_packet (const struct virtio_vsock *vsock)
{
  struct virtio_vsock_hdr hdr = { .src_cid = VIRTIO_VSOCK_CID_HOST, .dst_cid = vsock->cid,
                                  .type = VIRTIO_VSOCK_TYPE_STREAM };
  const struct virtio_vsock_connection *connection =
    &vsock->connections[take (1) % VIRTIO_VSOCK_CONNECTIONS];

  hdr.op = (uint16_t) take (1) % 9;
  hdr.flags = (uint32_t) take (1);
  hdr.len = (uint32_t) take (2) % 1024;
  hdr.buf_alloc = (uint32_t) take (2);
  hdr.fwd_cnt = connection->sent - (uint32_t) take (1);
  hdr.src_port = connection->ends.peer_port;
  hdr.dst_port = take (1) & 1 ? connection->ends.port : 5;
  if (take (1) == 7)
    for (unsigned n = take (1) % 8; n > 0; n--)
      ((uint8_t *) &hdr)[take (1) % sizeof hdr] = (uint8_t) take (1);
  if (hdr.len <= VIRTIO_VSOCK_PAYLOAD)
    fake_vsock_say (&fake, &hdr, buffer);
}

static void
use_vsock (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_vsock vsock;
  bool started;

  started = virtio_vsock_start (&vsock, transport, options) == 0;
  while (started && input.left > 0)
    {
      act (&fake, (uint16_t) (take (1) % 3));
      switch (take (1) % 10)
        {
        case 0: virtio_vsock_connect (&vsock, VIRTIO_VSOCK_CID_HOST, (uint32_t) take (1) % 10); break;
        case 1: virtio_vsock_listen (&vsock, (uint32_t) take (1) % 10); break;
        case 2: virtio_vsock_ignore (&vsock, (uint32_t) take (1) % 10); break;
        case 3: virtio_vsock_accept (&vsock, (uint32_t) take (1) % 10); break;
        case 4: virtio_vsock_send (&vsock, (unsigned) take (1) % 9, buffer, take (2) % sizeof buffer); break;
        case 5:
          g_assert_cmpint (virtio_vsock_receive (&vsock, (unsigned) take (1) % 9, buffer, 4096), <=, 4096);
          break;
        case 6: virtio_vsock_end (&vsock, (unsigned) take (1) % 9); break;
        case 7: virtio_vsock_close (&vsock, (unsigned) take (1) % 9); break;
        case 8: say_packet (&vsock); break;
        default: virtio_vsock_poll (&vsock); break;
        }
      g_assert_cmpuint (vsock.n_resets, <=, VIRTIO_VSOCK_RESETS);
      for (unsigned i = 0; i < VIRTIO_VSOCK_CONNECTIONS; i++)
        g_assert_cmpuint (vsock.connections[i].received - vsock.connections[i].read, <=,
                          VIRTIO_VSOCK_WINDOW);
    }
  fake.gone = fake.reset_stuck = false;
  stopped (started, virtio_vsock_stop (&vsock));
}

/* ---- set-up ---- */

static void
make_device (uint16_t id)
{
  static const uint64_t ours = VIRTIO_BIT (VIRTIO_F_VERSION_1);
  uint64_t features = take (8);

  fake_platform_init (&platform);
  platform.step_us = 2000;
  memset (&disk, 0, sizeof disk);
  memset (&wire, 0, sizeof wire);
  fake_device_init (&fake, &platform, id, features | (features & 1 ? 0 : ours));
  if (id == VIRTIO_ID_BLOCK)
    fake_blk_config (&fake, &disk);
  else if (id == VIRTIO_ID_NET)
    {
      memcpy (fake.config, "\2\1\1\1\1\1\1\0\0\0\xdc\5", 12);
      fake.user = &wire;
    }
  else if (id == VIRTIO_ID_CONSOLE)
    {
      fake.config[4] = 2; /* ports */
      fake.user = &ports;
    }
  else if (id == VIRTIO_ID_VSOCK)
    {
      memset (&host, 0, sizeof host);
      fake_vsock_config (&fake, &host);
    }
  for (uint16_t i = 0; i < (id == VIRTIO_ID_CONSOLE ? 6 : 3); i++)
    {
      uint16_t size = (uint16_t) take (1);

      fake_device_queue (&fake, i, size == 255 ? (uint16_t) take (2) : size);
    }
  for (unsigned n = take (1) % 8; n > 0; n--)
    fake.config[take (1) % FAKE_CONFIG] = (uint8_t) take (1);
  fake.process = act;
}

static struct virtio_transport *
make_transport (void)
{
  static struct virtio_pci pci;
  static struct virtio_mmio mmio;
  struct virtio_pci_config config;

  switch (take (1) % 3)
    {
    case 0:
      return &fake.transport;
    case 1:
      return virtio_mmio_open (&mmio, &platform.hal, FAKE_MMIO_BASE, FAKE_MMIO_BYTES) ? NULL
                                                                                     : &mmio.transport;
    default:
      fake_pci_init (&fake, &config);
      for (unsigned n = take (1) % 16; n > 0; n--)
        fake.pci[take (1)] = (uint8_t) take (1);
      fake.notify_multiplier = (uint32_t) take (1);
      return virtio_pci_open (&pci, &platform.hal, &config) ? NULL : &pci.transport;
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const struct
  {
    uint16_t id;
    void (*process) (struct fake_device *device, uint16_t index);
    void (*run) (struct virtio_transport *transport, const struct virtio_options *options);
  } kinds[] = { { VIRTIO_ID_BLOCK, fake_blk_process, use_blk },
                { VIRTIO_ID_NET, fake_net_process, use_net },
                { VIRTIO_ID_RNG, fake_rng_process, use_rng },
                { VIRTIO_ID_CONSOLE, fake_console_process, use_console },
                { VIRTIO_ID_VSOCK, fake_vsock_process, use_vsock } };
  struct virtio_options options = { .timeout_ms = 20, .queue_reset = true };
  struct virtio_transport *transport;
  unsigned kind;

  input = (struct input) { data, size };
  kind = (unsigned) (take (1) % G_N_ELEMENTS (kinds));
  honest = kinds[kind].process;
  make_device (kinds[kind].id);
  transport = make_transport ();
  if (transport && transport->device_id == kinds[kind].id)
    kinds[kind].run (transport, &options);
  g_assert_cmpuint (platform.allocs, ==, 0);
  g_assert_cmpuint (platform.n_mappings, ==, 0);
  fake_platform_clear (&platform);
  return 0;
}
