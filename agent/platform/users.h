/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is logged in: utmp(5), or logind where there is none. */
#pragma once

#include "root.h"

typedef struct
{
  char name[33];
  double login_time; /* seconds since the epoch */
} PvtUser;

/* Appends each user once, with the earliest session, in order of first sight. */
void pvt_utmp_parse (const void *data, gsize len, GArray *users);

/* Adds a user, or the earlier of two sessions of one that is there; no more than
 * PVT_MAX_USERS. */
void pvt_users_add (GArray *users, const PvtUser *user);

/* Empty when nobody is, or nothing tells. The caller unrefs the array of PvtUser. */
GArray *pvt_users_read (const PvtRoot *root);

/* Where the utmp file is, below the root, which counts alone then; NULL when there is none. */
const char *pvt_users_utmp (const PvtRoot *root);
