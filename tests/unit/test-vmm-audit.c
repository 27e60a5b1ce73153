/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor against drivers that are broken on purpose: each breach is caught by
 * the name of its clause, and a driver that keeps the rules is not. */
#include "audit-bench.h"

#include <virtio/mmio.h>
#include <virtio/blk.h>

/* ---- rings ---- */

static void
set_desc (unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
  ((struct virtio_desc *) at (RAM_DESC))[i] = (struct virtio_desc){ addr, len, flags, next };
}

static void
set_packed (unsigned i, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags)
{
  ((struct virtio_packed_desc *) at (RAM_DESC))[i]
    = (struct virtio_packed_desc){ addr, len, id, flags };
}

#define AVAIL VIRTIO_PACKED_F_AVAIL
#define NEXT VIRTIO_DESC_F_NEXT
#define WRITE VIRTIO_DESC_F_WRITE
#define TABLE VIRTIO_DESC_F_INDIRECT

static void
head (uint32_t type, uint64_t sector)
{
  *(struct virtio_blk_req *) at (RAM_DATA) = (struct virtio_blk_req){ .type = type, .sector = sector };
}

/* A request of three parts: head, @bytes of data, status. */
static void
request (uint32_t type, uint64_t sector, uint32_t bytes, bool write)
{
  head (type, sector);
  set_desc (0, RAM_DATA, 16, NEXT, 1);
  set_desc (1, RAM_DATA + 64, bytes, (uint16_t) (NEXT | (write ? 0u : WRITE)), 2);
  set_desc (2, RAM_DATA + 0x2000, 1, WRITE, 0);
}

static void
offer (uint16_t id)
{
  struct virtio_avail *avail = at (RAM_DRIVER);

  avail->ring[avail->idx % SIZE] = id;
  avail->idx++;
}

static void good_read (void) { request (VIRTIO_BLK_T_IN, 0, 512, false); offer (0); }
static void loop (void) { good_read (); set_desc (1, RAM_DATA + 64, 512, NEXT | WRITE, 1); }
static void order (void) { good_read (); set_desc (2, RAM_DATA + 0x2000, 1, 0, 0); }
static void far_next (void) { good_read (); set_desc (0, RAM_DATA, 16, NEXT, SIZE); }
static void far_head (void) { good_read (); offer (SIZE + 3); }
static void outside (void) { good_read (); set_desc (1, 0x10, 512, NEXT | WRITE, 2); }
static void table (void) { set_desc (0, RAM_TABLE, 48, TABLE, 0); offer (0); }
static void table_next (void) { set_desc (0, RAM_TABLE, 48, TABLE | NEXT, 1); offer (0); }
static void table_odd (void) { set_desc (0, RAM_TABLE, 40, TABLE, 0); offer (0); }

static void
table_nested (void)
{
  *(struct virtio_desc *) at (RAM_TABLE) = (struct virtio_desc){ RAM_TABLE, 16, TABLE, 0 };
  table ();
}

static void jump (void) { ((struct virtio_avail *) at (RAM_DRIVER))->idx = SIZE + 1; }
static void flags (void) { ((struct virtio_avail *) at (RAM_DRIVER))->flags = 1; }
static void flags_two (void) { ((struct virtio_avail *) at (RAM_DRIVER))->flags = 2; }
static void past_end (void) { request (VIRTIO_BLK_T_IN, 63, 1024, false); offer (0); }
static void half_sector (void) { request (VIRTIO_BLK_T_IN, 0, 500, false); offer (0); }
static void flush_at (void) { head (VIRTIO_BLK_T_FLUSH, 3); set_desc (0, RAM_DATA, 16, NEXT, 2); set_desc (2, RAM_DATA + 0x2000, 1, WRITE, 0); offer (0); }
static void short_id (void) { request (VIRTIO_BLK_T_GET_ID, 0, 19, false); offer (0); }
static void zone_report (void) { request (VIRTIO_BLK_T_ZONE_REPORT, 0, 512, false); offer (0); }
static void odd_discard (void) { request (VIRTIO_BLK_T_DISCARD, 0, 20, true); offer (0); }

static void
unmap_discard (void)
{
  *(struct virtio_blk_range *) at (RAM_DATA + 64) = (struct virtio_blk_range){ 0, 8, 1 };
  request (VIRTIO_BLK_T_DISCARD, 0, 16, true);
  offer (0);
}

/* A packed read, all of it or with something wrong. */
static void
packed (uint16_t first, uint16_t second, uint16_t third)
{
  head (VIRTIO_BLK_T_IN, 0);
  set_packed (2, RAM_DATA + 0x2000, 1, 5, third);
  set_packed (1, RAM_DATA + 64, 512, 5, second);
  set_packed (0, RAM_DATA, 16, 5, first);
}

static void packed_good (void) { packed (AVAIL | NEXT, AVAIL | NEXT | WRITE, AVAIL | WRITE); }
static void packed_head_first (void) { packed (AVAIL | NEXT, AVAIL | NEXT | WRITE, WRITE); }
static void packed_order (void) { packed (AVAIL | NEXT | WRITE, AVAIL | NEXT, AVAIL | WRITE); }
static void packed_table_in_list (void) { packed (AVAIL | NEXT, AVAIL | TABLE, AVAIL | WRITE); }

static void
packed_table_flags (void)
{
  struct virtio_packed_desc *entries = at (RAM_TABLE);

  entries[0] = (struct virtio_packed_desc){ RAM_DATA, 16, 0, NEXT };
  entries[1] = (struct virtio_packed_desc){ RAM_DATA + 0x2000, 1, 0, WRITE };
  set_packed (0, RAM_TABLE, 32, 5, AVAIL | TABLE);
}

static void
packed_event (void)
{
  *(struct virtio_packed_event *) at (RAM_DRIVER) = (struct virtio_packed_event){ 0, 3 };
}

static void
packed_event_far (void)
{
  *(struct virtio_packed_event *) at (RAM_DRIVER)
    = (struct virtio_packed_event){ SIZE, VIRTIO_PACKED_EVENT_DESC };
}

static const struct
{
  const char *name;
  const char *clause; /* NULL: nothing is wrong */
  uint64_t features;
  void (*drive) (void);
} cases[] = {
  { "a good request", NULL, V1, good_read },
  { "a chain that loops", "S6", V1, loop },
  { "readable behind writable", "S3", V1, order },
  { "next beyond the table", "S5", V1, far_next },
  { "a head beyond the table", "S5", V1, far_head },
  { "data outside memory", "F3", V1, outside },
  { "a table without INDIRECT", "S6", V1, table },
  { "a table with NEXT", "S6", V1 | INDIRECT, table_next },
  { "a table of two and a half", "S6", V1 | INDIRECT, table_odd },
  { "a table in a table", "S6", V1 | INDIRECT, table_nested },
  { "an index that jumps", "S8", V1, jump },
  { "no interrupts, with EVENT_IDX", "S9", V1 | EVENT, flags },
  { "no interrupts, without", NULL, V1, flags },
  { "flags nobody knows", "S9", V1, flags_two },
  { "past the end", "B4", V1, past_end },
  { "half a sector", "B4", V1, half_sector },
  { "a flush of a sector", "B5", V1 | VIRTIO_BIT (VIRTIO_BLK_F_FLUSH), flush_at },
  { "a flush without FLUSH", "B3", V1, NULL },
  { "a serial number of 19", "B7", V1, short_id },
  { "a report of zones", "B16", V1, zone_report },
  { "discards of 20 bytes", "B6", V1 | VIRTIO_BIT (VIRTIO_BLK_F_DISCARD), odd_discard },
  { "unmap in a discard", "B6", V1 | VIRTIO_BIT (VIRTIO_BLK_F_DISCARD), unmap_discard },
  { "a discard that was not negotiated", "B6", V1, unmap_discard },
  { "a good request, packed", NULL, V1 | PACKED, packed_good },
  { "the head first", "P6", V1 | PACKED, packed_head_first },
  { "readable behind writable, packed", "P6", V1 | PACKED, packed_order },
  { "a table in a list", "P8", V1 | PACKED | INDIRECT, packed_table_in_list },
  { "flags in a table", "P8", V1 | PACKED | INDIRECT, packed_table_flags },
  { "an event nobody knows", "P11", V1 | PACKED, packed_event },
  { "an event beyond the ring", "P11", V1 | PACKED | EVENT, packed_event_far },
};

static void
plain_flush (void)
{
  flush_at ();
  head (VIRTIO_BLK_T_FLUSH, 0);
}

static void
test_rings (void **state)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      struct bench bench;

      open_bench (&bench, ram_disk (32768, "off"));
      assert_int_equal (vdev_accept (bench.dev, cases[i].features), 0);
      assert_int_equal (ram_start (bench.dev, 0, SIZE, cases[i].features), 0);
      (cases[i].drive ? cases[i].drive : plain_flush) ();
      vdev_kick (bench.dev, 0);
      if (cases[i].clause)
        caught (&bench, cases[i].clause, cases[i].name);
      else if (audit_findings (bench.audit))
        fail_msg ("%s: %s", cases[i].name, bench.text);
      close_bench (&bench);
    }
}

static void
test_index_goes_back (void **state)
{
  struct bench bench;

  open_bench (&bench, ram_disk (32768, "off"));
  assert_int_equal (vdev_accept (bench.dev, V1), 0);
  assert_int_equal (ram_start (bench.dev, 0, SIZE, V1), 0);
  for (unsigned i = 0; i < 3; i++)
    {
      good_read ();
      vdev_kick (bench.dev, 0);
    }
  assert_int_equal (audit_findings (bench.audit), 0);
  ((struct virtio_avail *) at (RAM_DRIVER))->idx = 1;
  vdev_kick (bench.dev, 0);
  caught (&bench, "S8", "an index that goes back");
  assert_non_null (strstr (bench.text, "it went from 3 to 1"));
  assert_non_null (strstr (bench.text, "\"states\": \""));
  close_bench (&bench);
}

/* What the device has is changed, and given to it again. */
static void
under_way (bool is_packed, bool again)
{
  uint64_t features = V1 | (is_packed ? PACKED : 0);
  static struct virtq_chain chain;
  struct bench bench;
  struct virtq *ring;

  open_bench (&bench, ram_disk (32768, "off"));
  assert_int_equal (vdev_accept (bench.dev, features), 0);
  assert_int_equal (ram_start (bench.dev, 0, SIZE, features), 0);
  ring = &bench.dev->queues[0].ring;
  (is_packed ? packed_good : good_read) ();
  assert_int_equal (virtq_pop (ring, &chain), 1);
  if (again && is_packed)
    {
      set_packed (4, RAM_DATA + 0x2000, 1, 5, AVAIL | WRITE);
      set_packed (3, RAM_DATA, 16, 5, AVAIL | NEXT);
      assert_int_equal (virtq_pop (ring, &chain), 1);
    }
  else if (again)
    {
      offer (0);
      assert_int_equal (virtq_pop (ring, &chain), 1);
    }
  else
    {
      ((uint8_t *) at (RAM_DESC))[16]++; /* the second one's address */
      virtq_push (ring, &chain, 0);
    }
  caught (&bench, is_packed && !again ? "P4" : "C19", again ? "given twice" : "changed");
  close_bench (&bench);
}

static void
test_under_way (void **state)
{
  for (unsigned i = 0; i < 4; i++)
    under_way (i & 1, i & 2);
}

static void
test_areas (void **state)
{
  static const struct
  {
    const char *clause;
    uint64_t features;
    struct virtq_config config;
  } areas[] = {
    { "S1", V1, { SIZE, RAM_DESC + 8, RAM_DRIVER, RAM_DEVICE, V1 } },
    { "S1", V1, { SIZE, RAM_DESC, RAM_DRIVER + 1, RAM_DEVICE, V1 } },
    { "S1", V1, { 6, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 } },
    { "P1", V1 | PACKED, { 6, RAM_DESC, RAM_DRIVER + 2, RAM_DEVICE, V1 | PACKED } },
    { "F3", V1, { SIZE, 0x1000, RAM_DRIVER, RAM_DEVICE, V1 } },
    { "S13", V1, { SIZE, RAM_DESC, RAM_DRIVER, RAM_DEVICE, V1 } },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (areas); i++)
    {
      struct bench bench;

      open_bench (&bench, ram_disk (32768, "off"));
      vdev_accept (bench.dev, areas[i].features);
      if (strcmp (areas[i].clause, "S13") == 0)
        ((struct virtio_used *) at (RAM_DEVICE))->flags = 1;
      vdev_queue_start (bench.dev, 0, &areas[i].config, NULL, -1);
      caught (&bench, areas[i].clause, "areas");
      close_bench (&bench);
    }
}

static void
test_features (void **state)
{
  struct bench bench;

  open_bench (&bench, ram_disk (32768, "off"));
  assert_int_not_equal (vdev_accept (bench.dev, V1 | VIRTIO_BIT (50)), 0);
  caught (&bench, "C10", "a feature that was not offered");
  close_bench (&bench);
  open_bench (&bench, ram_disk (32768, "off"));
  assert_int_not_equal (vdev_accept (bench.dev, 0), 0);
  caught (&bench, "F1", "no VERSION_1");
  close_bench (&bench);
}

/* ---- registers ---- */

struct step
{
  uint16_t offset;
  bool write;
  uint32_t value;
};

#define R(name, value) { VIRTIO_MMIO_##name, false, value }
#define W(name, value) { VIRTIO_MMIO_##name, true, value }
#define BEGIN R (MAGIC_VALUE, VIRTIO_MMIO_MAGIC), R (VERSION, 2), R (DEVICE_ID, 2)
#define RESET W (STATUS, 0), R (STATUS, 0)
#define FEATURES_READ W (DEVICE_FEATURES_SEL, 0), R (DEVICE_FEATURES, 0)
#define UNTIL_OK BEGIN, RESET, W (STATUS, 1), W (STATUS, 3), FEATURES_READ, \
    W (DRIVER_FEATURES_SEL, 0), W (DRIVER_FEATURES, 0), W (STATUS, 11), R (STATUS, 11)
#define CAPACITY R (CONFIG_GENERATION, 0), R (CONFIG, 64), { VIRTIO_MMIO_CONFIG + 4, false, 0 }

static const struct
{
  const char *name, *clause;
  struct step steps[24];
} walks[] = {
  { "a good start", NULL,
    { UNTIL_OK, CAPACITY, R (CONFIG_GENERATION, 0), W (QUEUE_SEL, 0), W (QUEUE_SIZE, 8),
      W (QUEUE_READY, 1), W (STATUS, 15), W (QUEUE_NOTIFY, 0) } },
  { "no reset", "C1", { BEGIN, W (STATUS, 1) } },
  { "DRIVER without ACKNOWLEDGE", "C1", { BEGIN, RESET, W (STATUS, 2) } },
  { "FEATURES_OK without DRIVER", "C1", { BEGIN, RESET, W (STATUS, 1), W (STATUS, 9) } },
  { "FEATURES_OK not read back", "C1",
    { BEGIN, RESET, W (STATUS, 1), W (STATUS, 3), W (STATUS, 11), W (STATUS, 15) } },
  { "a queue too early", "C1",
    { BEGIN, RESET, W (STATUS, 1), W (STATUS, 3), W (QUEUE_SEL, 0), W (QUEUE_READY, 1) } },
  { "configuration written early", "C2",
    { BEGIN, RESET, W (STATUS, 1), { VIRTIO_MMIO_CONFIG + 32, true, 1 } } },
  { "features after FEATURES_OK", "C3",
    { UNTIL_OK, W (DRIVER_FEATURES_SEL, 1), W (DRIVER_FEATURES, 1) } },
  { "a notification before DRIVER_OK", "C4", { UNTIL_OK, W (QUEUE_NOTIFY, 0) } },
  { "a status bit that goes", "C6", { BEGIN, RESET, W (STATUS, 1), W (STATUS, 3), W (STATUS, 1) } },
  { "on after FAILED", "C6", { BEGIN, RESET, W (STATUS, 0x81), W (STATUS, 0x83) } },
  { "a reset that is not awaited", "C14", { BEGIN, W (STATUS, 0), W (STATUS, 1) } },
  { "half a capacity", "C15", { UNTIL_OK, W (QUEUE_SEL, 0), R (CONFIG, 64), R (CONFIG_GENERATION, 0) } },
  { "no generation behind it", "C15", { UNTIL_OK, CAPACITY, W (QUEUE_SEL, 0) } },
  { "a field that is not there", "C15", { UNTIL_OK, { VIRTIO_MMIO_CONFIG + 16, false, 0 } } },
  { "a register that is none", "M5", { BEGIN, { 0x018, false, 0 } } },
  { "a write to a read-only one", "M5", { BEGIN, W (MAGIC_VALUE, 0) } },
  { "a read of a write-only one", "M5", { BEGIN, R (QUEUE_SEL, 0) } },
  { "an ID before the version", "M6", { R (MAGIC_VALUE, 0), R (DEVICE_ID, 2) } },
  { "a status before the ID", "M6", { R (MAGIC_VALUE, 0), R (VERSION, 2), R (STATUS, 0) } },
  { "features without a selector", "M7", { BEGIN, RESET, R (DEVICE_FEATURES, 0) } },
  { "a queue that is too long", "M7", { UNTIL_OK, W (QUEUE_SEL, 0), W (QUEUE_SIZE, 4096) } },
  { "a ready queue's address", "M7",
    { UNTIL_OK, W (QUEUE_SEL, 0), W (QUEUE_SIZE, 8), W (QUEUE_READY, 1), W (QUEUE_DESC_LOW, 0) } },
  { "a queue stopped unseen", "M8",
    { UNTIL_OK, W (QUEUE_SEL, 0), W (QUEUE_READY, 1), W (QUEUE_READY, 0), W (QUEUE_SEL, 1) } },
  { "an interrupt nobody sent", "M9",
    { UNTIL_OK, R (INTERRUPT_STATUS, 1), W (INTERRUPT_ACK, 2) } },
  { "an interrupt that is none", "M9",
    { UNTIL_OK, R (INTERRUPT_STATUS, 5), W (INTERRUPT_ACK, 5) } },
  { "shared memory nobody has", "M11", { BEGIN, R (SHM_LEN_LOW, 0) } },
};

static void
test_registers (void **state)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (walks); i++)
    {
      struct bench bench;

      open_bench (&bench, ram_disk (32768, "off"));
      for (unsigned k = 0; k < G_N_ELEMENTS (walks[i].steps); k++)
        {
          const struct step *step = &walks[i].steps[k];

          if (step->offset || step->write || step->value)
            vdev_hooks_access (bench.dev, VDEV_BUS_MMIO, step->offset, 4, step->value, step->write);
        }
      if (walks[i].clause)
        caught (&bench, walks[i].clause, walks[i].name);
      else if (audit_findings (bench.audit))
        fail_msg ("%s: %s", walks[i].name, bench.text);
      close_bench (&bench);
    }
}

/* Acknowledging what was not read is two breaches: of M10, and of M9. */
static void
test_blind_acknowledge (void **state)
{
  struct bench bench;

  open_bench (&bench, ram_disk (32768, "off"));
  vdev_hooks_access (bench.dev, VDEV_BUS_MMIO, VIRTIO_MMIO_MAGIC_VALUE, 4, 0, false);
  vdev_hooks_access (bench.dev, VDEV_BUS_MMIO, VIRTIO_MMIO_VERSION, 4, 2, false);
  vdev_hooks_access (bench.dev, VDEV_BUS_MMIO, VIRTIO_MMIO_DEVICE_ID, 4, 2, false);
  vdev_hooks_access (bench.dev, VDEV_BUS_MMIO, VIRTIO_MMIO_INTERRUPT_STATUS, 4, 1, false);
  vdev_hooks_access (bench.dev, VDEV_BUS_MMIO, VIRTIO_MMIO_INTERRUPT_ACK, 4, 1, true);
  assert_int_equal (audit_findings (bench.audit), 0);
  vdev_hooks_access (bench.dev, VDEV_BUS_MMIO, VIRTIO_MMIO_INTERRUPT_ACK, 4, 1, true);
  caught (&bench, "M10", "an acknowledgement without a look");
  close_bench (&bench);
}

static void
test_report (void **state)
{
  struct bench bench;

  open_bench (&bench, ram_disk (32768, "off"));
  audit_report (bench.audit);
  assert_int_equal (bench.bytes, 0); /* there is nothing to say */
  assert_int_equal (vdev_accept (bench.dev, V1), 0);
  audit_report (bench.audit);
  assert_non_null (strstr (bench.text, "\"checked\": {\"C10\": 1, \"F1\": 1}"));
  assert_int_equal (audit_checked (bench.audit, "C10"), 1);
  assert_int_equal (audit_checked (bench.audit, "Z1"), 0);
  close_bench (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_rings),
    cmocka_unit_test (test_index_goes_back),
    cmocka_unit_test (test_under_way),
    cmocka_unit_test (test_areas),
    cmocka_unit_test (test_features),
    cmocka_unit_test (test_registers),
    cmocka_unit_test (test_blind_acknowledge),
    cmocka_unit_test (test_report),
  };

  return cmocka_run_group_tests_name ("vmm-audit", tests, NULL, NULL);
}
