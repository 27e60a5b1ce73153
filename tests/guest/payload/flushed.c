/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* flushed write DISK: blocks of 4 KiB one behind the other, eight and then a flush, and a line
 * "DISK flushed N" when N blocks are to stay whatever happens; for ever, or to the disk's end.
 * flushed check DISK N: whether the first N are there. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS 512

/* Another one for each block and place in it. */
static void
fill (uint64_t *words, uint64_t block)
{
  uint64_t state = block * 0x9e3779b97f4a7c15u + 1;

  for (unsigned i = 0; i < WORDS; i++)
    {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      words[i] = state;
    }
}

static int
write_on (int fd, const char *name)
{
  uint64_t words[WORDS];

  for (uint64_t n = 0;; n++)
    {
      fill (words, n);
      if (pwrite (fd, words, sizeof words, (off_t) (n * sizeof words)) != sizeof words)
        return 0;
      if (n % 8 != 7)
        continue;
      if (fdatasync (fd) < 0)
        return 1;
      printf ("%s flushed %llu\n", name, (unsigned long long) n + 1);
      fflush (stdout);
    }
}

static int
check (int fd, uint64_t count)
{
  uint64_t want[WORDS], have[WORDS];

  for (uint64_t n = 0; n < count; n++)
    {
      fill (want, n);
      if (pread (fd, have, sizeof have, (off_t) (n * sizeof have)) != sizeof have
          || memcmp (have, want, sizeof have) != 0)
        {
          printf ("block %llu of %llu is lost\n", (unsigned long long) n, (unsigned long long) count);
          return 1;
        }
    }
  printf ("%llu are there\n", (unsigned long long) count);
  return 0;
}

int
main (int argc, char **argv)
{
  int fd = argc > 2 ? open (argv[2], argc == 3 ? O_RDWR : O_RDONLY) : -1;

  if (fd < 0)
    return 2;
  return argc == 3 ? write_on (fd, argv[2]) : check (fd, strtoull (argv[3], NULL, 10));
}
