/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sealing a fake root: what goes, what stays, and what nobody may be tricked into;
 * and how a copy is told from its original. */
#include "tap-main.h"
#include "fake-root.h"

#include "agent/platform/identity.h"
#include "agent/platform/seal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its size, -1 when it is not there; a link is one. */
static gint64
size_of (const char *path)
{
  g_autofree char *full = full_path (path);
  struct stat st;

  return lstat (full, &st) < 0 ? -1 : (gint64) st.st_size;
}

static int
make_root (void **state G_GNUC_UNUSED)
{
  if (open_root () < 0)
    return -1;
  put ("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
  put ("etc/ssh/ssh_host_rsa_key", "secret");
  put ("etc/ssh/ssh_host_rsa_key.pub", "public");
  put ("etc/ssh/sshd_config", "Port 22\n");
  put ("root/.bash_history", "ls\n");
  put ("root/.bashrc", "PS1=x\n");
  put ("home/anna/.python_history", "1+1\n");
  put ("home/anna/notes", "mine\n");
  put ("var/lib/dhcp/dhclient.eth0.leases", "lease\n");
  put ("var/lib/cloud/instances/i-1/sem/x", "y");
  put ("var/log/syslog", "12345678");
  put ("var/log/syslog.1", "1234");
  put ("var/log/app/app.log.gz", "12");
  put ("var/log/app/app.log", "12");
  put ("var/log/journal/0123/system.journal", "binary");
  return 0;
}

static guint
number_of (const char *name)
{
  for (guint i = 0; i < pvt_seal_count (); i++)
    if (strcmp (pvt_seal_name (i), name) == 0)
      return i;
  fail_msg ("there is no step %s", name);
  return 0;
}

/* Files that a step counts. */
static guint
run (const char *name, gboolean apply)
{
  PvtSealStep step;
  guint files;

  pvt_seal_run (root, number_of (name), apply, NULL, &step);
  files = step.files;
  if (step.error)
    fail_msg ("%s: %s", name, step.error);
  assert_int_equal (step.paths->len, MIN (files, PVT_SEAL_MAX_PATHS));
  pvt_seal_step_clear (&step);
  return files;
}

static void
dry_run_changes_nothing (void **state G_GNUC_UNUSED)
{
  guint files = 0;

  for (guint i = 0; i < pvt_seal_count (); i++)
    files += run (pvt_seal_name (i), FALSE);
  assert_int_equal (files, 13);
  assert_int_equal (size_of ("etc/machine-id"), 33);
  assert_int_equal (size_of ("etc/ssh/ssh_host_rsa_key"), 6);
  assert_int_equal (size_of ("var/log/syslog"), 8);
  assert_int_equal (size_of ("var/log/journal/0123/system.journal"), 6);
  assert_int_equal (size_of (PVT_IDENTITY_FILE), -1);
}

static void
each_step_takes_its_own (void **state G_GNUC_UNUSED)
{
  assert_int_equal (run ("ssh-host-keys", TRUE), 2);
  assert_int_equal (size_of ("etc/ssh/ssh_host_rsa_key"), -1);
  assert_int_equal (size_of ("etc/ssh/sshd_config"), 8);
  assert_int_equal (run ("histories", TRUE), 2);
  assert_int_equal (size_of ("home/anna/.python_history"), -1);
  assert_int_equal (size_of ("home/anna/notes"), 5);
  assert_int_equal (size_of ("root/.bashrc"), 6);
  assert_int_equal (run ("leases", TRUE), 1);
  assert_int_equal (run ("cloud-init", TRUE), 1);
  assert_int_equal (size_of ("var/lib/cloud/instances/i-1"), -1);
  assert_true (size_of ("var/lib/cloud/instances") >= 0);
  assert_int_equal (run ("machine-id", TRUE), 1);
  assert_int_equal (size_of ("etc/machine-id"), 0);
  assert_int_equal (run ("machine-id", TRUE), 0);
}

static void
logs (void **state G_GNUC_UNUSED)
{
  assert_int_equal (run ("logs", TRUE), 5);
  assert_int_equal (size_of ("var/log/syslog"), 0);
  assert_int_equal (size_of ("var/log/syslog.1"), -1);
  assert_int_equal (size_of ("var/log/app/app.log"), 0);
  assert_int_equal (size_of ("var/log/app/app.log.gz"), -1);
  assert_int_equal (size_of ("var/log/journal/0123"), -1);
  assert_true (size_of ("var/log/journal") >= 0);
}

/* Who owns a directory below may put anything there but must not reach outside. */
static void
links_lead_nowhere (void **state G_GNUC_UNUSED)
{
  g_autofree char *shadow = full_path ("etc/shadow"), *second = full_path ("var/log/app/hard.log");
  g_autofree char *away = full_path ("etc");

  put ("etc/shadow", "root:x:");
  put_link ("var/log/app/soft.log", shadow);
  put_link ("var/log/app/dir", away);
  assert_int_equal (link (shadow, second), 0);
  put_link ("home/anna/.zsh_history", shadow);
  put_link ("home/eve", away);
  run ("logs", TRUE);
  run ("histories", TRUE);
  assert_int_equal (size_of ("etc/shadow"), 7);
  assert_int_equal (size_of ("var/log/app/hard.log"), -1);
  assert_int_equal (size_of ("home/anna/.zsh_history"), -1);
  assert_int_equal (size_of ("etc/ssh/sshd_config"), 8);
}

static void
given_up (void **state G_GNUC_UNUSED)
{
  const gint cancelled = 1;
  PvtSealStep step;

  for (guint i = 0; i < pvt_seal_count (); i++)
    {
      pvt_seal_run (root, i, TRUE, &cancelled, &step);
      assert_int_equal (step.files, 0);
      pvt_seal_step_clear (&step);
    }
  assert_int_equal (size_of ("etc/machine-id"), 33);
}

static void
an_error_is_told (void **state G_GNUC_UNUSED)
{
  PvtSealStep step;

  /* A directory where a file should be made. */
  put (PVT_IDENTITY_FILE ".new/x", "");
  pvt_seal_run (root, number_of ("identity"), TRUE, NULL, &step);
  assert_non_null (step.error);
  assert_non_null (strstr (step.error, PVT_IDENTITY_FILE));
  pvt_seal_step_clear (&step);
}

static void
a_copy_is_told_from_its_original (void **state G_GNUC_UNUSED)
{
  put ("sys/class/dmi/id/product_uuid", "AAAA-1\n");
  assert_false (pvt_identity_is_new (root));
  assert_true (pvt_identity_record (root, NULL));
  assert_false (pvt_identity_is_new (root));
  put ("sys/class/dmi/id/product_uuid", "aaaa-1\n");
  assert_false (pvt_identity_is_new (root));
  put ("sys/class/dmi/id/product_uuid", "bbbb-2\n");
  assert_true (pvt_identity_is_new (root));
  assert_true (pvt_identity_record (root, NULL));
  assert_false (pvt_identity_is_new (root));
}

static void
a_sealed_one_is_a_copy (void **state G_GNUC_UNUSED)
{
  g_autofree char *uuid = full_path ("sys/class/dmi/id/product_uuid");

  put ("sys/class/dmi/id/product_uuid", "aaaa-1\n");
  assert_true (pvt_identity_seal (root, NULL));
  assert_true (pvt_identity_is_new (root));
  assert_true (pvt_identity_record (root, NULL));
  assert_false (pvt_identity_is_new (root));
  /* On a machine whose firmware tells nothing, too, and once only. */
  assert_int_equal (g_remove (uuid), 0);
  assert_false (pvt_identity_is_new (root));
  assert_true (pvt_identity_seal (root, NULL));
  assert_true (pvt_identity_is_new (root));
  assert_true (pvt_identity_record (root, NULL));
  assert_false (pvt_identity_is_new (root));
}

static void
without_an_identity_nothing_is_kept (void **state G_GNUC_UNUSED)
{
  assert_true (pvt_identity_record (root, NULL));
  assert_int_equal (size_of (PVT_IDENTITY_FILE), -1);
}

#define ON_A_ROOT(name) cmocka_unit_test_setup_teardown (name, make_root, remove_root)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    ON_A_ROOT (dry_run_changes_nothing), ON_A_ROOT (each_step_takes_its_own), ON_A_ROOT (logs),
    ON_A_ROOT (links_lead_nowhere),      ON_A_ROOT (given_up),                ON_A_ROOT (an_error_is_told),
    ON_A_ROOT (a_copy_is_told_from_its_original), ON_A_ROOT (a_sealed_one_is_a_copy),
    ON_A_ROOT (without_an_identity_nothing_is_kept),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
