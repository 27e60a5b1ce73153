/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "address.h"
#include "json-tree.h"
#include "pvt-error.h"
#include "session.h"

G_DEFINE_QUARK (pvt-client-error-quark, pvt_client_error)

#define PING "{\"execute\": \"guest-ping\"}\n"

static void
feed (PvtSession *session, const char *text)
{
  memcpy (pvt_session_reserve (session, strlen (text)), text, strlen (text));
  pvt_session_received (session, strlen (text));
}

static void
expect_output (PvtSession *session, const char *wanted)
{
  const char *data;
  gsize len;

  assert_true (pvt_session_output (session, &data, &len));
  assert_int_equal (len, strlen (wanted));
  assert_memory_equal (data, wanted, len);
  pvt_session_wrote (session, len);
}

static void
syncs_before_the_first_request (void **state G_GNUC_UNUSED)
{
  PvtSession session;
  PvtReply reply;

  pvt_session_init (&session);
  pvt_session_begin (&session, PING, strlen (PING), 77);
  expect_output (&session, "\xff{\"execute\": \"guest-sync-delimited\", \"arguments\": {\"id\": 77}}\n");
  assert_false (pvt_session_request_sent (&session));
  /* Garbage, stale replies, a sync of somebody else, ours without 0xFF. */
  feed (&session, "rubbish\n{\"return\": {}}\n\xff{\"return\": 76}\n{\"return\": 77}\n");
  assert_int_equal (pvt_session_next (&session, &reply, NULL), PVT_SESSION_WAIT);
  assert_false (session.synced);
  feed (&session, "\xff{\"return\": 77}\n");
  assert_int_equal (pvt_session_next (&session, &reply, NULL), PVT_SESSION_WAIT);
  expect_output (&session, PING);
  assert_true (pvt_session_request_sent (&session));
  feed (&session, "{\"return\": {}}\n");
  assert_int_equal (pvt_session_next (&session, &reply, NULL), PVT_SESSION_REPLY);
  assert_memory_equal (reply.result.data, "{}", 2);
  /* In sync: the next one goes out bare. */
  pvt_session_begin (&session, PING, strlen (PING), 78);
  expect_output (&session, PING);
  pvt_session_clear (&session);
}

static void
late_answers_are_nobodys (void **state G_GNUC_UNUSED)
{
  PvtSession session;
  PvtReply reply;

  pvt_session_init (&session);
  session.synced = TRUE;
  pvt_session_begin (&session, PING, strlen (PING), 1);
  expect_output (&session, PING);
  pvt_session_abandon (&session);
  pvt_session_begin (&session, PING, strlen (PING), 2);
  expect_output (&session, "\xff{\"execute\": \"guest-sync-delimited\", \"arguments\": {\"id\": 2}}\n");
  feed (&session, "{\"return\": \"late\"}\n\xff{\"return\": 2}\n");
  assert_int_equal (pvt_session_next (&session, &reply, NULL), PVT_SESSION_WAIT);
  expect_output (&session, PING);
  feed (&session, "{\"return\": \"mine\"}\n");
  assert_int_equal (pvt_session_next (&session, &reply, NULL), PVT_SESSION_REPLY);
  assert_memory_equal (reply.result.data, "\"mine\"", 6);
  pvt_session_clear (&session);
}

static void
endless_rubbish_ends (void **state G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  PvtSession session;
  PvtReply reply;
  PvtSessionEvent event = PVT_SESSION_WAIT;
  guint lines;

  pvt_session_init (&session);
  pvt_session_begin (&session, PING, strlen (PING), 5);
  for (lines = 0; event == PVT_SESSION_WAIT && lines < 2 * PVT_SESSION_MAX_STALE; lines++)
    {
      feed (&session, "{\"return\": 1}\n");
      event = pvt_session_next (&session, &reply, &error);
    }
  assert_int_equal (event, PVT_SESSION_FAILED);
  assert_int_equal (lines, PVT_SESSION_MAX_STALE + 1);
  assert_int_equal (error->code, PVT_CLIENT_ERROR_PROTOCOL);
  pvt_session_clear (&session);
}

static void
a_broken_reply_is_an_error (void **state G_GNUC_UNUSED)
{
  static const char *const texts[] = { "nonsense\n", "{\"return\": 01}\n", "{\"what\": 1}\n" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      PvtSession session;
      PvtReply reply;

      pvt_session_init (&session);
      session.synced = TRUE;
      pvt_session_begin (&session, PING, strlen (PING), 1);
      expect_output (&session, PING);
      feed (&session, texts[i]);
      assert_int_equal (pvt_session_next (&session, &reply, &error), PVT_SESSION_FAILED);
      assert_int_equal (error->code, PVT_CLIENT_ERROR_PROTOCOL);
      assert_false (session.synced);
      pvt_session_clear (&session);
    }
}

static void
trees_keep_numbers (void **state G_GNUC_UNUSED)
{
  static const char text[] = "{\"a\": [1, -9223372036854775808, 18446744073709551615, 1e999, \"\\u0041\"], "
                             "\"b\": null, \"c\": true}";
  g_autoptr (JsonNode) node = pvt_json_tree_new ((PvtSlice){ text, sizeof text - 1 }, NULL);
  JsonArray *array = json_object_get_array_member (json_node_get_object (node), "a");

  assert_int_equal (json_array_get_int_element (array, 0), 1);
  assert_true (json_array_get_int_element (array, 1) == G_MININT64);
  assert_true (json_array_get_double_element (array, 2) > 1.8e19);
  assert_true (json_array_get_double_element (array, 3) == 0);
  assert_string_equal (json_array_get_string_element (array, 4), "A");
  assert_true (json_object_get_null_member (json_node_get_object (node), "b"));
}

static void
addresses (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    const char *text;
    int kind; /* -1: refused */
  } cases[] = { { "unix:/a/b", PVT_ADDRESS_UNIX },   { "/a/b", PVT_ADDRESS_UNIX },
                { "./s", PVT_ADDRESS_UNIX },         { "vsock:3:4", PVT_ADDRESS_VSOCK },
                { "vsock-mux:/a:b:4", PVT_ADDRESS_VSOCK_MUX },
                { "vsock-mux:/a", -1 },              { "vsock-mux::4", -1 },
                { "vsock-mux:/a:", -1 },             { "vsock-mux:/a:-4", -1 },
                { "vsock-mux:/a:4294967295", -1 },   { "vsock-mux:/a:x", -1 },
                { "vsock:x:4", -1 },                 { "vsock:3", -1 },
                { "qemu:/q", PVT_ADDRESS_QEMU },     { "libvirt:vm", PVT_ADDRESS_LIBVIRT },
                { "libvirt:", -1 },                  { "unix:", -1 },
                { "nonsense", -1 },                  { "", -1 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      PvtAddress address;
      gboolean ok = pvt_address_parse (cases[i].text, &address, NULL);

      assert_int_equal (ok ? (int) address.kind : -1, cases[i].kind);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (syncs_before_the_first_request),
    cmocka_unit_test (late_answers_are_nobodys),
    cmocka_unit_test (endless_rubbish_ends),
    cmocka_unit_test (a_broken_reply_is_an_error),
    cmocka_unit_test (trees_keep_numbers),
    cmocka_unit_test (addresses),
  };

  return cmocka_run_group_tests_name ("session", tests, NULL, NULL);
}
