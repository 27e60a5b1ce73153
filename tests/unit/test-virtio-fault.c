/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our drivers on our devices in one process: audited while all is well, and with
 * every fault of the injector on every kind of ring. Whatever the device does, the
 * driver comes back within its time, with an error or with the right data, and all
 * its memory returns. */
#include "tap-main.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <virtio/driver/blk.h>
#include <virtio/driver/console.h>
#include <virtio/driver/rng.h>

#include "host-side/vmm/audit/audit.h"
#include "host-side/vmm/fault/fault.h"
#include "tests/support/guest-ram.h"
#include "virtio-lane.h"

#define PACKED VIRTIO_BIT (VIRTIO_F_RING_PACKED)
#define INDIRECT VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC)
#define EVENT VIRTIO_BIT (VIRTIO_F_EVENT_IDX)
#define TIMEOUT_MS 50u
#define LOOKS_MAX 2000000u /* more than all timeouts of a run together: a hang */

static const uint64_t rings[] = { 0, EVENT, INDIRECT, INDIRECT | EVENT,
                                  PACKED, PACKED | EVENT, PACKED | INDIRECT,
                                  PACKED | INDIRECT | EVENT };

static struct lane lane;
static bool spoiled; /* data were wrong though the driver said they were right */

/* ---- what a driver does on its device ---- */

static int
keep (int *first, int error)
{
  if (*first == 0)
    *first = error;
  return error;
}

static void
several (struct virtio_blk *disk, uint8_t *data, int *first)
{
  unsigned sent = 0, got = 0;
  void *token;
  int result, more;

  while (sent < 6
         && virtio_blk_submit (disk, VIRTIO_BLK_T_IN, sent, data + 512 * sent, 512, NULL) == 0)
    sent++;
  virtio_blk_kick (disk);
  for (unsigned turn = 0; got < sent && turn < 1000; turn++)
    {
      more = virtio_blk_poll (disk, &token, &result);
      if (more < 0)
        {
          keep (first, more);
          return;
        }
      got += (unsigned) more;
      if (more)
        keep (first, result);
    }
  if (got < sent)
    keep (first, -VIRTIO_ETIMEDOUT);
}

static int
drive_blk (const struct virtio_options *options)
{
  static uint8_t out[8192], in[8192];
  struct virtio_blk disk = { 0 };
  char id[VIRTIO_BLK_ID_BYTES + 1];
  int first = 0, error = virtio_blk_start (&disk, &lane.transport, options);

  if (error)
    return error;
  for (unsigned i = 1; i <= 4; i++)
    {
      memset (out, (int) i, sizeof out);
      memset (in, 0xee, sizeof in);
      keep (&first, virtio_blk_write (&disk, i, out, 512 * i));
      error = keep (&first, virtio_blk_read (&disk, i, in, 512 * i));
      spoiled |= first == 0 && error == 0 && memcmp (in, out, 512 * i) != 0;
    }
  keep (&first, virtio_blk_flush (&disk));
  keep (&first, virtio_blk_discard (&disk, 8, 8));
  keep (&first, virtio_blk_write_zeroes (&disk, 8, 8, true));
  keep (&first, virtio_blk_get_id (&disk, id));
  several (&disk, in, &first);
  keep (&first, virtio_blk_refresh (&disk));
  keep (&first, virtio_blk_stop (&disk));
  return first;
}

static int
drive_rng (const struct virtio_options *options)
{
  struct virtio_rng rng = { 0 };
  uint8_t data[100];
  int first = 0, error = virtio_rng_start (&rng, &lane.transport, options);

  if (error)
    return error;
  for (unsigned i = 0; i < 10; i++)
    keep (&first, virtio_rng_read (&rng, data, sizeof data));
  keep (&first, virtio_rng_stop (&rng));
  return first;
}

/* One buffer there and back. */
static int
trip (struct virtio_queue *queue, uint8_t *data)
{
  struct virtio_seg seg = { data, 16 };
  void *token;
  uint32_t len;
  int error = virtio_queue_add (queue, &seg, 0, 1, data);

  if (error)
    return error;
  virtio_queue_kick (queue);
  error = virtio_queue_wait (queue, &token, &len);
  return error < 0 ? error : 0;
}

/* A queue that is reset by itself, with buffers in it, and starts anew with another size:
 * the old ring's memory is no longer anybody's then. */
static int
drive_queue (const struct virtio_options *given)
{
  static uint8_t data[4][16];
  struct virtio_options options = *given;
  struct virtio_queue queue = { .hal = NULL };
  struct virtio_device dev;
  int first = 0, error;

  options.queue_reset = true;
  error = virtio_device_begin (&dev, &lane.transport, &options, 0, NULL, 0);
  if (!error)
    error = virtio_queue_start (&queue, &dev, 0, 16, 1, VIRTIO_LEN_STRICT);
  if (!error)
    error = virtio_device_ready (&dev);
  for (unsigned round = 0; round < 4 && !error; round++)
    {
      struct virtio_seg seg = { data[3], 16 };

      for (unsigned i = 0; i < 3 && !error; i++)
        error = trip (&queue, data[i]);
      if (!error)
        error = virtio_queue_add (&queue, &seg, 0, 1, data[3]); /* and nobody is told of it */
      if (!error)
        error = virtio_queue_reset (&queue);
      if (error)
        break;
      virtio_queue_drain_and_free (&queue);
      error = virtio_queue_start (&queue, &dev, 0, (uint16_t) (8 >> round), 1, VIRTIO_LEN_STRICT);
    }
  keep (&first, error);
  error = keep (&first, virtio_device_reset (&dev));
  if (!error)
    virtio_queue_drain_and_free (&queue);
  return first;
}

static int
drive_console (const struct virtio_options *options)
{
  static struct virtio_console console;
  int first = 0, error, port = -1;

  memset (&console, 0, sizeof console);
  error = virtio_console_start (&console, &lane.transport, options);
  if (error)
    return error;
  for (unsigned i = 0; i < 20 && port < 0; i++)
    {
      error = virtio_console_poll (&console);
      if (error < 0)
        keep (&first, error);
      port = virtio_console_find (&console, "lab");
    }
  if (port >= 0)
    {
      error = virtio_console_open (&console, (uint32_t) port, true);
      keep (&first, error < 0 ? error : 0);
      error = virtio_console_write (&console, (uint32_t) port, "hello", 5);
      keep (&first, error < 0 ? error : 0);
    }
  else
    keep (&first, -VIRTIO_ENODEV);
  keep (&first, virtio_console_stop (&console));
  return first;
}

/* ---- devices ---- */

static char *directory;

static struct vdev *
make_blk (void)
{
  return ram_disk (64 * 512, "off");
}

static struct vdev *
make_rng (void)
{
  struct options options = { 0 };
  struct vdev *dev = NULL;

  rng_create (&options, &dev);
  return dev;
}

static struct vdev *
make_console (void)
{
  g_autofree char *path = g_build_filename (directory, "port", NULL);
  struct options options = { 0 };
  struct vdev *dev = NULL;

  options_add (&options, "lab", path);
  console_create (&options, &dev);
  return dev;
}

static const struct
{
  const char *name;
  struct vdev *(*make) (void);
  int (*drive) (const struct virtio_options *options);
} devices[] = {
  { "blk", make_blk, drive_blk },
  { "rng", make_rng, drive_rng },
  { "queue", make_rng, drive_queue },
  { "console", make_console, drive_console },
};

/* ---- without faults, audited ---- */

static void
test_good_devices_under_audit (void **state)
{
  for (unsigned d = 0; d < G_N_ELEMENTS (devices); d++)
    for (unsigned r = 0; r < G_N_ELEMENTS (rings); r++)
      {
        struct virtio_options options = { .refuse = (PACKED | INDIRECT | EVENT) & ~rings[r],
                                          .timeout_ms = TIMEOUT_MS };
        struct vdev *dev = devices[d].make ();
        struct audit_log *log;
        struct audit *audit;
        size_t bytes;
        char *text;
        FILE *stream = open_memstream (&text, &bytes);

        assert_non_null (dev);
        assert_int_equal (audit_log_new_stream (&log, stream), 0);
        assert_int_equal (audit_new (&audit, dev, log), 0);
        lane_init (&lane, dev);
        assert_int_equal (devices[d].drive (&options), 0);
        if (audit_findings (audit))
          fail_msg ("%s: %s", devices[d].name, text);
        assert_true (audit_checked (audit, rings[r] & PACKED ? "P6" : "S5") > 0);
        assert_int_equal (lane.allocs + lane.shared, 0);
        lane_finish (&lane);
        vdev_free (dev);
        audit_free (audit);
        audit_log_free (log);
        fclose (stream);
        free (text);
      }
  assert_false (spoiled);
}

/* ---- with faults ---- */

struct outcome
{
  unsigned runs, hit, errors, good;
};

/* One fault on one ring; then the same device without it works again. */
static void
run (unsigned d, const char *list, uint64_t ring, struct outcome *outcome)
{
  struct virtio_options options = { .refuse = (PACKED | INDIRECT | EVENT) & ~ring,
                                    .timeout_ms = TIMEOUT_MS };
  struct vdev *dev = devices[d].make ();
  bool stuck = strncmp (list, "reset-stuck", 11) == 0;
  bool lies = strncmp (list, "status-", 7) == 0;
  struct fault *fault;
  int error;

  assert_non_null (dev);
  assert_int_equal (fault_new (&fault, dev, list, 1), 0);
  lane_init (&lane, dev);
  spoiled = false;
  error = devices[d].drive (&options);
  if (spoiled && !lies)
    fail_msg ("%s on %s: wrong data were taken for right", list, devices[d].name);
  if (lane.looks > LOOKS_MAX)
    fail_msg ("%s on %s: the driver looked at its clock %u times", list, devices[d].name, lane.looks);
  if (!stuck && lane.allocs + lane.shared)
    fail_msg ("%s on %s: %u pieces of memory are left", list, devices[d].name,
              lane.allocs + lane.shared);
  outcome->runs++;
  outcome->hit += fault_count (fault) > 0;
  outcome->errors += fault_count (fault) > 0 && error != 0;
  outcome->good += fault_count (fault) > 0 && error == 0;
  fault_end (fault);
  error = devices[d].drive (&options);
  if (error && !stuck)
    fail_msg ("%s on %s: error %d when the device is good again", list, devices[d].name, error);
  lane_finish (&lane);
  vdev_free (dev);
  fault_free (fault);
}

static void
test_every_fault_on_every_ring (void **state)
{
  static const char *const when[] = { "@0", "@1", "@3", "@0+", "" };
  const struct fault_kind *kind;

  for (unsigned k = 0; (kind = fault_kind_at (k)); k++)
    {
      struct outcome all[G_N_ELEMENTS (devices)] = { 0 };

      for (unsigned d = 0; d < G_N_ELEMENTS (devices); d++)
        for (unsigned r = 0; r < G_N_ELEMENTS (rings); r++)
          for (unsigned w = 0; w < G_N_ELEMENTS (when); w++)
            {
              g_autofree char *list = g_strconcat (kind->name, when[w], NULL);

              run (d, list, rings[r], &all[d]);
            }
      /* Interrupts are suppressed by drivers that poll. */
      if (!g_str_has_prefix (kind->name, "net-") && strcmp (kind->name, "irq-lost") != 0)
        assert_true (all[0].hit + all[1].hit + all[2].hit + all[3].hit > 0);
      for (unsigned d = 0; d < G_N_ELEMENTS (devices); d++)
        print_message ("%-18s %-8s %2u of %u runs hit: %2u errors, %2u unharmed\n", kind->name,
                       devices[d].name, all[d].hit, all[d].runs, all[d].errors, all[d].good);
    }
}

/* All of them at once, on occasions that seeds choose. */
static void
test_seeds (void **state)
{
  g_autoptr (GString) every = g_string_new (NULL);
  const struct fault_kind *kind;

  for (unsigned k = 0; (kind = fault_kind_at (k)); k++)
    if (strcmp (kind->name, "reset-stuck") != 0 && strncmp (kind->name, "status-", 7) != 0)
      g_string_append_printf (every, "%s%s", k ? "," : "", kind->name);
  for (uint64_t seed = 0; seed < 300; seed++)
    {
      unsigned d = seed % G_N_ELEMENTS (devices);
      struct virtio_options options = { .refuse = (PACKED | INDIRECT | EVENT) & ~rings[seed / G_N_ELEMENTS (devices) % 8],
                                        .timeout_ms = TIMEOUT_MS };
      struct vdev *dev = devices[d].make ();
      struct fault *fault;

      assert_int_equal (fault_new (&fault, dev, every->str, seed), 0);
      lane_init (&lane, dev);
      devices[d].drive (&options);
      assert_int_equal (lane.allocs + lane.shared, 0);
      lane_finish (&lane);
      vdev_free (dev);
      fault_free (fault);
    }
}

static unsigned
count_hits (uint64_t seed, const char *list)
{
  struct virtio_options options = { .timeout_ms = TIMEOUT_MS };
  struct vdev *dev = make_rng ();
  struct fault *fault;
  unsigned looks;

  assert_int_equal (fault_new (&fault, dev, list, seed), 0);
  lane_init (&lane, dev);
  drive_rng (&options);
  looks = lane.looks;
  lane_finish (&lane);
  vdev_free (dev);
  fault_free (fault);
  return looks;
}

static void
test_the_same_seed_does_the_same (void **state)
{
  unsigned different = 0;

  for (uint64_t seed = 0; seed < 8; seed++)
    {
      unsigned once = count_hits (seed, "stall");

      assert_int_equal (count_hits (seed, "stall"), once);
      different += once != count_hits (seed + 1, "stall");
    }
  assert_true (different > 0);
}

static void
test_lists (void **state)
{
  static const char *const bad[] = { "nonsense", "stall@", "stall@x", "stall@1x", "stall,,stall",
                                     "stallx", "stal" };
  struct vdev *dev = make_rng ();
  struct fault *fault;

  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_int_not_equal (fault_new (&fault, dev, bad[i], 0), 0);
  assert_int_equal (fault_new (&fault, dev, "stall@7,irq-lost@2+,used-twice+", 0), 0);
  vdev_free (dev);
  fault_free (fault);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_good_devices_under_audit),
    cmocka_unit_test (test_every_fault_on_every_ring),
    cmocka_unit_test (test_seeds),
    cmocka_unit_test (test_the_same_seed_does_the_same),
    cmocka_unit_test (test_lists),
  };
  int failed;

  directory = g_dir_make_tmp ("pvt-lane-XXXXXX", NULL);
  failed = cmocka_run_group_tests_name ("virtio-fault", tests, NULL, NULL);
  g_rmdir (directory);
  g_free (directory);
  return failed;
}
