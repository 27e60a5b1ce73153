/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the user-mode network share. */
#pragma once

#include <libslirp.h>

#include "host-side/vmm/core/options.h"

/* Fills @config: addresses as QEMU's, but for what @options say. -EINVAL, and a message,
 * for an option that is none. */
int user_config (const struct options *options, SlirpConfig *config);
/* Every hostfwd= of @options; negative errno, and a message. */
int user_forward (const struct options *options, Slirp *slirp);

/* The first frame of a connection to the name server. */
#define USER_KNOCK_BYTES 54
void user_knock (const SlirpConfig *config, uint8_t frame[USER_KNOCK_BYTES]);
