/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single questions to QEMU's monitor about a guest's state. Each says what it
 * does not know; none fails for a monitor that lacks a command. */
#pragma once

#include "evidence.h"
#include "host-side/client/qmp.h"

/* "running", "paused", ... as QEMU calls it; "" when it does not say. The caller
 * frees. */
char *pvt_look_status (PvtQmp *qmp);

/* What such a status means. FALSE: nothing. */
gboolean pvt_look_status_means (const char *status, PvtHealthInputKind *kind);

/* FALSE when the port of that chardev is not found. @connected: somebody holds
 * the host's end of it. */
gboolean pvt_look_port (PvtQmp *qmp, const char *chardev, gboolean *open, gboolean *connected);

/* The guest is on its way, and its processors may stand still for moments. */
gboolean pvt_look_migrating (PvtQmp *qmp);
gboolean pvt_look_is_migrating (const char *status);

/* FALSE where the processors cannot be looked at. */
gboolean pvt_look_cpus (PvtQmp *qmp, PvtCpuSample *sample);

/* The QOM path of the virtio-balloon device, asked to collect figures every
 * second or two; NULL when there is none. The caller frees. */
char *pvt_look_find_balloon (PvtQmp *qmp);

/* When its driver answered last, in its own time; 0: never. */
gint64 pvt_look_balloon (PvtQmp *qmp, const char *path);
