/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is typed goes to the guest's serial port. */
#pragma once

#include <stdbool.h>

#include "uart.h"

struct terminal;

/* Reads @fd, which stays the caller's, in a thread of its own; before the sandbox is entered.
 * A terminal is without line editing and signals from now on: all keys are the guest's but
 * Ctrl-A, behind which x ends the machine and Ctrl-A is one, as with QEMU and kvmtool.
 * Negative errno. */
int terminal_new (struct terminal **terminal, struct vm *vm, struct uart *uart, int fd);
/* The terminal is as it was; NULL is accepted. */
void terminal_free (struct terminal *terminal);

/* Whether @fd is a terminal that is ours to read: not from the background. */
bool terminal_is_ours (int fd);
