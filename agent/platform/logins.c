/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "logins.h"

#include "bounds.h"
#include "library.h"
#include "names.h"
#include "session-file.h"

#include <stdlib.h>
#include <string.h>

/* sd-login(3). The last two came with systemd 254. */
static struct
{
  int (*get_sessions) (char ***sessions);
  int (*get_uid) (const char *session, uid_t *uid);
  int (*get_class) (const char *session, char **class_name);
  int (*get_state) (const char *session, char **state);
  int (*get_username) (const char *session, char **name);
  int (*get_start_time) (const char *session, guint64 *us);
} sd;

static gboolean
load (void)
{
  static const PvtSymbol wanted[] = {
    { "sd_get_sessions", (void **) &sd.get_sessions, FALSE },
    { "sd_session_get_uid", (void **) &sd.get_uid, FALSE },
    { "sd_session_get_class", (void **) &sd.get_class, FALSE },
    { "sd_session_get_state", (void **) &sd.get_state, FALSE },
    { "sd_session_get_username", (void **) &sd.get_username, TRUE },
    { "sd_session_get_start_time", (void **) &sd.get_start_time, TRUE },
  };
  static gsize done;

  return pvt_library_load_once (&done, "libsystemd.so.0", wanted, G_N_ELEMENTS (wanted));
}

const char *
pvt_logins_missing (const PvtRoot *root)
{
  /* A session's user is looked up in the real one, as libsystemd does. */
  if (root->fake || !pvt_root_exists (root, PVT_LOGINS_DIRECTORY))
    return "there is neither a /run/utmp nor logind";
  return NULL;
}

gboolean
pvt_passwd_find (const char *text, gsize len, guint32 uid, char *name, gsize size)
{
  const char *end = text + len;

  for (const char *line = text; line < end;)
    {
      const char *stop = memchr (line, '\n', (gsize) (end - line));
      g_autofree char *copy = g_strndup (line, (gsize) ((stop ? stop : end) - line));
      g_auto (GStrv) fields = g_strsplit (copy, ":", 4);
      guint64 number;

      if (g_strv_length (fields) == 4 && *fields[0] && strlen (fields[0]) < size
          && g_ascii_string_to_unsigned (fields[2], 10, 0, G_MAXUINT32, &number, NULL) && number == uid)
        {
          g_strlcpy (name, fields[0], size);
          return TRUE;
        }
      line = stop ? stop + 1 : end;
    }
  return FALSE;
}

static gboolean
is_login (const char *session)
{
  char *class_name = NULL, *state = NULL;
  gboolean is = sd.get_class (session, &class_name) >= 0 && sd.get_state (session, &state) >= 0
                && pvt_session_is_login (class_name, state);

  free (class_name);
  free (state);
  return is;
}

/* Without the name service, which may wait for a server. */
static gboolean
look_up (const PvtRoot *root, uid_t uid, char *name, gsize size)
{
  gsize len = 0;
  g_autofree char *passwd = pvt_root_read_alloc (root, "etc/passwd", PVT_MAX_PROC_FILE, &len, NULL);

  return passwd && pvt_passwd_find (passwd, len, uid, name, size);
}

static void
find_name (const PvtRoot *root, const char *session, uid_t uid, char *name, gsize size)
{
  char *known = NULL;

  if (sd.get_username && sd.get_username (session, &known) >= 0)
    {
      g_strlcpy (name, known, size);
      free (known);
      return;
    }
  if (!look_up (root, uid, name, size))
    g_snprintf (name, size, "%u", uid);
}

static void
add (const PvtRoot *root, const char *session, GArray *users)
{
  PvtUser user = { "", 0 };
  guint64 us = 0;
  uid_t uid;

  if (!is_login (session) || sd.get_uid (session, &uid) < 0)
    return;
  find_name (root, session, uid, user.name, sizeof user.name);
  if (sd.get_start_time && sd.get_start_time (session, &us) >= 0)
    user.login_time = (double) us / 1e6;
  pvt_users_add (users, &user);
}

static void
add_file (const PvtRoot *root, int directory, const char *session, GArray *users)
{
  PvtUser user = { "", 0 };
  PvtSessionFile file;
  char text[4096];
  gssize len = pvt_read_at (directory, session, text, sizeof text);

  if (len <= 0 || !pvt_session_file_parse (text, (gsize) len, &file) || !file.is_login)
    return;
  if (!look_up (root, file.uid, user.name, sizeof user.name))
    g_strlcpy (user.name, file.user, sizeof user.name);
  user.login_time = (double) file.start_us / 1e6;
  pvt_users_add (users, &user);
}

/* Without libsystemd. "ID.ref" is a pipe, whose other end is the session's. */
static void
read_files (const PvtRoot *root, GArray *users)
{
  PvtNames names;
  const char *name;

  if (pvt_names_open (&names, root->fd, PVT_LOGINS_DIRECTORY) < 0)
    return;
  while ((name = pvt_names_next (&names)))
    if (strchr (name, '.') == NULL)
      add_file (root, names.fd, name, users);
  pvt_names_close (&names);
}

void
pvt_logins_read (const PvtRoot *root, GArray *users)
{
  char **sessions = NULL;

  if (pvt_logins_missing (root))
    return;
  if (!load ())
    {
      read_files (root, users);
      return;
    }
  if (sd.get_sessions (&sessions) < 0)
    return;
  for (char **session = sessions; session && *session; session++)
    {
      add (root, *session, users);
      free (*session);
    }
  free (sessions);
}
