/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands for network devices: set_link, announce-self, x-query-net, x-net-policy.
 * A NIC's name is "net" and its number among the NICs, from 0. */
#pragma once

#include "qmp-commands.h"

JsonNode *qmp_set_link (QmpContext *context, JsonObject *arguments, GError **error);
JsonNode *qmp_announce_self (QmpContext *context, JsonObject *arguments, GError **error);
JsonNode *qmp_query_net (QmpContext *context, JsonObject *arguments, GError **error);
JsonNode *qmp_net_policy (QmpContext *context, JsonObject *arguments, GError **error);
