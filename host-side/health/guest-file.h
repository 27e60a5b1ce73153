/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files of a guest, through whichever agent it has. */
#pragma once

#include <pvtools.h>

/* Up to @max bytes of the file's beginning; @timeout_ms bounds opening it, and
 * reading it all. NULL with @error. The bytes are the guest's: nothing in them is to be trusted. */
GBytes *pvt_guest_file_fetch (PvtClient *client, const char *path, gsize max, int timeout_ms,
                              GError **error);
