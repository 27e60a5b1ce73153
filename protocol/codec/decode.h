/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON text that passed the guard to structs. */
#pragma once

#include "cursor.h"
#include "types.h"

typedef enum
{
  /* Arguments: an unknown member, and whatever exceeds the schema's bounds, is
   * an error. */
  PVT_DECODE_STRICT,
  /* Replies, perhaps of a newer peer: unknown members are passed over. */
  PVT_DECODE_LENIENT,
} PvtDecodeMode;

#define PVT_DECODE_ERROR (pvt_decode_error_quark ())
GQuark pvt_decode_error_quark (void);

typedef enum
{
  PVT_DECODE_ERROR_TYPE,       /* a value of another type, or out of range */
  PVT_DECODE_ERROR_MISSING,    /* a member that must be there is not */
  PVT_DECODE_ERROR_UNEXPECTED, /* a member that the schema does not know, or twice */
  PVT_DECODE_ERROR_BOUND,      /* longer or more than the schema allows */
} PvtDecodeError;

/*
 * Decodes the value the cursor is on into @object, zeroed memory of
 * @type->size bytes. On failure @object is cleared; the message names the
 * member with its path, e.g. "vcpus[3].online".
 */
gboolean pvt_decode_object (PvtCursor *cursor, const PvtType *type, PvtDecodeMode mode,
                            gpointer object, GError **error);

/* The same for a single field, such as a command's return value. */
gboolean pvt_decode_field (PvtCursor *cursor, const PvtField *field, PvtDecodeMode mode,
                           gpointer object, GError **error);
