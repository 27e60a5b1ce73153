/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include "dispatch.h"

#include <string.h>

#define MAX_COMMANDS 128

/* One daemon, one policy: set once before the first request. */
static gboolean allowed[MAX_COMMANDS];

/* The profiles and the classes each has, as bits. */
static const struct
{
  const char *name;
  guint classes;
} profiles[] = {
  { "monitor", 1 << PVT_CLASS_QUERY },
  { "backup", 1 << PVT_CLASS_QUERY | 1 << PVT_CLASS_QUIESCE },
  { "full",
    1 << PVT_CLASS_QUERY | 1 << PVT_CLASS_QUIESCE | 1 << PVT_CLASS_CONTROL | 1 << PVT_CLASS_EXEC },
};

/* Without these a client cannot even find out what it may do. */
static gboolean
is_basic (const char *name)
{
  return strcmp (name, "guest-sync") == 0 || strcmp (name, "guest-sync-delimited") == 0
         || strcmp (name, "guest-info") == 0 || strcmp (name, "guest-ping") == 0;
}

static gboolean
apply_profile (const char *profile, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (profiles); i++)
    {
      if (strcmp (profile, profiles[i].name) != 0)
        continue;
      for (guint c = 0; c < pvt_n_commands; c++)
        allowed[c] = profiles[i].classes >> pvt_commands[c].info->command_class & 1;
      return TRUE;
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "unknown profile '%s': monitor, backup or full was expected", profile);
  return FALSE;
}

/* Marks the listed commands; names this agent does not have go to @unknown. */
static void
mark_listed (const char *list, gboolean *marks, GString *unknown)
{
  g_auto (GStrv) names = g_strsplit_set (list, ", ", -1);

  for (gsize i = 0; names[i]; i++)
    {
      const PvtCommand *command = pvt_dispatch_find (names[i]);

      if (command)
        marks[command - pvt_commands] = TRUE;
      else if (*names[i])
        g_string_append_printf (unknown, "%s%s", unknown->len ? ", " : "", names[i]);
    }
}

gboolean
pvt_policy_init (const char *profile, const char *allow, const char *block, char **unknown,
                 GError **error)
{
  gboolean listed[MAX_COMMANDS] = { FALSE }, blocked[MAX_COMMANDS] = { FALSE };
  GString *names = g_string_new (NULL);

  g_assert (pvt_n_commands <= MAX_COMMANDS);
  if (!apply_profile (profile, error))
    {
      g_string_free (names, TRUE);
      return FALSE;
    }
  if (allow)
    mark_listed (allow, listed, names);
  if (block)
    mark_listed (block, blocked, names);
  for (guint c = 0; c < pvt_n_commands; c++)
    {
      if (allow && !is_basic (pvt_commands[c].info->name))
        allowed[c] = allowed[c] && listed[c];
      allowed[c] = allowed[c] && !blocked[c];
    }
  *unknown = g_string_free (names, names->len == 0);
  return TRUE;
}

gboolean
pvt_policy_allows (guint index)
{
  return allowed[index];
}
