/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A root of a test's own: a directory that is there from open_root() to remove_root(). */
#pragma once

#include "agent/platform/root.h"

#include <glib/gstdio.h>
#include <unistd.h>

static char *directory;
static PvtRoot *root;

static inline int
open_root (void)
{
  directory = g_dir_make_tmp ("pvt-root-XXXXXX", NULL);
  root = pvt_root_open (directory, NULL);
  return root ? 0 : -1;
}

static inline void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir
      = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

/* A teardown of cmocka's. */
static inline int
remove_root (void **state G_GNUC_UNUSED)
{
  pvt_root_free (root);
  remove_tree (directory);
  g_free (directory);
  return 0;
}

static inline char *
full_path (const char *path)
{
  return g_build_filename (directory, path, NULL);
}

/* With the folders above it. */
static inline char *
make_way (const char *path)
{
  char *full = full_path (path);
  g_autofree char *dir = g_path_get_dirname (full);

  assert_int_equal (g_mkdir_with_parents (dir, 0755), 0);
  return full;
}

static inline void
put (const char *path, const char *text)
{
  g_autofree char *full = make_way (path);

  assert_true (g_file_set_contents (full, text, -1, NULL));
}

static inline void
put_link (const char *path, const char *target)
{
  g_autofree char *full = make_way (path);

  assert_int_equal (symlink (target, full), 0);
}
