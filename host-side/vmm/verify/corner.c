/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How each corner of the matrix is run.
 *
 * With /dev/kvm our driver meets our device in our own machine, where the auditor sees
 * the registers; else, and for Linux, our device meets QEMU over vhost-user, where the
 * registers are QEMU's and the rings ours. Everything but the first runs under TCG: it
 * needs no hardware. */
#include "run.h"

#include <glib/gstdio.h>
#include <string.h>

#define DISK_BYTES (4 << 20)
/* Of Linux's 256 MiB QEMU wants 16 back (tests/guest/files/micro-verify counts them). */
#define MONITOR_WORDS "balloon 240\n"

static void
corner_free (gpointer data)
{
  struct verify_corner *corner = data;

  g_free (corner->name);
  g_free (corner->skipped);
  g_string_free (corner->wrong, TRUE);
  g_free (corner);
}

GPtrArray *
verify_corners_new (void)
{
  GPtrArray *corners = g_ptr_array_new_with_free_func (corner_free);

  for (unsigned i = 0; i < 16; i++)
    {
      struct verify_corner *corner = g_new0 (struct verify_corner, 1);

      corner->linux_driver = i & 8;
      corner->qemu_device = i & 4;
      corner->mmio = i & 2;
      corner->packed = i & 1;
      corner->name = g_strjoin ("/", corner->linux_driver ? "linux" : "ours",
                                corner->qemu_device ? "qemu" : "ours", corner->mmio ? "mmio" : "pci",
                                corner->packed ? "packed" : "split", NULL);
      corner->wrong = g_string_new (NULL);
      corner->lane = "";
      g_ptr_array_add (corners, corner);
    }
  return corners;
}

/* ---- one run ---- */

/* The auditor writes its report when QEMU has let go of the socket. */
static void
wait_report (const char *path)
{
  for (unsigned i = 0; i < 500; i++)
    {
      g_autofree char *text = NULL;

      if (g_file_get_contents (path, &text, NULL, NULL) && strstr (text, "\"checked\""))
        return;
      g_usleep (20000);
    }
}

static void
collect (struct verify_run *run, int status, GPtrArray *clauses)
{
  struct verify_corner *corner = run->corner;
  g_autofree char *output = verify_run_file (run, "output");
  g_auto (GStrv) audits = verify_run_audits (run);

  verify_read_tap (corner, output, clauses);
  /* isa-debug-exit turns 0 into 1; Linux powers off. */
  if (status != 0 && (status != 1 || corner->linux_driver))
    {
      corner->bad++;
      g_string_append_printf (corner->wrong, "the machine ended with %d\n", status);
    }
  for (char **path = audits; *path; path++)
    {
      if (!run->own)
        wait_report (*path);
      verify_read_audit (corner, *path, clauses);
    }
}

/* The host's ends: of a console port, of sockets, of QEMU's monitor. */
struct ends
{
  struct verify_echo *port, *host, *monitor;
};

static struct ends
open_ends (const struct verify_run *run)
{
  g_autofree char *port = verify_run_file (run, "echo"), *host = verify_run_file (run, "vsock_7");
  g_autofree char *monitor = verify_run_file (run, "monitor");
  gboolean of_qemu = run->corner->qemu_device;
  struct ends ends = { NULL, NULL, NULL };

  if (run->all && (run->own || of_qemu))
    ends.port = verify_echo_start (port, FALSE);
  if (run->all && !of_qemu)
    ends.host = verify_echo_start (host, TRUE);
  if (run->all && of_qemu && run->corner->linux_driver)
    ends.monitor = verify_say_start (monitor, MONITOR_WORDS);
  return ends;
}

static void
run_once (struct verify_run *run, GPtrArray *clauses)
{
  g_autofree char *output = verify_run_file (run, "output");
  g_autoptr (GPtrArray) argv = verify_run_machine (run);
  struct ends ends = open_ends (run);
  g_autoptr (GError) error = NULL;
  int status = -1;

  if (verify_run_backends (run, &error))
    status = verify_run ((char **) argv->pdata, output, run->setup->timeout, &error);
  if (error)
    {
      run->corner->bad++;
      g_string_append_printf (run->corner->wrong, "%s\n", error->message);
    }
  verify_echo_stop (ends.port);
  verify_echo_stop (ends.host);
  verify_echo_stop (ends.monitor);
  collect (run, error ? 0 : status, clauses);
  for (unsigned i = 0; i < BACKENDS_MAX; i++)
    verify_stop (run->backend[i]);
}

/* ---- its files ---- */

static gboolean
make_files (const struct verify_run *run)
{
  g_autofree char *disk = verify_run_file (run, "disk");
  g_autofree char *zeroes = g_malloc0 (DISK_BYTES);

  return g_file_set_contents (disk, zeroes, DISK_BYTES, NULL);
}

static void
remove_files (const struct verify_run *run)
{
  g_autoptr (GDir) files = g_dir_open (run->directory, 0, NULL);
  const char *name;

  while (files && (name = g_dir_read_name (files)))
    {
      g_autofree char *path = verify_run_file (run, name);

      g_unlink (path);
    }
  g_rmdir (run->directory);
}

static void
run_in_directory (struct verify_run *run, GPtrArray *clauses)
{
  g_autofree char *directory = g_build_filename (run->setup->directory, "run-XXXXXX", NULL);

  if (g_mkdtemp (directory) == NULL)
    return;
  run->directory = directory;
  if (make_files (run))
    run_once (run, clauses);
  remove_files (run);
}

static const char *
missing (const struct verify_corner *corner, const struct verify_setup *setup, gboolean own)
{
  if (!own && setup->qemu == NULL)
    return "there is no qemu-system-x86_64";
  if (corner->linux_driver && (setup->kernel == NULL || setup->initrd == NULL))
    return "there is no Linux: --kernel and --initrd name one";
  if (!corner->linux_driver && setup->testguest == NULL)
    return "there is no test guest: --testguest names one";
  return NULL;
}

void
verify_corner_run (struct verify_corner *corner, const struct verify_setup *setup, GPtrArray *clauses)
{
  gboolean own = !corner->linux_driver && !corner->qemu_device && setup->kvm;
  struct verify_run polite = { .setup = setup, .corner = corner, .own = own, .polite = TRUE, .all = TRUE };
  struct verify_run odd = { .setup = setup, .corner = corner, .own = own };
  const char *reason = missing (corner, setup, own);

  if (reason)
    {
      corner->skipped = g_strdup (reason);
      return;
    }
  corner->lane = verify_run_lane (&polite);
  run_in_directory (&polite, clauses);
  /* Once more with what no driver may ask for, unwatched. */
  if (!corner->linux_driver)
    run_in_directory (&odd, clauses);
}
