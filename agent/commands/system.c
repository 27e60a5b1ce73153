/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/osrelease.h"
#include "agent/platform/text.h"
#include "agent/platform/users.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

gboolean
pvt_handle_guest_get_host_name (PvtCall *call G_GNUC_UNUSED, PvtGuestHostName **result,
                                GError **error G_GNUC_UNUSED)
{
  struct utsname name;

  uname (&name);
  *result = pvt_guest_host_name_new ();
  (*result)->host_name = g_strdup (name.nodename);
  return TRUE;
}

gboolean
pvt_handle_guest_get_osinfo (PvtCall *call, PvtGuestOSInfo **result, GError **error G_GNUC_UNUSED)
{
  PvtGuestOSInfo *info = pvt_guest_os_info_new ();
  gsize len = 0;
  g_autofree char *text = pvt_osrelease_read (pvt_call_root (call), &len);
  const struct
  {
    const char *key;
    char **value;
  } keys[] = {
    { "ID", &info->id },
    { "NAME", &info->name },
    { "PRETTY_NAME", &info->pretty_name },
    { "VERSION", &info->version },
    { "VERSION_ID", &info->version_id },
    { "VARIANT", &info->variant },
    { "VARIANT_ID", &info->variant_id },
  };
  struct utsname name;

  if (uname (&name) == 0)
    {
      info->kernel_release = g_strdup (name.release);
      info->kernel_version = g_strdup (name.version);
      info->machine = g_strdup (name.machine);
    }
  for (guint i = 0; text && i < G_N_ELEMENTS (keys); i++)
    *keys[i].value = pvt_osrelease_get (text, len, keys[i].key);
  *result = info;
  return TRUE;
}

gboolean
pvt_handle_guest_get_timezone (PvtCall *call G_GNUC_UNUSED, PvtGuestTimezone **result,
                               GError **error)
{
  time_t now = time (NULL);
  struct tm local;

  /* Looks at /etc/localtime again: it may have been changed. */
  tzset ();
  if (localtime_r (&now, &local) == NULL)
    return pvt_call_fail (error, "the clock is out of range: %s", g_strerror (errno));
  *result = pvt_guest_timezone_new ();
  (*result)->zone = g_strdup (local.tm_zone);
  (*result)->offset = local.tm_gmtoff;
  return TRUE;
}

gboolean
pvt_handle_guest_get_users (PvtCall *call, GPtrArray **result, GError **error G_GNUC_UNUSED)
{
  g_autoptr (GArray) users = pvt_users_read (pvt_call_root (call));

  *result = g_ptr_array_new ();
  for (guint i = 0; i < users->len; i++)
    {
      const PvtUser *user = &g_array_index (users, PvtUser, i);
      PvtGuestUser *entry = pvt_guest_user_new ();

      entry->user = g_strdup (user->name);
      entry->login_time = user->login_time;
      g_ptr_array_add (*result, entry);
    }
  return TRUE;
}

gboolean
pvt_handle_guest_get_load (PvtCall *call, PvtGuestLoadAverage **result, GError **error)
{
  char text[128];
  gssize len = pvt_root_read (pvt_call_root (call), "proc/loadavg", text, sizeof text, error);
  PvtText line;
  double one, five, fifteen;

  if (len < 0)
    return FALSE;
  line = pvt_text (text, (gsize) len);
  if (!pvt_text_double (&line, &one) || !pvt_text_double (&line, &five)
      || !pvt_text_double (&line, &fifteen))
    return pvt_call_fail (error, "/proc/loadavg does not begin with three numbers");
  *result = pvt_guest_load_average_new ();
  (*result)->load1m = one;
  (*result)->load5m = five;
  (*result)->load15m = fifteen;
  return TRUE;
}
