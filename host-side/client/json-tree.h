/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "protocol/codec/cursor.h"

#include <json-glib/json-glib.h>

/*
 * A tree of text that passed the guard. json-glib's own parser is not used: it
 * reads 0123 as octal and 18446744073709551615 as -1. Integers past 2^63-1
 * become doubles. NULL with PVT_CLIENT_ERROR_PROTOCOL when there are more than
 * PVT_DECODE_MAX_ELEMENTS values: the peer is not trusted.
 */
JsonNode *pvt_json_tree_new (PvtSlice text, GError **error);
