/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

static gint closed;
static GMutex lock;
static GCond opened;

void
pvt_gate_close (void)
{
  g_atomic_int_set (&closed, TRUE);
}

void
pvt_gate_open (void)
{
  g_mutex_lock (&lock);
  g_atomic_int_set (&closed, FALSE);
  g_cond_broadcast (&opened);
  g_mutex_unlock (&lock);
}

gboolean
pvt_gate_is_closed (void)
{
  return g_atomic_int_get (&closed);
}

void
pvt_gate_wait (void)
{
  g_mutex_lock (&lock);
  while (g_atomic_int_get (&closed))
    g_cond_wait (&opened, &lock);
  g_mutex_unlock (&lock);
}
