/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvtools-vmm verify: the conformance matrix in one command. */
#include "commands.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"
#include "verify/verify.h"

struct options_of
{
  char *testguest, *kernel, *initrd, *tap, *json;
  char **only;
  int timeout;
  gboolean list;
};

/* Beside this program in a build folder, unless told. */
static char *
find_testguest (const char *given, const char *vmm)
{
  const char *named = given ? given : g_getenv ("PVT_TESTGUEST");
  g_autofree char *directory = g_path_get_dirname (vmm);
  g_autofree char *built = g_build_filename (directory, "..", "..", "drivers", "testguest",
                                             "pvtools-testguest", NULL);

  if (named)
    return g_strdup (named);
  return g_file_test (built, G_FILE_TEST_EXISTS) ? g_steal_pointer (&built) : NULL;
}

static gboolean
wanted (const struct options_of *options, const struct verify_corner *corner)
{
  if (options->only == NULL)
    return TRUE;
  for (char **word = options->only; *word; word++)
    if (strstr (corner->name, *word) == NULL)
      return FALSE;
  return TRUE;
}

static void
run_all (const struct options_of *options, const struct verify_setup *setup, GPtrArray *corners,
         GPtrArray *clauses)
{
  for (guint i = 0; i < corners->len; i++)
    {
      struct verify_corner *corner = corners->pdata[i];

      if (!wanted (options, corner))
        corner->skipped = g_strdup ("it was not asked for");
      else
        {
          fprintf (stderr, "%s...\n", corner->name);
          verify_corner_run (corner, setup, clauses);
        }
    }
}

static int
write_reports (const struct options_of *options, GPtrArray *corners, GPtrArray *clauses)
{
  g_autoptr (GError) error = NULL;

  if ((options->tap == NULL || verify_write_tap (corners, clauses, options->tap, &error))
      && (options->json == NULL || verify_write_json (corners, clauses, options->json, &error)))
    return 0;
  vmm_log ("%s", error->message);
  return 1;
}

static int
verify (const struct options_of *options)
{
  g_autoptr (GPtrArray) corners = verify_corners_new ();
  g_autoptr (GPtrArray) clauses = verify_clauses_new ();
  g_autofree char *vmm = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *testguest = find_testguest (options->testguest, vmm);
  g_autofree char *qemu = g_find_program_in_path ("qemu-system-x86_64");
  g_autofree char *directory = g_dir_make_tmp ("pvt-verify-XXXXXX", NULL);
  struct verify_setup setup = { testguest, options->kernel, options->initrd, qemu, vmm, directory,
                                access ("/dev/kvm", R_OK | W_OK) == 0, (unsigned) options->timeout };
  int failed;

  if (options->list)
    {
      verify_list (clauses);
      g_rmdir (directory);
      return 0;
    }
  if (directory == NULL)
    return 1;
  run_all (options, &setup, corners, clauses);
  g_rmdir (directory);
  failed = verify_report (corners, clauses);
  return write_reports (options, corners, clauses) || failed;
}

int
command_verify (int argc, char **argv)
{
  struct options_of options = { .timeout = 300 };
  const GOptionEntry entries[] = {
    { "testguest", 0, 0, G_OPTION_ARG_FILENAME, &options.testguest, "Our bare-metal test guest", "FILE" },
    { "kernel", 0, 0, G_OPTION_ARG_FILENAME, &options.kernel, "A Linux kernel", "FILE" },
    { "initrd", 0, 0, G_OPTION_ARG_FILENAME, &options.initrd,
      "Its initial RAM disk, which does the cases at the word pvt.verify", "FILE" },
    { "only", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.only,
      "Only corners whose name has it: linux, qemu, mmio, packed...", "WORD" },
    { "timeout", 0, 0, G_OPTION_ARG_INT, &options.timeout, "Of one run; 300", "SECONDS" },
    { "tap", 0, 0, G_OPTION_ARG_FILENAME, &options.tap, "Writes the report as TAP", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_FILENAME, &options.json, "Writes the report as JSON", "FILE" },
    { "list", 0, 0, G_OPTION_ARG_NONE, &options.list, "Lists clauses and what covers them", NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- the conformance matrix");
  g_autoptr (GError) error = NULL;
  int ret;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1 || options.timeout < 1)
    {
      vmm_log ("%s; see pvtools-vmm verify --help", error ? error->message : "these words mean nothing");
      return 2;
    }
  ret = verify (&options);
  g_free (options.testguest);
  g_free (options.kernel);
  g_free (options.initrd);
  g_free (options.tap);
  g_free (options.json);
  g_strfreev (options.only);
  return ret;
}
