/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"
#include "agent/platform/child.h"
#include "agent/platform/ssh-keys.h"

#include <string.h>

#define CHPASSWD_MS 10000

/* chpasswd(8) reads lines of NAME:PASSWORD: neither may bring a line of its own. */
static gboolean
check_credentials (const PvtGuestSetUserPasswordArgs *args, GError **error)
{
  gsize len;
  const char *password = g_bytes_get_data (args->password, &len);

  if (*args->username == '\0' || strpbrk (args->username, ":\n"))
    return pvt_call_fail (error, "'%s' is no user name", args->username);
  if (len && (memchr (password, '\n', len) || memchr (password, '\0', len)))
    return pvt_call_fail (error, "the password has a newline or a zero byte in it");
  return TRUE;
}

/* The text is wiped: it must not be found in the agent's memory later. */
static void
free_secret (char *text, gsize len)
{
  explicit_bzero (text, len);
  g_free (text);
}

static gboolean
run_chpasswd (PvtCall *call, gboolean crypted, const char *line, gsize len, GError **error)
{
  char *const argv[] = { (char *) "chpasswd", crypted ? (char *) "-e" : NULL, NULL };
  PvtChildSpec spec = { .argv = argv, .env = pvt_child_plain_env (), .directory = "/" };
  g_autofree char *why = NULL;
  PvtChildOutcome outcome;

  if (!pvt_child_run (&spec, line, len, CHPASSWD_MS, call->cancelled, &outcome, error))
    return FALSE;
  if (pvt_child_succeeded (&outcome))
    return TRUE;
  why = pvt_child_describe (&outcome, CHPASSWD_MS);
  return pvt_call_fail (error, "chpasswd %s", why);
}

gboolean
pvt_handle_guest_set_user_password (PvtCall *call, const PvtGuestSetUserPasswordArgs *args,
                                    GError **error)
{
  gsize name_len = strlen (args->username), len, total;
  const char *password = g_bytes_get_data (args->password, &len);
  char *line;
  gboolean ok;

  if (!check_credentials (args, error))
    return FALSE;
  total = name_len + 1 + len + 1;
  line = g_malloc (total);
  memcpy (line, args->username, name_len);
  line[name_len] = ':';
  if (len)
    memcpy (line + name_len + 1, password, len);
  line[total - 1] = '\n';
  ok = run_chpasswd (call, args->crypted, line, total, error);
  free_secret (line, total);
  return ok;
}

gboolean
pvt_handle_guest_ssh_get_authorized_keys (PvtCall *call G_GNUC_UNUSED,
                                          const PvtGuestSshGetAuthorizedKeysArgs *args,
                                          PvtGuestAuthorizedKeys **result, GError **error)
{
  char **keys = pvt_ssh_keys_read (args->username, error);

  if (keys == NULL)
    return FALSE;
  *result = pvt_guest_authorized_keys_new ();
  (*result)->keys = keys;
  return TRUE;
}

gboolean
pvt_handle_guest_ssh_add_authorized_keys (PvtCall *call G_GNUC_UNUSED,
                                          const PvtGuestSshAddAuthorizedKeysArgs *args,
                                          GError **error)
{
  return pvt_ssh_keys_change (args->username, args->keys, NULL, args->has_reset && args->reset, error);
}

gboolean
pvt_handle_guest_ssh_remove_authorized_keys (PvtCall *call G_GNUC_UNUSED,
                                             const PvtGuestSshRemoveAuthorizedKeysArgs *args,
                                             GError **error)
{
  return pvt_ssh_keys_change (args->username, NULL, args->keys, FALSE, error);
}
