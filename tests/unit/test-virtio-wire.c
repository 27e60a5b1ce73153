/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our wire headers say what Linux's say. */
#include "tap-main.h"

#include "wire-names.h"

static void
headers_agree_with_linux (void **state G_GNUC_UNUSED)
{
  assert_int_equal (n_wire_ours, n_wire_linux);
  assert_true (n_wire_ours > 150);
  for (size_t i = 0; i < n_wire_ours; i++)
    {
      assert_string_equal (wire_ours[i].name, wire_linux[i].name);
      if (wire_ours[i].value != wire_linux[i].value)
        fail_msg ("%s: ours %#" G_GINT64_MODIFIER "x, Linux's %#" G_GINT64_MODIFIER "x",
                  wire_ours[i].name, wire_ours[i].value, wire_linux[i].value);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (headers_agree_with_linux),
  };

  return cmocka_run_group_tests_name ("virtio-wire", tests, NULL, NULL);
}
