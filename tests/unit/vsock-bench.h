/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A socket device on the bench: what the tests of its driver share. */
#pragma once

#include "tap-main.h"

#include "drivers/fake/fake.h"

#include <virtio/driver/vsock.h>

#define VERSION_1 VIRTIO_BIT (VIRTIO_F_VERSION_1)
#define HOST VIRTIO_VSOCK_CID_HOST
#define BOTH (VIRTIO_VSOCK_SHUTDOWN_RECEIVE | VIRTIO_VSOCK_SHUTDOWN_SEND)

struct bench
{
  struct fake_platform platform;
  struct fake_device fake;
  struct fake_host host;
  struct virtio_vsock vsock;
};

static const struct virtio_options quick = { .timeout_ms = 50 };

static inline void
setup (struct bench *bench, uint64_t features, uint16_t size)
{
  memset (bench, 0, sizeof *bench);
  fake_platform_init (&bench->platform);
  fake_device_init (&bench->fake, &bench->platform, VIRTIO_ID_VSOCK, VERSION_1 | features);
  for (uint16_t i = 0; i < 3; i++)
    fake_device_queue (&bench->fake, i, size);
  fake_vsock_config (&bench->fake, &bench->host);
}

static inline void
start (struct bench *bench)
{
  setup (bench, 0, 32);
  assert_int_equal (virtio_vsock_start (&bench->vsock, &bench->fake.transport, &quick), 0);
}

static inline void
finish (struct bench *bench)
{
  assert_int_equal (virtio_vsock_stop (&bench->vsock), 0);
  assert_int_equal (bench->platform.allocs, 0);
  assert_int_equal (bench->platform.n_mappings, 0);
  if (bench->platform.wrong)
    fail_msg ("the driver: %s", bench->platform.wrong);
  fake_platform_clear (&bench->platform);
}

/* A packet of the host's from its port @from. */
static inline void
say (struct bench *bench, uint32_t from, uint32_t to, uint16_t op, uint32_t flags, const void *data,
     uint32_t bytes)
{
  struct virtio_vsock_hdr hdr = { .src_cid = HOST, .dst_cid = FAKE_GUEST_CID, .src_port = from,
                                  .dst_port = to, .type = VIRTIO_VSOCK_TYPE_STREAM, .op = op,
                                  .flags = flags, .len = bytes, .buf_alloc = bench->host.alloc,
                                  .fwd_cnt = bench->host.fwd[to % FAKE_PEERS] };

  assert_true (fake_vsock_say (&bench->fake, &hdr, data));
}

static inline void
poll_all (struct bench *bench)
{
  int n;

  do
    assert_true ((n = virtio_vsock_poll (&bench->vsock)) >= 0);
  while (n > 0);
}

/* A connection the host begins to port 5. */
static inline unsigned
incoming (struct bench *bench, uint32_t from)
{
  int c;

  say (bench, from, 5, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
  poll_all (bench);
  c = virtio_vsock_accept (&bench->vsock, 5);
  assert_true (c >= 0);
  assert_int_equal (bench->host.last.op, VIRTIO_VSOCK_OP_RESPONSE);
  return (unsigned) c;
}

static inline unsigned
connect_to (struct bench *bench, uint32_t port)
{
  int c = virtio_vsock_connect (&bench->vsock, HOST, port);

  assert_true (c >= 0);
  return (unsigned) c;
}
