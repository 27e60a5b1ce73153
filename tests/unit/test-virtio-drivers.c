/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk, network and entropy drivers over the fake transport. */
#include "tap-main.h"

#include "drivers/fake/fake.h"

#include <virtio/driver/blk.h>
#include <virtio/driver/net.h>
#include <virtio/driver/rng.h>

#define VERSION_1 VIRTIO_BIT (VIRTIO_F_VERSION_1)
#define RINGS 8

struct bench
{
  struct fake_platform platform;
  struct fake_device fake;
  struct fake_disk disk;
  struct fake_wire wire;
  struct virtio_blk blk;
  struct virtio_net net;
  struct virtio_rng rng;
};

static const struct virtio_options quick = { .timeout_ms = 50 };

/* Every combination of packed, indirect and event index. */
static uint64_t
ring_features (unsigned variant)
{
  return VERSION_1 | (variant & 1 ? VIRTIO_BIT (VIRTIO_F_RING_PACKED) : 0)
         | (variant & 2 ? VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC) : 0)
         | (variant & 4 ? VIRTIO_BIT (VIRTIO_F_EVENT_IDX) : 0);
}

static void
finish (struct bench *bench)
{
  assert_int_equal (bench->platform.allocs, 0);
  assert_int_equal (bench->platform.n_mappings, 0);
  if (bench->platform.wrong)
    fail_msg ("the driver: %s", bench->platform.wrong);
  fake_platform_clear (&bench->platform);
}

/* ---- disk ---- */

#define BLK_FEATURES \
  (VIRTIO_BIT (VIRTIO_BLK_F_SIZE_MAX) | VIRTIO_BIT (VIRTIO_BLK_F_SEG_MAX) \
   | VIRTIO_BIT (VIRTIO_BLK_F_FLUSH) | VIRTIO_BIT (VIRTIO_BLK_F_DISCARD) \
   | VIRTIO_BIT (VIRTIO_BLK_F_WRITE_ZEROES) | VIRTIO_BIT (VIRTIO_BLK_F_BLK_SIZE))

static void
disk_offer (struct bench *bench, uint64_t offered)
{
  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_BLOCK, offered);
  fake_device_queue (&bench->fake, 0, 64);
  fake_blk_config (&bench->fake, &bench->disk);
}

static void
disk_setup (struct bench *bench, uint64_t offered)
{
  disk_offer (bench, offered);
  assert_int_equal (virtio_blk_start (&bench->blk, &bench->fake.transport, &quick), 0);
}

static void
disk_reads_and_writes (void **state G_GNUC_UNUSED)
{
  static uint8_t data[100 * 512], back[100 * 512];

  for (unsigned variant = 0; variant < RINGS; variant++)
    {
      struct bench bench;

      disk_setup (&bench, ring_features (variant) | BLK_FEATURES);
      assert_int_equal (bench.blk.capacity, FAKE_DISK_SECTORS);
      for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t) (i * 7 + i / 512 + variant);
      assert_int_equal (virtio_blk_write (&bench.blk, 3, data, sizeof data), 0);
      assert_memory_equal (bench.disk.data + 3 * 512, data, sizeof data);
      memset (back, 0, sizeof back);
      assert_int_equal (virtio_blk_read (&bench.blk, 3, back, sizeof back), 0);
      assert_memory_equal (back, data, sizeof data);
      assert_int_equal (virtio_blk_stop (&bench.blk), 0);
      finish (&bench);
    }
}

static void
disk_commands (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  char id[VIRTIO_BLK_ID_BYTES + 1];

  disk_setup (&bench, VERSION_1 | BLK_FEATURES);
  assert_int_equal (virtio_blk_flush (&bench.blk), 0);
  assert_int_equal (bench.disk.flushes, 1);
  memset (bench.disk.data, 1, sizeof bench.disk.data);
  assert_int_equal (virtio_blk_write_zeroes (&bench.blk, 5, 40, true), 0); /* 16 at a time */
  assert_int_equal (bench.disk.discards, 3);
  assert_int_equal (bench.disk.data[5 * 512 - 1], 1);
  assert_int_equal (bench.disk.data[5 * 512], 0);
  assert_int_equal (bench.disk.data[45 * 512 - 1], 0);
  assert_int_equal (bench.disk.data[45 * 512], 1);
  assert_int_equal (virtio_blk_discard (&bench.blk, 0, 4), 0);
  assert_int_equal (bench.disk.data[0], 0xdd);
  assert_int_equal (virtio_blk_get_id (&bench.blk, id), 0);
  assert_string_equal (id, "12345678901234567890");
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
}

static unsigned flushes_when_written_through;

/* What the disk's cache was when the flush came. */
static void
watch_flushes (struct fake_device *device, uint16_t index)
{
  struct fake_disk *disk = device->user;
  unsigned before = disk->flushes;

  fake_blk_process (device, index);
  if (disk->flushes > before && device->config[offsetof (struct virtio_blk_config, writeback)] == 0)
    flushes_when_written_through++;
}

/* 5.2.6.1: writing through says nothing of what was written before. */
static void
disk_turns_to_writing_through (void **state G_GNUC_UNUSED)
{
  const uint64_t wce = VIRTIO_BIT (VIRTIO_BLK_F_CONFIG_WCE);
  struct bench bench;

  disk_setup (&bench, VERSION_1 | BLK_FEATURES | wce);
  flushes_when_written_through = 0;
  bench.fake.process = watch_flushes;
  assert_int_equal (virtio_blk_set_write_back (&bench.blk, false), 0);
  assert_int_equal (flushes_when_written_through, 1); /* behind the change: nothing slips through */
  assert_int_equal (virtio_blk_set_write_back (&bench.blk, true), 0);
  assert_int_equal (bench.disk.flushes, 1);
  assert_int_equal (bench.fake.config[offsetof (struct virtio_blk_config, writeback)], 1);
  bench.disk.force_status = VIRTIO_BLK_S_IOERR;
  assert_int_equal (virtio_blk_set_write_back (&bench.blk, false), -VIRTIO_EIO);
  bench.fake.status |= VIRTIO_STATUS_NEEDS_RESET;
  assert_int_equal (virtio_blk_set_write_back (&bench.blk, false), -VIRTIO_EIO);
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
  disk_setup (&bench, VERSION_1 | wce); /* a cache that cannot be flushed is none of ours */
  assert_false (virtio_device_has (&bench.blk.dev, VIRTIO_BLK_F_CONFIG_WCE));
  assert_int_equal (virtio_blk_set_write_back (&bench.blk, false), -VIRTIO_ENOTSUP);
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
}

static void
disk_says_what_it_cannot (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint8_t sector[512] = { 0 };

  disk_setup (&bench, VERSION_1 | VIRTIO_BIT (VIRTIO_BLK_F_RO));
  assert_int_equal (virtio_blk_write (&bench.blk, 0, sector, 512), -VIRTIO_EROFS);
  assert_int_equal (virtio_blk_discard (&bench.blk, 0, 1), -VIRTIO_ENOTSUP);
  assert_int_equal (virtio_blk_write_zeroes (&bench.blk, 0, 1, false), -VIRTIO_ENOTSUP);
  assert_int_equal (virtio_blk_flush (&bench.blk), 0); /* without FLUSH it writes through */
  assert_int_equal (virtio_blk_read (&bench.blk, 0, sector, 511), -VIRTIO_EINVAL);
  assert_int_equal (virtio_blk_read (&bench.blk, FAKE_DISK_SECTORS, sector, 512), -VIRTIO_ERANGE);
  assert_int_equal (virtio_blk_read (&bench.blk, UINT64_MAX, sector, 512), -VIRTIO_ERANGE);
  assert_int_equal (virtio_blk_read (&bench.blk, FAKE_DISK_SECTORS - 1, sector, 512), 0);
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
}

static void
disk_errors_are_told (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    uint8_t status;
    int error;
  } cases[] = { { VIRTIO_BLK_S_IOERR, -VIRTIO_EIO }, { VIRTIO_BLK_S_UNSUPP, -VIRTIO_ENOTSUP },
                { 3, -VIRTIO_EIO }, { 0xff, -VIRTIO_EIO } };
  struct bench bench;
  uint8_t sector[512];

  disk_setup (&bench, VERSION_1);
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      bench.disk.force_status = cases[i].status;
      assert_int_equal (virtio_blk_read (&bench.blk, 0, sector, 512), cases[i].error);
    }
  bench.disk.force_status = 0;
  assert_int_equal (virtio_blk_read (&bench.blk, 0, sector, 512), 0); /* it goes on */
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
}

static void
disk_that_does_not_answer_is_given_up (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint8_t sector[512];

  disk_setup (&bench, VERSION_1 | BLK_FEATURES);
  bench.fake.process = NULL;
  assert_int_equal (virtio_blk_read (&bench.blk, 0, sector, 512), -VIRTIO_ETIMEDOUT);
  assert_int_equal (virtio_blk_read (&bench.blk, 0, sector, 512), -VIRTIO_EIO);
  assert_int_equal (virtio_blk_flush (&bench.blk), -VIRTIO_EIO);
  assert_true (bench.fake.status & VIRTIO_STATUS_FAILED);
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
}

static void
disk_takes_many_at_a_time (void **state G_GNUC_UNUSED)
{
  static uint8_t data[64][512];
  struct bench bench;
  unsigned sent = 0, done = 0;

  disk_setup (&bench, VERSION_1 | VIRTIO_BIT (VIRTIO_F_RING_PACKED) | VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC));
  for (unsigned i = 0; i < FAKE_DISK_SECTORS; i++)
    memset (bench.disk.data + 512 * i, (int) i, 512);
  while (sent < 64
         && virtio_blk_submit (&bench.blk, VIRTIO_BLK_T_IN, sent, data[sent], 512, data[sent]) == 0)
    sent++;
  assert_int_equal (sent, VIRTIO_BLK_REQUESTS);
  assert_int_equal (virtio_blk_read (&bench.blk, 0, data[63], 512), -VIRTIO_EAGAIN);
  assert_true (virtio_blk_kick (&bench.blk));
  for (void *token; done < sent; done++)
    {
      int result;

      assert_int_equal (virtio_blk_poll (&bench.blk, &token, &result), 1);
      assert_int_equal (result, 0);
      assert_ptr_equal (token, data[done]);
      assert_int_equal (data[done][511], done);
    }
  assert_int_equal (bench.fake.queues[0].notified, 1);
  assert_int_equal (virtio_blk_submit (&bench.blk, VIRTIO_BLK_T_FLUSH, 0, data, 512, NULL), -VIRTIO_EINVAL);
  assert_int_equal (virtio_blk_submit (&bench.blk, VIRTIO_BLK_T_IN, 256, data, 512, NULL), -VIRTIO_ERANGE);
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
}

static void
disk_configuration_is_not_believed (void **state G_GNUC_UNUSED)
{
  struct virtio_blk_config *config;
  struct bench bench;

  disk_offer (&bench, VERSION_1 | BLK_FEATURES);
  config = (struct virtio_blk_config *) (void *) bench.fake.config;
  config->capacity = UINT64_MAX / 512;
  assert_int_equal (virtio_blk_start (&bench.blk, &bench.fake.transport, &quick), -VIRTIO_EPROTO);
  config->capacity = 10;
  config->size_max = 511; /* not even a sector */
  assert_int_equal (virtio_blk_start (&bench.blk, &bench.fake.transport, &quick), -VIRTIO_EPROTO);
  config->size_max = config->seg_max = 0; /* no limits */
  config->blk_size = 1000;
  assert_int_equal (virtio_blk_start (&bench.blk, &bench.fake.transport, &quick), 0);
  assert_int_equal (bench.blk.block_size, 512);
  assert_int_equal (bench.blk.segments, VIRTIO_BLK_SEGS);
  config->capacity = 20;
  assert_int_equal (virtio_blk_refresh (&bench.blk), 0);
  assert_int_equal (bench.blk.capacity, 20);
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  fake_device_queue (&bench.fake, 0, 2); /* too small for a request */
  assert_int_equal (virtio_blk_start (&bench.blk, &bench.fake.transport, &quick), -VIRTIO_EPROTO);
  finish (&bench);
}

/* Whatever cannot be had, nothing is left behind. */
static void
start_without_memory (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  int error = -1;

  disk_offer (&bench, VERSION_1 | VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC));
  for (int n = 1; n < 30 && error; n++)
    {
      bench.platform.fail_in = n;
      error = virtio_blk_start (&bench.blk, &bench.fake.transport, &quick);
      if (error)
        assert_int_equal (error, -VIRTIO_ENOMEM);
      if (error)
        assert_int_equal (bench.platform.allocs + bench.platform.n_mappings, 0);
    }
  assert_int_equal (error, 0);
  assert_int_equal (virtio_blk_stop (&bench.blk), 0);
  finish (&bench);
}

/* ---- entropy ---- */

static void
rng_setup (struct bench *bench)
{
  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_RNG, VERSION_1);
  fake_device_queue (&bench->fake, 0, 8);
  assert_int_equal (virtio_rng_start (&bench->rng, &bench->fake.transport, &quick), 0);
}

static uint32_t rng_len;

/* Gives so many bytes a buffer, or says so. */
static void
rng_gives (struct fake_device *device, uint16_t index)
{
  struct fake_chain chain;

  while (fake_pop (device, index, &chain))
    {
      memset (chain.segs[0].mem, 7, MIN (rng_len, chain.segs[0].len));
      fake_push (device, index, &chain, rng_len);
    }
}

static void
rng_fills_in_pieces (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint8_t got[100];

  rng_setup (&bench);
  bench.fake.process = rng_gives;
  rng_len = 1;
  assert_int_equal (virtio_rng_read (&bench.rng, got, sizeof got), 0);
  for (unsigned i = 0; i < sizeof got; i++)
    assert_int_equal (got[i], 7);
  rng_len = 0;
  memset (got, 1, sizeof got);
  assert_int_equal (virtio_rng_read (&bench.rng, got, sizeof got), -VIRTIO_EIO);
  rng_len = 101; /* more than was asked for */
  assert_int_equal (virtio_rng_read (&bench.rng, got, sizeof got), -VIRTIO_EIO);
  assert_true (bench.rng.queue.broken);
  assert_int_equal (virtio_rng_stop (&bench.rng), 0);
  finish (&bench);
}

static void
drivers_take_their_devices_only (void **state G_GNUC_UNUSED)
{
  struct bench bench;

  rng_setup (&bench);
  assert_int_equal (virtio_rng_stop (&bench.rng), 0);
  assert_int_equal (virtio_blk_start (&bench.blk, &bench.fake.transport, NULL), -VIRTIO_ENODEV);
  assert_int_equal (virtio_net_start (&bench.net, &bench.fake.transport, NULL, NULL), -VIRTIO_ENODEV);
  bench.fake.transport.device_id = VIRTIO_ID_BLOCK;
  assert_int_equal (virtio_rng_start (&bench.rng, &bench.fake.transport, NULL), -VIRTIO_ENODEV);
  finish (&bench);
}

/* ---- network ---- */

#define NET_FEATURES \
  (VIRTIO_BIT (VIRTIO_NET_F_MAC) | VIRTIO_BIT (VIRTIO_NET_F_STATUS) | VIRTIO_BIT (VIRTIO_NET_F_CTRL_VQ) \
   | VIRTIO_BIT (VIRTIO_NET_F_CTRL_MAC_ADDR) | VIRTIO_BIT (VIRTIO_NET_F_CTRL_RX))

static const uint8_t mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };

static void
net_offer (struct bench *bench, uint64_t offered)
{
  struct virtio_net_config config = { .status = VIRTIO_NET_S_LINK_UP, .mtu = 1400 };

  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_NET, offered);
  for (uint16_t i = 0; i < 3; i++)
    fake_device_queue (&bench->fake, i, 16);
  memcpy (config.mac, mac, 6);
  memcpy (bench->fake.config, &config, sizeof config);
  bench->fake.process = fake_net_process;
  bench->fake.user = &bench->wire;
}

static void
net_setup (struct bench *bench, uint64_t offered)
{
  net_offer (bench, offered);
  assert_int_equal (virtio_net_start (&bench->net, &bench->fake.transport, &quick, NULL), 0);
}

static void
fill (uint8_t *frame, unsigned bytes, unsigned seed)
{
  for (unsigned i = 0; i < bytes; i++)
    frame[i] = (uint8_t) (i * 3 + seed);
}

static void
net_echo (unsigned variant, unsigned merge)
{
  struct bench bench;
  uint8_t frame[1514], back[1600];

  net_setup (&bench, ring_features (variant) | NET_FEATURES
                       | (merge ? VIRTIO_BIT (VIRTIO_NET_F_MRG_RXBUF) : 0));
  assert_memory_equal (bench.net.mac, mac, 6);
  bench.wire.merge = merge;
  for (unsigned i = 0; i < 100; i++)
    {
      unsigned bytes = 14 + i * 15;

      fill (frame, bytes, i);
      assert_int_equal (virtio_net_send (&bench.net, frame, bytes), 0);
      assert_int_equal (virtio_net_receive (&bench.net, back, sizeof back), bytes);
      assert_memory_equal (back, frame, bytes);
      assert_int_equal (virtio_net_receive (&bench.net, back, sizeof back), 0);
    }
  assert_int_equal (virtio_net_pending (&bench.net), 0);
  assert_int_equal (bench.wire.sent, 100);
  assert_int_equal (virtio_net_stop (&bench.net), 0);
  finish (&bench);
}

static void
net_sends_and_receives (void **state G_GNUC_UNUSED)
{
  for (unsigned variant = 0; variant < RINGS; variant++)
    {
      net_echo (variant, 0);
      net_echo (variant, 3);
    }
}

static void
net_limits (void **state G_GNUC_UNUSED)
{
  struct bench bench;
  uint8_t frame[2000] = { 0 };
  unsigned sent = 0;

  net_setup (&bench, VERSION_1 | VIRTIO_BIT (VIRTIO_NET_F_MTU));
  assert_int_equal (bench.net.mtu, 1400);
  assert_int_equal (virtio_net_send (&bench.net, frame, 13), -VIRTIO_EINVAL);
  assert_int_equal (virtio_net_send (&bench.net, frame, 1419), -VIRTIO_EINVAL);
  assert_int_equal (virtio_net_send (&bench.net, frame, 1418), 0);
  assert_int_equal (virtio_net_receive (&bench.net, frame, 1417), -VIRTIO_ERANGE);
  assert_int_equal (bench.net.rx_dropped, 1);
  bench.fake.process = NULL;
  while (sent < 100 && virtio_net_send (&bench.net, frame, 60) == 0)
    sent++;
  assert_int_equal (sent, 16);
  assert_int_equal (virtio_net_send (&bench.net, frame, 60), -VIRTIO_EAGAIN);
  assert_int_equal (virtio_net_pending (&bench.net), 16);
  assert_int_equal (virtio_net_stop (&bench.net), 0);
  finish (&bench);
}

static void
net_control_queue (void **state G_GNUC_UNUSED)
{
  static const uint8_t other[6] = { 2, 1, 1, 1, 1, 1 }, group[6] = { 1, 1, 1, 1, 1, 1 };
  struct bench bench;

  net_setup (&bench, VERSION_1 | NET_FEATURES);
  assert_int_equal (virtio_net_link (&bench.net), 1);
  bench.fake.config[6] = 0;
  assert_int_equal (virtio_net_link (&bench.net), 0);
  assert_int_equal (virtio_net_set_mac (&bench.net, other), 0);
  assert_memory_equal (bench.wire.mac, other, 6);
  assert_int_equal (virtio_net_set_mac (&bench.net, group), -VIRTIO_EINVAL);
  assert_int_equal (virtio_net_set_promiscuous (&bench.net, true), 0);
  bench.wire.ack = VIRTIO_NET_ERR;
  assert_int_equal (virtio_net_set_mac (&bench.net, mac), -VIRTIO_EIO);
  assert_memory_equal (bench.net.mac, other, 6);
  bench.fake.process = NULL; /* no answer */
  assert_int_equal (virtio_net_set_mac (&bench.net, mac), -VIRTIO_ETIMEDOUT);
  assert_int_equal (virtio_net_stop (&bench.net), 0);
  finish (&bench);

  net_setup (&bench, VERSION_1 | VIRTIO_BIT (VIRTIO_NET_F_CTRL_MAC_ADDR)); /* without its queue */
  assert_int_equal (virtio_net_set_mac (&bench.net, other), -VIRTIO_ENOTSUP);
  assert_int_equal (virtio_net_link (&bench.net), 1);
  assert_int_equal (virtio_net_stop (&bench.net), 0);
  finish (&bench);
}

static void
net_configuration_is_not_believed (void **state G_GNUC_UNUSED)
{
  struct virtio_net_config *config;
  struct bench bench;

  net_offer (&bench, VERSION_1 | VIRTIO_BIT (VIRTIO_NET_F_MAC) | VIRTIO_BIT (VIRTIO_NET_F_MTU));
  config = (struct virtio_net_config *) (void *) bench.fake.config;
  memset (config->mac, 0, 6);
  assert_int_equal (virtio_net_start (&bench.net, &bench.fake.transport, &quick, NULL), -VIRTIO_EPROTO);
  memset (config->mac, 2, 6);
  config->mtu = 67;
  assert_int_equal (virtio_net_start (&bench.net, &bench.fake.transport, &quick, NULL), -VIRTIO_EPROTO);
  config->mtu = 9000; /* no buffer holds that */
  assert_int_equal (virtio_net_start (&bench.net, &bench.fake.transport, &quick, NULL), -VIRTIO_ENOTSUP);
  finish (&bench);
}

/* One received buffer as a breach: its used length, and its header. */
static int
net_receives (uint32_t len, uint16_t num_buffers, uint8_t gso, bool mergeable)
{
  struct virtio_net_hdr hdr = { .num_buffers = num_buffers, .gso_type = gso };
  struct fake_chain chain;
  struct bench bench;
  uint8_t back[2048];
  int got;

  net_setup (&bench, VERSION_1 | (mergeable ? VIRTIO_BIT (VIRTIO_NET_F_MRG_RXBUF) : 0));
  assert_true (fake_pop (&bench.fake, 0, &chain));
  memcpy (chain.segs[0].mem, &hdr, sizeof hdr);
  fake_push (&bench.fake, 0, &chain, len);
  got = virtio_net_receive (&bench.net, back, sizeof back);
  if (got == -VIRTIO_EIO)
    assert_int_equal (virtio_net_receive (&bench.net, back, sizeof back), -VIRTIO_EIO);
  assert_int_equal (virtio_net_stop (&bench.net), 0);
  finish (&bench);
  return got;
}

static void
net_breaches (void **state G_GNUC_UNUSED)
{
  assert_int_equal (net_receives (12 + 60, 1, 0, true), 60);
  assert_int_equal (net_receives (12 + 60, 99, 0, false), 60); /* not negotiated: not looked at */
  assert_int_equal (net_receives (0, 1, 0, false), -VIRTIO_EIO);
  assert_int_equal (net_receives (11, 1, 0, false), -VIRTIO_EIO);
  assert_int_equal (net_receives (VIRTIO_NET_BUFFER_BYTES + 1, 1, 0, false), -VIRTIO_EIO);
  assert_int_equal (net_receives (12 + 60, 0, 0, true), -VIRTIO_EIO);
  assert_int_equal (net_receives (12 + 60, 17, 0, true), -VIRTIO_EIO); /* more than posted */
  assert_int_equal (net_receives (12 + 60, 2, 0, true), -VIRTIO_EIO);  /* and the other? */
  assert_int_equal (net_receives (12 + 60, 1, 1, true), 0);            /* not negotiated: dropped */
  assert_int_equal (net_receives (12, 1, 0, true), 0);                 /* an empty frame */
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (disk_reads_and_writes),
    cmocka_unit_test (disk_commands),
    cmocka_unit_test (disk_turns_to_writing_through),
    cmocka_unit_test (disk_says_what_it_cannot),
    cmocka_unit_test (disk_errors_are_told),
    cmocka_unit_test (disk_that_does_not_answer_is_given_up),
    cmocka_unit_test (disk_takes_many_at_a_time),
    cmocka_unit_test (disk_configuration_is_not_believed),
    cmocka_unit_test (start_without_memory),
    cmocka_unit_test (rng_fills_in_pieces),
    cmocka_unit_test (drivers_take_their_devices_only),
    cmocka_unit_test (net_sends_and_receives),
    cmocka_unit_test (net_limits),
    cmocka_unit_test (net_control_queue),
    cmocka_unit_test (net_configuration_is_not_believed),
    cmocka_unit_test (net_breaches),
  };

  return cmocka_run_group_tests_name ("virtio-drivers", tests, NULL, NULL);
}
