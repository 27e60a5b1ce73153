/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#include "pvt-types.h"

#include "protocol/codec/object.h"
#include "pvt-tables.h"

static const char *const pvt_kind_values[] = { "linux", "two-two" };
const PvtType pvt_kind_type = { .name = "Kind", .kind = PVT_KIND_ENUM,
  .values = pvt_kind_values, .n_values = G_N_ELEMENTS (pvt_kind_values) };

static const PvtField pvt_thing_fields[] = {
  { "kind", 4, PVT_KIND_ENUM, 0, G_STRUCT_OFFSET (PvtThing, kind), PVT_NO_OFFSET, 0, 0, &pvt_kind_type, 0, 0 },
  { "size", 4, PVT_KIND_U64, PVT_FIELD_OPTIONAL, G_STRUCT_OFFSET (PvtThing, size), G_STRUCT_OFFSET (PvtThing, has_size), 0, 0, NULL, 0, 0 },
  { "either", 6, PVT_KIND_ALTERNATE, PVT_FIELD_OPTIONAL, G_STRUCT_OFFSET (PvtThing, either), PVT_NO_OFFSET, 0, 0, &pvt_either_type, 0, 0 },
};
const PvtType pvt_thing_type = { .name = "Thing", .kind = PVT_KIND_STRUCT,
  .size = sizeof (PvtThing), .free = (GDestroyNotify) pvt_thing_free,
  .fields = pvt_thing_fields,
  .n_fields = G_N_ELEMENTS (pvt_thing_fields) };

PvtThing *
pvt_thing_new (void)
{
  return g_new0 (PvtThing, 1);
}

PvtThing *
pvt_thing_copy (const PvtThing *value)
{
  return pvt_object_copy (&pvt_thing_type, value);
}

void
pvt_thing_free (PvtThing *value)
{
  pvt_object_free (&pvt_thing_type, value);
}

static const PvtField pvt_linux_fields[] = {
  { "a", 1, PVT_KIND_I64, 0, G_STRUCT_OFFSET (PvtLinux, a), PVT_NO_OFFSET, 0, 0, NULL, 0, 0 },
};
const PvtType pvt_linux_type = { .name = "Linux", .kind = PVT_KIND_STRUCT,
  .size = sizeof (PvtLinux), .free = (GDestroyNotify) pvt_linux_free,
  .fields = pvt_linux_fields,
  .n_fields = G_N_ELEMENTS (pvt_linux_fields) };

PvtLinux *
pvt_linux_new (void)
{
  return g_new0 (PvtLinux, 1);
}

PvtLinux *
pvt_linux_copy (const PvtLinux *value)
{
  return pvt_object_copy (&pvt_linux_type, value);
}

void
pvt_linux_free (PvtLinux *value)
{
  pvt_object_free (&pvt_linux_type, value);
}

static const PvtField pvt_either_fields[] = {
  { "branch", 6, PVT_KIND_U32, 0, 0, PVT_NO_OFFSET, 0, 0, NULL, 0, 0 },
  { "number", 6, PVT_KIND_I64, 0, G_STRUCT_OFFSET (PvtEither, number), PVT_NO_OFFSET, 0, 0, NULL, 0, 0 },
  { "flag", 4, PVT_KIND_BOOL, 0, G_STRUCT_OFFSET (PvtEither, flag), PVT_NO_OFFSET, 0, 0, NULL, 0, 0 },
};
const PvtType pvt_either_type = { .name = "Either", .kind = PVT_KIND_ALTERNATE,
  .size = sizeof (PvtEither), .free = (GDestroyNotify) pvt_either_free,
  .fields = pvt_either_fields,
  .n_fields = G_N_ELEMENTS (pvt_either_fields) };

PvtEither *
pvt_either_new (void)
{
  return g_new0 (PvtEither, 1);
}

PvtEither *
pvt_either_copy (const PvtEither *value)
{
  return pvt_object_copy (&pvt_either_type, value);
}

void
pvt_either_free (PvtEither *value)
{
  pvt_object_free (&pvt_either_type, value);
}

static const PvtField pvt_some_fields[] = {
  { "kind", 4, PVT_KIND_ENUM, 0, G_STRUCT_OFFSET (PvtSome, kind), PVT_NO_OFFSET, 0, 0, &pvt_kind_type, 0, 0 },
  { "linux", 5, PVT_KIND_STRUCT, PVT_FIELD_OPTIONAL, G_STRUCT_OFFSET (PvtSome, linux_), PVT_NO_OFFSET, 0, 0, &pvt_linux_type, 0, 0 },
  { "two-two", 7, PVT_KIND_BOOL, PVT_FIELD_OPTIONAL, 0, PVT_NO_OFFSET, 0, 0, NULL, 0, 0 },
};
const PvtType pvt_some_type = { .name = "Some", .kind = PVT_KIND_UNION,
  .size = sizeof (PvtSome), .free = (GDestroyNotify) pvt_some_free,
  .fields = pvt_some_fields,
  .n_fields = G_N_ELEMENTS (pvt_some_fields) };

PvtSome *
pvt_some_new (void)
{
  return g_new0 (PvtSome, 1);
}

PvtSome *
pvt_some_copy (const PvtSome *value)
{
  return pvt_object_copy (&pvt_some_type, value);
}

void
pvt_some_free (PvtSome *value)
{
  pvt_object_free (&pvt_some_type, value);
}

static const PvtField pvt_guest_do_args_fields[] = {
  { "name", 4, PVT_KIND_STRING, 0, G_STRUCT_OFFSET (PvtGuestDoArgs, name), PVT_NO_OFFSET, 10, 0, NULL, 0, 0 },
  { "count", 5, PVT_KIND_U32, PVT_FIELD_OPTIONAL, G_STRUCT_OFFSET (PvtGuestDoArgs, count), G_STRUCT_OFFSET (PvtGuestDoArgs, has_count), 0, 0, NULL, 1, 5 },
  { "list", 4, PVT_KIND_STRUCT, PVT_FIELD_OPTIONAL | PVT_FIELD_ARRAY, G_STRUCT_OFFSET (PvtGuestDoArgs, list), PVT_NO_OFFSET, 3, 0, &pvt_thing_type, 0, 0 },
};
const PvtType pvt_guest_do_args_type = { .name = "guest-do", .kind = PVT_KIND_STRUCT,
  .size = sizeof (PvtGuestDoArgs), .free = (GDestroyNotify) pvt_guest_do_args_free,
  .fields = pvt_guest_do_args_fields,
  .n_fields = G_N_ELEMENTS (pvt_guest_do_args_fields) };

PvtGuestDoArgs *
pvt_guest_do_args_new (void)
{
  return g_new0 (PvtGuestDoArgs, 1);
}

PvtGuestDoArgs *
pvt_guest_do_args_copy (const PvtGuestDoArgs *value)
{
  return pvt_object_copy (&pvt_guest_do_args_type, value);
}

void
pvt_guest_do_args_free (PvtGuestDoArgs *value)
{
  pvt_object_free (&pvt_guest_do_args_type, value);
}
