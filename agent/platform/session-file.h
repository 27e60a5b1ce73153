/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session as systemd-logind writes it down, /run/systemd/sessions/ID: what sd-login(3)
 * reads, too, for agents that cannot load it.
 */
#pragma once

#include <glib.h>

typedef struct
{
  guint32 uid;
  char user[33];
  gboolean is_login;   /* of a person, and not over */
  guint64 start_us;    /* of the wall clock; 0: not told */
} PvtSessionFile;

/* FALSE when it does not say whose it is. Pure. */
gboolean pvt_session_file_parse (const char *text, gsize len, PvtSessionFile *session);

/* Of a class of people, and in a state that is not its end: "user", "user-early" and
 * such, not "greeter", "manager" or "background". Pure. */
gboolean pvt_session_is_login (const char *class_name, const char *state);
