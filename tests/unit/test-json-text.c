/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as text that every reader of JSON takes. */
#include "tap-main.h"

#include "host-side/cli/json-text.h"

static void
repaired (void **state G_GNUC_UNUSED)
{
  static const struct
  {
    const char *before, *after;
  } cases[] = {
    { "[1e-10.0]", "[1e-10]" },
    { "{\"a\":-1e+308.0,\"b\":1.0}", "{\"a\":-1e+308,\"b\":1.0}" },
    { "[1.5e-07,1e+20.0]", "[1.5e-07,1e+20]" },
    { "[\"1e-10.0\",\"\\\"e+1.0\",\"\\\\\",1e-10.0]", "[\"1e-10.0\",\"\\\"e+1.0\",\"\\\\\",1e-10]" },
    { "[true,false,null,\"\"]", "[true,false,null,\"\"]" },
    { "\"open", "\"open" },
    { "\"open\\", "\"open\\" },
    { "", "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup (cases[i].before);

      pvt_json_repair (text);
      assert_string_equal (text, cases[i].after);
    }
}

/* Whatever the library writes is read back. */
static void
numbers_are_read_back (void **state G_GNUC_UNUSED)
{
  static const double values[] = { 0, 1, -1e308, 1e-10, 1e17, 1e16, 123456789.125, 5e-324, 0.1 };

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (JsonNode) node = json_node_init_double (json_node_alloc (), values[i]);
      g_autofree char *text = pvt_json_text (node, FALSE);
      char *end;

      assert_true (g_ascii_strtod (text, &end) == values[i]);
      assert_int_equal (*end, '\0');
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (repaired),
    cmocka_unit_test (numbers_are_read_back),
  };

  return cmocka_run_group_tests_name ("json-text", tests, NULL, NULL);
}
