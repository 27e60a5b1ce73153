/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Name servers and search domains: resolv.conf(5). */
#pragma once

#include "root.h"

typedef struct
{
  GPtrArray *servers; /* char *, owned */
  GPtrArray *search;
} PvtResolv;

void pvt_resolv_parse (const char *text, gsize len, PvtResolv *resolv);

/* Reads /etc/resolv.conf; where that only names systemd-resolved's stub, the
 * servers it asks. Empty without a file. Release with pvt_resolv_clear(). */
void pvt_resolv_read (const PvtRoot *root, PvtResolv *resolv);

void pvt_resolv_clear (PvtResolv *resolv);
