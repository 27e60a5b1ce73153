/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ~/.ssh/authorized_keys of a user, see sshd(8). The file is read and written
 * with the user's own rights, so that a link the user placed there leads to
 * nothing that is not the user's.
 */
#pragma once

#include <glib.h>

/* The keys, a line each, without comments and blank lines; empty when there is
 * no file. The caller frees with g_strfreev(). */
char **pvt_ssh_keys_read (const char *user, GError **error);

/* Adds @add (NULL: none), removes @remove (NULL: none); @reset: only what is
 * added stays. The file is replaced as a whole or not at all. */
gboolean pvt_ssh_keys_change (const char *user, char *const *add, char *const *remove,
                              gboolean reset, GError **error);
