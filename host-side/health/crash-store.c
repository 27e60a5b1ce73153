/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crash-store.h"

#include "console.h"
#include "host-side/client/json-tree.h"
#include "host-side/client/qmp.h"
#include "protocol/codec/guard.h"
#include "pstore.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_MAX 120
#define SLUG_MAX 60
#define JSON_MAX 16384

void
pvt_crash_free (PvtCrash *crash)
{
  if (crash == NULL)
    return;
  g_free (crash->id);
  g_free (crash->guest);
  g_free (crash->time);
  g_free (crash->state);
  g_free (crash->cause);
  g_free (crash);
}

gboolean
pvt_crash_is_id (const char *id)
{
  if (*id == '\0' || *id == '.' || strlen (id) > ID_MAX)
    return FALSE;
  for (const char *c = id; *c; c++)
    if (!g_ascii_isalnum (*c) && strchr ("._-", *c) == NULL)
      return FALSE;
  return TRUE;
}

static gboolean
fail (GError **error, const char *what, const char *path)
{
  int code = errno;

  g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (code), "cannot %s %s: %s", what, path,
               g_strerror (code));
  return FALSE;
}

/* ---- writing ---- */

static gboolean
write_file (const char *path, gconstpointer data, gsize len, GError **error)
{
  return g_file_set_contents_full (path, data, (gssize) len, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                                   error);
}

static char *
make_id (const char *guest)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y%m%dT%H%M%SZ");
  g_autofree char *slug = g_strdup (guest);

  for (char *c = slug; *c; c++)
    if (!g_ascii_isalnum (*c))
      *c = '-';
  /* The end of an address says more than its beginning. */
  return g_strdup_printf ("%s-%s", stamp, strlen (slug) > SLUG_MAX ? slug + strlen (slug) - SLUG_MAX : slug);
}

/* A directory that was not there: two crashes may be of one second. */
static char *
make_directory (const char *directory, const char *id, GError **error)
{
  for (guint i = 1; i < 100; i++)
    {
      g_autofree char *name = i == 1 ? g_strdup (id) : g_strdup_printf ("%s.%u", id, i);
      g_autofree char *path = g_build_filename (directory, name, NULL);

      if (mkdir (path, 0700) == 0)
        return g_steal_pointer (&name);
      if (errno != EEXIST)
        {
          fail (error, "make", path);
          return NULL;
        }
    }
  errno = EEXIST;
  fail (error, "make", id);
  return NULL;
}

static char *
describe (const char *guest, const char *state, const char *cause)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "guest", guest);
  json_object_set_string_member (object, "time", time);
  json_object_set_string_member (object, "state", state);
  json_object_set_string_member (object, "cause", cause);
  json_node_take_object (node, object);
  return json_to_string (node, TRUE);
}

static void
remove_crash (const char *directory, const char *id)
{
  static const char *const parts[] = { "pstore", "." };
  g_autofree char *place = g_build_filename (directory, id, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      g_autofree char *path = g_build_filename (directory, id, parts[i], NULL);
      g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
      const char *name;

      while (dir && (name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *file = g_build_filename (path, name, NULL);

          g_remove (file);
        }
    }
  g_rmdir (place);
}

static void
remove_oldest (const char *directory, const char *guest)
{
  g_autoptr (GPtrArray) all = pvt_crash_list (directory, NULL);
  guint of_guest = 0;

  for (guint i = all ? all->len : 0; i > 0; i--)
    {
      const PvtCrash *crash = all->pdata[i - 1];

      if (strcmp (crash->guest, guest) == 0 && ++of_guest > PVT_CRASH_MAX_OF_GUEST)
        remove_crash (directory, crash->id);
    }
}

static gboolean
write_crash (const char *directory, const char *id, const char *text, GBytes *console, GError **error)
{
  g_autofree char *path = g_build_filename (directory, id, "crash.json", NULL);
  g_autofree char *output = g_build_filename (directory, id, "console.txt", NULL);

  return (console == NULL
          || write_file (output, g_bytes_get_data (console, NULL), g_bytes_get_size (console), error))
         && write_file (path, text, strlen (text), error);
}

char *
pvt_crash_add (const char *directory, const char *guest, const char *state, const char *cause,
               GBytes *console, GError **error)
{
  g_autofree char *wanted = make_id (guest), *id = NULL, *text = NULL;

  if (g_mkdir_with_parents (directory, 0700) < 0)
    {
      fail (error, "make", directory);
      return NULL;
    }
  id = make_directory (directory, wanted, error);
  if (id == NULL)
    return NULL;
  text = describe (guest, state, cause);
  if (!write_crash (directory, id, text, console, error))
    {
      /* Half of one is in no list, and nobody would ever remove it. */
      remove_crash (directory, id);
      return NULL;
    }
  remove_oldest (directory, guest);
  return g_steal_pointer (&id);
}

/* ---- reading ---- */

/* At most @max bytes; NULL when it is no plain file of ours. */
static GBytes *
read_file (const char *path, gsize max)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  char *data;
  struct stat st;
  gssize n;

  if (fd < 0)
    return NULL;
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      close (fd);
      return NULL;
    }
  data = g_malloc (max);
  n = read (fd, data, max);
  close (fd);
  return g_bytes_new_take (data, (gsize) MAX (n, 0));
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
list_names (const char *path, guint max, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, error);
  GPtrArray *names;
  const char *name;

  if (dir == NULL)
    return NULL;
  names = g_ptr_array_new_with_free_func (g_free);
  while (names->len < max && (name = g_dir_read_name (dir)) != NULL)
    if (pvt_crash_is_id (name))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, by_name);
  return names;
}

static guint
count_pstore (const char *directory, const char *id)
{
  g_autofree char *path = g_build_filename (directory, id, "pstore", NULL);
  g_autoptr (GPtrArray) names = list_names (path, PVT_PSTORE_MAX_FILES, NULL);

  return names ? names->len : 0;
}

/* NULL when it is no JSON object. */
static JsonNode *
parse_object (GBytes *bytes)
{
  PvtGuard guard;
  JsonNode *node;
  gsize len, used;
  const char *data = g_bytes_get_data (bytes, &len);

  pvt_guard_init (&guard);
  if (pvt_guard_feed (&guard, data, len, &used) != PVT_GUARD_DONE || used != len)
    return NULL;
  node = pvt_json_tree_new ((PvtSlice){ data, len }, NULL);
  if (node && !JSON_NODE_HOLDS_OBJECT (node))
    g_clear_pointer (&node, json_node_unref);
  return node;
}

PvtCrash *
pvt_crash_load (const char *directory, const char *id, GError **error)
{
  g_autofree char *path = g_build_filename (directory, id, "crash.json", NULL);
  g_autofree char *output = g_build_filename (directory, id, "console.txt", NULL);
  g_autoptr (GBytes) bytes = pvt_crash_is_id (id) ? read_file (path, JSON_MAX) : NULL;
  g_autoptr (JsonNode) node = NULL;
  JsonObject *object;
  PvtCrash *crash;
  struct stat st;

  if (bytes)
    node = parse_object (bytes);
  if (node == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no crash '%s' in %s", id, directory);
      return NULL;
    }
  object = json_node_get_object (node);
  crash = g_new0 (PvtCrash, 1);
  crash->id = g_strdup (id);
#define MEMBER(name) g_strdup (pvt_json_string (object, name) ? pvt_json_string (object, name) : "?")
  crash->guest = MEMBER ("guest");
  crash->time = MEMBER ("time");
  crash->state = MEMBER ("state");
  crash->cause = MEMBER ("cause");
#undef MEMBER
  crash->console_bytes = lstat (output, &st) == 0 ? (gsize) st.st_size : 0;
  crash->pstore_files = count_pstore (directory, id);
  return crash;
}

GPtrArray *
pvt_crash_list (const char *directory, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (directory, PVT_CRASH_MAX, error);
  GPtrArray *list;

  if (names == NULL)
    return NULL;
  list = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_crash_free);
  for (guint i = 0; i < names->len; i++)
    {
      PvtCrash *crash = pvt_crash_load (directory, names->pdata[i], NULL);

      if (crash)
        g_ptr_array_add (list, crash);
    }
  return list;
}

static void
add_text (GPtrArray *texts, const char *path, const char *name, gsize max)
{
  GBytes *data = read_file (path, max);
  PvtPstoreFile *text;

  if (data == NULL)
    return;
  text = g_new (PvtPstoreFile, 1);
  *text = (PvtPstoreFile){ g_strdup (name), data };
  g_ptr_array_add (texts, text);
}

GPtrArray *
pvt_crash_texts (const char *directory, const char *id, GError **error)
{
  PvtCrash *crash = pvt_crash_load (directory, id, error);
  g_autofree char *output = g_build_filename (directory, id, "console.txt", NULL);
  g_autofree char *pstore = g_build_filename (directory, id, "pstore", NULL);
  g_autoptr (GPtrArray) names = NULL;
  GPtrArray *texts;

  if (crash == NULL)
    return NULL;
  pvt_crash_free (crash);
  texts = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_pstore_file_free);
  add_text (texts, output, "console.txt", PVT_CONSOLE_MAX);
  names = list_names (pstore, PVT_PSTORE_MAX_FILES, NULL);
  for (guint i = 0; names && i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (pstore, names->pdata[i], NULL);

      add_text (texts, path, names->pdata[i], PVT_PSTORE_MAX_BYTES);
    }
  return texts;
}

/* ---- pstore ---- */

static gboolean
has_file (const char *directory, const char *id, const PvtPstoreFile *file)
{
  g_autofree char *path = g_build_filename (directory, id, "pstore", file->name, NULL);
  g_autoptr (GBytes) kept = read_file (path, PVT_PSTORE_MAX_BYTES);

  return kept && g_bytes_equal (kept, file->data);
}

static gboolean
is_known (const char *directory, GPtrArray *crashes, const char *guest, const PvtPstoreFile *file)
{
  for (guint i = 0; crashes && i < crashes->len; i++)
    {
      const PvtCrash *crash = crashes->pdata[i];

      if (strcmp (crash->guest, guest) == 0 && has_file (directory, crash->id, file))
        return TRUE;
    }
  return FALSE;
}

static gboolean
keep (const char *directory, const char *id, const PvtPstoreFile *file, GError **error)
{
  g_autofree char *place = g_build_filename (directory, id, "pstore", NULL);
  g_autofree char *path = g_build_filename (place, file->name, NULL);

  if (mkdir (place, 0700) < 0 && errno != EEXIST)
    return fail (error, "make", place);
  return write_file (path, g_bytes_get_data (file->data, NULL), g_bytes_get_size (file->data), error);
}

gboolean
pvt_crash_add_pstore (const char *directory, const char *id, const char *guest, GPtrArray *files,
                      guint *n_new, GError **error)
{
  g_autoptr (GPtrArray) crashes = pvt_crash_list (directory, NULL);
  g_autofree char *made = NULL;

  *n_new = 0;
  for (guint i = 0; i < files->len && i < PVT_PSTORE_MAX_FILES; i++)
    {
      const PvtPstoreFile *file = files->pdata[i];

      if (is_known (directory, crashes, guest, file))
        continue;
      if (id == NULL)
        {
          made = pvt_crash_add (directory, guest, "rebooted", "pstore", NULL, error);
          if (made == NULL)
            return FALSE;
          id = made;
        }
      if (!keep (directory, id, file, error))
        return FALSE;
      ++*n_new;
    }
  return TRUE;
}
