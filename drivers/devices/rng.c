/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entropy device (5.4): it fills what it is given, at least one byte of it. */
#include <virtio/driver/mem.h>
#include <virtio/driver/rng.h>

/* Empty answers in a row before we give up: 5.4.6.2 allows none. */
#define EMPTY_MAX 4u

/* Devices fill a buffer as slowly as they like: ask for little at a time. */
#define CHUNK 4096u

/* 3.1.1; 5.4.3, 5.4.4: no features and no configuration of its own, one queue (5.4.2). */
int
virtio_rng_start (struct virtio_rng *rng, struct virtio_transport *transport,
                  const struct virtio_options *options)
{
  int error;

  memset (rng, 0, sizeof *rng);
  if (transport->device_id != VIRTIO_ID_RNG)
    return -VIRTIO_ENODEV;
  error = virtio_device_begin (&rng->dev, transport, options, 0, NULL, 0);
  if (!error)
    error = virtio_queue_start (&rng->queue, &rng->dev, VIRTIO_RNG_QUEUE, 0, 1, VIRTIO_LEN_STRICT);
  if (!error)
    error = virtio_device_ready (&rng->dev);
  if (error)
    {
      virtio_device_fail (&rng->dev);
      virtio_rng_stop (rng);
    }
  return error;
}

int
virtio_rng_stop (struct virtio_rng *rng)
{
  void *token;
  int error;

  if (!rng->dev.hal)
    return 0;
  error = virtio_device_reset (&rng->dev);
  if (error)
    return error;
  while (virtio_queue_drain (&rng->queue, &token))
    ;
  virtio_queue_free (&rng->queue);
  memset (rng, 0, sizeof *rng);
  return 0;
}

/* 5.4.6: one writable buffer. How many bytes came, or a negated error: what lies beyond
 * is not entropy (5.4.6.1). */
static int
fill (struct virtio_rng *rng, void *to, uint32_t bytes)
{
  struct virtio_seg seg = { to, bytes };
  void *token;
  uint32_t len;
  int got = virtio_queue_add (&rng->queue, &seg, 0, 1, to);

  if (got)
    return got;
  virtio_queue_kick (&rng->queue);
  got = virtio_queue_wait (&rng->queue, &token, &len);
  if (got < 0)
    {
      virtio_device_fail (&rng->dev); /* the buffer is still the device's */
      return got;
    }
  return (int) len;
}

int
virtio_rng_read (struct virtio_rng *rng, void *to, size_t bytes)
{
  uint8_t *at = to;
  unsigned empty = 0;

  memset (to, 0, bytes);
  while (bytes > 0)
    {
      int got = fill (rng, at, (uint32_t) (bytes < CHUNK ? bytes : CHUNK));

      if (got < 0)
        return got;
      if (got == 0 && ++empty == EMPTY_MAX)
        return -VIRTIO_EIO;
      if (got > 0)
        empty = 0;
      at += got;
      bytes -= (size_t) got;
    }
  return 0;
}
