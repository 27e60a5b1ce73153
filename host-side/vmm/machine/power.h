/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports by which a guest ends, and by which it is asked to. */
#pragma once

#include "vm.h"

struct power
{
  struct vm *vm;
  int irq_fd;             /* of the events port */
  _Atomic uint8_t events; /* bit 0: the power button */
  /* The guest reports a panic; may be NULL. From a vCPU's thread. */
  void (*panicked) (void *data);
  void *data;
};

/* Puts sleep, reset, events, i8042 and pvpanic on the machine's ports. */
int power_init (struct power *power, struct vm *vm);
/* Somebody pressed the button. */
void power_button (struct power *power);
