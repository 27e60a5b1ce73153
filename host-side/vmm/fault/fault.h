/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fault injector: a device that misbehaves on purpose, for its driver's sake.
 *
 * It hangs into a device (virtio/hooks.h) and breaks one rule of a device's at a
 * time, on the occasion it was told or that a seed chose: the same list and seed
 * break the same. */
#pragma once

#include "host-side/vmm/virtio/vdev.h"

struct fault;

/* @list: "NAME[@N][+],..." - on the N-th occasion, counted from 0, and with "+" on
 * all after it. Without N the seed chooses one of the first eight. -EINVAL, and a
 * message, for a name that is none. The list is not kept. */
int fault_new (struct fault **fault, struct vdev *dev, const char *list, uint64_t seed);
/* After the device was freed; NULL is accepted. */
void fault_free (struct fault *fault);
/* No more faults: the device is a good one again. */
void fault_end (struct fault *fault);
/* How often a rule was broken. */
unsigned fault_count (const struct fault *fault);

/* The faults there are; NULL behind the last. */
struct fault_kind
{
  const char *name;
  const char *clauses; /* what it tries, by the numbers of tests/conformance */
  const char *text;
};
const struct fault_kind *fault_kind_at (unsigned index);
