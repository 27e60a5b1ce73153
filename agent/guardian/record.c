/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GROUP "freeze"

static const char *const end_texts[] = {
  [PVT_FREEZE_END_NONE] = "it has not ended",
  [PVT_FREEZE_END_HOST] = "the host asked",
  [PVT_FREEZE_END_DEADLINE] = "the deadline passed",
  [PVT_FREEZE_END_AGENT_DIED] = "the agent died",
  [PVT_FREEZE_END_AGENT_STOPPED] = "the agent was stopped",
  [PVT_FREEZE_END_GUARDIAN_DIED] = "the guardian was killed",
  [PVT_FREEZE_END_ASKED_BY_SIGNAL] = "the guardian was told to by a signal",
};

const char *
pvt_freeze_end_text (PvtFreezeEnd end)
{
  return (guint) end < G_N_ELEMENTS (end_texts) ? end_texts[end] : "unknown";
}

void
pvt_record_init (PvtFreezeRecord *record)
{
  memset (record, 0, sizeof *record);
  record->mountpoints = g_ptr_array_new_with_free_func (g_free);
  record->hooks = pvt_hook_runs_new ();
}

void
pvt_record_clear (PvtFreezeRecord *record)
{
  g_clear_pointer (&record->mountpoints, g_ptr_array_unref);
  g_clear_pointer (&record->hooks, g_ptr_array_unref);
  memset (record, 0, sizeof *record);
}

static char *
file_name (const char *statedir)
{
  return g_build_filename (statedir, "freeze", NULL);
}

static gpointer
read_boot_id (gpointer data G_GNUC_UNUSED)
{
  char *text = NULL;

  if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
    return g_strdup ("none");
  return g_strstrip (text);
}

/* A record of another boot speaks of mounts that are no more. */
static const char *
boot_id (void)
{
  static GOnce once = G_ONCE_INIT;

  return g_once (&once, read_boot_id, NULL);
}

static void
load_list (GKeyFile *file, const char *key, GPtrArray *list, gboolean as_runs)
{
  g_auto (GStrv) items = g_key_file_get_string_list (file, GROUP, key, NULL, NULL);

  for (gsize i = 0; items && items[i]; i++)
    {
      PvtHookRun run = { .path = g_strdup (items[i]) };

      g_ptr_array_add (list, as_runs ? g_memdup2 (&run, sizeof run) : (gpointer) run.path);
    }
}

void
pvt_record_load (const char *statedir, PvtFreezeRecord *record)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *path = file_name (statedir), *its_boot = NULL;
  const char *boot = boot_id ();
  int end;

  pvt_record_init (record);
  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
    return;
  record->generation = g_key_file_get_uint64 (file, GROUP, "generation", NULL);
  its_boot = g_key_file_get_string (file, GROUP, "boot", NULL);
  if (g_strcmp0 (boot, its_boot) != 0)
    return;
  end = g_key_file_get_integer (file, GROUP, "end", NULL);
  record->end = end < 0 || end >= (int) G_N_ELEMENTS (end_texts) ? PVT_FREEZE_END_NONE : (PvtFreezeEnd) end;
  record->frozen = g_key_file_get_boolean (file, GROUP, "frozen", NULL);
  record->hurried = g_key_file_get_boolean (file, GROUP, "hurried", NULL);
  record->untold = g_key_file_get_boolean (file, GROUP, "untold", NULL);
  record->started = g_key_file_get_int64 (file, GROUP, "started", NULL);
  record->frozen_at = g_key_file_get_int64 (file, GROUP, "frozen-at", NULL);
  record->thawed_at = g_key_file_get_int64 (file, GROUP, "thawed-at", NULL);
  load_list (file, "mountpoints", record->mountpoints, FALSE);
  load_list (file, "hooks", record->hooks, TRUE);
}

static void
save_list (GKeyFile *file, const char *key, GPtrArray *list, gboolean as_runs)
{
  g_autofree const char **items = g_new0 (const char *, list->len + 1);

  for (guint i = 0; i < list->len; i++)
    items[i] = as_runs ? ((PvtHookRun *) list->pdata[i])->path : list->pdata[i];
  g_key_file_set_string_list (file, GROUP, key, items, list->len);
}

/* Whole or not at all for who reads it, but not on the disk's platters: a crash
 * of the guest ends every freeze, and the freeze must not wait for a disk here. */
static gboolean
replace_file (const char *path, const char *text, gsize len, GError **error)
{
  g_autofree char *fresh = g_strconcat (path, ".new", NULL);
  int fd = open (fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  gboolean ok = fd >= 0 && write (fd, text, len) == (gssize) len && rename (fresh, path) == 0;

  if (!ok)
    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno), "cannot write %s: %s",
                 path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return ok;
}

gboolean
pvt_record_save (const char *statedir, const PvtFreezeRecord *record, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *path = file_name (statedir), *text = NULL;
  gsize len;

  g_key_file_set_string (file, GROUP, "boot", boot_id ());
  g_key_file_set_uint64 (file, GROUP, "generation", record->generation);
  g_key_file_set_integer (file, GROUP, "end", (int) record->end);
  g_key_file_set_boolean (file, GROUP, "frozen", record->frozen);
  g_key_file_set_boolean (file, GROUP, "hurried", record->hurried);
  g_key_file_set_boolean (file, GROUP, "untold", record->untold);
  g_key_file_set_int64 (file, GROUP, "started", record->started);
  g_key_file_set_int64 (file, GROUP, "frozen-at", record->frozen_at);
  g_key_file_set_int64 (file, GROUP, "thawed-at", record->thawed_at);
  save_list (file, "mountpoints", record->mountpoints, FALSE);
  save_list (file, "hooks", record->hooks, TRUE);
  text = g_key_file_to_data (file, &len, NULL);
  return replace_file (path, text, len, error);
}
