/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System call filters out of the table of who may call what. */
#pragma once

#include <linux/filter.h>

#define SANDBOX_ALL ~0u     /* threads of every kind */
#define SANDBOX_BASE (1u << 31) /* the process before its threads are what they will be */
#define SANDBOX_FILTER_MAX 1024u

/* A call that nobody may make and that has this as its sixth argument ends the process
 * there and then, and the kernel logs it; without it, it is a SIGSYS. */
#define SANDBOX_LAST_WORD 0x51415f41u

/* A filter for threads of @kinds in a process that has @present; its length. */
unsigned sandbox_filter (struct sock_filter out[SANDBOX_FILTER_MAX], unsigned kinds, unsigned present);
