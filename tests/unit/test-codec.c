/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "protocol/codec/base64.h"
#include "protocol/codec/decode.h"
#include "protocol/codec/encode.h"
#include "protocol/codec/limits.h"
#include "protocol/codec/object.h"
#include "pvt-tables.h"
#include "pvt-types.h"

#include <math.h>

/* Decodes the text into a new struct; the error's text goes to @why. */
static gpointer
decode (const PvtType *type, PvtDecodeMode mode, const char *text, char **why)
{
  g_autoptr (GError) error = NULL;
  gpointer object = g_malloc0 (type->size);
  PvtCursor cursor;

  pvt_cursor_init (&cursor, text, strlen (text));
  *why = NULL;
  if (pvt_decode_object (&cursor, type, mode, object, &error))
    return object;
  *why = g_strdup (error->message);
  g_free (object);
  return NULL;
}

static void
a_buffer_that_never_runs_empty_stays_small (void **state G_GNUC_UNUSED)
{
  PvtBuf buf = { 0 };
  gsize done = 0;
  guint8 written = 0, taken = 0;

  for (guint round = 0; round < 10000; round++)
    {
      for (guint i = 0; i < 100; i++)
        pvt_buf_append_c (&buf, (char) written++);
      /* Ten bytes are always left. */
      for (guint i = round ? 100 : 90; i > 0; i--)
        assert_int_equal ((guint8) buf.data[done++], taken++);
      pvt_buf_settle (&buf, &done, 64);
      assert_int_equal (buf.len - done, 10);
      assert_true (buf.cap <= 1024);
    }
  done = buf.len;
  pvt_buf_settle (&buf, &done, 0);
  assert_int_equal (done, 0);
  assert_null (buf.data);
}

static void
expect_error (const PvtType *type, const char *text, const char *wanted)
{
  g_autofree char *why = NULL;

  assert_null (decode (type, PVT_DECODE_STRICT, text, &why));
  assert_string_equal (why, wanted);
}

static void
errors_name_the_path (void **state G_GNUC_UNUSED)
{
  const PvtType *set = &pvt_guest_set_vcpus_args_type;

  expect_error (set, "{}", "vcpus: the parameter is missing");
  expect_error (set, "{\"vcpus\": 1}", "vcpus: expected an array, got number");
  expect_error (set, "{\"vcpus\": [{\"logical-id\": 0, \"online\": true}, {\"logical-id\": 1, \"online\": 5}]}",
                "vcpus[1].online: expected a boolean, got number");
  expect_error (set, "{\"vcpus\": [{\"logical-id\": 0}]}", "vcpus[0].online: the parameter is missing");
  expect_error (set, "{\"vcpus\": [], \"x\": 1}", "x: unexpected parameter");
  expect_error (set, "{\"vcpus\": [], \"vcpus\": []}", "vcpus: the parameter is there twice");
  expect_error (set, "{\"vcpus\": [{\"logical-id\": -1, \"online\": true}]}",
                "vcpus[0].logical-id: -1 is not an integer from 0 to 1048576");
}

static void
expect_i64 (const char *number, gboolean ok, gint64 value)
{
  g_autofree char *text = g_strdup_printf ("{\"id\": %s}", number), *why = NULL;
  PvtGuestSyncArgs *args = decode (&pvt_guest_sync_args_type, PVT_DECODE_STRICT, text, &why);

  assert_int_equal (args != NULL, ok);
  if (args)
    assert_true (args->id == value);
  pvt_guest_sync_args_free (args);
}

static void
integers_at_their_limits (void **state G_GNUC_UNUSED)
{
  expect_i64 ("0", TRUE, 0);
  expect_i64 ("-0", TRUE, 0);
  expect_i64 ("9223372036854775807", TRUE, G_MAXINT64);
  expect_i64 ("9223372036854775808", FALSE, 0);
  expect_i64 ("-9223372036854775808", TRUE, G_MININT64);
  expect_i64 ("-9223372036854775809", FALSE, 0);
  expect_i64 ("18446744073709551615", FALSE, 0);
  expect_i64 ("100000000000000000000000", FALSE, 0);
  expect_i64 ("1.0", FALSE, 0);
  expect_i64 ("1e2", FALSE, 0);
}

static void
ranges_of_the_schema (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    const char *text;
    gboolean ok;
  } cases[] = { { "{\"interval-ms\": 10}", TRUE },    { "{\"interval-ms\": 9}", FALSE },
                { "{\"interval-ms\": 10000}", TRUE }, { "{\"interval-ms\": 10001}", FALSE },
                { "{\"interval-ms\": -10}", FALSE },  { "{\"interval-ms\": -0}", FALSE },
                { "{}", TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *why = NULL;
      PvtGetRatesArgs *args
          = decode (&pvt_get_rates_args_type, PVT_DECODE_STRICT, cases[i].text, &why);

      assert_int_equal (args != NULL, cases[i].ok);
      pvt_get_rates_args_free (args);
    }
}

static void
texts_are_bounded (void **state G_GNUC_UNUSED)
{
  for (gsize len = 4096; len <= 4097; len++)
    {
      g_autofree char *path = g_strnfill (len, 'p'), *why = NULL;
      g_autofree char *text = g_strdup_printf ("{\"path\": \"%s\"}", path);
      PvtGuestFileOpenArgs *args
          = decode (&pvt_guest_file_open_args_type, PVT_DECODE_STRICT, text, &why);

      assert_int_equal (args != NULL, len == 4096);
      if (args == NULL)
        assert_string_equal (why, "path: more than 4096 bytes");
      pvt_guest_file_open_args_free (args);
    }
}

static void
elements_of_a_peer_are_bounded (void **state G_GNUC_UNUSED)
{
  static const PvtField field = { "return", 6, PVT_KIND_STRUCT, PVT_FIELD_ARRAY, 0, PVT_NO_OFFSET,
                                  0, 0, &pvt_guest_user_type, 0, 0 };

  for (guint extra = 0; extra < 2; extra++)
    {
      GString *text = g_string_new ("[");
      GPtrArray *array = NULL;
      PvtCursor cursor;
      gboolean ok;

      for (guint i = 0; i < PVT_DECODE_MAX_ELEMENTS + extra; i++)
        g_string_append (text, i ? ",{\"user\":\"\",\"login-time\":0}"
                                 : "{\"user\":\"\",\"login-time\":0}");
      g_string_append_c (text, ']');
      pvt_cursor_init (&cursor, text->str, text->len);
      ok = pvt_decode_field (&cursor, &field, PVT_DECODE_LENIENT, &array, NULL);
      assert_int_equal (ok, extra == 0);
      if (array)
        g_ptr_array_unref (array);
      g_string_free (text, TRUE);
    }
}

static void
lenient_passes_over_what_is_new (void **state G_GNUC_UNUSED)
{
  g_autofree char *why = NULL;
  g_autoptr (PvtGuestDiskAddress) address
      = decode (&pvt_guest_disk_address_type, PVT_DECODE_LENIENT,
                "{\"new\": [{}, \"x]\"], \"pci-controller\": {\"domain\": 0, \"bus\": 1, \"slot\": 2, "
                "\"function\": 3}, \"bus-type\": \"quantum\", \"bus\": 0, \"target\": 0, \"unit\": 7}",
                &why);

  assert_non_null (address);
  assert_int_equal (address->unit, 7);
  assert_int_equal (address->pci_controller->slot, 2);
  assert_null (address->serial);
}

static void
unions_and_alternates (void **state G_GNUC_UNUSED)
{
  g_autofree char *why = NULL;
  g_autoptr (PvtGuestCpuStats) stats
      = decode (&pvt_guest_cpu_stats_type, PVT_DECODE_STRICT,
                "{\"cpu\": 3, \"user\": 1, \"nice\": 2, \"system\": 3, \"idle\": 4, \"type\": \"linux\"}",
                &why);
  g_autoptr (PvtGuestFileSeekArgs) by_name = NULL;
  g_autoptr (PvtGuestFileSeekArgs) by_number = NULL;

  assert_non_null (stats);
  assert_int_equal (stats->linux_->cpu, 3);
  assert_false (stats->linux_->has_iowait);
  by_name = decode (&pvt_guest_file_seek_args_type, PVT_DECODE_STRICT,
                    "{\"handle\": 1, \"offset\": 2, \"whence\": \"end\"}", &why);
  assert_int_equal (by_name->whence->branch, PVT_GUEST_FILE_WHENCE_IS_NAME);
  assert_int_equal (by_name->whence->name, PVT_QGA_SEEK_END);
  by_number = decode (&pvt_guest_file_seek_args_type, PVT_DECODE_STRICT,
                      "{\"handle\": 1, \"offset\": 2, \"whence\": 1}", &why);
  assert_int_equal (by_number->whence->branch, PVT_GUEST_FILE_WHENCE_IS_VALUE);
  expect_error (&pvt_guest_cpu_stats_type, "{\"cpu\": 3}", "type: the parameter is missing");
  expect_error (&pvt_guest_cpu_stats_type, "{\"type\": \"vax\"}",
                "type: 'vax' is not one of GuestCpuStatsType's values");
}

static void
expect_base64 (const char *text, gboolean ok, const char *wanted)
{
  g_autofree guint8 *data = NULL;
  gsize len = 0;

  assert_int_equal (pvt_base64_decode (text, strlen (text), &data, &len), ok);
  if (ok)
    {
      assert_int_equal (len, strlen (wanted));
      assert_memory_equal (data, wanted, len);
    }
}

static void
base64_as_clients_send_it (void **state G_GNUC_UNUSED)
{
  expect_base64 ("", TRUE, "");
  expect_base64 ("aA==", TRUE, "h");
  expect_base64 ("aGk=", TRUE, "hi");
  expect_base64 ("aGkh", TRUE, "hi!");
  expect_base64 ("aG\nkh\r\naGk=\n", TRUE, "hi!hi");
  expect_base64 ("a", FALSE, "");
  expect_base64 ("aG", FALSE, "");
  expect_base64 ("aGk", FALSE, "");
  expect_base64 ("a===", FALSE, "");
  expect_base64 ("aGk=x", FALSE, "");
  expect_base64 ("aG?=", FALSE, "");
  expect_base64 ("=", FALSE, "");
}

static void
base64_round_trip (void **state G_GNUC_UNUSED)
{
  guint8 data[256];

  for (guint len = 0; len < sizeof data; len++)
    {
      g_autofree guint8 *back = NULL;
      PvtBuf out = { NULL, 0, 0 };
      gsize back_len;

      data[len] = (guint8) (len * 37);
      pvt_encode_base64 (&out, data, len);
      assert_true (pvt_base64_decode (out.data ? out.data : "", out.len, &back, &back_len));
      assert_int_equal (back_len, len);
      assert_memory_equal (back, data, len);
      pvt_buf_clear (&out);
    }
}

static void
expect_text (const char *in, const char *wanted)
{
  PvtBuf out = { NULL, 0, 0 };

  pvt_encode_string (&out, in);
  assert_int_equal (out.len, strlen (wanted));
  assert_memory_equal (out.data, wanted, out.len);
  pvt_buf_clear (&out);
}

static void
strings_are_always_valid (void **state G_GNUC_UNUSED)
{
  expect_text ("plain", "\"plain\"");
  expect_text ("a\"b\\c\n\r\t\x01\x7f", "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\"");
  expect_text ("\xc3\xa9", "\"\xc3\xa9\"");
  expect_text ("latin\xe9!", "\"latin\xef\xbf\xbd!\"");
  expect_text ("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
  expect_text ("cut\xe2\x82", "\"cut\xef\xbf\xbd\xef\xbf\xbd\"");
  expect_text (NULL, "\"\"");
}

static void
expect_number (double in, const char *wanted)
{
  PvtBuf out = { NULL, 0, 0 };

  pvt_encode_f64 (&out, in);
  pvt_buf_append_c (&out, '\0');
  assert_string_equal (out.data, wanted);
  pvt_buf_clear (&out);
}

static void
numbers_are_plain (void **state G_GNUC_UNUSED)
{
  PvtBuf out = { NULL, 0, 0 };

  expect_number (0.1, "0.1");
  expect_number (1763700000.5, "1763700000.5");
  expect_number (3, "3");
  expect_number (-0.25, "-0.25");
  expect_number (NAN, "0");
  expect_number (INFINITY, "0");
  expect_number (1.0 / 3, "0.33333333333333331");
  pvt_encode_i64 (&out, G_MININT64);
  pvt_buf_append_c (&out, ' ');
  pvt_encode_u64 (&out, G_MAXUINT64);
  pvt_buf_append_c (&out, '\0');
  assert_string_equal (out.data, "-9223372036854775808 9223372036854775807");
  pvt_buf_clear (&out);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_buffer_that_never_runs_empty_stays_small),
    cmocka_unit_test (errors_name_the_path),
    cmocka_unit_test (integers_at_their_limits),
    cmocka_unit_test (ranges_of_the_schema),
    cmocka_unit_test (texts_are_bounded),
    cmocka_unit_test (elements_of_a_peer_are_bounded),
    cmocka_unit_test (lenient_passes_over_what_is_new),
    cmocka_unit_test (unions_and_alternates),
    cmocka_unit_test (base64_as_clients_send_it),
    cmocka_unit_test (base64_round_trip),
    cmocka_unit_test (strings_are_always_valid),
    cmocka_unit_test (numbers_are_plain),
  };

  return cmocka_run_group_tests_name ("codec", tests, NULL, NULL);
}
