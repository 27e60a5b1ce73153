/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

void
pvt_found_free (PvtFound *found)
{
  g_free (found->address);
  g_free (found->name);
  g_free (found->uuid);
  g_free (found->source);
  g_free (found->page);
  g_free (found);
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
is_socket (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 && S_ISSOCK (st.st_mode);
}

static PvtFound *
found_new (const char *prefix, const char *path, const char *file)
{
  PvtFound *found = g_new0 (PvtFound, 1);

  found->address = g_strconcat (prefix, path, NULL);
  found->name = pvt_discover_name (file);
  found->source = g_strdup (strcmp (prefix, "qemu:") == 0 ? "qmp" : "sockets");
  return found;
}

/* Names of the directory that the pattern takes, sorted. */
static GPtrArray *
list_names (const char *directory, const char *pattern, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, error);
  GPtrArray *names;
  const char *name;

  if (dir == NULL)
    return NULL;
  names = g_ptr_array_new_with_free_func (g_free);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (fnmatch (pattern, name, FNM_PERIOD) == 0)
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, by_name);
  return names;
}

GPtrArray *
pvt_discover_files (const char *where, GError **error)
{
  /* What is neither there nor a pattern was meant to be a directory. */
  gboolean whole = g_file_test (where, G_FILE_TEST_IS_DIR)
                   || (!g_file_test (where, G_FILE_TEST_EXISTS) && !strpbrk (where, "*?["));
  g_autofree char *directory = whole ? g_strdup (where) : g_path_get_dirname (where);
  g_autofree char *pattern = whole ? g_strdup ("*") : g_path_get_basename (where);
  GPtrArray *names = list_names (directory, pattern, error);

  for (guint i = 0; names && i < names->len; i++)
    {
      char *path = g_build_filename (directory, names->pdata[i], NULL);

      g_free (names->pdata[i]);
      names->pdata[i] = path;
    }
  return names;
}

char *
pvt_discover_name (const char *file)
{
  const char *dot = strrchr (file, '.');

  return dot && dot > file ? g_strndup (file, (gsize) (dot - file)) : g_strdup (file);
}

gboolean
pvt_discover_sockets (const char *where, const char *prefix, GPtrArray *found, GError **error)
{
  g_autoptr (GPtrArray) paths = pvt_discover_files (where, error);
  guint n = 0;

  for (guint i = 0; paths && i < paths->len && n < PVT_DISCOVER_MAX; i++)
    {
      const char *path = paths->pdata[i];

      if (!is_socket (path) || !g_utf8_validate (path, -1, NULL))
        continue;
      g_ptr_array_add (found, found_new (prefix, path, strrchr (path, '/') ? strrchr (path, '/') + 1 : path));
      n++;
    }
  return paths != NULL;
}
