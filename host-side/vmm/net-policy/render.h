/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A policy as commands of nftables and tc, for a tap that another monitor serves. */
#pragma once

#include <stdio.h>

#include "policy.h"

/* Whether @name can be an interface's, and a word of nftables. */
bool net_policy_tap_name_ok (const char *name);

/* Writes a shell script that puts @policy on @tap; it may be run again. The script's
 * comments say what these tools do otherwise than our own NIC. */
void net_policy_render (const struct net_policy *policy, const char *tap, FILE *out);
