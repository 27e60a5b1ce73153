/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a request asked for, fit for a log that many read. */
#pragma once

#include "protocol/codec/types.h"

/*
 * " name=value ..." of decoded arguments, shortened; "" when there are none. What
 * the schema calls secret is stars, bytes are told by their number. The caller
 * frees.
 */
char *pvt_audit_describe (const PvtType *type, gconstpointer args);
