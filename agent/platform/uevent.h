/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel tells of a new VM generation: the guest was restored from a
 * snapshot, or is a clone. The vmgenid driver says so with a uevent from Linux
 * 6.10 on; older ones only leave a line in the kernel's log.
 */
#pragma once

#include "root.h"

/* Largest uevent of the kernel's with its header, and more. */
#define PVT_UEVENT_MAX 8192

/* Largest record of /dev/kmsg. */
#define PVT_KMSG_MAX 8192

/*
 * Finds a variable of a uevent, "action@path" NUL "NAME=VALUE" NUL ... Pure.
 * Returns the value inside @data, NUL-terminated, or NULL.
 */
const char *pvt_uevent_get (const char *data, gsize len, const char *name);

/* TRUE when a uevent says that the VM has a new generation. Pure. */
gboolean pvt_uevent_is_generation (const char *data, gsize len);

/* TRUE when a record of /dev/kmsg says so. Pure. */
gboolean pvt_kmsg_is_generation (const char *data, gsize len);

/*
 * A non-blocking netlink socket that gets the kernel's "change" events of
 * devices, and only those: all others do not even wake us. -errno on failure.
 */
int pvt_uevent_open (void);

/* Reads one into @buf of PVT_UEVENT_MAX bytes; its length, 0 for one that did
 * not come from the kernel, -errno (-EAGAIN: none left). */
gssize pvt_uevent_read (int fd, char *buf);

/* The device is there, and the kernel is too old for a uevent. */
gboolean pvt_kmsg_is_needed (const PvtRoot *root);

/* The kernel's log from now on, non-blocking; -errno. */
int pvt_kmsg_open (const PvtRoot *root);
