/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pstore.h"

#include "guest-file.h"

#include <string.h>

#define LIST_TRIES 50
#define LIST_PAUSE_US 100000
#define PATH_LEN_MAX 512

static const char *const directories[] = { "/sys/fs/pstore/", "/var/lib/systemd/pstore/" };

static char list_script[]
    = "find /sys/fs/pstore /var/lib/systemd/pstore -type f 2>/dev/null | head -n 64";

void
pvt_pstore_file_free (PvtPstoreFile *file)
{
  g_free (file->name);
  g_bytes_unref (file->data);
  g_free (file);
}

static gboolean
is_expected (const char *path)
{
  gboolean inside = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (directories); i++)
    inside = inside || g_str_has_prefix (path, directories[i]);
  return inside && strstr (path, "..") == NULL && strlen (path) <= PATH_LEN_MAX
         && g_str_is_ascii (path);
}

char **
pvt_pstore_parse_list (const char *text, gsize len)
{
  g_autofree char *copy = g_strndup (text, len); /* ends at a NUL */
  g_auto (GStrv) lines = g_strsplit (copy, "\n", PVT_PSTORE_MAX_FILES + 1);
  GPtrArray *paths = g_ptr_array_new ();

  for (guint i = 0; lines[i] && i < PVT_PSTORE_MAX_FILES; i++)
    if (is_expected (lines[i]))
      g_ptr_array_add (paths, g_strdup (lines[i]));
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_free (paths, FALSE);
}

char *
pvt_pstore_safe_name (const char *path)
{
  const char *slash = strrchr (path, '/');
  char *name = g_strndup (slash ? slash + 1 : path, PVT_PSTORE_NAME_MAX);

  for (char *c = name; *c; c++)
    if (!g_ascii_isalnum (*c) && strchr ("._-", *c) == NULL)
      *c = '_';
  if (*name == '.')
    *name = '_';
  if (*name)
    return name;
  g_free (name);
  return NULL;
}

static PvtGuestExecStatus *
await_exec (PvtClient *client, gint64 pid, int timeout_ms, GError **error)
{
  PvtGuestExecStatusArgs args = { pid };

  for (guint i = 0; i < LIST_TRIES; i++)
    {
      g_autoptr (PvtGuestExecStatus) status
          = pvt_client_guest_exec_status (client, &args, timeout_ms, NULL, error);

      if (status == NULL || status->exited)
        return g_steal_pointer (&status);
      g_usleep (LIST_PAUSE_US);
    }
  g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT,
                       "the list of pstore did not end");
  return NULL;
}

static char **
list (PvtClient *client, int timeout_ms, GError **error)
{
  char shell[] = "/bin/sh", option[] = "-c";
  char *words[] = { option, list_script, NULL };
  PvtGuestExecCaptureOutput capture = { .branch = PVT_GUEST_EXEC_CAPTURE_OUTPUT_IS_FLAG, .flag = TRUE };
  PvtGuestExecArgs args = { .path = shell, .arg = words, .capture_output = &capture };
  g_autoptr (PvtGuestExec) begun = pvt_client_guest_exec (client, &args, timeout_ms, NULL, error);
  g_autoptr (PvtGuestExecStatus) status = NULL;
  gconstpointer text = "";
  gsize len = 0;

  if (begun == NULL)
    return NULL;
  status = await_exec (client, begun->pid, timeout_ms, error);
  if (status == NULL)
    return NULL;
  if (status->out_data)
    text = g_bytes_get_data (status->out_data, &len);
  return pvt_pstore_parse_list (text, len);
}

GPtrArray *
pvt_pstore_collect (PvtClient *client, int timeout_ms, GError **error)
{
  g_auto (GStrv) paths = list (client, timeout_ms, error);
  GPtrArray *files;

  if (paths == NULL)
    return NULL;
  files = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_pstore_file_free);
  for (guint i = 0; paths[i]; i++)
    {
      g_autofree char *name = pvt_pstore_safe_name (paths[i]);
      GBytes *data = name ? pvt_guest_file_fetch (client, paths[i], PVT_PSTORE_MAX_BYTES, timeout_ms, NULL) : NULL;
      PvtPstoreFile *file;

      if (data == NULL)
        continue; /* gone since, or not for everybody */
      file = g_new (PvtPstoreFile, 1);
      *file = (PvtPstoreFile){ g_steal_pointer (&name), data };
      g_ptr_array_add (files, file);
    }
  return files;
}
