/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device models there are. */
#pragma once

#include "host-side/vmm/core/options.h"
#include "vdev.h"

struct vdev_kind
{
  const char *name;
  const char *help; /* its options */
  /* Makes one; negative errno, with a message, when the options are wrong. */
  int (*create) (const struct options *options, struct vdev **dev);
};

/* NULL for a name nobody has. */
const struct vdev_kind *vdev_kind_find (const char *name);
/* The @index'th; NULL behind the last. */
const struct vdev_kind *vdev_kind_at (unsigned index);

int blk_create (const struct options *options, struct vdev **dev);
int rng_create (const struct options *options, struct vdev **dev);
