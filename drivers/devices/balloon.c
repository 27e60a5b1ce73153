/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Traditional memory balloon (5.5): lists of page frame numbers in two queues. */
#include <virtio/driver/balloon.h>
#include <virtio/driver/mem.h>

/* Pages are always taken back by the deflate queue and waited for, which is what
 * MUST_TELL_HOST asks for (5.5.6.1). */
#define WANTED VIRTIO_BIT (VIRTIO_BALLOON_F_MUST_TELL_HOST)

/* 5.5.2: the first two queues; those behind go with features we do not accept. */
static int
start_queues (struct virtio_balloon *balloon)
{
  const struct virtio_hal *hal = balloon->dev.hal;
  int error = virtio_queue_start (&balloon->inflate, &balloon->dev, VIRTIO_BALLOON_QUEUE_INFLATE, 0, 1,
                                  VIRTIO_LEN_CLAMP);

  if (!error)
    error = virtio_queue_start (&balloon->deflate, &balloon->dev, VIRTIO_BALLOON_QUEUE_DEFLATE, 0, 1,
                                VIRTIO_LEN_CLAMP);
  if (error)
    return error;
  balloon->pfns = hal->ops->alloc (hal->ctx, VIRTIO_BALLOON_BATCH * sizeof *balloon->pfns, 16);
  return balloon->pfns ? 0 : -VIRTIO_ENOMEM;
}

/* 3.1.1, with 5.5.5. */
int
virtio_balloon_start (struct virtio_balloon *balloon, struct virtio_transport *transport,
                      const struct virtio_options *options)
{
  int error;

  memset (balloon, 0, sizeof *balloon);
  if (transport->device_id != VIRTIO_ID_BALLOON)
    return -VIRTIO_ENODEV;
  error = virtio_device_begin (&balloon->dev, transport, options, WANTED, NULL, 0);
  if (!error)
    error = start_queues (balloon);
  if (!error)
    error = virtio_device_ready (&balloon->dev);
  if (error)
    {
      virtio_device_fail (&balloon->dev);
      virtio_balloon_stop (balloon);
    }
  return error;
}

int
virtio_balloon_stop (struct virtio_balloon *balloon)
{
  const struct virtio_hal *hal = balloon->dev.hal;
  int error;

  if (!hal)
    return 0;
  error = virtio_device_reset (&balloon->dev);
  if (error)
    return error;
  virtio_queue_drain_and_free (&balloon->inflate);
  virtio_queue_drain_and_free (&balloon->deflate);
  if (balloon->pfns)
    hal->ops->free (hal->ctx, balloon->pfns, VIRTIO_BALLOON_BATCH * sizeof *balloon->pfns);
  memset (balloon, 0, sizeof *balloon);
  return 0;
}

/* 5.5.4: num_pages is what the host wants, of pages of 4096 bytes. */
int
virtio_balloon_target (struct virtio_balloon *balloon, uint32_t *pages)
{
  virtio_le32 value = 0;
  int error = virtio_device_check (&balloon->dev);

  if (!error)
    error = virtio_device_config (&balloon->dev, offsetof (struct virtio_balloon_config, num_pages),
                                  &value, sizeof value, 4);
  if (!error)
    *pages = virtio_from_le32 (value);
  return error;
}

/* 5.5.6: one batch of page frame numbers, until the device has used it: only then the pages
 * change hands (5.5.6.1). */
static int
tell (struct virtio_balloon *balloon, struct virtio_queue *queue, const uint32_t *frames, uint32_t n)
{
  struct virtio_seg seg = { balloon->pfns, (uint32_t) (n * sizeof *balloon->pfns) };
  void *token;
  uint32_t len;
  int error;

  for (uint32_t i = 0; i < n; i++)
    balloon->pfns[i] = virtio_to_le32 (frames[i]);
  error = virtio_queue_add (queue, &seg, 1, 0, balloon);
  if (error)
    return error;
  virtio_queue_kick (queue);
  error = virtio_queue_wait (queue, &token, &len);
  if (error < 0)
    {
      virtio_device_fail (&balloon->dev); /* the list is still the device's */
      return error;
    }
  return 0;
}

/* 5.5.6.1: the device is told how many pages it has. */
static void
tell_actual (struct virtio_balloon *balloon)
{
  balloon->dev.transport->ops->config_write (balloon->dev.transport,
                                             offsetof (struct virtio_balloon_config, actual), 4,
                                             balloon->actual);
}

static uint32_t
batch (uint32_t n)
{
  return n < VIRTIO_BALLOON_BATCH ? n : VIRTIO_BALLOON_BATCH;
}

int
virtio_balloon_inflate (struct virtio_balloon *balloon, const uint32_t *frames, uint32_t n)
{
  if (n > UINT32_MAX - balloon->actual)
    return -VIRTIO_EINVAL;
  for (uint32_t now; n > 0; frames += now, n -= now)
    {
      int error;

      now = batch (n);
      error = tell (balloon, &balloon->inflate, frames, now);
      if (error)
        return error;
      balloon->actual += now;
      tell_actual (balloon);
    }
  return 0;
}

int
virtio_balloon_deflate (struct virtio_balloon *balloon, const uint32_t *frames, uint32_t n)
{
  if (n > balloon->actual)
    return -VIRTIO_EINVAL;
  for (uint32_t now; n > 0; frames += now, n -= now)
    {
      int error;

      now = batch (n);
      error = tell (balloon, &balloon->deflate, frames, now);
      if (error)
        return error;
      balloon->actual -= now;
      tell_actual (balloon);
    }
  return 0;
}
