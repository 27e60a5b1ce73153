/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#pragma once

#include "protocol/codec/types.h"

extern const PvtType pvt_kind_type;
extern const PvtType pvt_thing_type;
extern const PvtType pvt_linux_type;
extern const PvtType pvt_either_type;
extern const PvtType pvt_some_type;
extern const PvtType pvt_guest_do_args_type;
