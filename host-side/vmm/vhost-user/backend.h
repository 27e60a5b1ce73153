/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device model served to QEMU over a vhost-user socket. */
#pragma once

#include "host-side/vmm/virtio/vdev.h"

/* Serves one front-end on @fd until it goes away; 0 then, else negative errno.
 * Closes @fd and leaves the device reset. */
int vhost_user_serve (struct vdev *dev, int fd);
