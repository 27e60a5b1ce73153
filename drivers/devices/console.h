/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the two files of the console driver. */
#pragma once

#include <virtio/driver/console.h>
#include <virtio/driver/mem.h>

/* The control queues: 5.3.6.2. Starting gives the device its buffers. */
int virtio_console_control_start (struct virtio_console *console);
void virtio_console_control_stop (struct virtio_console *console);
int virtio_console_send (struct virtio_console *console, uint32_t port, uint16_t event,
                         uint16_t value);
