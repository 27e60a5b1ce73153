/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the injector's files share. */
#pragma once

#include <stdatomic.h>

#include "fault.h"

/* name, clauses tried, what the device does. */
#define FAULTS(X) \
  X (USED_ID_FOREIGN, "used-id-foreign", "S12 F5", "names a buffer it was not given") \
  X (USED_ID_HUGE, "used-id-huge", "S12", "names a buffer beyond the queue") \
  X (USED_TWICE, "used-twice", "S12", "gives a buffer back twice") \
  X (USED_LOST, "used-lost", "C5", "never gives a buffer back") \
  X (USED_LEN_ZERO, "used-len-zero", "S12 R1", "says that it wrote nothing") \
  X (USED_LEN_SHORT, "used-len-short", "S12 R1", "says that it wrote a byte less") \
  X (USED_LEN_LONG, "used-len-long", "S12 R1 CO5", "says that it wrote a byte more than there was room for") \
  X (USED_LEN_MAX, "used-len-max", "S12 R1 CO5", "says that it wrote 4 GiB") \
  X (INDEX_JUMP, "index-jump", "S12", "the used index (or place, packed) is far ahead") \
  X (INDEX_BACK, "index-back", "S12", "the used index (or place, packed) goes back by one") \
  X (SCRIBBLE, "scribble", "S12", "fills the descriptors with ones before it gives a buffer back") \
  X (STALL, "stall", "C5", "answers nothing more, for ever") \
  X (IRQ_LOST, "irq-lost", "S9", "does not interrupt when it must") \
  X (IRQ_SPURIOUS, "irq-spurious", "S9 M9", "interrupts when nobody wants to hear") \
  X (NEEDS_RESET, "needs-reset", "C7 C9", "gives up: NEEDS_RESET") \
  X (RESET_STUCK, "reset-stuck", "C5 C7", "from some reset on the status never reads 0") \
  X (QUEUE_RESET_STUCK, "queue-reset-stuck", "C18", "a queue's own reset is never over") \
  X (QUEUE_RESET_IGNORED, "queue-reset-ignored", "C18", "a queue whose own reset is asked for goes on") \
  X (QUEUE_RESET_USED, "queue-reset-used", "C18", "names every buffer as used while the queue is reset") \
  X (FEATURES_REFUSED, "features-refused", "C5", "FEATURES_OK does not stick") \
  X (FEATURES_UNKNOWN, "features-unknown", "C10", "offers features that nobody has defined") \
  X (CONFIG_ONES, "config-ones", "C15", "its configuration reads as ones") \
  X (CONFIG_RESTLESS, "config-restless", "C15", "the configuration's generation never rests") \
  X (CAPACITY_SHRINKS, "capacity-shrinks", "B4 B6", "the disk is half as large from now on, and says so") \
  X (STATUS_UNKNOWN, "status-unknown", "B6", "a disk's status byte is 0x55") \
  X (STATUS_MISSING, "status-missing", "B6", "a disk's status byte is not written") \
  X (STATUS_ERROR, "status-error", "B6", "a disk's request fails") \
  X (PORT_FAR, "port-far", "CO4", "a console message of port 99999") \
  X (PORT_AGAIN, "port-again", "CO4", "a console adds a port again instead of naming it") \
  X (PORT_REMOVE, "port-remove", "CO4", "a console removes the port instead of naming it") \
  X (NET_BUFFERS, "net-buffers", "N8", "a received packet says 65535 buffers") \
  X (NET_HEADER, "net-header", "N8", "a received packet's checksum and segments lie far behind it")

enum fault_id
{
#define X(id, name, clauses, text) FAULT_##id,
  FAULTS (X)
#undef X
  FAULT_COUNT
};

struct fault
{
  struct vdev_hook hook;
  bool on[FAULT_COUNT], every[FAULT_COUNT];
  uint32_t when[FAULT_COUNT];
  atomic_uint seen[FAULT_COUNT]; /* occasions */
  atomic_uint count;
  atomic_bool ended, stalled, shrunk, broken, stuck;
  atomic_bool resetting[VDEV_QUEUES_MAX], uses[VDEV_QUEUES_MAX]; /* queues, in their own reset */
};

/* An occasion for @id: whether it is now. */
bool fault_now (struct fault *fault, enum fault_id id);
/* The pushes and the data that faults change; as vdev_hook_ops.push. */
bool fault_push (struct vdev_hook *hook, unsigned q, const struct virtq_chain *chain,
                 uint32_t *written);
/* A queue that is being reset gives back whatever may be in it. */
void fault_use_all (struct fault *fault, unsigned q);
/* What faults of the device's kind do to a request's data. */
void fault_data (struct fault *fault, unsigned q, const struct virtq_chain *chain);
