/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's clock as a guest sees it: the kernel's ptp_kvm driver, whose
 * /dev/ptpN is the host's CLOCK_REALTIME.
 */
#pragma once

#include "root.h"

/* Which N of /dev/ptpN is the host's clock; -1: none. A guest may have others,
 * of network cards. */
int pvt_host_ptp_find (const PvtRoot *root);

/* Host minus guest in ns and how exact that is. */
gboolean pvt_host_ptp_offset (const PvtRoot *root, int number, gint64 *offset,
                              guint64 *uncertainty, GError **error);
