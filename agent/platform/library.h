/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Libraries that are loaded when something of theirs is wanted, and done without where
 * they are not: dlopen(3). The static agent does without all of them. */
#pragma once

#include <glib.h>

typedef struct
{
  const char *name;
  void **function; /* where its address goes */
  gboolean optional; /* NULL where the library does not have it */
} PvtSymbol;

/* FALSE when the library, or a function that is not optional, is missing. */
gboolean pvt_library_load (const char *library, const PvtSymbol *symbols, gsize n);

/* The same once for all threads; @once is static and 0 at first. */
gboolean pvt_library_load_once (gsize *once, const char *library, const PvtSymbol *symbols, gsize n);
