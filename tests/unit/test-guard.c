/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "protocol/codec/guard.h"
#include "protocol/codec/limits.h"

static const char *const good[] = {
  "{}",
  "{ }",
  "{\"a\":1}",
  "{\"a\": -0.5e+10, \"b\": [], \"c\": {\"d\": [1, 2, [3]]}}",
  "{\"a\":true,\"b\":false,\"c\":null}",
  "{\"\\u00e9\\ud83d\\ude00\\n\\\"\": \"\\\\\\/\\b\\f\\r\\t\"}",
  "{\"a\":0,\"b\":-0,\"c\":0.0,\"d\":1E9,\"e\":123456789012345678901234567890}",
  "{\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\":\"\x7f\"}",
  "{\r\n\t \"a\"\n:\n1\n}",
};

/* Text and the offset of the byte that cannot be there. */
static const struct
{
  const char *text;
  gsize len;
  gsize offset;
} bad[] = {
#define BAD(text, offset) { text, sizeof (text) - 1, offset }
  BAD ("[1]", 0),
  BAD ("x", 0),
  BAD ("\"a\"", 0),
  BAD ("{,", 1),
  BAD ("{a", 1),
  BAD ("{'a'", 1),
  BAD ("{\"a\" 1", 5),
  BAD ("{\"a\":}", 5),
  BAD ("{\"a\":1,}", 7),
  BAD ("{\"a\":1 2", 7),
  BAD ("{\"a\":[1,]", 8),
  BAD ("{\"a\":[1}", 7),
  BAD ("{\"a\":1]", 6),
  BAD ("{\"a\":01", 6),
  BAD ("{\"a\":-01", 7),
  BAD ("{\"a\":0x1", 6),
  BAD ("{\"a\":.5", 5),
  BAD ("{\"a\":5.}", 7),
  BAD ("{\"a\":+5", 5),
  BAD ("{\"a\":1e}", 7),
  BAD ("{\"a\":1e+}", 8),
  BAD ("{\"a\":--1", 6),
  BAD ("{\"a\":NaN", 5),
  BAD ("{\"a\":nulL", 8),
  BAD ("{\"a\":trux", 8),
  BAD ("{\"a\":\"\n", 6),
  BAD ("{\"a\":\"\x01", 6),
  BAD ("{\"a\":\"\0", 6),
  BAD ("{\"a\":\"\\q", 7),
  BAD ("{\"a\":\"\\0", 7),
  BAD ("{\"a\":\"\\u12g4", 10),
  BAD ("{\"a\":\"\\u0000", 11),
  BAD ("{\"a\":\"\\ud800x", 12),
  BAD ("{\"a\":\"\\ud800\\n", 13),
  BAD ("{\"a\":\"\\ud800\\u0041", 17),
  BAD ("{\"a\":\"\\udc00", 11),
  BAD ("{\"a\":\"\x80", 6),
  BAD ("{\"a\":\"\xc0\x80", 6),
  BAD ("{\"a\":\"\xc1\xbf", 6),
  BAD ("{\"a\":\"\xe0\x9f\xbf", 7),
  BAD ("{\"a\":\"\xed\xa0\x80", 7),
  BAD ("{\"a\":\"\xf0\x8f\xbf\xbf", 7),
  BAD ("{\"a\":\"\xf4\x90\x80\x80", 7),
  BAD ("{\"a\":\"\xf5", 6),
  BAD ("{\"a\":\"\xff", 6),
  BAD ("{\"a\":\"\xc3\x28", 7),
  BAD ("\xef\xbb\xbf{}", 0),
};

/* Feeds in two parts; the total consumed and the outcome must not depend on it. */
static PvtGuardResult
feed_split (const char *text, gsize len, gsize split, gsize *offset)
{
  PvtGuard guard;
  PvtGuardResult result;
  gsize consumed;

  pvt_guard_init (&guard);
  result = pvt_guard_feed (&guard, text, split, &consumed);
  if (result == PVT_GUARD_MORE)
    {
      assert_int_equal (consumed, split);
      result = pvt_guard_feed (&guard, text + split, len - split, &consumed);
    }
  *offset = guard.offset;
  assert_true ((result == PVT_GUARD_BAD) == (guard.error != NULL));
  return result;
}

static void
accepts_what_is_json (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    for (gsize split = 0; split <= strlen (good[i]); split++)
      {
        gsize offset;

        assert_int_equal (feed_split (good[i], strlen (good[i]), split, &offset), PVT_GUARD_DONE);
        assert_int_equal (offset, strlen (good[i]));
      }
}

static void
rejects_with_the_offset (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    for (gsize split = 0; split <= bad[i].len; split++)
      {
        gsize offset;

        assert_int_equal (feed_split (bad[i].text, bad[i].len, split, &offset), PVT_GUARD_BAD);
        assert_int_equal (offset, bad[i].offset);
      }
}

static void
every_prefix_wants_more (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    for (gsize len = 0; len < strlen (good[i]); len++)
      {
        gsize offset;

        assert_int_equal (feed_split (good[i], len, 0, &offset), PVT_GUARD_MORE);
      }
}

static void
stops_behind_the_object (void **state G_GNUC_UNUSED)
{
  PvtGuard guard;
  gsize consumed;

  pvt_guard_init (&guard);
  assert_int_equal (pvt_guard_feed (&guard, "{}{}", 4, &consumed), PVT_GUARD_DONE);
  assert_int_equal (consumed, 2);
}

static PvtGuardResult
feed_depth (guint depth)
{
  g_autoptr (GString) text = g_string_new ("{\"a\":");
  PvtGuard guard;
  gsize consumed;

  for (guint i = 1; i < depth; i++)
    g_string_append_c (text, '[');
  g_string_append_c (text, '1');
  for (guint i = 1; i < depth; i++)
    g_string_append_c (text, ']');
  g_string_append_c (text, '}');
  pvt_guard_init (&guard);
  return pvt_guard_feed (&guard, text->str, text->len, &consumed);
}

static void
depth_is_bounded (void **state G_GNUC_UNUSED)
{
  assert_int_equal (feed_depth (PVT_JSON_MAX_DEPTH), PVT_GUARD_DONE);
  assert_int_equal (feed_depth (PVT_JSON_MAX_DEPTH + 1), PVT_GUARD_BAD);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (accepts_what_is_json),    cmocka_unit_test (rejects_with_the_offset),
    cmocka_unit_test (every_prefix_wants_more), cmocka_unit_test (stops_behind_the_object),
    cmocka_unit_test (depth_is_bounded),
  };

  return cmocka_run_group_tests_name ("guard", tests, NULL, NULL);
}
