/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cases for a balloon: pages of ours go to the host and come back as zeroes. With
 * the option balloon=N the host asks for that many, else we take some ourselves. */
#include "guest.h"

#include <virtio/driver/balloon.h>

#define PAGE 4096u
#define PAGES 300u /* more than one batch */
#define WAIT_CYCLES 20000000000ull

static uint32_t frames[PAGES];

static uint32_t
wanted (struct virtio_balloon *balloon)
{
  const char *option = guest_option ("balloon=");
  uint32_t pages = option ? (uint32_t) guest_number (option, &option) : PAGES, target = 0;
  uint64_t start = cycles ();
  int error = 0;

  if (!guest_option ("balloon="))
    return PAGES;
  while (!error && target != pages && cycles () - start < WAIT_CYCLES)
    error = virtio_balloon_target (balloon, &target);
  check (!error && target == pages, "the host's target is seen");
  return target < PAGES ? target : PAGES;
}

void
test_balloon (struct virtio_transport *transport, const struct virtio_options *options)
{
  static struct virtio_balloon balloon;
  uint8_t *pages = guest_memory ((PAGES + 1) * PAGE);
  uint32_t first = (uint32_t) (((uintptr_t) pages + PAGE - 1) / PAGE), n;

  if (!check_error (virtio_balloon_start (&balloon, transport, options), "starts"))
    return;
  test_features (&balloon.dev);
  n = wanted (&balloon);
  for (uint32_t i = 0; i < n; i++)
    {
      frames[i] = first + i;
      fill_pattern ((void *) (uintptr_t) (frames[i] * (uint64_t) PAGE), 64, i + 1);
    }
  check_error (virtio_balloon_inflate (&balloon, frames, n), "gives pages away");
  check (balloon.actual == n, "and counts them");
  check (virtio_balloon_deflate (&balloon, frames, n + 1) == -VIRTIO_EINVAL, "cannot take more back");
  check_error (virtio_balloon_deflate (&balloon, frames, n), "takes them back");
  fill_pattern ((void *) (uintptr_t) (first * (uint64_t) PAGE), PAGE, 5);
  check (checksum ((void *) (uintptr_t) (first * (uint64_t) PAGE), PAGE) != 0, "and uses them");
  check_error (virtio_balloon_stop (&balloon), "stops");
}
