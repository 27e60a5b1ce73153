/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounds on what the kernel and the file system may tell us. */
#pragma once

/* Files of /proc that grow with the machine. */
#define PVT_MAX_PROC_FILE (4u * 1024 * 1024)

/* Small files: one value, a few lines. */
#define PVT_MAX_SMALL_FILE (64u * 1024)

#define PVT_MAX_MOUNTS 4096
#define PVT_MAX_CPUS 8192
#define PVT_MAX_MEMORY_BLOCKS 262144
#define PVT_MAX_BLOCK_DEVICES 4096
#define PVT_MAX_LINKS 4096
#define PVT_MAX_ADDRESSES 16384
#define PVT_MAX_ROUTES 16384
#define PVT_MAX_USERS 4096

/* Devices stacked on devices: deeper than any real set-up, shallow enough to recurse. */
#define PVT_MAX_STACK 8

/* Threads stuck in mounts that do not answer. */
#define PVT_MAX_STUCK_PROBES 16
