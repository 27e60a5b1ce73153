/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

static unsigned tests, failures;
static const char *prefix = "";

static void
put_text (const char *text)
{
  for (; *text; text++)
    guest_put (*text);
}

static void
put_number (uint64_t value, unsigned base)
{
  char digits[20];
  unsigned n = 0;

  do
    {
      digits[n++] = "0123456789abcdef"[value % base];
      value /= base;
    }
  while (value);
  while (n > 0)
    guest_put (digits[--n]);
}

static void
put_signed (int value)
{
  if (value < 0)
    guest_put ('-');
  put_number (value < 0 ? -(int64_t) value : value, 10);
}

void
print (const char *format, ...)
{
  __builtin_va_list args;

  __builtin_va_start (args, format);
  for (; *format; format++)
    {
      if (*format != '%')
        {
          guest_put (*format);
          continue;
        }
      switch (*++format)
        {
        case 's': put_text (__builtin_va_arg (args, const char *)); break;
        case 'u': put_number (__builtin_va_arg (args, unsigned), 10); break;
        case 'x': put_number (__builtin_va_arg (args, unsigned), 16); break;
        case 'd': put_signed (__builtin_va_arg (args, int)); break;
        case 'U': put_number (__builtin_va_arg (args, uint64_t), 10); break;
        default: guest_put (*format); break;
        }
    }
  __builtin_va_end (args);
}

void
check_prefix (const char *text)
{
  prefix = text;
}

bool
check (bool good, const char *what)
{
  tests++;
  failures += !good;
  print ("%s %u - %s: %s\n", good ? "ok" : "not ok", tests, prefix, what);
  return good;
}

bool
check_error (int error, const char *what)
{
  if (error)
    print ("# error %d\n", error);
  return check (error == 0, what);
}

int
check_end (void)
{
  print ("1..%u\n# %u failed\n", tests, failures);
  return tests == 0 || failures > 0;
}
