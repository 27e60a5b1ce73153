/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every example of the schema decodes, encodes, copies and decodes to the same. */
#include "tap-main.h"

#include "protocol/codec/decode.h"
#include "protocol/codec/encode.h"
#include "protocol/codec/guard.h"
#include "protocol/codec/object.h"
#include "pvt-commands.h"
#include "pvt-examples.h"

static void
assert_json (const char *text, gsize len)
{
  g_autofree char *wrapped = g_strdup_printf ("{\"x\":%.*s}", (int) len, text);
  PvtGuard guard;
  gsize consumed;

  pvt_guard_init (&guard);
  assert_int_equal (pvt_guard_feed (&guard, wrapped, strlen (wrapped), &consumed), PVT_GUARD_DONE);
}

/* Decodes text as a field, encodes it, decodes that and encodes again. */
static void
round_trip (const PvtField *field, PvtDecodeMode mode, const char *text)
{
  gpointer value[2] = { NULL, NULL };
  PvtBuf first = { NULL, 0, 0 }, second = { NULL, 0, 0 };
  g_autoptr (GError) error = NULL;
  PvtCursor cursor;

  assert_json (text, strlen (text));
  pvt_cursor_init (&cursor, text, strlen (text));
  if (!pvt_decode_field (&cursor, field, mode, value, &error))
    fail_msg ("%s: %s", text, error->message);
  pvt_encode_field (&first, field, value);
  assert_json (first.data, first.len);
  pvt_field_clear (field, value);
  pvt_cursor_init (&cursor, first.data, first.len);
  assert_true (pvt_decode_field (&cursor, field, mode, value, NULL));
  pvt_encode_field (&second, field, value);
  assert_int_equal (first.len, second.len);
  assert_memory_equal (first.data, second.data, first.len);
  if (field->type && !(field->flags & PVT_FIELD_ARRAY) && field->type->kind != PVT_KIND_ENUM)
    {
      gpointer copy = pvt_object_copy (field->type, value[0]);

      second.len = 0;
      pvt_encode_object (&second, field->type, copy);
      assert_memory_equal (first.data, second.data, first.len);
      pvt_object_free (field->type, copy);
    }
  pvt_field_clear (field, value);
  pvt_buf_clear (&first);
  pvt_buf_clear (&second);
}

static void
examples_round_trip (void **state G_GNUC_UNUSED)
{
  for (guint i = 0; i < G_N_ELEMENTS (pvt_examples); i++)
    {
      const PvtCommandInfo *info = &pvt_command_infos[pvt_examples[i].command];

      if (pvt_examples[i].args)
        {
          PvtField field = { "arguments", 9, PVT_KIND_STRUCT, 0, 0, PVT_NO_OFFSET, 0, 0,
                             info->args, 0, 0 };

          round_trip (&field, PVT_DECODE_STRICT, pvt_examples[i].args);
        }
      if (pvt_examples[i].returns)
        round_trip (info->returns, PVT_DECODE_LENIENT, pvt_examples[i].returns);
    }
}

static void
every_command_has_an_example (void **state G_GNUC_UNUSED)
{
  assert_int_equal (G_N_ELEMENTS (pvt_examples), pvt_n_command_infos);
  for (guint i = 0; i < pvt_n_command_infos; i++)
    {
      const PvtCommandInfo *info = &pvt_command_infos[i];

      if (i > 0)
        assert_true (strcmp (pvt_command_infos[i - 1].name, info->name) < 0);
      if (info->returns && pvt_examples[i].returns == NULL)
        fail_msg ("%s has no example of what it returns", info->name);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (examples_round_trip),
    cmocka_unit_test (every_command_has_an_example),
  };

  return cmocka_run_group_tests_name ("examples", tests, NULL, NULL);
}
