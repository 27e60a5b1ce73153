/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* The node as text of RFC 8259; the caller frees. json-glib (1.6) puts ".0"
 * behind a number without a point, which one with an exponent does not take: 1e-10.0. */
char *pvt_json_text (JsonNode *node, gboolean pretty);

/* Takes that away again, in place. */
void pvt_json_repair (char *text);
