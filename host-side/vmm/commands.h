/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The subcommands; each gets its own name as argv[0] and returns an exit status. */
#pragma once

int command_device (int argc, char **argv);
int command_run (int argc, char **argv);
int command_verify (int argc, char **argv);

extern const char run_help[];
