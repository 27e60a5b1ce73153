/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest on the user-mode network cannot take from the rest of the process, with the
 * real libslirp: descriptors, and memory for what it begins and never ends. */
#include "tap-main.h"

#include "host-side/vmm/net/backend.h"

#include <stdio.h>

#ifdef PVT_HAVE_LIBSLIRP
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ETHER 14u
#define IP_BYTES 20u
#define PATIENCE 60000
#define OTHERS 300u /* descriptors that consoles, sockets and the control socket may want */

static struct net_backend *net;
static uint8_t frame[1514];

static void
put16 (unsigned at, unsigned value)
{
  frame[at] = (uint8_t) (value >> 8);
  frame[at + 1] = (uint8_t) value;
}

static void
ether (unsigned type)
{
  memset (frame, 0, sizeof frame);
  memset (frame, 0xff, 6);
  memcpy (frame + 6, (uint8_t[]){ 0x52, 0x54, 0, 0, 0, 1 }, 6);
  put16 (12, type);
}

/* From 10.0.2.15 to the host with @len bytes; @fragment: flags and offset. */
static void
ip4 (unsigned proto, unsigned len, unsigned id, unsigned fragment)
{
  static const uint8_t addresses[] = { 10, 0, 2, 15, 10, 0, 2, 2 };
  uint32_t sum = 0;

  ether (0x0800);
  frame[ETHER] = 0x45;
  put16 (ETHER + 2, IP_BYTES + len);
  put16 (ETHER + 4, id);
  put16 (ETHER + 6, fragment);
  frame[ETHER + 8] = 64;
  frame[ETHER + 9] = (uint8_t) proto;
  memcpy (frame + ETHER + 12, addresses, sizeof addresses);
  for (unsigned i = 0; i < IP_BYTES; i += 2)
    sum += (uint32_t) frame[ETHER + i] << 8 | frame[ETHER + i + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  put16 (ETHER + 10, ~(sum + (sum >> 16)) & 0xffff);
}

static void
transmit (unsigned len)
{
  struct iovec iov = { frame, len };
  struct pollfd room = { .fd = net->send_fds[0], .events = POLLOUT };

  while (net->ops->send (net, 0, &iov, 1) == -EAGAIN)
    assert_int_equal (poll (&room, 1, PATIENCE), 1);
}

/* All frames before have been looked at when the gateway answers: ARP always works. */
static void
settle (void)
{
  static const uint8_t arp[] = { 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 1, 10, 0, 2, 15,
                                 0, 0, 0, 0, 0, 0, 10, 0, 2, 2 };
  uint8_t in[2048];
  struct iovec iov = { in, sizeof in };
  struct pollfd ready = { .fd = net->fds[0], .events = POLLIN };
  ssize_t got;

  ether (0x0806);
  memcpy (frame + ETHER, arp, sizeof arp);
  transmit (60);
  do
    {
      got = net->ops->receive (net, 0, &iov, 1);
      if (got == -EAGAIN)
        assert_int_equal (poll (&ready, 1, PATIENCE), 1);
    }
  while (got == -EAGAIN || (got > 0 && (in[12] != 8 || in[13] != 6 || in[21] != 2)));
  assert_true (got > 0);
}

static void
begin (void)
{
  struct options options = { 0 };

  options_add (&options, "user", "on");
  assert_int_equal (net_user_new (&options, &net), 0);
  assert_int_equal (net->ops->start (net), 0);
  settle ();
}

static void
end (void)
{
  net->ops->free (net);
}

/* How many more descriptors there are, up to @wanted. */
static unsigned
descriptors_left (unsigned wanted)
{
  int *fds = g_new (int, wanted);
  unsigned n = 0;

  while (n < wanted && (fds[n] = dup (STDERR_FILENO)) >= 0)
    n++;
  for (unsigned i = 0; i < n; i++)
    close (fds[i]);
  g_free (fds);
  return n;
}

/* A socket of the host's for each port the guest sends from, and for each connection. */
static void
test_descriptors (void **state)
{
  struct rlimit limit = { 1024, 1024 };

  assert_int_equal (setrlimit (RLIMIT_NOFILE, &limit), 0);
  begin ();
  for (unsigned port = 0; port < 2000; port++)
    {
      bool udp = port % 2;

      ip4 (udp ? 17 : 6, udp ? 8 : 20, port, 0);
      put16 (ETHER + IP_BYTES, 10000 + port);
      put16 (ETHER + IP_BYTES + 2, 9); /* discard */
      if (udp)
        put16 (ETHER + IP_BYTES + 4, 8);
      else
        put16 (ETHER + IP_BYTES + 12, 5u << 12 | 2); /* SYN */
      transmit (60);
      settle ();
    }
  assert_int_equal (descriptors_left (OTHERS), OTHERS);
  end ();
}

/* Pieces of datagrams whose other pieces never come, as much as the memory of this process
 * may grow: the network goes on behind them. */
static int
send_fragments (void)
{
  struct rlimit limit;
  g_autofree char *text = NULL;
  unsigned long long pages = 0;

  begin ();
  if (!g_file_get_contents ("/proc/self/statm", &text, NULL, NULL)
      || sscanf (text, "%*u %*u %*u %*u %*u %llu", &pages) != 1)
    return 1;
  limit.rlim_cur = limit.rlim_max = pages * (rlim_t) sysconf (_SC_PAGESIZE) + (48u << 20);
  if (setrlimit (RLIMIT_DATA, &limit) < 0)
    return 2;
  for (unsigned id = 0; id < 30000; id++)
    {
      ip4 (17, 8, id, 0x2000);
      transmit (60);
    }
  settle ();
  end ();
  return 0;
}

static void
test_memory (void **state)
{
  pid_t child = fork ();
  int status = 0;

  if (child == 0)
    _exit (send_fragments ());
  assert_int_equal (waitpid (child, &status, 0), child);
  assert_int_equal (status, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_memory), /* first: it forks, and there is no thread yet */
    cmocka_unit_test (test_descriptors),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
#else
int
main (void)
{
  puts ("1..0 # SKIP built without libslirp");
  return 0;
}
#endif
