/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The help of one verb. */
#pragma once

#include "cli.h"

/* Prints how @verb is used, in 80 columns. @guest: a GUEST comes behind it. */
void pvt_help_print_verb (const PvtVerb *verb, gboolean guest);
