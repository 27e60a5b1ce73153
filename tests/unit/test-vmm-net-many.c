/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many frames through the network device: none is lost on a wire that loses none, and none is
 * another than was judged. */
#include "tap-main.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net-bench.h"

static atomic_bool changing;

/* The NIC's own address and another's, in turn. */
static void *
change_sender (void *data)
{
  volatile uint8_t *last = frame_area () + 12 + 11;

  while (atomic_load (&changing))
    {
      *last = 2;
      *last = 1;
    }
  return NULL;
}

/* A guest that changes the frame while it is judged: what was looked at goes out. */
static void
test_what_was_judged_goes_out (void **state)
{
  static const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
  struct virtio_net_hdr header = { 0 };
  unsigned passed = 0;
  uint8_t got[100];
  pthread_t thread;

  policy = "bind-mac=on";
  begin ("off", 0);
  policy = NULL;
  memcpy (frame_area () + 12 + 6, mac, 6);
  atomic_store (&changing, true);
  assert_int_equal (pthread_create (&thread, NULL, change_sender, NULL), 0);
  for (unsigned i = 0; i < 20000; i++)
    {
      transmit (&header, 60);
      if (on_wire (got, sizeof got) < 0)
        continue;
      passed++;
      assert_memory_equal (got + 6, mac, 6);
    }
  atomic_store (&changing, false);
  pthread_join (thread, NULL);
  frame_area ()[12 + 11] = 2;
  transmit (&header, 60);
  assert_int_equal (on_wire (got, sizeof got), -1);
  frame_area ()[12 + 11] = 1;
  transmit (&header, 60);
  assert_int_equal (on_wire (got, sizeof got), 60);
  print_message ("# %u of 20000 frames passed\n", passed);
}

/* As many as the issue of a wire that loses nothing is about: none is lost, and none is
 * another's. The wire is read as slowly as it is full. */
static void
test_a_million_frames (void **state)
{
  enum { FRAMES = 1000000 };
  unsigned sent = 0, arrived = 0;
  uint8_t got[100];

  begin ("off", 0);
  memset (frame_area (), 0, 12);
  for (unsigned i = 0; i < SIZE; i++)
    desc_of (TX)[i] = (struct virtio_desc){ RAM_DATA + i * 128, 12 + 60, 0, 0 };
  while (arrived < FRAMES)
    {
      while (sent < FRAMES && (uint16_t) (sent - used_of (TX)->idx) < SIZE)
        {
          memset (frame_area () + sent % SIZE * 128, 0, 12);
          memcpy (frame_area () + sent % SIZE * 128 + 12 + 40, &sent, sizeof sent);
          offer (TX, (uint16_t) (sent++ % SIZE));
        }
      vdev_kick (dev, TX);
      while (on_wire (got, sizeof got) == 60)
        {
          assert_memory_equal (got + 40, &arrived, sizeof arrived);
          arrived++;
        }
    }
  assert_int_equal (count (NET_TX_FRAMES), FRAMES);
}

/* The same towards the guest, who gives a buffer back when it has looked. */
static void
test_a_million_frames_to_the_guest (void **state)
{
  enum { FRAMES = 1000000 };
  unsigned sent = 0, arrived = 0;
  uint8_t frame[60] = { 0 };

  begin ("off", 0);
  for (uint16_t i = 0; i < SIZE; i++)
    give_buffer (i, 128);
  while (arrived < FRAMES)
    {
      for (ssize_t ret = 1; sent < FRAMES && ret > 0; sent += ret > 0)
        {
          memcpy (frame + 40, &sent, sizeof sent);
          ret = send (wire, frame, sizeof frame, MSG_DONTWAIT);
        }
      vdev_kick (dev, RX);
      while ((uint16_t) (used_of (RX)->idx - arrived) > 0)
        {
          const struct virtio_used_elem *used = &used_of (RX)->ring[arrived % SIZE];

          assert_int_equal (used->len, 72);
          assert_memory_equal (frame_area () + used->id * 1024 + 12 + 40, &arrived, sizeof arrived);
          give_buffer ((uint16_t) used->id, 128);
          arrived++;
        }
    }
  assert_int_equal (count (NET_RX_FRAMES), FRAMES);
}

/* Makes @n frames available as there is room, and returns when all are used; how many came. */
static unsigned
send_and_count (unsigned n)
{
  uint16_t end = (uint16_t) (used_of (TX)->idx + n);
  unsigned came = 0;
  uint8_t got[100];

  for (unsigned i = 0; i < n; i++)
    offer (TX, 0);
  vdev_kick (dev, TX);
  for (unsigned i = 0; i < 60000 && __atomic_load_n (&used_of (TX)->idx, __ATOMIC_ACQUIRE) != end; i++)
    g_usleep (1000);
  assert_int_equal (used_of (TX)->idx, end);
  while (on_wire (got, sizeof got) == 60)
    came++;
  return came;
}

static uint64_t
dropped (enum net_verdict verdict)
{
  struct net_info info;

  net_describe (dev, &info);
  return info.verdicts[verdict];
}

/* A policy that comes, changes and goes while its NIC works, and says what it dropped and why;
 * frames that wait for their rate need not wait for it any more when it goes. */
static void
test_policy_changes (void **state)
{
  static const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
  const char *why = NULL;

  threads = true;
  begin ("off", 0);
  memset (frame_area (), 0, 100); /* from 00:00:00:00:00:00 */
  desc_of (TX)[0] = (struct virtio_desc){ RAM_DATA, 12 + 60, 0, 0 };
  assert_int_equal (send_and_count (8), 8);
  assert_int_equal (net_set_policy (dev, "bind-mac=on", &why), 0);
  assert_int_equal (send_and_count (8), 0);
  assert_int_equal (dropped (NET_SPOOFED_MAC), 8);
  assert_int_equal (net_set_policy (dev, "bind-mac=5", &why), -EINVAL);
  assert_non_null (why);
  assert_int_equal (send_and_count (3), 0); /* the old one stays */
  assert_int_equal (dropped (NET_SPOOFED_MAC), 11);
  memcpy (frame_area () + 12 + 6, mac, 6);
  assert_int_equal (send_and_count (8), 8);
  frame_area ()[12 + 12] = 8; /* IPv4, of no version */
  assert_int_equal (net_set_policy (dev, "ip=10.0.0.1", &why), 0);
  assert_int_equal (send_and_count (2), 0);
  assert_int_equal (dropped (NET_MALFORMED), 2);
  frame_area ()[12 + 14] = 0x45; /* from 0.0.0.0 */
  frame_area ()[12 + 17] = 46;
  assert_int_equal (send_and_count (2), 0);
  assert_int_equal (dropped (NET_SPOOFED_IP), 2);
  /* Minutes for a frame, if nobody changed it. */
  assert_int_equal (net_set_policy (dev, "tx-bits=1;burst-ms=1", &why), 0);
  for (unsigned i = 0; i < 6; i++)
    offer (TX, 0);
  vdev_kick (dev, TX);
  assert_int_equal (net_set_policy (dev, "", &why), 0);
  for (unsigned i = 0; i < 60000 && count (NET_TX_FRAMES) < 8 + 8 + 6; i++)
    g_usleep (1000);
  assert_int_equal (count (NET_TX_FRAMES), 8 + 8 + 6);
  threads = false;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_what_was_judged_goes_out),
    cmocka_unit_test (test_policy_changes),
    cmocka_unit_test (test_a_million_frames),
    cmocka_unit_test (test_a_million_frames_to_the_guest),
  };
  int failed = cmocka_run_group_tests (tests, NULL, NULL);

  vdev_free (dev);
  return failed;
}
