/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is logged in by what systemd-logind knows, for guests that have no utmp any
 * more: sd-login(3). libsystemd is loaded when somebody asks; where it cannot be, the
 * files that it would read are read here.
 */
#pragma once

#include "users.h"

/* Where logind keeps a file for each session; one comes or goes by a rename or its
 * removal. */
#define PVT_LOGINS_DIRECTORY "run/systemd/sessions"

/* NULL, or why it cannot be told; static. Any thread. */
const char *pvt_logins_missing (const PvtRoot *root);

/* Appends each user with a session once, with the earliest one. */
void pvt_logins_read (const PvtRoot *root, GArray *users);

/* The name of @uid in the text of a passwd(5) file, into @name of @size bytes; FALSE
 * when it has none. */
gboolean pvt_passwd_find (const char *text, gsize len, guint32 uid, char *name, gsize size);
