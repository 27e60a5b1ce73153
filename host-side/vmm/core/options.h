/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "key=value,key=value": what a device is told on the command line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_MAX 32

struct options
{
  unsigned n;
  const char *key[OPTIONS_MAX];
  const char *value[OPTIONS_MAX];
};

/* Adds one; the texts stay the caller's. -E2BIG when there are too many. */
int options_add (struct options *options, const char *key, const char *value);
/* Splits @text in place; a key without a value is "on". */
int options_parse (struct options *options, char *text);

/* The value of @key, or @otherwise. */
const char *options_get (const struct options *options, const char *key, const char *otherwise);
/* The value of @key, which is taken out; NULL when it is not there. */
const char *options_take (struct options *options, const char *key);
/* "on" or "off"; -EINVAL, and a message, for something else. */
int options_get_bool (const struct options *options, const char *key, bool *value);
/* A number between @min and @max; -EINVAL, and a message, for something else. */
int options_get_number (const struct options *options, const char *key, uint64_t min, uint64_t max,
                        uint64_t *value);
/* -EINVAL, and a message, when there is a key that is none of @known (ends with NULL). */
int options_only (const struct options *options, const char *const *known);
