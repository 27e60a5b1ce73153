/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap-main.h"

#include "protocol/codec/sum64.h"

#define SIZE 1000

/* By another implementation of the same rule. */
#define SUM_OF_NOTHING "c15e82e70586b549"
#define SUM_OF_ALL "2be568c38cfedb85"

static void
sum_in_chunks (const guint8 *data, gsize len, gsize chunk, char text[17])
{
  PvtSum64 sum;

  pvt_sum64_init (&sum);
  for (gsize at = 0; at < len; at += chunk)
    pvt_sum64_add (&sum, data + at, MIN (chunk, len - at));
  pvt_sum64_text (&sum, text);
}

static void
fill (guint8 *data)
{
  for (guint i = 0; i < SIZE; i++)
    data[i] = (guint8) (i * 7 + i / 11);
}

static void
test_cuts_do_not_matter (void **state)
{
  guint8 data[SIZE];
  char whole[17], cut[17];

  (void) state;
  fill (data);
  for (gsize len = 0; len < 100; len++)
    for (gsize chunk = 1; chunk < 70; chunk++)
      {
        sum_in_chunks (data, len, SIZE, whole);
        sum_in_chunks (data, len, chunk, cut);
        assert_string_equal (whole, cut);
      }
}

/* Every flipped bit, lost byte and shorter or longer run of zeros is seen. */
static void
test_changes_are_seen (void **state)
{
  guint8 data[SIZE], zeros[SIZE] = { 0 };
  char good[17], bad[17], last[17] = "";

  (void) state;
  fill (data);
  sum_in_chunks (data, SIZE, SIZE, good);
  for (guint bit = 0; bit < SIZE * 8; bit++)
    {
      data[bit / 8] ^= (guint8) (1 << bit % 8);
      sum_in_chunks (data, SIZE, SIZE, bad);
      data[bit / 8] ^= (guint8) (1 << bit % 8);
      assert_string_not_equal (good, bad);
    }
  sum_in_chunks (data, SIZE - 1, SIZE, bad);
  assert_string_not_equal (good, bad);
  for (gsize len = 0; len < SIZE; len++)
    {
      sum_in_chunks (zeros, len, SIZE, bad);
      assert_string_not_equal (last, bad);
      memcpy (last, bad, sizeof last);
    }
}

static void
test_order_is_seen (void **state)
{
  guint8 data[SIZE], other[SIZE];
  char good[17], bad[17];

  (void) state;
  fill (data);
  sum_in_chunks (data, SIZE, SIZE, good);
  for (gsize at = 0; at + 64 <= SIZE; at += 8)
    {
      memcpy (other, data, SIZE);
      memcpy (other + at, data + at + 32, 32);
      memcpy (other + at + 32, data + at, 32);
      sum_in_chunks (other, SIZE, SIZE, bad);
      assert_string_not_equal (good, bad);
    }
}

/* Both ends must agree over releases. */
static void
test_values_stay (void **state)
{
  guint8 data[SIZE];
  char text[17];

  (void) state;
  fill (data);
  sum_in_chunks (data, 0, SIZE, text);
  assert_string_equal (text, SUM_OF_NOTHING);
  sum_in_chunks (data, SIZE, SIZE, text);
  assert_string_equal (text, SUM_OF_ALL);
}

int
main (void)
{
  const struct CMUnitTest tests[]
      = { cmocka_unit_test (test_cuts_do_not_matter), cmocka_unit_test (test_changes_are_seen),
          cmocka_unit_test (test_order_is_seen), cmocka_unit_test (test_values_stay) };

  return cmocka_run_group_tests_name ("sum64", tests, NULL, NULL);
}
