/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sends one request line to an agent over and over and says how long answers
 * took: load SOCKET COUNT DEPTH REQUEST. DEPTH 1 measures latency; more keeps
 * that many requests under way and measures throughput. Prints
 * "p50_us p99_us per_second bytes".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static double
now_us (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

static int
connect_to (const char *path)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  if (fd < 0 || strlen (path) >= sizeof addr.sun_path)
    return -1;
  strcpy (addr.sun_path, path);
  return connect (fd, (struct sockaddr *) &addr, sizeof addr) < 0 ? -1 : fd;
}

static int
write_all (int fd, const char *data, size_t len)
{
  while (len > 0)
    {
      ssize_t n = write (fd, data, len);

      if (n <= 0)
        return -1;
      data += n;
      len -= (size_t) n;
    }
  return 0;
}

static int
by_value (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Reads until that many more lines have come; -1 on end of file. */
static long
read_lines (int fd, long wanted, size_t *bytes)
{
  static char buf[1 << 16];
  long lines = 0;

  while (lines < wanted)
    {
      ssize_t n = read (fd, buf, sizeof buf);

      if (n <= 0)
        return -1;
      *bytes += (size_t) n;
      for (const char *p = buf; (p = memchr (p, '\n', (size_t) (buf + n - p))) != NULL; p++)
        lines++;
    }
  return lines;
}

static int
run_serial (int fd, const char *line, size_t len, long count, double *times, size_t *bytes)
{
  for (long i = 0; i < count; i++)
    {
      double start = now_us ();

      if (write_all (fd, line, len) < 0 || read_lines (fd, 1, bytes) < 0)
        return -1;
      times[i] = now_us () - start;
    }
  return 0;
}

static int
run_pipelined (int fd, const char *line, size_t len, long count, long depth, size_t *bytes)
{
  size_t batch_len = len * (size_t) depth;
  char *batch = malloc (batch_len);
  long done = 0;

  for (long i = 0; batch && i < depth; i++)
    memcpy (batch + (size_t) i * len, line, len);
  while (batch && done < count)
    {
      if (write_all (fd, batch, batch_len) < 0 || read_lines (fd, depth, bytes) < 0)
        break;
      done += depth;
    }
  free (batch);
  return done < count ? -1 : 0;
}

int
main (int argc, char **argv)
{
  long count = argc == 5 ? atol (argv[2]) : 0, depth = argc == 5 ? atol (argv[3]) : 0;
  size_t bytes = 0;
  double *times, start;
  char *line;
  int fd, rc;

  if (count < 1 || depth < 1)
    {
      fprintf (stderr, "usage: load SOCKET COUNT DEPTH REQUEST\n");
      return 2;
    }
  fd = connect_to (argv[1]);
  if (fd < 0)
    {
      fprintf (stderr, "load: %s: %s\n", argv[1], strerror (errno));
      return 1;
    }
  times = calloc ((size_t) count, sizeof *times);
  line = malloc (strlen (argv[4]) + 2);
  if (times == NULL || line == NULL)
    return 1;
  sprintf (line, "%s\n", argv[4]);
  start = now_us ();
  rc = depth == 1 ? run_serial (fd, line, strlen (line), count, times, &bytes)
                  : run_pipelined (fd, line, strlen (line), count, depth, &bytes);
  if (rc < 0)
    {
      fprintf (stderr, "load: the agent hung up\n");
      return 1;
    }
  qsort (times, (size_t) count, sizeof *times, by_value);
  printf ("%.2f %.2f %.0f %zu\n", times[count / 2], times[count - 1 - count / 100],
          (double) count / (now_us () - start) * 1e6, bytes);
  free (times);
  free (line);
  close (fd);
  return 0;
}
