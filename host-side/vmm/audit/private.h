/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the auditor's files share. */
#pragma once

#include <stdatomic.h>

#include "audit.h"

/* id, section of VIRTIO 1.3, how binding it is for the driver, what it asks. */
#define AUDIT_CLAUSES(X) \
  X (C1, "3.1.1", MUST, "initialisation goes reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK read back, queues, DRIVER_OK") \
  X (C2, "3.1.1", MUST, "configuration is not written before FEATURES_OK") \
  X (C3, "3.1.1", MUST, "no features are accepted after FEATURES_OK") \
  X (C4, "3.1.1", MUST, "no notification before DRIVER_OK") \
  X (C6, "2.1.1", MUST, "status bits are only added; a reset takes them away") \
  X (C10, "2.2.1", MUST, "only offered features are accepted, and none without those it needs") \
  X (C14, "2.4.2", SHOULD, "a reset is over when the status reads 0") \
  X (C15, "2.5.1", MUST, "optional fields are read when their feature is offered, wide ones between two equal generations") \
  X (C18, "2.6.1.1.2", MUST, "queues are reset with RING_RESET, read to be reset, and set up anew before they go on") \
  X (C19, "3.3.1", MUST, "what the device has is neither changed nor given to it again") \
  X (C20, "2.7", MUST, "devices are suspended only when SUSPEND was negotiated") \
  X (F1, "6.1", MUST, "VERSION_1 is accepted") \
  X (F3, "6.1", MUST, "addresses are of the guest's memory") \
  X (F4, "6.1", SHOULD, "RING_PACKED is accepted when it is offered") \
  X (S1, "2.7", MUST, "rings are aligned and of a size that may be") \
  X (S3, "2.7.4.2", MUST, "what the device writes lies behind what it reads") \
  X (S5, "2.7.5.2", MUST, "chains stay in the table, do not loop and have at most 4 GiB") \
  X (S6, "2.7.5.3.1", MUST, "indirect tables only when negotiated, whole, not nested, not with NEXT, no longer than the queue") \
  X (S8, "2.7.6.1", MUST, "the available index only grows, by at most the queue's size") \
  X (S9, "2.7.7.1", MUST, "available flags are 0 or 1, and 0 with EVENT_IDX") \
  X (S13, "2.7.10.1", MUST, "the used ring's flags begin as 0") \
  X (P1, "2.8", MUST, "packed rings are aligned and of a size that may be") \
  X (P4, "2.8.6.1", MUST, "an available descriptor is not changed before it is used") \
  X (P6, "2.8.9", MUST, "a list is no longer than the queue, readable first, and available all at once") \
  X (P8, "2.8.8.1", MUST, "indirect tables only when negotiated, not in a list, with no flag but WRITE") \
  X (P11, "2.8.10", MUST, "event suppression says enable, disable or, with EVENT_IDX, a place in the ring") \
  X (M5, "4.2.2.2", MUST, "registers that are defined, in their direction, 32 bits wide") \
  X (M6, "4.2.2.2", MUST, "magic, version and device ID come first") \
  X (M7, "4.2.2.2", MUST, "selectors before features; sizes in bounds; a ready queue's registers are left alone") \
  X (M8, "4.2.2.2", MUST, "QueueReady is read back after it was cleared") \
  X (M9, "4.2.2.2", MUST, "only pending and defined interrupts are acknowledged") \
  X (M10, "4.2.3.4.1", MUST, "InterruptStatus is read before it is acknowledged") \
  X (M11, "4.2.2.2", MUST, "shared memory registers are left alone by who expects none") \
  X (PCI3, "4.1.3.1", MUST, "fields are accessed in their own width, those of 64 bits in halves") \
  X (PCI8, "4.1.4.3.2", MUST, "read-only fields are not written; a queue is whole before it is enabled, and never disabled") \
  X (PCI11, "4.1.4.5.2", SHOULD, "the ISR status is left alone when queues have MSI-X interrupts") \
  X (PCI14, "4.1.4.9.2", MUST, "the window of configuration space is aligned and inside another capability's structure") \
  X (PCI16, "4.1.5.1.2.2", MUST, "a vector is one of the table's, and what became of it is read back") \
  X (PCI17, "4.1.5.2", MUST, "a doorbell takes 16 bits, the queue's number, at the queue's own place") \
  X (B3, "5.2.5.1", MUST, "flushes and cache modes go with their features") \
  X (B4, "5.2.6.1", MUST, "requests lie on the disk, have whole sectors and do not write what is read-only") \
  X (B5, "5.2.6.1", MUST, "a flush has sector 0 and no data") \
  X (B6, "5.2.6.1", MUST, "discards and zeroes have whole segments, not too many, with flags that may be") \
  X (B7, "5.2.6.1", MUST, "the serial number's buffer has 20 bytes") \
  X (B16, "5.2.6.1", MUST, "zones are asked for only when ZONED was negotiated") \
  X (N3, "5.1.6.2.1", MUST, "a sent packet's header says only what was negotiated") \
  X (N5, "5.1.6.3.1", MUST, "receive buffers are large enough") \
  X (N9, "5.1.6.5.1.2", MUST, "filter commands go with their features") \
  X (N11, "5.1.6.5.2.2", MUST, "address filters go with CTRL_RX and are whole") \
  X (N14, "5.1.6.5.6.1", MUST, "the number of queue pairs is one that may be") \
  X (N15, "5.1.6.5.6.4", MUST, "scaling and hashes are set up only when they were negotiated") \
  X (N16, "5.1.6.5.7.2", MUST, "offloads set are among those negotiated") \
  X (N17, "5.1.6.5.8.2", MUST, "coalescing is set up only when it was negotiated") \
  X (N18, "5.1.6.5", MUST, "commands and headers of extensions go with their features") \
  X (CO2, "5.3.6.1", MUST, "nothing readable to receive into, nothing writable to send") \
  X (CO3, "5.3.6.3", MUST, "several ports begin with DEVICE_READY") \
  X (R1, "5.4.6.1", MUST, "entropy is asked for with writable buffers only") \
  X (BL1, "5.5.6.1", MUST, "pages are told in whole numbers, readable only") \
  X (BL2, "5.5.6.3.1", MUST, "one buffer of statistics at a time, of whole entries") \
  X (BL4, "5.5.6.4.1", MUST, "free pages are hinted at only when that was negotiated") \
  X (BL5, "5.5.6.5.1", MUST, "a poison is said before DRIVER_OK and stays the same")

enum audit_clause
{
#define X(id, section, level, text) AUDIT_##id,
  AUDIT_CLAUSES (X)
#undef X
  AUDIT_CLAUSE_COUNT
};

#define AUDIT_HISTORY 8u

/* A ring as it stood at one moment. */
struct audit_state
{
  char what; /* l: looked at, t: taken from, u: used, k: kicked */
  uint16_t avail, used, flags, event;
};

/* A descriptor of a request under way: the driver leaves it alone. */
struct audit_copy
{
  const uint8_t *place; /* NULL: the device has written there */
  uint8_t bytes[16];
};

/* A request under way. */
struct audit_flight
{
  bool busy;
  uint16_t id;
  unsigned n, room;
  struct audit_copy *copies; /* ring descriptors first, then a table's */
  unsigned in_ring;
};

struct audit_queue
{
  uint16_t size;
  bool packed, event, indirect, running;
  uint16_t last_avail;
  unsigned n_flights; /* as many as the ring has entries */
  struct audit_flight *flights;
  struct audit_flight next; /* what the last look found */
  bool has_next;
  unsigned n_states;
  struct audit_state states[AUDIT_HISTORY];
  bool stats_out; /* balloon */
};

/* How far a driver has come with a device whose registers are here. */
struct audit_life
{
  bool seen; /* any register */
  bool reset, reset_read, ok_read;
  bool generation, wide_open;
  bool poison; /* a balloon's is written */
  uint32_t status;
  /* Of queues that were reset alone: since then, whether that was seen to be over, and
   * which of their areas were told. */
  bool renewed[VDEV_QUEUES_MAX], unseen[VDEV_QUEUES_MAX];
  uint8_t told[VDEV_QUEUES_MAX];
};

#define AUDIT_AREAS 3u

/* What the registers of virtio-mmio were used for. */
struct audit_mmio
{
  bool magic, version, id;
  bool device_sel, driver_sel;
  uint32_t queue, interrupts;
  bool interrupts_read;
  bool ready[VDEV_QUEUES_MAX];
  int stopping; /* a queue whose QueueReady is to be read back, or -1 */
};

/* What those of virtio-pci were used for. */
struct audit_pci
{
  bool msix, isr_read;
  uint32_t queue;
  int vector_at; /* the field of a vector that is to be read back, or -1 */
  bool enabled[VDEV_QUEUES_MAX];
  uint8_t written[VDEV_QUEUES_MAX]; /* of a queue's areas: bits */
};

struct audit
{
  struct vdev_hook hook;
  struct audit_log *log;
  char name[16];
  uint64_t accepted;
  struct audit_life life;
  struct audit_mmio mmio;
  struct audit_pci pci;
  bool ports_ready; /* console */
  uint64_t reported; /* checks when the last report was written */
  struct audit_queue *queues[VDEV_QUEUES_MAX];
  atomic_ullong checked[AUDIT_CLAUSE_COUNT], found[AUDIT_CLAUSE_COUNT];
};

/* A finding; always false. @q: a queue or -1, @index: a place in it or -1. */
bool audit_find (struct audit *audit, enum audit_clause clause, int q, int index,
                 const char *format, ...) __attribute__ ((format (printf, 5, 6)));

/* Holds a clause against the driver: what follows @good says what it did. */
#define AUDIT(audit, clause, q, index, good, ...) \
  (atomic_fetch_add_explicit (&(audit)->checked[AUDIT_##clause], 1, memory_order_relaxed), \
   (good) || audit_find (audit, AUDIT_##clause, q, index, __VA_ARGS__))

static inline bool
audit_has (const struct audit *audit, unsigned bit)
{
  return audit->accepted >> bit & 1;
}

/* ---- rings ---- */

void audit_ring_start (struct audit *audit, unsigned q, const struct virtq_config *config,
                       const uint32_t *base);
void audit_ring_stop (struct audit *audit, unsigned q);
void audit_ring_look (struct audit *audit, unsigned q);
void audit_ring_took (struct audit *audit, unsigned q, const struct virtq_chain *chain);
void audit_ring_put_back (struct audit *audit, unsigned q, const struct virtq_chain *chain);
void audit_ring_used (struct audit *audit, unsigned q, const struct virtq_chain *chain);
void audit_ring_free (struct audit *audit, unsigned q);
void audit_ring_state (struct audit_queue *queue, const struct virtq *ring, char what);

/* Fills queue->next from the ring; the place it looked at. */
void audit_split_look (struct audit *audit, unsigned q, const struct virtq *ring);
void audit_packed_look (struct audit *audit, unsigned q, const struct virtq *ring);
/* Adds a descriptor to what the last look found; false when there is no room. */
bool audit_keep (struct audit_queue *queue, const void *desc, bool in_ring);
/* Whether @id, or a ring descriptor at @place, is under way. */
bool audit_has_id (const struct audit_queue *queue, uint16_t id);
bool audit_has_place (const struct audit_queue *queue, const void *place);

/* ---- registers, devices ---- */

void audit_life_write_status (struct audit *audit, uint32_t value);
void audit_life_read_status (struct audit *audit, uint32_t value);
void audit_life_accept (struct audit *audit, uint32_t value);
void audit_life_queue (struct audit *audit, uint32_t q);
/* The register of a queue's own reset is written, or read; area @area of it is told. */
void audit_life_reset_queue (struct audit *audit, uint32_t q, uint32_t value);
void audit_life_read_reset (struct audit *audit, uint32_t q, uint32_t value);
void audit_life_tell_area (struct audit *audit, uint32_t q, unsigned area);
void audit_life_notify (struct audit *audit, uint32_t q);
/* Any register but the device's configuration; @generation: a read of its generation. */
void audit_life_register (struct audit *audit, bool generation);
void audit_life_config (struct audit *audit, uint64_t field, unsigned len, bool write);
void audit_pci_access (struct audit *audit, enum vdev_bus bus, uint64_t offset, unsigned len,
                       uint64_t value, bool write);
void audit_mmio_access (struct audit *audit, uint64_t offset, unsigned len, uint64_t value,
                        bool write);
void audit_mmio_reset (struct audit *audit);
/* A field of the configuration is read, whichever registers lead there. */
void audit_config_read (struct audit *audit, uint64_t offset, unsigned len);
void audit_features (struct audit *audit, uint64_t features);
/* What a request says, by the device's kind. */
void audit_request (struct audit *audit, unsigned q, const struct virtq_chain *chain);
void audit_net_request (struct audit *audit, unsigned q, const struct virtq_chain *chain);
