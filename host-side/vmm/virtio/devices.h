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

/* Makes one after taking the options that all kinds have: queue-reset=on|off, @resets
 * when it is not given. Negative errno, with a message. */
int vdev_kind_create (const struct vdev_kind *kind, struct options *options, bool resets,
                      struct vdev **dev);

/* NULL for a name nobody has. */
const struct vdev_kind *vdev_kind_find (const char *name);
/* The @index'th; NULL behind the last. */
const struct vdev_kind *vdev_kind_at (unsigned index);

int blk_create (const struct options *options, struct vdev **dev);
int rng_create (const struct options *options, struct vdev **dev);
int balloon_create (const struct options *options, struct vdev **dev);
int net_create (const struct options *options, struct vdev **dev);
int vsock_create (const struct options *options, struct vdev **dev);
int console_create (const struct options *options, struct vdev **dev);

struct blk_info
{
  const char *path;
  int fd;
  uint64_t size; /* bytes */
  bool readonly;
};
void blk_describe (struct vdev *dev, struct blk_info *info);
/* Makes it larger, in multiples of 512 bytes: a file grows, a device of the host must
 * have grown. The driver is told. -EINVAL for less than there is, or no multiple;
 * -ENOSPC for more than the host's device has. */
int blk_resize (struct vdev *dev, uint64_t size);

/* What is told of a console's ports. */
struct console_port_info
{
  const char *name;
  const char *path;    /* of its socket */
  bool host_connected; /* somebody is on the socket */
  bool guest_open;     /* a program in the guest has it open */
};
/* The @index'th port of a console device; false behind the last. One
 * thread, and the name is good until it renames the port. */
bool console_port (struct vdev *dev, unsigned index, struct console_port_info *info);
/* Gives it another name: to the guest it is another port. -EINVAL for a name that is empty
 * or too long. The thread of console_port(). */
int console_rename (struct vdev *dev, unsigned index, const char *name);
/* @changed is called from the device's worker when a guest opens or closes a port, but not
 * for each change of many: the last one counts. */
void console_on_change (struct vdev *dev, void (*changed) (void *data, unsigned index, bool open),
                        void *data);
