/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A token bucket as one number: the time at which all that was spent is earned
 * (the "theoretical arrival time" of ATM's generic cell rate algorithm). No timer
 * fills it and no rounding is carried; several threads may share it without a lock.
 *
 * It may be overdrawn by one frame, so that frames larger than the burst pass, too;
 * over time it gives the rate, and never more. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct net_rate
{
  uint64_t per_second; /* of whatever is counted; 0: no limit */
  uint64_t burst_ns;   /* the bucket's size as the time that fills it */
  _Atomic uint64_t paid_until; /* ns of the caller's clock */
};

/* How long from @now (ns) until something may be spent; 0: at once. */
uint64_t net_rate_wait (const struct net_rate *rate, uint64_t now);
/* Spends @cost. */
void net_rate_charge (struct net_rate *rate, uint64_t now, uint64_t cost);
