/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The generation of a virtual machine (Microsoft's "Virtual Machine Generation ID"): a
 * GUID in the guest's memory, which is another one whenever the machine is not simply
 * what it was, as after a restore or in a clone. The DSDT tells where it is, the events
 * port that it has changed. */
#pragma once

#include <pthread.h>

#include "power.h"

#define GENERATION_TEXT 37u /* bytes of a GUID as text, with the zero */

struct generation
{
  pthread_mutex_t lock;
  bool present;
  uint8_t guid[16]; /* in the order of its text */
};

/* A GUID, or "auto" for a new one. -EINVAL with a message for the user. */
int generation_init (struct generation *generation, const char *text);
/* Writes it into the memory of a machine that is being made, if there is one. */
void generation_place (struct generation *generation, struct vm *vm);
/* Another one, as of generation_init(), while the guest runs, which is told. Any thread.
 * -ENODEV when the machine has none, -EINVAL for a bad text. */
int generation_change (struct generation *generation, struct vm *vm, struct power *power,
                       const char *text);
/* As text; false when there is none. */
bool generation_get (struct generation *generation, char text[GENERATION_TEXT]);
