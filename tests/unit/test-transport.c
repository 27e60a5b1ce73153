/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "protocol/transport/transport.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;

static int
make_directory (void **state G_GNUC_UNUSED)
{
  directory = g_dir_make_tmp ("pvt-transport-XXXXXX", NULL);
  return directory ? 0 : -1;
}

static int
remove_directory (void **state G_GNUC_UNUSED)
{
  g_rmdir (directory);
  g_free (directory);
  return 0;
}

static void
unix_sockets (void **state G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (directory, "s", NULL);
  g_autoptr (GError) error = NULL;
  int listener = pvt_transport_listen_unix (path, &error), client, second;
  struct stat st;

  assert_null (error);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 0777, 0600);
  client = pvt_transport_connect_unix (path, &error);
  assert_true (client >= 0);
  /* In use: refused. */
  second = pvt_transport_listen_unix (path, &error);
  assert_int_equal (second, -1);
  assert_non_null (strstr (error->message, path));
  g_clear_error (&error);
  close (client);
  close (listener);
  /* Left behind by one that died: replaced. */
  listener = pvt_transport_listen_unix (path, &error);
  assert_true (listener >= 0);
  close (listener);
  assert_int_equal (pvt_transport_connect_unix (path, &error), -1);
  g_unlink (path);
}

static void
no_socket_is_left_alone (void **state G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (directory, "file", NULL);
  g_autoptr (GError) error = NULL;

  assert_true (g_file_set_contents (path, "mine", -1, NULL));
  assert_int_equal (pvt_transport_listen_unix (path, &error), -1);
  assert_true (g_file_test (path, G_FILE_TEST_IS_REGULAR));
  g_clear_error (&error);
  assert_int_equal (pvt_transport_open_port (path, &error), -1);
  assert_non_null (strstr (error->message, "not a character device"));
  g_unlink (path);
}

static void
vsock_addresses (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    const char *text;
    gboolean ok;
    guint32 cid, port;
  } cases[] = { { "3:1234", TRUE, 3, 1234 },        { "any:5", TRUE, G_MAXUINT32, 5 },
                { "host:0x10", TRUE, 2, 16 },       { "3", FALSE, 0, 0 },
                { "3:4:5", FALSE, 0, 0 },           { ":4", FALSE, 0, 0 },
                { "-1:4", FALSE, 0, 0 },            { "3:", FALSE, 0, 0 },
                { "4294967296:1", FALSE, 0, 0 },    { "3:4x", FALSE, 0, 0 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint32 cid = 0, port = 0;

      assert_int_equal (pvt_transport_parse_vsock (cases[i].text, &cid, &port, NULL), cases[i].ok);
      assert_int_equal (cid, cases[i].cid);
      assert_int_equal (port, cases[i].port);
    }
}

/* Whoever is heard can be root. */
static void
vsock_peers (void **state G_GNUC_UNUSED)
{
  assert_true (pvt_transport_trusts (2, 1, 3));
  assert_true (pvt_transport_trusts (2, 4000000000u, 3));
  assert_true (pvt_transport_trusts (1, 1023, 3));
  assert_true (pvt_transport_trusts (3, 1023, 3));
  /* Any user of this machine, by both of its addresses. */
  assert_false (pvt_transport_trusts (1, 1024, 3));
  assert_false (pvt_transport_trusts (3, 1024, 3));
  /* A guest of this machine's own, a sibling's, nobody's. */
  assert_false (pvt_transport_trusts (4, 1000, 3));
  assert_false (pvt_transport_trusts (0, 1000, 3));
  assert_false (pvt_transport_trusts (G_MAXUINT32, 1000, 3));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (unix_sockets),
    cmocka_unit_test (no_socket_is_left_alone),
    cmocka_unit_test (vsock_addresses),
    cmocka_unit_test (vsock_peers),
  };

  return cmocka_run_group_tests_name ("transport", tests, make_directory, remove_directory);
}
