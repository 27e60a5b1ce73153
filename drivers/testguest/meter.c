/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What things cost: cycles always, and with option meter=PORT (of pvtools-vmm run) how
 * often the guest was left and how many a second there were. */
#include "guest.h"

static uint16_t
port (void)
{
  const char *option = guest_option ("meter=");

  return option ? (uint16_t) guest_number (option, &option) : 0;
}

/* The clock first and last, so that a look at it is in no count but its own. */
void
meter_begin (struct meter *meter)
{
  uint16_t at = port ();

  if (at)
    {
      meter->us = guest_in (at + 8, 4);
      meter->kvm = guest_in (at + 4, 4);
      meter->exits = guest_in (at, 4);
    }
  meter->cycles = cycles ();
}

static void
hundredths (uint32_t whole, uint32_t of)
{
  uint64_t n = (uint64_t) whole * 100 / of;

  print ("%U.%u%u", n / 100, (unsigned) (n / 10 % 10), (unsigned) (n % 10));
}

/* KVM's counter saw the two reads before this one and its own as well. */
void
meter_end (const struct meter *meter, unsigned n, const char *what)
{
  uint64_t spent = cycles () - meter->cycles;
  uint16_t at = port ();
  uint32_t exits = at ? guest_in (at, 4) - meter->exits - 1 : 0;
  uint32_t kvm = at ? guest_in (at + 4, 4) : UINT32_MAX;
  uint32_t us = at ? guest_in (at + 8, 4) - meter->us : 0;

  print ("# %U cycles a %s", spent / n, what);
  if (at)
    {
      print (", %U a second, ", (uint64_t) n * 1000000 / (us ? us : 1));
      hundredths (exits, n);
      print (" exits");
    }
  if (kvm != UINT32_MAX && meter->kvm != UINT32_MAX)
    {
      print (" and ");
      hundredths (kvm - meter->kvm - 3 - exits, n);
      print (" in the kernel");
    }
  print ("\n");
}
