/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structs to JSON text. One line, one space behind ':' and ',', as qemu-ga
 * writes it: some clients parse with regular expressions. Whatever the struct
 * holds, the text is valid: bytes that are no UTF-8 become U+FFFD, doubles
 * that are not finite become 0, integers are written plainly.
 */
#pragma once

#include "buf.h"
#include "types.h"

void pvt_encode_object (PvtBuf *out, const PvtType *type, gconstpointer object);

/* The value of one field of @object, without its name. */
void pvt_encode_field (PvtBuf *out, const PvtField *field, gconstpointer object);

void pvt_encode_string (PvtBuf *out, const char *text);
void pvt_encode_i64 (PvtBuf *out, gint64 value);
void pvt_encode_u64 (PvtBuf *out, guint64 value);
void pvt_encode_f64 (PvtBuf *out, double value);
void pvt_encode_base64 (PvtBuf *out, const guint8 *data, gsize len);
