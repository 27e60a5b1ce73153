/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which machine this system was last: a copy of its disk that boots as another one
 * is a clone. A machine's identity is the UUID that its firmware tells (SMBIOS,
 * type 1; hypervisors give each guest one of its own).
 */
#pragma once

#include "root.h"

#define PVT_IDENTITY_FILE "var/lib/pvtools/machine"

/*
 * TRUE when the system was last another machine, or was sealed to become one. A
 * system that has no record is none: it is given one by pvt_identity_record().
 */
gboolean pvt_identity_is_new (const PvtRoot *root);

/* Remembers this machine. A record that says so already is not written again. FALSE
 * with @error when it cannot be kept; a machine without an identity is no error. */
gboolean pvt_identity_record (const PvtRoot *root, GError **error);

/* What boots next from this disk is a clone. */
gboolean pvt_identity_seal (const PvtRoot *root, GError **error);
