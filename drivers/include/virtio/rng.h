/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entropy device (5.4): one queue of writable buffers, no features, no configuration. */
#pragma once

#include <virtio/types.h>

#define VIRTIO_RNG_QUEUE 0u
