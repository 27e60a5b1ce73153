/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of 'run' from a file: one a line, "disk = file=root.img,serial=root",
 * "paused"; '#' begins a comment line. */
#pragma once

#include <getopt.h>

#define CONFIG_WORDS_MAX 256u

struct config_file
{
  unsigned n;
  char *words[CONFIG_WORDS_MAX]; /* "--disk=file=root.img,serial=root" */
};

/* Adds the words of @path, of which each is one of @known (ends with a NULL name).
 * Negative errno, and a message with the line. */
int config_file_read (struct config_file *config, const char *path, const struct option *known);
void config_file_free (struct config_file *config);
