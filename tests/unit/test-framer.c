/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "protocol/codec/limits.h"
#include "protocol/frame/framer.h"

/* What came out, as text: messages in <>, R for a reset, ! for bad bytes. */
static char *
run (const char *data, gsize len, gsize chunk, gsize max)
{
  GString *out = g_string_new (NULL);
  PvtFramer framer;
  PvtFrame frame;

  pvt_framer_init (&framer, max);
  for (gsize at = 0; at < len; at += chunk)
    {
      gsize n = MIN (chunk, len - at);

      memcpy (pvt_framer_reserve (&framer, n), data + at, n);
      pvt_framer_commit (&framer, n);
      while (pvt_framer_next (&framer, &frame) != PVT_FRAME_NONE)
        {
          if (frame.kind == PVT_FRAME_MESSAGE)
            g_string_append_printf (out, "<%.*s>", (int) frame.len, frame.data);
          else
            g_string_append_c (out, frame.kind == PVT_FRAME_RESET ? 'R' : '!');
        }
    }
  pvt_framer_clear (&framer);
  return g_string_free (out, FALSE);
}

static const struct
{
  const char *in;
  const char *out;
} cases[] = {
  { "{}", "<{}>" },
  { "{}\n{}\r\n {}", "<{}><{}><{}>" },
  { "{}{}", "<{}><{}>" },
  { "\n\n  \n", "" },
  { "garbage\n{}", "!<{}>" },
  { "garbage with {} inside\n{}", "!<{}>" },
  { "{} trailing\n{}", "<{}>!<{}>" },
  { "\xff{}", "R<{}>" },
  { "{\"a\xff{}", "R<{}>" },
  { "{\"a\":\xff\xff{}", "RR<{}>" },
  { "garbage\xff{}", "!R<{}>" },
  { "{\"a\":1\n{}", "!<{}>" },
  { "{\"a\":\n{}\n", "!<{}>" },
  { "{\"a\n{}\n", "!<{}>" },
  { "{\n\"a\": [\n1\n]\n}\n", "<{\n\"a\": [\n1\n]\n}>" },
  { "{\"a\": {\n \"b\": 1}}", "<{\"a\": {\n \"b\": 1}}>" },
  { "{]\n{}", "!<{}>" },
  { "[1]\n[2]\n{}", "!!<{}>" },
  { "{\"a\":\"\n\"}\n{}", "!!<{}>" },
};

static void
finds_messages_however_they_come (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize chunk = 1; chunk <= strlen (cases[i].in); chunk++)
      {
        g_autofree char *out = run (cases[i].in, strlen (cases[i].in), chunk, PVT_MESSAGE_MAX);

        assert_string_equal (out, cases[i].out);
      }
}

static void
size_is_bounded (void **state G_GNUC_UNUSED)
{
  static const gsize max = 1000;
  g_autoptr (GString) text = g_string_new ("{\"a\":\"");
  g_autofree char *at_limit = NULL, *past = NULL, *bytewise = NULL;

  while (text->len < max - 2)
    g_string_append_c (text, 'x');
  g_string_append (text, "\"}\n{}");
  at_limit = run (text->str, text->len, text->len, max);
  assert_true (g_str_has_prefix (at_limit, "<{\"a\""));
  assert_true (g_str_has_suffix (at_limit, "<{}>"));
  g_string_insert_c (text, 6, 'x');
  past = run (text->str, text->len, text->len, max);
  assert_string_equal (past, "!<{}>");
  bytewise = run (text->str, text->len, 1, max);
  assert_string_equal (bytewise, "!<{}>");
}

static void
memory_goes_back (void **state G_GNUC_UNUSED)
{
  g_autofree char *big = g_malloc (1 << 20);
  PvtFramer framer;
  PvtFrame frame;

  memset (big, 'x', 1 << 20);
  memcpy (big, "{\"a\":\"", 6);
  memcpy (big + (1 << 20) - 2, "\"}", 2);
  pvt_framer_init (&framer, PVT_MESSAGE_MAX);
  memcpy (pvt_framer_reserve (&framer, 1 << 20), big, 1 << 20);
  pvt_framer_commit (&framer, 1 << 20);
  assert_int_equal (pvt_framer_next (&framer, &frame), PVT_FRAME_MESSAGE);
  assert_int_equal (frame.len, 1 << 20);
  pvt_framer_reserve (&framer, 1);
  assert_true (framer.buf.cap <= PVT_FRAMER_RESTING);
  pvt_framer_clear (&framer);
}

static PvtFrameKind
put (PvtFramer *framer, const char *text, PvtFrame *frame)
{
  memcpy (pvt_framer_reserve (framer, strlen (text)), text, strlen (text));
  pvt_framer_commit (framer, strlen (text));
  return pvt_framer_next (framer, frame);
}

/* A new peer's message after a half one; the rest of one that was cut by the
 * order in which news and data came. */
static void
boundary_drops_only_what_ended (void **state G_GNUC_UNUSED)
{
  PvtFramer framer;
  PvtFrame frame;

  pvt_framer_init (&framer, PVT_MESSAGE_MAX);
  assert_int_equal (put (&framer, "{\"a\": ", &frame), PVT_FRAME_NONE);
  pvt_framer_boundary (&framer);
  assert_int_equal (put (&framer, "{}\n", &frame), PVT_FRAME_MESSAGE);
  assert_int_equal (frame.len, 2);
  assert_int_equal (put (&framer, "{\"a\": ", &frame), PVT_FRAME_NONE);
  pvt_framer_boundary (&framer);
  assert_int_equal (put (&framer, "1}", &frame), PVT_FRAME_MESSAGE);
  assert_int_equal (frame.len, 8);
  pvt_framer_clear (&framer);
}

static void
errors_name_the_byte (void **state G_GNUC_UNUSED)
{
  PvtFramer framer;
  PvtFrame frame;

  pvt_framer_init (&framer, PVT_MESSAGE_MAX);
  assert_int_equal (put (&framer, "{\"a\": 01}\n", &frame), PVT_FRAME_BAD);
  assert_string_equal (frame.error, "Invalid JSON at byte 7: a number must not begin with 0");
  pvt_framer_clear (&framer);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (finds_messages_however_they_come),
    cmocka_unit_test (size_is_bounded),
    cmocka_unit_test (memory_goes_back),
    cmocka_unit_test (boundary_drops_only_what_ended),
    cmocka_unit_test (errors_name_the_byte),
  };

  return cmocka_run_group_tests_name ("framer", tests, NULL, NULL);
}
