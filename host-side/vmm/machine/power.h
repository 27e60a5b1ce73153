/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports by which a guest ends, and by which it is asked to. */
#pragma once

#include "vm.h"

struct power
{
  struct vm *vm;
  int irq_fd;             /* of the events port */
  _Atomic uint8_t events; /* EVENT_BUTTON and others, of layout.h */
  _Atomic bool told;      /* of the panic */
  /* The guest reports a panic, the first time; may be NULL. From a vCPU's thread. */
  void (*panicked) (void *data);
  void *data;
};

/* Puts sleep, reset, events, i8042 and pvpanic on the machine's ports. */
int power_init (struct power *power, struct vm *vm);
/* As after power-on. */
void power_reset (struct power *power);
/* Somebody pressed the button. */
void power_button (struct power *power);
/* The GUID at MAP_GENERATION is another. */
void power_new_generation (struct power *power);
/* An access to pvpanic's byte, wherever it is. */
void power_access_pvpanic (struct power *power, void *bytes, bool write);
