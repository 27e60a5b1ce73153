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
