/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opens /dev/kvm. Negative errno, and a message that says what is missing and what
 * helps. */
int host_open_kvm (void);
