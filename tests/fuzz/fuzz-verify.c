/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What verify reads of a guest and of an auditor, and what it writes of that: counts that
 * add up, texts with an end, JSON that is text. */
#include "fuzz.h"

#include <glib/gstdio.h>

#include "host-side/vmm/verify/verify.h"

static void
check_json (GPtrArray *corners, GPtrArray *clauses)
{
  g_autofree char *path = NULL, *text = NULL;
  int fd = g_file_open_tmp ("pvt-fuzz-XXXXXX", &path, NULL);
  gsize len = 0;

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (verify_write_json (corners, clauses, path, NULL));
  g_assert_true (g_file_get_contents (path, &text, &len, NULL));
  g_unlink (path);
  for (gsize i = 0; i < len; i++)
    g_assert_true (text[i] == '\n' || (text[i] >= 0x20 && text[i] < 0x7f));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static GPtrArray *clauses;
  g_autoptr (GPtrArray) corners = g_ptr_array_new ();
  struct verify_corner corner = { .name = (char *) "ours/ours/pci/split", .lane = "", .linux_driver = size & 1 };
  g_autofree char *text = size ? g_strndup ((const char *) data + 1, size - 1) : g_strdup ("");

  if (clauses == NULL)
    clauses = verify_clauses_new ();
  corner.wrong = g_string_new (NULL);
  if (size && data[0] & 1)
    verify_take_audit (&corner, text, clauses);
  else
    verify_take_tap (&corner, text, clauses);
  g_assert_cmpuint (corner.wrong->len, <, 70000);
  g_assert_cmpuint (corner.good + corner.bad + corner.findings, <=, size + 1);
  g_ptr_array_add (corners, &corner);
  if (size && data[0] & 2)
    check_json (corners, clauses);
  g_string_free (corner.wrong, TRUE);
  return 0;
}
