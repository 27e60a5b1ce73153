/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#pragma once

#include <glib-object.h>

#include "pvt-types.h"

G_BEGIN_DECLS

#define PVT_TYPE_THING (pvt_thing_get_type ())
GType pvt_thing_get_type (void) G_GNUC_CONST;
#define PVT_TYPE_LINUX (pvt_linux_get_type ())
GType pvt_linux_get_type (void) G_GNUC_CONST;
#define PVT_TYPE_EITHER (pvt_either_get_type ())
GType pvt_either_get_type (void) G_GNUC_CONST;
#define PVT_TYPE_SOME (pvt_some_get_type ())
GType pvt_some_get_type (void) G_GNUC_CONST;
#define PVT_TYPE_GUEST_DO_ARGS (pvt_guest_do_args_get_type ())
GType pvt_guest_do_args_get_type (void) G_GNUC_CONST;

G_END_DECLS
