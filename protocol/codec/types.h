/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables that the generator writes and the codec walks.
 *
 * How a schema type looks in C:
 *   bool gboolean · i64 gint64 · u32 guint32 · u64 guint64 · f64 double ·
 *   string char * · bytes GBytes * · an enum its C enum · struct, union,
 *   alternate: pointer · [string] char ** · [T] GPtrArray * of T.
 * An optional scalar `x` has a gboolean `has_x` before it; an optional pointer
 * is NULL when absent.
 */
#pragma once

#include <glib.h>

typedef enum
{
  PVT_KIND_BOOL,
  PVT_KIND_I64,
  PVT_KIND_U32,
  PVT_KIND_U64,
  PVT_KIND_F64,
  PVT_KIND_STRING,
  PVT_KIND_BYTES,
  PVT_KIND_ENUM,
  PVT_KIND_STRUCT,
  PVT_KIND_UNION,
  PVT_KIND_ALTERNATE,
} PvtKind;

enum
{
  PVT_FIELD_OPTIONAL = 1 << 0,
  PVT_FIELD_ARRAY = 1 << 1,
  PVT_FIELD_SECRET = 1 << 2, /* never logged */
};

#define PVT_NO_OFFSET G_MAXUINT16

typedef struct _PvtType PvtType;

typedef struct
{
  const char *name; /* on the wire */
  guint8 name_len;
  guint8 kind; /* PvtKind, of the element for an array */
  guint8 flags;
  guint16 offset;     /* of the member in the struct */
  guint16 has_offset; /* of has_x, or PVT_NO_OFFSET */
  guint32 max;        /* elements of an array, else bytes; 0: no bound of its own */
  guint32 max_item;   /* bytes of each string of an array */
  const PvtType *type; /* of enum, struct, union, alternate */
  gint64 low, high;   /* bounds of an integer; both 0: the type's own */
} PvtField;

struct _PvtType
{
  const char *name;
  PvtKind kind;
  guint16 size; /* of the C struct */
  GDestroyNotify free; /* pvt_..._free() of it; NULL for enums */
  /* STRUCT: members. UNION: fields[0] is the tag (an enum); fields[1 + value]
   * the branch of each tag value. ALTERNATE: fields[0] is not sent and holds
   * the branch number; fields[1..] the branches. */
  const PvtField *fields;
  guint16 n_fields;
  /* ENUM: wire names by value */
  const char *const *values;
  guint16 n_values;
};
