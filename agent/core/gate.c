/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

static gint closed;

void
pvt_gate_close (void)
{
  g_atomic_int_set (&closed, TRUE);
}

void
pvt_gate_open (void)
{
  g_atomic_int_set (&closed, FALSE);
}

gboolean
pvt_gate_is_closed (void)
{
  return g_atomic_int_get (&closed);
}
