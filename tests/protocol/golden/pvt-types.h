/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PvtKind:
 * @PVT_KIND_LINUX: One.
 * @PVT_KIND_TWO_TWO: Two.
 *
 * Kinds.
 */
typedef enum
{
  PVT_KIND_LINUX,
  PVT_KIND_TWO_TWO,
} PvtKind;

typedef struct _PvtThing PvtThing;
typedef struct _PvtLinux PvtLinux;
typedef struct _PvtEither PvtEither;
typedef struct _PvtSome PvtSome;
typedef struct _PvtGuestDoArgs PvtGuestDoArgs;

/**
 * PvtThing:
 * @kind: Its kind.
 * @has_size: whether @size is there
 * @size: Its size.
 * @either: (nullable): One or the other.
 *
 * A thing.
 */
struct _PvtThing
{
  PvtKind kind;
  gboolean has_size;
  guint64 size;
  PvtEither *either;
};

PvtThing *pvt_thing_new (void);
PvtThing *pvt_thing_copy (const PvtThing *value);
void pvt_thing_free (PvtThing *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtThing, pvt_thing_free)

/**
 * PvtLinux:
 * @a: A.
 *
 * A branch.
 */
struct _PvtLinux
{
  gint64 a;
};

PvtLinux *pvt_linux_new (void);
PvtLinux *pvt_linux_copy (const PvtLinux *value);
void pvt_linux_free (PvtLinux *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtLinux, pvt_linux_free)

typedef enum
{
  PVT_EITHER_IS_NUMBER,
  PVT_EITHER_IS_FLAG,
} PvtEitherBranch;

/**
 * PvtEither:
 * @branch: which of the others holds the value
 * @number: N.
 * @flag: F.
 *
 * Either.
 */
struct _PvtEither
{
  PvtEitherBranch branch;
  gint64 number;
  gboolean flag;
};

PvtEither *pvt_either_new (void);
PvtEither *pvt_either_copy (const PvtEither *value);
void pvt_either_free (PvtEither *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtEither, pvt_either_free)

/**
 * PvtSome:
 * @kind: which branch it is
 * @linux_: (nullable): set when @kind is `linux`
 *
 * Some.
 */
struct _PvtSome
{
  PvtKind kind;
  PvtLinux *linux_;
};

PvtSome *pvt_some_new (void);
PvtSome *pvt_some_copy (const PvtSome *value);
void pvt_some_free (PvtSome *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtSome, pvt_some_free)

/**
 * PvtGuestDoArgs:
 * @name: A name.
 * @has_count: whether @count is there
 * @count: How often.
 * @list: (element-type PvtThing) (nullable): Things.
 *
 * Arguments of `guest-do`.
 */
struct _PvtGuestDoArgs
{
  char *name;
  gboolean has_count;
  guint32 count;
  GPtrArray *list;
};

PvtGuestDoArgs *pvt_guest_do_args_new (void);
PvtGuestDoArgs *pvt_guest_do_args_copy (const PvtGuestDoArgs *value);
void pvt_guest_do_args_free (PvtGuestDoArgs *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtGuestDoArgs, pvt_guest_do_args_free)

G_END_DECLS
