/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover.h"

#include "protocol/page/layout.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEME "page:"

/* Guests by name; NULL where two have it: whose page it is cannot be told. */
static GHashTable *
by_name (const GPtrArray *found)
{
  GHashTable *table = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < found->len; i++)
    {
      PvtFound *one = found->pdata[i];
      gboolean twice = g_hash_table_contains (table, one->name);

      g_hash_table_insert (table, one->name, twice ? NULL : one);
    }
  return table;
}

/* Guests that were nothing but pages. */
static GHashTable *
pages_of (const GPtrArray *before)
{
  GHashTable *table = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; before && i < before->len; i++)
    {
      PvtFound *one = before->pdata[i];

      if (g_str_has_prefix (one->address, SCHEME))
        g_hash_table_add (table, one->address);
    }
  return table;
}

static gboolean
is_file (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 && S_ISREG (st.st_mode) && st.st_size >= (off_t) PVT_PAGE_BYTES_MIN
         && g_utf8_validate (path, -1, NULL);
}

/* Others keep memory in the same directory. */
static gboolean
is_labelled (const char *path)
{
  static const char magic[sizeof ((PvtPageHeader *) NULL)->magic] = PVT_PAGE_MAGIC;
  char head[sizeof magic];
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  gboolean is = fd >= 0 && pread (fd, head, sizeof head, 0) == (gssize) sizeof head
                && memcmp (head, magic, sizeof magic) == 0;

  if (fd >= 0)
    close (fd);
  return is;
}

static PvtFound *
page_alone (char *address, const char *path, char *name)
{
  PvtFound *found = g_new0 (PvtFound, 1);

  found->address = address;
  found->name = name;
  found->source = g_strdup ("pages");
  found->page = g_strdup (path);
  return found;
}

gboolean
pvt_discover_pages (const char *where, const GPtrArray *before, GPtrArray *found, GError **error)
{
  g_autoptr (GPtrArray) paths = pvt_discover_files (where, error);
  g_autoptr (GHashTable) guests = by_name (found), pages = pages_of (before);
  guint n = 0;

  for (guint i = 0; paths && i < paths->len && n < PVT_DISCOVER_MAX; i++)
    {
      const char *path = paths->pdata[i];
      g_autofree char *file = g_path_get_basename (path);
      g_autofree char *name = pvt_discover_name (file);
      g_autofree char *address = g_strconcat (SCHEME, path, NULL);
      PvtFound *guest = g_hash_table_lookup (guests, name);

      if (!is_file (path))
        continue;
      if (guest && guest->page == NULL)
        guest->page = g_strdup (path);
      else if (guest == NULL && (g_hash_table_contains (pages, address) || is_labelled (path)))
        {
          g_ptr_array_add (found, page_alone (g_steal_pointer (&address), path, g_steal_pointer (&name)));
          n++;
        }
    }
  return paths != NULL;
}
