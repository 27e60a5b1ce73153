/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a virtual machine monitor and says when its guest said what:
 *
 *   vmm-watch [--tap NAME=ADDRESS] [--until TEXT] [--seconds N] -- COMMAND...
 *
 * The guest's serial port is the command's standard output. Every line of it is printed
 * behind the microseconds since before the fork. When a line begins with TEXT, what the
 * monitor needs besides guest memory is measured, and it is killed. "exec" is the time
 * until its first byte. A tap that is named is made, and stays.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_ 256u

static long long
now_us (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void
die (const char *what)
{
  fprintf (stderr, "vmm-watch: %s: %s\n", what, strerror (errno));
  exit (1);
}

/* "tap0=10.9.0.1": with virtio's header, so that offloads pass (tuntap.rst). */
static void
make_tap (char *text)
{
  struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
  struct sockaddr_in *addr = (struct sockaddr_in *) &request.ifr_addr;
  char *address = strchr (text, '=');
  int tun = open ("/dev/net/tun", O_RDWR | O_CLOEXEC), sock = socket (AF_INET, SOCK_DGRAM, 0);

  if (address == NULL || tun < 0 || sock < 0)
    die ("--tap");
  *address++ = '\0';
  strncpy (request.ifr_name, text, IFNAMSIZ - 1);
  if (ioctl (tun, TUNSETIFF, &request) < 0 || ioctl (tun, TUNSETPERSIST, 1) < 0)
    die ("the tap");
  *addr = (struct sockaddr_in){ .sin_family = AF_INET };
  inet_pton (AF_INET, address, &addr->sin_addr);
  if (ioctl (sock, SIOCSIFADDR, &request) < 0)
    die ("its address");
  inet_pton (AF_INET, "255.255.255.0", &addr->sin_addr);
  ioctl (sock, SIOCSIFNETMASK, &request);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl (sock, SIOCSIFFLAGS, &request) < 0)
    die ("the tap, up");
  close (sock);
  close (tun);
}

/* Parent of a process (proc(5), /proc/PID/stat; the name may hold anything but ')' last). */
static int
parent_of (const char *pid)
{
  char path[64], text[512], *behind;
  int parent = 0;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%.20s/stat", pid);
  file = fopen (path, "re");
  if (file == NULL)
    return 0;
  if (fgets (text, sizeof text, file) && (behind = strrchr (text, ')')) != NULL)
    sscanf (behind + 1, " %*c %d", &parent);
  fclose (file);
  return parent;
}

/* KiB of all mappings but guest memory, which both kinds of monitor have in a memfd. */
static void
add_memory (const char *pid, long *pss, long *private)
{
  char path[64], line[512];
  int guest = 0;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%.20s/smaps", pid);
  file = fopen (path, "re");
  if (file == NULL)
    return;
  while (fgets (line, sizeof line, file))
    {
      unsigned long start, end;
      long kib;

      if (sscanf (line, "%lx-%lx ", &start, &end) == 2)
        guest = strstr (line, "/memfd:") != NULL;
      else if (!guest && sscanf (line, "Pss: %ld", &kib) == 1)
        *pss += kib;
      else if (!guest && (sscanf (line, "Private_Clean: %ld", &kib) == 1
                          || sscanf (line, "Private_Dirty: %ld", &kib) == 1))
        *private += kib;
    }
  fclose (file);
}

static void
say_memory (pid_t monitor)
{
  long pss = 0, private = 0;
  DIR *proc = opendir ("/proc");
  struct dirent *entry;

  while (proc && (entry = readdir (proc)) != NULL)
    if (atoi (entry->d_name) == monitor || parent_of (entry->d_name) == monitor)
      add_memory (entry->d_name, &pss, &private);
  if (proc)
    closedir (proc);
  printf ("pss %ld\nprivate %ld\n", pss, private);
}

static pid_t
start (char **command, int *output)
{
  int fds[2];
  pid_t pid;

  if (pipe2 (fds, O_CLOEXEC) < 0)
    die ("pipe");
  pid = fork ();
  if (pid < 0)
    die ("fork");
  if (pid == 0)
    {
      int null = open ("/dev/null", O_RDONLY);

      dup2 (null, STDIN_FILENO);
      dup2 (fds[1], STDOUT_FILENO);
      execvp (command[0], command);
      die (command[0]);
    }
  close (fds[1]);
  *output = fds[0];
  return pid;
}

/* 1 when @until came, 0 at the end of the output, -1 when the time is up. */
static int
follow (int output, long long began, const char *until, int seconds)
{
  char line[LINE_MAX_];
  size_t len = 0;
  int first = 1;

  for (;;)
    {
      struct pollfd wait = { .fd = output, .events = POLLIN };
      long long left = began + seconds * 1000000LL - now_us ();
      char c;

      if (left <= 0 || poll (&wait, 1, (int) (left / 1000) + 1) == 0)
        return -1;
      if (read (output, &c, 1) != 1)
        return 0;
      if (first)
        printf ("exec %lld\n", now_us () - began);
      first = 0;
      if (c != '\n' && c != '\r' && len < sizeof line - 1)
        line[len++] = c;
      if (c != '\n')
        continue;
      line[len] = '\0';
      len = 0;
      printf ("%lld %s\n", now_us () - began, line);
      if (until && strncmp (line, until, strlen (until)) == 0)
        return 1;
    }
}

int
main (int argc, char **argv)
{
  const char *until = NULL;
  int at = 1, seconds = 60, output, ret;
  long long began;
  pid_t pid;

  for (; at + 1 < argc && strcmp (argv[at], "--") != 0; at += 2)
    if (strcmp (argv[at], "--tap") == 0)
      make_tap (argv[at + 1]);
    else if (strcmp (argv[at], "--until") == 0)
      until = argv[at + 1];
    else if (strcmp (argv[at], "--seconds") == 0)
      seconds = atoi (argv[at + 1]);
  if (at + 1 >= argc)
    return fputs ("usage: vmm-watch [OPTION VALUE]... -- COMMAND...\n", stderr), 2;
  began = now_us ();
  pid = start (argv + at + 1, &output);
  ret = follow (output, began, until, seconds);
  if (ret == 1)
    say_memory (pid);
  kill (pid, SIGKILL);
  while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
    continue;
  if (ret < 0)
    fprintf (stderr, "vmm-watch: '%s' did not come in %d s\n", until ? until : "an end", seconds);
  return ret < 0 || (until && ret == 0);
}
