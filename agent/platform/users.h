/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is logged in: utmp(5). */
#pragma once

#include "root.h"

typedef struct
{
  char name[33];
  double login_time; /* seconds since the epoch */
} PvtUser;

/* Appends each user once, with the earliest session, in order of first sight. */
void pvt_utmp_parse (const void *data, gsize len, GArray *users);

/* Empty when there is no utmp file. The caller unrefs the array of PvtUser. */
GArray *pvt_utmp_read (const PvtRoot *root);
