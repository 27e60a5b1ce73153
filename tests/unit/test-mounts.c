/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts of a made-up root, and those of this machine as they come and go. */
#include "tap-main.h"
#include "fake-root.h"
#include "agent/platform/bounds.h"
#include "agent/platform/mountinfo.h"

#include <sys/mount.h>

static void
mounts (void **state G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) list = NULL;
  const PvtMount *m;

  put ("proc/self/mountinfo",
       "21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
       "30 21 0:40 / /mnt/with\\040blank\\011tab rw shared:5 master:2 - nfs4 server:/x rw\n"
       "31 21 254:2 /sub /ro ro - xfs /dev/vda2 rw\n"
       "32 21 0:41 / /empty rw -  overlay  rw\n"
       "33 21 0:42 / /nosource rw - tmpfs  rw\n"
       "34 21 bad / /x rw - ext4 /dev/x rw\n35 21 1:2 / /cut rw\n\n36\n"
       "37 21 0:50 / /fuse rw - fuse.sshfs me@host: rw\n");
  list = pvt_mountinfo_read (root, NULL);
  assert_true (list->len >= 5);
  m = list->pdata[0];
  assert_int_equal (m->major, 254);
  assert_string_equal (m->source, "/dev/vda1");
  assert_false (m->read_only);
  m = list->pdata[1];
  assert_string_equal (m->mountpoint, "/mnt/with blank\ttab");
  assert_true (pvt_mount_is_remote (m));
  m = list->pdata[2];
  assert_true (m->read_only);
  assert_string_equal (m->root, "/sub");
  m = list->pdata[list->len - 1];
  assert_string_equal (m->type, "fuse.sshfs");
  assert_true (pvt_mount_is_remote (m));
}

static void
mounts_are_bounded (void **state G_GNUC_UNUSED)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GPtrArray) list = NULL;

  for (guint i = 0; i < PVT_MAX_MOUNTS + 1; i++)
    g_string_append_printf (text, "%u 1 0:1 / /m%u rw - tmpfs t rw\n", i, i);
  put ("proc/self/mountinfo", text->str);
  list = pvt_mountinfo_read (root, NULL);
  assert_int_equal (list->len, PVT_MAX_MOUNTS);
}

static gboolean
is_mounted (const PvtRoot *real, const char *path)
{
  g_autoptr (GPtrArray) mounts = pvt_mountinfo_kept (real, NULL);

  for (guint i = 0; i < mounts->len; i++)
    if (strcmp (((const PvtMount *) mounts->pdata[i])->mountpoint, path) == 0)
      return TRUE;
  return FALSE;
}

/* What is kept is what there is. */
static void
kept_mounts (void **state G_GNUC_UNUSED)
{
  g_autofree char *path = g_dir_make_tmp ("pvt-mount-XXXXXX", NULL);
  PvtRoot *real = pvt_root_open ("/", NULL);
  guint kept = 0;

  if (mount ("pvt", path, "tmpfs", 0, NULL) < 0)
    {
      pvt_root_free (real);
      rmdir (path);
      skip (); /* without the right to mount */
    }
  for (guint round = 0; round < 20; round++)
    {
      g_autoptr (GPtrArray) one = NULL, two = NULL;

      assert_true (is_mounted (real, path));
      one = pvt_mountinfo_kept (real, NULL);
      two = pvt_mountinfo_kept (real, NULL);
      kept += one == two; /* somebody else may have mounted something */
      assert_int_equal (umount (path), 0);
      assert_false (is_mounted (real, path));
      assert_int_equal (mount ("pvt", path, "tmpfs", 0, NULL), 0);
    }
  assert_true (kept > 0);
  assert_int_equal (umount (path), 0);
  rmdir (path);
  pvt_root_free (real);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (mounts),
    cmocka_unit_test (mounts_are_bounded),
    cmocka_unit_test (kept_mounts),
  };

  if (open_root () < 0)
    return 1;
  return cmocka_run_group_tests_name ("mounts", tests, NULL, remove_root);
}
