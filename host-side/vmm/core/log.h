/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to standard error; what a guest can cause is limited. */
#pragma once

/* "pvtools-vmm: ..." and a line end. */
void vmm_log (const char *format, ...) __attribute__ ((format (printf, 1, 2)));

/* The same for what a guest does: after LOG_GUEST_MAX lines it is silent. */
#define LOG_GUEST_MAX 50
void vmm_log_guest (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
