/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept of crashes, and what a guest's words about files may do here. */
#include "tap-main.h"

#include "host-side/health/console.h"
#include "host-side/health/crash-store.h"
#include "host-side/health/pstore.h"

#include "protocol/transport/transport.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
make_place (void)
{
  char *place = g_dir_make_tmp ("pvt-crash-XXXXXX", NULL);

  assert_non_null (place);
  return place;
}

static void
remove_place (char *place)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", place);

  assert_int_equal (system (command), 0);
  g_free (place);
}

static void
lists (void **state G_GNUC_UNUSED)
{
  static const char text[]
      = "/sys/fs/pstore/dmesg-erst-1\n/var/lib/systemd/pstore/7/dmesg.txt\n/etc/shadow\n"
        "/sys/fs/pstore/../../etc/shadow\nrelative\n\n/sys/fs/pstoreX/y\n/sys/fs/pstore/\xc3\xa4\n";
  g_auto (GStrv) paths = pvt_pstore_parse_list (text, sizeof text - 1);
  GString *many = g_string_new (NULL);

  assert_int_equal (g_strv_length (paths), 2);
  assert_string_equal (paths[0], "/sys/fs/pstore/dmesg-erst-1");
  assert_string_equal (paths[1], "/var/lib/systemd/pstore/7/dmesg.txt");
  for (guint i = 0; i < 1000; i++)
    g_string_append_printf (many, "/sys/fs/pstore/%u\n", i);
  g_strfreev (paths);
  paths = pvt_pstore_parse_list (many->str, many->len);
  assert_int_equal (g_strv_length (paths), PVT_PSTORE_MAX_FILES);
  g_string_free (many, TRUE);
}

static void
names (void **state G_GNUC_UNUSED)
{
  static const char *const pairs[][2] = {
    { "/sys/fs/pstore/dmesg-erst-7", "dmesg-erst-7" }, { "a b\x1b[m", "a_b__m" },
    { "x/..", "_." }, { ".hidden", "_hidden" }, { "/", NULL }, { "", NULL },
  };
  g_autofree char *lengthy = g_strnfill (1000, 'n');

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autofree char *name = pvt_pstore_safe_name (pairs[i][0]);

      assert_true (g_strcmp0 (name, pairs[i][1]) == 0);
    }
  {
    g_autofree char *name = pvt_pstore_safe_name (lengthy);

    assert_int_equal (strlen (name), PVT_PSTORE_NAME_MAX);
  }
}

static GPtrArray *
make_files (const char *first, const char *second)
{
  GPtrArray *files = g_ptr_array_new_with_free_func ((GDestroyNotify) pvt_pstore_file_free);
  const char *texts[] = { first, second };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      PvtPstoreFile *file = g_new (PvtPstoreFile, 1);

      *file = (PvtPstoreFile){ g_strdup_printf ("dmesg-erst-%u", i),
                               g_bytes_new (texts[i], strlen (texts[i])) };
      g_ptr_array_add (files, file);
    }
  return files;
}

/* A kernel's last words stay in pstore over many boots; they are of one crash. */
static void
pstore_is_kept_once (void **state G_GNUC_UNUSED)
{
  char *place = make_place ();
  g_autofree char *kept = g_build_filename (place, "a", "b", NULL);
  g_autofree char *id = pvt_crash_add (kept, "qemu:/vm", "panicked", "panic-event", NULL, NULL);
  g_autoptr (GPtrArray) first = make_files ("one", "two");
  g_autoptr (GPtrArray) second = make_files ("one", "three");
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GPtrArray) texts = NULL;
  guint n = 77;

  assert_non_null (id);
  assert_true (pvt_crash_add_pstore (kept, id, "qemu:/vm", first, &n, NULL));
  assert_int_equal (n, 2);
  assert_true (pvt_crash_add_pstore (kept, NULL, "qemu:/vm", first, &n, NULL));
  assert_int_equal (n, 0);
  assert_true (pvt_crash_add_pstore (kept, NULL, "qemu:/vm", second, &n, NULL));
  assert_int_equal (n, 1);
  /* Another guest's are another's. */
  assert_true (pvt_crash_add_pstore (kept, NULL, "qemu:/other", first, &n, NULL));
  assert_int_equal (n, 2);
  list = pvt_crash_list (kept, NULL);
  assert_int_equal (list->len, 3);
  texts = pvt_crash_texts (kept, id, NULL);
  assert_int_equal (texts->len, 2);
  assert_string_equal (((PvtPstoreFile *) texts->pdata[1])->name, "dmesg-erst-1");
  remove_place (place);
}

static void
the_oldest_go (void **state G_GNUC_UNUSED)
{
  char *place = make_place ();
  g_autofree char *other = pvt_crash_add (place, "qemu:/other", "panicked", "panic-event", NULL, NULL);
  g_autoptr (GBytes) console = g_bytes_new_static ("text", 4);
  g_autoptr (GPtrArray) files = make_files ("one", "two");
  g_autoptr (GPtrArray) list = NULL;
  guint of_guest = 0, n;
  struct stat st;

  assert_non_null (other);
  for (guint i = 0; i < PVT_CRASH_MAX_OF_GUEST + 5; i++)
    {
      g_autofree char *id = pvt_crash_add (place, "qemu:/vm", "panicked", "panic-event", console, NULL);

      assert_non_null (id);
      if (i == 0)
        assert_true (pvt_crash_add_pstore (place, id, "qemu:/vm", files, &n, NULL));
    }
  list = pvt_crash_list (place, NULL);
  for (guint i = 0; i < list->len; i++)
    {
      const PvtCrash *crash = list->pdata[i];
      g_autofree char *path = g_build_filename (place, crash->id, NULL);

      of_guest += strcmp (crash->guest, "qemu:/vm") == 0;
      assert_true (stat (path, &st) == 0 && (st.st_mode & 0777) == 0700);
    }
  assert_int_equal (of_guest, PVT_CRASH_MAX_OF_GUEST);
  assert_int_equal (list->len, PVT_CRASH_MAX_OF_GUEST + 1);
  remove_place (place);
}

static void
ids (void **state G_GNUC_UNUSED)
{
  static const char *const bad[] = { "", ".", "..", "a/b", "../a", "a b", ".a", "\x1b" };
  g_autofree char *lengthy = g_strnfill (121, 'a');

  assert_true (pvt_crash_is_id ("20261121T120000Z-qemu--vm.2"));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_false (pvt_crash_is_id (bad[i]));
  assert_false (pvt_crash_is_id (lengthy));
}

/* A full disk: a file may have no byte. */
static void
half_a_crash_leaves_nothing (void **state G_GNUC_UNUSED)
{
  g_autofree char *place = g_dir_make_tmp ("pvt-crash-XXXXXX", NULL);
  g_autoptr (GBytes) console = g_bytes_new_static ("text", 4);
  g_autoptr (GError) error = NULL;
  struct rlimit limit, none;
  char *id;

  assert_int_equal (getrlimit (RLIMIT_FSIZE, &limit), 0);
  none = (struct rlimit){ 0, limit.rlim_max };
  signal (SIGXFSZ, SIG_IGN);
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &none), 0);
  id = pvt_crash_add (place, "qemu:/vm", "panicked", "panic-event", console, &error);
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &limit), 0);
  assert_null (id);
  assert_non_null (error);
  assert_int_equal (g_rmdir (place), 0); /* it is empty */
}

/* A guest that writes to its console without end: others get their turns. */
static void
a_long_console_is_read_in_parts (void **state G_GNUC_UNUSED)
{
  static char text[4096];
  char *place = make_place ();
  g_autofree char *path = g_build_filename (place, "s", NULL);
  int listening = pvt_transport_listen_unix (path, NULL), guest, left = 0;
  PvtConsole *console = pvt_console_new (path, NULL);
  g_autoptr (GBytes) tail = NULL;
  gsize sent = 0;

  assert_non_null (console);
  guest = accept (listening, NULL, NULL);
  while (send (guest, text, sizeof text, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof text)
    sent += sizeof text;
  assert_in_range (sent, PVT_CONSOLE_MAX + 1, G_MAXINT);
  g_main_context_iteration (NULL, TRUE);
  assert_int_equal (ioctl (guest, TIOCOUTQ, &left), 0);
  assert_in_range (left, 1, G_MAXINT);
  /* What is kept in the end is the end. */
  tail = pvt_console_tail (console);
  assert_int_equal (g_bytes_get_size (tail), PVT_CONSOLE_MAX);
  assert_int_equal (ioctl (guest, TIOCOUTQ, &left), 0);
  assert_int_equal (left, 0);
  pvt_console_free (console);
  close (guest);
  close (listening);
  remove_place (place);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (lists),
    cmocka_unit_test (names),
    cmocka_unit_test (pstore_is_kept_once),
    cmocka_unit_test (the_oldest_go),
    cmocka_unit_test (ids),
    cmocka_unit_test (half_a_crash_leaves_nothing),
    cmocka_unit_test (a_long_console_is_read_in_parts),
  };

  return cmocka_run_group_tests_name ("health-crash", tests, NULL, NULL);
}
