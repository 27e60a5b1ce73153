/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp: files between this machine and a guest. */
#include "copy.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  gboolean recursive, resume, quiet;
  char **words; /* sources and the target */
} Options;

static gboolean
usage (GError **error, const char *text)
{
  g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, text);
  return FALSE;
}

static gboolean
parse (PvtCli *cli, Options *o, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "recursive", 'r', 0, G_OPTION_ARG_NONE, &o->recursive, NULL, NULL },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &o->resume, NULL, NULL },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &o->quiet, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  guint n;
  gboolean to_guest;

  o->words = pvt_cli_words (entries, argc, argv, error);
  if (o->words == NULL || !pvt_cli_take_guest (cli, o->words, error))
    return FALSE;
  n = g_strv_length (o->words);
  if (n < 2)
    return usage (error, "from where, and where to? Paths in the guest begin with ':'");
  to_guest = o->words[n - 1][0] == ':';
  for (guint i = 0; i + 1 < n; i++)
    if ((o->words[i][0] == ':') == to_guest)
      return usage (error, "one side is the guest's, its paths begin with ':', the other is not");
  return TRUE;
}

/* A target that is a directory takes the source's name. */
static char *
name_in (const char *target, gboolean is_directory, const char *source)
{
  g_autofree char *trimmed = g_strdup (source);
  g_autofree char *base = NULL;
  gsize len = strlen (trimmed);

  while (len > 1 && trimmed[len - 1] == '/')
    trimmed[--len] = '\0';
  base = g_path_get_basename (trimmed);
  return is_directory ? g_build_filename (target, base, NULL) : g_strdup (target);
}

static gboolean
is_remote_directory (PvtCopy *copy, const char *path)
{
  PvtListDirectoryArgs args = { .path = (char *) path };
  g_autoptr (GPtrArray) entries = NULL;

  if (g_str_has_suffix (path, "/"))
    return TRUE;
  if (copy->extended == NULL
      || !pvt_extended_call (copy->extended, &pvt_command_infos[PVT_COMMAND_PVT_LIST_DIRECTORY], &args,
                             &entries, 20000, NULL, NULL, NULL, NULL))
    return FALSE;
  return entries->len != 1 || *((PvtDirectoryEntry *) entries->pdata[0])->name != '\0';
}

static gboolean
send (PvtCopy *copy, const char *source, const char *target, GError **error)
{
  g_autofree char *to = name_in (target, is_remote_directory (copy, target), source);

  return copy->recursive ? pvt_copy_send_tree (copy, source, to, error)
                         : pvt_copy_send_file (copy, source, to, error);
}

static gboolean
fetch (PvtCopy *copy, const char *source, const char *target, GError **error)
{
  gboolean is_directory = g_file_test (target, G_FILE_TEST_IS_DIR);
  g_autofree char *to = name_in (target, is_directory, source);
  g_autofree char *directory = g_path_get_dirname (to), *name = g_path_get_basename (to);
  int dir = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  if (dir < 0)
    return pvt_copy_fail (error, "open the directory", directory);
  ok = copy->recursive ? pvt_copy_fetch_tree (copy, source, dir, name, error)
                       : pvt_copy_fetch_file (copy, source, dir, name, error);
  close (dir);
  return ok;
}

static gboolean
open_channel (PvtCli *cli, PvtCopy *copy, GError **error)
{
  GError *failure = NULL;

  copy->extended = pvt_extended_open (cli->address, cli->timeout_ms, &failure);
  if (copy->extended)
    return TRUE;
  if (copy->recursive || copy->resume
      || !(g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED)
           || g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED)
           || g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT)))
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  g_clear_error (&failure);
  copy->client = pvt_cli_connect_plain (cli, error);
  return copy->client != NULL;
}

static void
report (const PvtCli *cli, const PvtCopy *copy, gint64 began)
{
  double seconds = (double) (g_get_monotonic_time () - began) / 1e6;
  g_autofree char *size = pvt_size_text (cli, copy->bytes);

  if (cli->json)
    printf ("{\"files\": %u, \"bytes\": %" G_GUINT64_FORMAT ", \"seconds\": %.3f}\n", copy->files,
            copy->bytes, seconds);
  else
    printf (copy->extended ? "%u file%s, %s in %.1f s, checksums agree\n" : "%u file%s, %s in %.1f s\n", copy->files, copy->files == 1 ? "" : "s", size, seconds);
}

static gboolean
run_cp (PvtCli *cli, int argc, char **argv, GError **error)
{
  gint64 began = g_get_monotonic_time ();
  Options o = { 0 };
  PvtCopy copy = { 0 };
  gboolean ok = parse (cli, &o, argc, argv, error);
  guint n = ok ? g_strv_length (o.words) : 0;

  copy.recursive = o.recursive;
  copy.resume = o.resume;
  copy.progress = !o.quiet && isatty (STDERR_FILENO);
  ok = ok && open_channel (cli, &copy, error);
  for (guint i = 0; ok && i + 1 < n; i++)
    ok = o.words[i][0] == ':' ? fetch (&copy, o.words[i] + 1, o.words[n - 1], error)
                              : send (&copy, o.words[i], o.words[n - 1] + 1, error);
  if (ok && !o.quiet)
    report (cli, &copy, began);
  pvt_extended_close (copy.extended);
  g_clear_object (&copy.client);
  g_strfreev (o.words);
  return ok;
}

const PvtVerb pvt_verb_cp = { "cp", "[-r] [--resume] [-q] SOURCE... TARGET",
                              "copy files; the guest's paths begin with ':'", TRUE, run_cp };
