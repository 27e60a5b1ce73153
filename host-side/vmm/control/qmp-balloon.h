/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The balloon on the control socket: two commands, and an object by QEMU's name of its
 * properties. There is one at most that is spoken to: the first. */
#pragma once

#include "qmp-commands.h"

JsonNode *qmp_balloon (QmpContext *context, JsonObject *arguments, GError **error);
JsonNode *qmp_query_balloon (QmpContext *context, JsonObject *arguments, GError **error);

/* Adds the object to the list of PATH's children, or its properties to its own list. */
void qmp_balloon_list (QmpContext *context, const char *path, JsonArray *array);
/* NULL when neither @path nor @property is its. */
JsonNode *qmp_balloon_get (QmpContext *context, const char *path, const char *property);
/* The same with a value: FALSE and an error when it cannot be. */
gboolean qmp_balloon_set (QmpContext *context, const char *path, const char *property,
                          JsonNode *value, GError **error);
