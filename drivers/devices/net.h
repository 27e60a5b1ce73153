/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the two files of the network driver. */
#pragma once

#include <virtio/driver/net.h>

/* Gives a receive buffer to the device. */
int virtio_net_post (struct virtio_net *net, uint8_t *buffer);
/* The longest frame that may be sent. */
size_t virtio_net_longest (const struct virtio_net *net);
