/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rate.h"

#define SECOND UINT64_C (1000000000)

uint64_t
net_rate_wait (const struct net_rate *rate, uint64_t now)
{
  uint64_t paid = atomic_load_explicit (&rate->paid_until, memory_order_relaxed);

  if (rate->per_second == 0 || paid <= now || paid - now <= rate->burst_ns)
    return 0;
  return paid - now - rate->burst_ns;
}

void
net_rate_charge (struct net_rate *rate, uint64_t now, uint64_t cost)
{
  uint64_t paid = atomic_load_explicit (&rate->paid_until, memory_order_relaxed), next;
  unsigned __int128 ns;

  if (rate->per_second == 0)
    return;
  /* Rounded up: never more than the rate. */
  ns = ((unsigned __int128) cost * SECOND + rate->per_second - 1) / rate->per_second;
  do
    next = (paid > now ? paid : now) + (uint64_t) ns;
  while (!atomic_compare_exchange_weak_explicit (&rate->paid_until, &paid, next,
                                                 memory_order_relaxed, memory_order_relaxed));
}
