/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#include "pvt-boxed.h"

G_DEFINE_BOXED_TYPE (PvtThing, pvt_thing,
                     (GBoxedCopyFunc) pvt_thing_copy, pvt_thing_free)
G_DEFINE_BOXED_TYPE (PvtLinux, pvt_linux,
                     (GBoxedCopyFunc) pvt_linux_copy, pvt_linux_free)
G_DEFINE_BOXED_TYPE (PvtEither, pvt_either,
                     (GBoxedCopyFunc) pvt_either_copy, pvt_either_free)
G_DEFINE_BOXED_TYPE (PvtSome, pvt_some,
                     (GBoxedCopyFunc) pvt_some_copy, pvt_some_free)
G_DEFINE_BOXED_TYPE (PvtGuestDoArgs, pvt_guest_do_args,
                     (GBoxedCopyFunc) pvt_guest_do_args_copy, pvt_guest_do_args_free)
