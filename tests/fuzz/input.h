/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fuzzer's bytes, taken one by one; zeroes behind their end. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input
{
  const uint8_t *data;
  size_t left;
};

static inline uint8_t
take (struct input *in)
{
  if (in->left == 0)
    return 0;
  in->left--;
  return *in->data++;
}
