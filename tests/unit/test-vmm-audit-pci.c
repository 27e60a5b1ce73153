/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor on the registers of virtio-pci: walks through them as drivers may and as
 * they may not, each caught by the name of its clause. */
#include "audit-bench.h"

#include <virtio/device.h>
#include <virtio/pci.h>

struct step
{
  uint8_t bus;
  bool write;
  uint8_t len;
  uint16_t offset;
  uint32_t value;
};

#define OF(field) offsetof (struct virtio_pci_common_cfg, field)
#define R(field, len, value) { VDEV_BUS_PCI_COMMON, false, len, OF (field), value }
#define W(field, len, value) { VDEV_BUS_PCI_COMMON, true, len, OF (field), value }
#define HIGH(field, value) { VDEV_BUS_PCI_COMMON, true, 4, OF (field) + 4, value }
#define CONFIG(write, len, offset) { VDEV_BUS_PCI_DEVICE, write, len, offset, 0 }
#define ISR(value) { VDEV_BUS_PCI_ISR, false, 1, 0, value }
#define RING(len, offset, value) { VDEV_BUS_PCI_NOTIFY, true, len, offset, value }
#define WINDOW(bar, len, offset) { VDEV_BUS_PCI_WINDOW, false, len, offset, bar }
#define MSIX(on) { VDEV_BUS_PCI_MSIX, true, 2, 0, on }

#define RESET W (device_status, 1, 0), R (device_status, 1, 0)
#define UNTIL_OK RESET, W (device_status, 1, 1), W (device_status, 1, 3), \
    W (device_feature_select, 4, 0), R (device_feature, 4, 0), W (driver_feature_select, 4, 0), \
    W (driver_feature, 4, 0), W (device_status, 1, 11), R (device_status, 1, 11)
#define AREAS W (queue_desc, 4, 0), HIGH (queue_desc, 0), W (queue_driver, 4, 0), W (queue_device, 4, 0)
#define QUEUE W (queue_select, 2, 0), R (queue_size, 2, 128), W (queue_size, 2, 8), AREAS
#define LIVE UNTIL_OK, QUEUE, W (queue_enable, 2, 1), W (device_status, 1, 15)
#define GENERATION R (config_generation, 1, 0)
#define VECTOR(value) W (config_msix_vector, 2, value), R (config_msix_vector, 2, value)

static const struct
{
  const char *name, *clause;
  struct step steps[30];
} walks[] = {
  { "a good start", NULL,
    { MSIX (1), UNTIL_OK, GENERATION, CONFIG (false, 4, 0), CONFIG (false, 4, 4), GENERATION,
      VECTOR (0), QUEUE, W (queue_enable, 2, 1), W (device_status, 1, 15), RING (2, 0, 0) } },
  { "a change of the configuration", NULL, { MSIX (1), LIVE, ISR (2), RING (2, 0, 0) } },
  { "without MSI-X", NULL, { MSIX (0), LIVE, ISR (1), RING (2, 0, 0) } },
  { "the window", NULL, { WINDOW (0, 1, 0x1000), WINDOW (0, 4, 0x14) } },
  { "no reset", "C1", { W (device_status, 1, 1) } },
  { "a reset that is not awaited", "C14", { W (device_status, 1, 0), W (device_status, 1, 1) } },
  { "a status bit that goes", "C6", { RESET, W (device_status, 1, 1), W (device_status, 1, 3),
                                      W (device_status, 1, 1) } },
  { "configuration written early", "C2", { RESET, CONFIG (true, 1, 32) } },
  { "features after FEATURES_OK", "C3", { UNTIL_OK, W (driver_feature, 4, 1) } },
  { "a doorbell before DRIVER_OK", "C4", { UNTIL_OK, RING (2, 0, 0) } },
  { "a queue too early", "C1", { RESET, QUEUE, W (queue_enable, 2, 1) } },
  { "half a capacity", "C15", { UNTIL_OK, CONFIG (false, 4, 0), GENERATION } },
  { "no generation behind it", "C15",
    { UNTIL_OK, GENERATION, CONFIG (false, 4, 0), CONFIG (false, 4, 4), R (num_queues, 2, 1) } },
  { "half a field", "PCI3", { R (device_feature, 2, 0) } },
  { "the middle of a field", "PCI3", { { VDEV_BUS_PCI_COMMON, false, 2, 2, 0 } } },
  { "a whole 64-bit field", "PCI3", { UNTIL_OK, W (queue_desc, 8, 0) } },
  { "64 bits of configuration", "PCI3", { GENERATION, CONFIG (false, 8, 0), GENERATION } },
  { "a field that is not there", "PCI3", { { VDEV_BUS_PCI_COMMON, false, 2, 60, 0 } } },
  { "a read-only field", "PCI8", { W (num_queues, 2, 1) } },
  { "another", "PCI8", { W (queue_notify_off, 2, 1) } },
  { "a queue of no entries", "PCI8", { UNTIL_OK, W (queue_size, 2, 0) } },
  { "an odd size", "PCI8", { UNTIL_OK, W (queue_size, 2, 6) } },
  { "a size that is too large", "PCI8", { UNTIL_OK, W (queue_size, 2, 4096) } },
  { "a queue that is disabled", "PCI8", { UNTIL_OK, W (queue_enable, 2, 0) } },
  { "a queue without areas", "PCI8",
    { UNTIL_OK, W (queue_desc, 4, 0), W (queue_driver, 4, 0), W (queue_enable, 2, 1) } },
  { "areas of before the reset", "PCI8",
    { UNTIL_OK, AREAS, UNTIL_OK, W (queue_select, 2, 0), W (queue_enable, 2, 1) } },
  { "an enabled queue's address", "PCI8", { LIVE, HIGH (queue_driver, 1) } },
  { "the ISR status with MSI-X", "PCI11", { MSIX (1), LIVE, ISR (1), RING (2, 0, 0) } },
  { "the window where nothing is", "PCI14", { WINDOW (0, 4, 0x5000) } },
  { "the window across a boundary", "PCI14", { WINDOW (0, 4, 2) } },
  { "the window of another BAR", "PCI14", { WINDOW (3, 4, 0) } },
  { "a window of three bytes", "PCI14", { WINDOW (0, 3, 0) } },
  { "a vector beyond the table", "PCI16", { W (config_msix_vector, 2, 2), R (config_msix_vector, 2, 2) } },
  { "a vector not read back", "PCI16", { W (config_msix_vector, 2, 0), W (queue_select, 2, 0) } },
  { "a queue's vector not read back", "PCI16",
    { W (queue_select, 2, 0), W (queue_msix_vector, 2, 1), R (config_msix_vector, 2, 1) } },
  { "a doorbell of 32 bits", "PCI17", { LIVE, RING (4, 0, 0) } },
  { "a doorbell at no place", "PCI17", { LIVE, RING (2, 2, 0) } },
  { "another queue's number", "PCI17", { LIVE, RING (2, 0, 1) } },
  { "a queue that is not there", "PCI17", { LIVE, RING (2, 4, 1) } },
};

static void
test_walks (void **state)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (walks); i++)
    {
      struct bench bench;

      open_bench (&bench, ram_disk (32768, "off"));
      for (unsigned k = 0; k < G_N_ELEMENTS (walks[i].steps) && walks[i].steps[k].len; k++)
        {
          const struct step *step = &walks[i].steps[k];

          vdev_hooks_access (bench.dev, step->bus, step->offset, step->len, step->value, step->write);
        }
      if (walks[i].clause)
        caught (&bench, walks[i].clause, walks[i].name);
      else if (audit_findings (bench.audit))
        fail_msg ("%s: %s", walks[i].name, bench.text);
      close_bench (&bench);
    }
}

/* Packed rings have any size. */
static void
test_packed_sizes (void **state)
{
  struct bench bench;

  open_bench (&bench, ram_disk (32768, "off"));
  assert_int_equal (vdev_accept (bench.dev, V1 | PACKED), 0);
  vdev_hooks_access (bench.dev, VDEV_BUS_PCI_COMMON, OF (queue_size), 2, 7, true);
  assert_int_equal (audit_findings (bench.audit), 0);
  assert_int_equal (audit_checked (bench.audit, "PCI8"), 3);
  vdev_hooks_access (bench.dev, VDEV_BUS_PCI_COMMON, OF (queue_size), 2, 0, true);
  caught (&bench, "PCI8", "a packed queue of no entries");
  close_bench (&bench);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_walks),
    cmocka_unit_test (test_packed_sizes),
  };

  return cmocka_run_group_tests_name ("vmm-audit-pci", tests, NULL, NULL);
}
