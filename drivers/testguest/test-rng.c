/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases for the source of entropy. */
#include "guest.h"

#include <virtio/driver/rng.h>

#define BYTES 64u
#define PINGS 32u

static unsigned
distinct (const uint8_t *data, unsigned n)
{
  uint8_t seen[256] = { 0 };
  unsigned count = 0;

  for (unsigned i = 0; i < n; i++)
    count += !seen[data[i]]++;
  return count;
}

static void
measure (struct virtio_rng *rng)
{
  struct virtio_transport *transport = rng->dev.transport;
  struct meter meter;
  uint8_t byte;
  unsigned n = 0;

  meter_begin (&meter);
  while (n < PINGS && virtio_rng_read (rng, &byte, 1) == 0)
    n++;
  check (n == PINGS, "gives single bytes");
  meter_end (&meter, PINGS, "request");
  meter_begin (&meter);
  for (unsigned i = 0; i < PINGS; i++) /* of a queue that is empty */
    transport->ops->notify (transport, VIRTIO_RNG_QUEUE, VIRTIO_RNG_QUEUE);
  meter_end (&meter, PINGS, "doorbell");
}

void
test_rng (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_rng rng;
  uint8_t first[BYTES], second[BYTES];

  if (!check_error (virtio_rng_start (&rng, transport, options), "starts"))
    return;
  test_features (&rng.dev);
  check_error (virtio_rng_read (&rng, first, BYTES), "gives bytes");
  check_error (virtio_rng_read (&rng, second, BYTES), "gives more");
  /* 64 random bytes with fewer than 32 different ones are rarer than 10^-20. */
  check (distinct (first, BYTES) >= 32 && distinct (second, BYTES) >= 32, "that look random");
  check (memcmp (first, second, BYTES) != 0, "and differ");
  measure (&rng);
  check_error (virtio_rng_stop (&rng), "stops");
}
