/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PORT_METER: three double words to read. 0: how often the processor that reads came
 * out to us; 4: how often it was left in all, as KVM counts it, or all ones; 8: the
 * host's monotonic clock in µs. All modulo 2^32. */
#pragma once

#include "vm.h"

int meter_init (struct vm *vm);
/* Of a processor that was made; without KVM's counters there are none. */
void meter_open (struct vcpu *vcpu);
void meter_close (struct vcpu *vcpu);
