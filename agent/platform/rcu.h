/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's switch for fast grace periods. */
#pragma once

#include "root.h"

/*
 * Opens sys/kernel/rcu_expedited for writing if it reads @value, "0" or "1"; -1 when
 * not, or when there is none. At 1 every synchronize_rcu() is an expedited one (the
 * kernel's Documentation/admin-guide/kernel-parameters.txt, rcupdate.rcu_expedited).
 */
int pvt_rcu_open (const PvtRoot *root, const char *value);
