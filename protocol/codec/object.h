/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life and death of generated structs, driven by their tables. */
#pragma once

#include "types.h"

/* Frees what the struct at @object points to and zeroes it; not @object. */
void pvt_object_clear (const PvtType *type, gpointer object);

/* Clears and frees @object; NULL is fine. */
void pvt_object_free (const PvtType *type, gpointer object);

/* A deep copy; the caller frees. Bytes are shared by reference. */
gpointer pvt_object_copy (const PvtType *type, gconstpointer object);

/* Clears the value of one field of @object. */
void pvt_field_clear (const PvtField *field, gpointer object);
