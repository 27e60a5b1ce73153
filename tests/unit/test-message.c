/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "protocol/message/pvt-agent-error.h"
#include "protocol/message/reply.h"

static void
expect_request (const char *text, const char *wanted_error, const char *id)
{
  g_autoptr (GError) error = NULL;
  PvtRequest request;
  gboolean ok = pvt_request_parse (text, strlen (text), &request, &error);

  assert_int_equal (ok, wanted_error == NULL);
  if (wanted_error && strcmp (error->message, wanted_error) != 0)
    fail_msg ("%s: got '%s', wanted '%s'", text, error->message, wanted_error);
  assert_int_equal (request.id.data != NULL, id != NULL);
  if (id)
    {
      assert_int_equal (request.id.len, strlen (id));
      assert_memory_equal (request.id.data, id, strlen (id));
    }
}

static void
requests (void **state G_GNUC_UNUSED)
{
  expect_request ("{\"execute\": \"guest-ping\"}", NULL, NULL);
  expect_request ("{\"arguments\": {}, \"execute\": \"guest-ping\", \"id\": [1, {}]}", NULL, "[1, {}]");
  expect_request ("{\"execute\": \"guest-\\u0070ing\"}", NULL, NULL);
  expect_request ("{}", "The request has no 'execute'", NULL);
  expect_request ("{\"execute\": 1, \"id\": 7}", "'execute' must be a string", "7");
  expect_request ("{\"id\": \"a\", \"execute\": \"x\", \"arguments\": 1}",
                  "'arguments' must be an object", "\"a\"");
  expect_request ("{\"exec-oob\": \"guest-ping\", \"id\": null}",
                  "Out-of-band execution ('exec-oob') is not supported", "null");
  expect_request ("{\"execute\": \"x\", \"what\": 1}", "Unexpected member 'what' in the request",
                  NULL);
  expect_request ("{\"execute\": \"x\", \"execute\": \"y\"}",
                  "Unexpected member 'execute' in the request", NULL);
}

static void
deadlines (void **state G_GNUC_UNUSED)
{
  static const char *const bad[] = { "0", "86400001", "99999999999999999999", "-1", "1.5", "1e3",
                                     "\"1\"", "null", "[1]" };
  PvtRequest request;
  const char *text = "{\"execute\": \"x\", \"deadline-ms\": 86400000}";

  assert_true (pvt_request_parse (text, strlen (text), &request, NULL));
  assert_int_equal (request.deadline_ms, 86400000);
  expect_request ("{\"execute\": \"x\", \"deadline-ms\": 1, \"id\": 5}", NULL, "5");
  expect_request ("{\"execute\": \"x\", \"deadline-ms\": 1, \"deadline-ms\": 2}",
                  "Unexpected member 'deadline-ms' in the request", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *line
          = g_strdup_printf ("{\"execute\": \"x\", \"deadline-ms\": %s, \"id\": 1}", bad[i]);

      expect_request (line, "'deadline-ms' must be an integer from 1 to 86400000", "1");
    }
}

static void
expect_line (const PvtBuf *buf, const char *wanted)
{
  assert_int_equal (buf->len, strlen (wanted));
  assert_memory_equal (buf->data, wanted, buf->len);
}

static void
reply_lines (void **state G_GNUC_UNUSED)
{
  g_autoptr (GError) error = g_error_new_literal (
      PVT_AGENT_ERROR, PVT_AGENT_ERROR_COMMAND_NOT_FOUND, "no \"such\" thing");
  static const PvtField number = { "return", 6, PVT_KIND_I64, 0, 0, PVT_NO_OFFSET, 0, 0, NULL, 0, 0 };
  gint64 value = -5;
  PvtBuf out = { NULL, 0, 0 };

  pvt_reply_write (&out, NULL, NULL, (PvtSlice){ NULL, 0 });
  expect_line (&out, "{\"return\": {}}\n");
  out.len = 0;
  pvt_reply_write (&out, &number, &value, (PvtSlice){ "[1,\n2]", 6 });
  expect_line (&out, "{\"return\": -5, \"id\": [1, 2]}\n");
  out.len = 0;
  pvt_reply_write_error (&out, error, (PvtSlice){ NULL, 0 });
  expect_line (&out, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no \\\"such\\\" thing\"}}\n");
  pvt_buf_clear (&out);
}

static void
replies (void **state G_GNUC_UNUSED)
{
  static const char *const texts[]
      = { "{\"return\": {\"a\": 1}, \"id\": 1}", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"d\"}}",
          "{\"error\": {\"class\": \"Strange\"}}", "{\"error\": 5}", "{\"event\": \"X\"}",
          "{\"return\": 1, \"error\": {}}" };
  static const int codes[] = { -1, PVT_AGENT_ERROR_GENERIC, PVT_AGENT_ERROR_OTHER,
                               PVT_AGENT_ERROR_OTHER, -2, -2 };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;
      PvtReply reply = { { NULL, 0 }, NULL };
      gboolean ok = pvt_reply_parse (texts[i], strlen (texts[i]), &reply, &error);

      assert_int_equal (ok, codes[i] != -2);
      if (codes[i] == -1)
        assert_int_equal (reply.result.len, 8);
      else if (codes[i] >= 0)
        assert_int_equal (reply.error->code, codes[i]);
      g_clear_error (&reply.error);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (requests),
    cmocka_unit_test (deadlines),
    cmocka_unit_test (reply_lines),
    cmocka_unit_test (replies),
  };

  return cmocka_run_group_tests_name ("message", tests, NULL, NULL);
}
