/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that top shows. Its figures are read in its shared page, where it has one that
 * serves, or else pushed on the extended channel; where there is none, as with a stock
 * qemu-ga, it is asked once an interval on a thread.
 */
#pragma once

#include "cli.h"
#include "top-figures.h"

typedef struct
{
  char *name, *address;
  const char *source; /* "page", "pushed", "polled" or "-"; static */
  char *trouble;      /* why there are no figures; NULL: there are, or will be */
  PvtTopState state;
  guint reports;      /* that have come */
} PvtTopGuest;

typedef struct
{
  double interval;
  int timeout_ms;
  void (*changed) (gpointer user_data); /* a guest has other figures */
  gpointer user_data;
} PvtTopOptions;

/* Begins at once; @options must stay. @page: the file of its shared page, may be NULL; the
 * address of a guest without a channel is page:/file. From the default main context. */
PvtTopGuest *pvt_top_guest_new (const char *name, const char *address, const char *page,
                                const PvtTopOptions *options);
void pvt_top_guest_free (PvtTopGuest *guest);

/* TRUE once it has all it will have, or never will. */
gboolean pvt_top_guest_is_settled (const PvtTopGuest *guest);
