/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "users.h"

#include "bounds.h"
#include "logins.h"

#include <string.h>
#include <utmp.h>

G_STATIC_ASSERT (sizeof (((PvtUser *) NULL)->name) == UT_NAMESIZE + 1);

static PvtUser *
find (GArray *users, const char *name)
{
  for (guint i = 0; i < users->len; i++)
    {
      PvtUser *user = &g_array_index (users, PvtUser, i);

      if (strcmp (user->name, name) == 0)
        return user;
    }
  return NULL;
}

void
pvt_users_add (GArray *users, const PvtUser *user)
{
  PvtUser *known = find (users, user->name);

  if (known == NULL && users->len < PVT_MAX_USERS)
    g_array_append_val (users, *user);
  else if (known && user->login_time < known->login_time)
    known->login_time = user->login_time;
}

static void
add (GArray *users, const struct utmp *record)
{
  PvtUser user = { "", (double) record->ut_tv.tv_sec + (double) record->ut_tv.tv_usec / 1e6 };

  memcpy (user.name, record->ut_user, UT_NAMESIZE);
  pvt_users_add (users, &user);
}

void
pvt_utmp_parse (const void *data, gsize len, GArray *users)
{
  const char *p = data;

  for (gsize at = 0; at + sizeof (struct utmp) <= len; at += sizeof (struct utmp))
    {
      struct utmp record;

      memcpy (&record, p + at, sizeof record);
      if (record.ut_type == USER_PROCESS && record.ut_user[0] != '\0')
        add (users, &record);
    }
}

/* /run has been there since 2011, and /var/run is a link to it. What is mounted on /var may
 * hang, so it is asked only where there is no /run. */
static gboolean
is_old (const PvtRoot *root)
{
  return !pvt_root_exists (root, "run");
}

const char *
pvt_users_utmp (const PvtRoot *root)
{
  if (pvt_root_exists (root, "run/utmp"))
    return "run/utmp";
  return is_old (root) && pvt_root_exists (root, "var/run/utmp") ? "var/run/utmp" : NULL;
}

GArray *
pvt_users_read (const PvtRoot *root)
{
  GArray *users = g_array_new (FALSE, FALSE, sizeof (PvtUser));
  gsize len = 0;
  g_autofree char *data = pvt_root_read_alloc (root, "run/utmp", PVT_MAX_PROC_FILE, &len, NULL);

  if (data == NULL && is_old (root))
    data = pvt_root_read_alloc (root, "var/run/utmp", PVT_MAX_PROC_FILE, &len, NULL);
  if (data)
    pvt_utmp_parse (data, len, users);
  else
    pvt_logins_read (root, users);
  return users;
}
