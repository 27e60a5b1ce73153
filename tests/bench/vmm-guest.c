/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PID 1 of a guest that is measured, and the other end of its network:
 *
 *   vmm-guest serve     takes connections on port 5001
 *   as /init            "up", then for each thing measured "begin NAME" and
 *                       "end NAME COUNT", then "idle"; /proc/cmdline has
 *                       seconds=N, and only=disk or only=net
 *
 * It talks on the serial port. Rates are the reader's: all machines are measured by
 * one clock, outside of them. (Not by outb(): a QEMU that emulates the machine around
 * lets no user at a port any more once the inner QEMU has set the task register again.)
 */
#define _GNU_SOURCE
#include "vmm-guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096u
#define LARGE (1u << 20)
#define DEPTH_MAX 32u

static int serial = -1;

void
say (const char *format, ...)
{
  char text[256];
  va_list arguments;

  va_start (arguments, format);
  vsnprintf (text, sizeof text, format, arguments);
  va_end (arguments);
  for (const char *c = text; *c;)
    {
      ssize_t n = write (serial, c, strlen (c));

      if (n <= 0)
        return;
      c += n;
    }
}

double
seconds_now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void
insert_modules (void)
{
  char name[128], path[256];
  FILE *order = fopen ("/modules/order", "re");

  while (order && fscanf (order, "%127s", name) == 1)
    {
      int fd;

      snprintf (path, sizeof path, "/modules/%s", name);
      fd = open (path, O_RDONLY | O_CLOEXEC);
      if (fd < 0 || (syscall (SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
        say ("error %s: %s\n", name, strerror (errno));
      close (fd);
    }
  if (order)
    fclose (order);
}

/* xorshift: good enough to jump about. */
static uint64_t
next_random (void)
{
  static uint64_t state = UINT64_C (0x9e3779b97f4a7c15);

  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

struct disk_test
{
  const char *name;
  int write;
  unsigned size, depth;
};

static long
submit (aio_context_t context, struct iocb *iocb, uint64_t blocks)
{
  iocb->aio_offset = (long long) (next_random () % blocks * iocb->aio_nbytes);
  return syscall (SYS_io_submit, context, 1, &iocb);
}

/* Keeps @depth requests under way (io_submit(2)), without the guest's page cache. */
static void
disk_run (int fd, const struct disk_test *test, uint64_t size, double seconds)
{
  static struct iocb iocbs[DEPTH_MAX];
  struct io_event events[DEPTH_MAX];
  aio_context_t context = 0;
  uint64_t blocks = size / test->size;
  long count = 0, under_way = 0, n = 0;
  double until;

  if (syscall (SYS_io_setup, DEPTH_MAX, &context) < 0)
    say ("error io_setup: %s\n", strerror (errno));
  say ("begin %s\n", test->name);
  until = seconds_now () + seconds;
  for (unsigned i = 0; i < test->depth; i++, under_way++)
    {
      void *buffer = aligned_alloc (BLOCK, test->size);

      memset (buffer, (int) i, test->size);
      iocbs[i] = (struct iocb){ .aio_fildes = (unsigned) fd, .aio_buf = (uintptr_t) buffer,
                                .aio_nbytes = test->size, .aio_data = i,
                                .aio_lio_opcode = test->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD };
      submit (context, &iocbs[i], blocks);
    }
  while (under_way > 0
         && (n = syscall (SYS_io_getevents, context, 1, (long) DEPTH_MAX, events, NULL)) > 0)
    {
      int goes_on = seconds_now () < until;

      for (long i = 0; i < n; i++)
        {
          if (events[i].res != (long long) test->size)
            say ("error %s: %lld\n", test->name, (long long) events[i].res);
          count++;
          under_way--;
          if (goes_on && submit (context, &iocbs[events[i].data], blocks) == 1)
            under_way++;
        }
    }
  say ("end %s %ld\n", test->name, count);
  syscall (SYS_io_destroy, context);
  for (unsigned i = 0; i < test->depth; i++)
    free ((void *) (uintptr_t) iocbs[i].aio_buf);
}

static void
measure_disk (double seconds)
{
  static const struct disk_test tests[] = {
    { "read-4k-1", 0, BLOCK, 1 },         { "write-4k-1", 1, BLOCK, 1 },
    { "read-4k-32", 0, BLOCK, DEPTH_MAX }, { "write-4k-32", 1, BLOCK, DEPTH_MAX },
    { "read-1m", 0, LARGE, 4 },           { "write-1m", 1, LARGE, 4 },
  };
  unsigned long long size = 0;
  int fd = -1;

  for (unsigned i = 0; i < 500 && fd < 0; i++, usleep (10000))
    fd = open ("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
  if (fd < 0 || ioctl (fd, _IOR (0x12, 114, size_t), &size) < 0) /* BLKGETSIZE64 */
    {
      say ("error /dev/vda: %s\n", strerror (errno));
      return;
    }
  for (unsigned i = 0; i < sizeof tests / sizeof tests[0]; i++)
    disk_run (fd, &tests[i], size, seconds);
  close (fd);
}

/* What is behind @key on the command line; NULL when it is not there. */
static const char *
wanted (const char *key)
{
  static char text[2048];
  const char *word;
  int fd = open ("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t n = read (fd, text, sizeof text - 1);

  close (fd);
  text[n > 0 ? n : 0] = '\0';
  word = strstr (text, key);
  return word ? word + strlen (key) : NULL;
}

int
main (int argc, char **argv)
{
  const char *only;
  double seconds;

  if (argc > 1 && strcmp (argv[1], "serve") == 0)
    return serve ();
  if (getpid () != 1)
    return 1;
  mount ("dev", "/dev", "devtmpfs", 0, NULL);
  serial = open ("/dev/ttyS0", O_WRONLY | O_NOCTTY | O_CLOEXEC);
  say ("up\n");
  mount ("proc", "/proc", "proc", 0, NULL);
  mount ("sys", "/sys", "sysfs", 0, NULL);
  insert_modules ();
  say ("modules\n");
  seconds = wanted ("seconds=") ? atof (wanted ("seconds=")) : 0;
  only = wanted ("only=");
  if (seconds > 0 && (only == NULL || strncmp (only, "disk", 4) == 0))
    measure_disk (seconds);
  if (seconds > 0 && (only == NULL || strncmp (only, "net", 3) == 0))
    measure_network (seconds);
  sleep (1); /* what is asked of memory then is at rest */
  say ("idle\n");
  for (;;)
    pause ();
}
