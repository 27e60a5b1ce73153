/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user-mode network with the real libslirp and a guest of frames made here: an address
 * by DHCP, ARP, TCP and UDP to the host, TCP from it by hostfwd, what restrict=on leaves,
 * a full queue; and all of it once more in the sandbox. */
#include "tap-main.h"

#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/net/backend.h"
#include "host-side/vmm/virtio/net-device.h"
#include "host-side/vmm/virtio/devices.h"

#include <virtio/net.h>

#ifdef PVT_HAVE_LIBSLIRP
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ETHER 14u
#define GATEWAY 0x0a000202u
#define GUEST 0x0a00020fu
#define NAME_SERVER 0x0a000203u
#define SYN 2u
#define RST 4u
#define PUSH_ACK 0x18u
#define ACK 0x10u
#define PATIENCE 60000 /* ms until something that must come has not */

static const uint8_t our_mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };
static struct net_backend *net;
static uint8_t out[600], in[2048];
static ssize_t in_len;

/* A line that fails is what a child returns: cmocka is at home in one process. */
#define CHECK(condition) \
  do \
    if (!(condition)) \
      { \
        fprintf (stderr, "# line %d: %s\n", __LINE__, #condition); \
        return __LINE__; \
      } \
  while (0)
#define STEP(call) \
  do \
    { \
      int line_ = call; \
      if (line_) \
        return line_; \
    } \
  while (0)

/* ---- frames ---- */

static void
put16 (uint8_t *at, unsigned value)
{
  at[0] = (uint8_t) (value >> 8);
  at[1] = (uint8_t) value;
}

static void
put32 (uint8_t *at, uint32_t value)
{
  put16 (at, value >> 16);
  put16 (at + 2, value & 0xffff);
}

static unsigned
get16 (const uint8_t *at)
{
  return (unsigned) at[0] << 8 | at[1];
}

static uint32_t
get32 (const uint8_t *at)
{
  return (uint32_t) get16 (at) << 16 | get16 (at + 2);
}

static unsigned
sum (const uint8_t *bytes, unsigned len, uint32_t start)
{
  for (unsigned i = 0; i < len; i++)
    start += i % 2 ? bytes[i] : (uint32_t) bytes[i] << 8;
  while (start >> 16)
    start = (start >> 16) + (start & 0xffff);
  return ~start & 0xffff;
}

static bool
transmit (unsigned len)
{
  struct iovec iov = { out, len };
  struct pollfd room = { .fd = net->send_fds[0], .events = POLLOUT };
  ssize_t done;

  while ((done = net->ops->send (net, 0, &iov, 1)) == -EAGAIN)
    if (poll (&room, 1, PATIENCE) != 1)
      return false;
  return done == (ssize_t) len;
}

/* The next frame that @wanted is of; false when none comes. */
static bool
await (bool (*wanted) (void))
{
  struct iovec iov = { in, sizeof in };
  struct pollfd ready = { .fd = net->fds[0], .events = POLLIN };

  for (;;)
    {
      in_len = net->ops->receive (net, 0, &iov, 1);
      if (in_len > 0 && wanted ())
        return true;
      if (in_len == -EAGAIN && poll (&ready, 1, PATIENCE) != 1)
        return false;
      if (in_len < 0 && in_len != -EAGAIN)
        return false;
    }
}

static void
ether (unsigned type, bool to_all)
{
  static const uint8_t gateway[6] = { 0x52, 0x55, 10, 0, 2, 2 };

  memset (out, 0, sizeof out);
  memset (out, 0xff, 6);
  if (!to_all)
    memcpy (out, gateway, 6);
  memcpy (out + 6, our_mac, 6);
  put16 (out + 12, type);
}

/* IPv4 with @len bytes behind its header; the frame's length. */
static unsigned
ip (unsigned protocol, uint32_t from, uint32_t to, unsigned len)
{
  uint8_t *at = out + ETHER;

  at[0] = 0x45;
  put16 (at + 2, 20 + len);
  at[8] = 64;
  at[9] = (uint8_t) protocol;
  put32 (at + 12, from);
  put32 (at + 16, to);
  put16 (at + 10, sum (at, 20, 0));
  return ETHER + 20 + len;
}

static bool
udp (uint32_t to, unsigned from_port, unsigned port, const char *text, unsigned len)
{
  uint8_t *at = out + ETHER + 20;

  ether (0x0800, false);
  put16 (at, from_port);
  put16 (at + 2, port);
  put16 (at + 4, 8 + len); /* no checksum: 0 */
  memcpy (at + 8, text, len);
  return transmit (ip (17, GUEST, to, 8 + len));
}

struct flow
{
  uint32_t peer;
  unsigned port, peer_port;
  uint32_t seq, ack;
};

static bool
tcp (struct flow *flow, unsigned flags, const char *text)
{
  unsigned len = 20 + (unsigned) strlen (text), frame;
  uint8_t *at = out + ETHER + 20;

  ether (0x0800, false);
  put16 (at, flow->port);
  put16 (at + 2, flow->peer_port);
  put32 (at + 4, flow->seq);
  put32 (at + 8, flow->ack);
  at[12] = 5 << 4;
  at[13] = (uint8_t) flags;
  put16 (at + 14, 32000);
  memcpy (at + 20, text, strlen (text));
  frame = ip (6, GUEST, flow->peer, len);
  put16 (at + 16, sum (at - 8, 8 + len, 6 + len));
  flow->seq += (uint32_t) strlen (text) + (flags & SYN ? 1 : 0);
  return transmit (frame);
}

static bool
is_ip (unsigned protocol)
{
  return in_len >= (ssize_t) (ETHER + 28) && get16 (in + 12) == 0x0800 && in[ETHER + 9] == protocol;
}

static bool
is_tcp (void)
{
  return is_ip (6);
}

static bool
is_udp (void)
{
  return is_ip (17);
}

static bool
is_arp_reply (void)
{
  return get16 (in + 12) == 0x0806 && get16 (in + ETHER + 6) == 2;
}

static unsigned
flags_of (void)
{
  return in[ETHER + 33];
}

/* ---- what a guest does ---- */

static void
arp_request (void)
{
  uint8_t *at = out + ETHER;

  ether (0x0806, true);
  put16 (at, 1);
  put16 (at + 2, 0x0800);
  at[4] = 6;
  at[5] = 4;
  put16 (at + 6, 1);
  memcpy (at + 8, our_mac, 6);
  put32 (at + 14, GUEST);
  put32 (at + 24, GATEWAY);
}

static int
arp (void)
{
  arp_request ();
  CHECK (transmit (ETHER + 28));
  CHECK (await (is_arp_reply));
  CHECK (get32 (in + ETHER + 14) == GATEWAY);
  CHECK (memcmp (in + ETHER + 8, (const uint8_t[]){ 0x52, 0x55, 10, 0, 2, 2 }, 6) == 0);
  return 0;
}

/* RFC 2131; the answer's type, address and server are at the places libslirp puts them. */
static int
dhcp (unsigned type, unsigned answer)
{
  uint8_t *at = out + ETHER + 28, *options = at + 240, *end = options;
  const uint8_t *got = in + ETHER + 28;

  ether (0x0800, true);
  put16 (out + ETHER + 20, 68);
  put16 (out + ETHER + 22, 67);
  put16 (out + ETHER + 24, 8 + 300);
  memcpy (at, (const uint8_t[]){ 1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef }, 8);
  memcpy (at + 28, our_mac, 6);
  put32 (at + 236, 0x63825363);
  memcpy (end, (const uint8_t[]){ 53, 1, (uint8_t) type }, 3);
  end += 3;
  if (type == 3)
    {
      memcpy (end, (const uint8_t[]){ 50, 4, 10, 0, 2, 15 }, 6);
      end += 6;
    }
  *end = 255;
  CHECK (transmit (ip (17, 0, 0xffffffff, 8 + 300)));
  CHECK (await (is_udp));
  CHECK (in_len > (ssize_t) (ETHER + 28 + 243) && get32 (got + 4) == 0xdeadbeef);
  CHECK (got[240] == 53 && got[242] == answer);
  CHECK (get32 (got + 16) == GUEST);
  return 0;
}

/* A socket of the host on 127.0.0.1 with a port that the kernel chose. */
static int
host_socket (int type, unsigned *port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
  socklen_t len = sizeof address;
  int fd = socket (AF_INET, type | SOCK_CLOEXEC, 0);

  assert_true (fd >= 0);
  assert_int_equal (bind (fd, (struct sockaddr *) &address, len), 0);
  assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &len), 0);
  *port = ntohs (address.sin_port);
  return fd;
}

/* The guest connects to the host's loopback: the gateway stands for it. */
static int
tcp_to_host (int listener, unsigned port)
{
  struct flow flow = { GATEWAY, 40000, port, 1000, 0 };
  char got[8] = "";
  int fd;

  CHECK (tcp (&flow, SYN, ""));
  CHECK (await (is_tcp));
  CHECK (flags_of () == (SYN | ACK) && get32 (in + ETHER + 28) == 1001);
  flow.ack = get32 (in + ETHER + 24) + 1;
  CHECK (tcp (&flow, ACK, ""));
  CHECK (tcp (&flow, PUSH_ACK, "knock"));
  fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  CHECK (fd >= 0);
  CHECK (recv (fd, got, 5, MSG_WAITALL) == 5 && strcmp (got, "knock") == 0);
  CHECK (tcp (&flow, RST, ""));
  close (fd);
  return 0;
}

static int
udp_to_host (int fd, unsigned port)
{
  struct sockaddr_in from;
  socklen_t len = sizeof from;
  char got[8] = "";

  CHECK (udp (GATEWAY, 40001, port, "ping", 4));
  CHECK (recvfrom (fd, got, sizeof got, 0, (struct sockaddr *) &from, &len) == 4);
  CHECK (sendto (fd, "pong", 4, 0, (struct sockaddr *) &from, len) == 4);
  CHECK (await (is_udp));
  CHECK (get16 (in + ETHER + 20) == port && memcmp (in + ETHER + 28, "pong", 4) == 0);
  return 0;
}

/* A program of the host connects to a port that is forwarded to the guest's port 7. */
static int
tcp_from_host (unsigned port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) port),
                                 .sin_addr = { htonl (INADDR_LOOPBACK) } };
  struct flow flow = { .port = 7, .seq = 5000 };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char got[8] = "";

  CHECK (fd >= 0 && connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  CHECK (await (is_tcp));
  CHECK (flags_of () == SYN && get16 (in + ETHER + 22) == 7 && get32 (in + ETHER + 16) == GUEST);
  flow.peer = get32 (in + ETHER + 12);
  flow.peer_port = get16 (in + ETHER + 20);
  flow.ack = get32 (in + ETHER + 24) + 1;
  CHECK (tcp (&flow, SYN | ACK, ""));
  CHECK (send (fd, "hello", 5, MSG_NOSIGNAL) == 5);
  do
    CHECK (await (is_tcp));
  while (in_len < (ssize_t) (ETHER + 45));
  CHECK (get32 (in + ETHER + 24) == flow.ack && memcmp (in + ETHER + 40, "hello", 5) == 0);
  flow.ack += 5;
  CHECK (tcp (&flow, PUSH_ACK, "HELLO"));
  CHECK (recv (fd, got, 5, MSG_WAITALL) == 5 && strcmp (got, "HELLO") == 0);
  CHECK (tcp (&flow, RST | ACK, ""));
  close (fd);
  return 0;
}

/* ---- networks ---- */

struct place
{
  int listener, datagrams;
  unsigned tcp_port, udp_port, forwarded;
};

static void
open_place (struct place *place)
{
  place->listener = host_socket (SOCK_STREAM, &place->tcp_port);
  assert_int_equal (listen (place->listener, 1), 0);
  place->datagrams = host_socket (SOCK_DGRAM, &place->udp_port);
}

static void
close_place (const struct place *place)
{
  close (place->listener);
  close (place->datagrams);
}

/* The port is free when it is chosen: somebody may take it before we do. */
static void
open_net (struct place *place, const char *restricted)
{
  char rule[64];
  int ret = -1;

  for (unsigned i = 0; i < 20 && ret < 0; i++)
    {
      struct options options = { 0 };

      close (host_socket (SOCK_STREAM, &place->forwarded));
      snprintf (rule, sizeof rule, "tcp:127.0.0.1:%u-:7", place->forwarded);
      options_add (&options, "user", "on");
      options_add (&options, "hostfwd", rule);
      options_add (&options, "restrict", restricted);
      ret = net_user_new (&options, &net);
    }
  assert_int_equal (ret, 0);
  assert_false (net->header);
  assert_int_equal (net->features, 0);
  assert_int_equal (net->ops->start (net), 0);
}

static int
everything (const struct place *place)
{
  static const char query[] = "\0\1\1\0\0\1\0\0\0\0\0\0\011localhost\0\0\1\0\1";

  STEP (dhcp (1, 2));
  STEP (dhcp (3, 5));
  STEP (arp ());
  STEP (tcp_to_host (place->listener, place->tcp_port));
  STEP (udp_to_host (place->datagrams, place->udp_port));
  STEP (tcp_from_host (place->forwarded));
  /* Whoever answers: what is behind it is served. */
  CHECK (udp (NAME_SERVER, 40002, 53, query, sizeof query - 1));
  STEP (arp ());
  CHECK (atomic_load (&net->dropped) == 0);
  return 0;
}

static void
test_guest (void **state)
{
  struct place place;

  open_place (&place);
  open_net (&place, "off");
  assert_int_equal (everything (&place), 0);
  net->ops->free (net);
  close_place (&place);
}

static void
test_restricted (void **state)
{
  struct flow flow = { .peer = GATEWAY, .port = 40000, .seq = 1000 };
  struct place place;

  open_place (&place);
  open_net (&place, "on");
  assert_int_equal (dhcp (1, 2), 0);
  flow.peer_port = place.tcp_port;
  assert_true (tcp (&flow, SYN, ""));
  assert_true (await (is_tcp));
  assert_true (flags_of () & RST);
  assert_int_equal (tcp_from_host (place.forwarded), 0);
  net->ops->free (net);
  close_place (&place);
}

/* Nobody takes the answers: they are dropped, and later ones come again. */
static void
test_full_queue (void **state)
{
  struct place place;

  open_place (&place);
  open_net (&place, "off");
  arp_request ();
  while (atomic_load (&net->dropped) == 0)
    assert_true (transmit (ETHER + 28));
  assert_int_equal (arp (), 0);
  /* A frame that no network has. */
  assert_int_equal (net->ops->send (net, 0, &(struct iovec){ in, 1519 }, 1), -EMSGSIZE);
  net->ops->free (net);
  close_place (&place);
}

static void
test_sandbox (void **state)
{
  struct place place;
  int status = 0;
  pid_t pid;

  open_place (&place);
  fflush (NULL);
  pid = fork ();
  if (pid == 0)
    {
      open_net (&place, "off");
      if (sandbox_enter () < 0)
        _exit (2);
      _exit (everything (&place) ? 1 : 0);
    }
  assert_true (pid > 0);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);
  close_place (&place);
}

static int
create (const char *text, struct vdev **dev)
{
  g_autofree char *copy = g_strdup (text);
  struct options options = { 0 };

  assert_int_equal (options_parse (&options, copy), 0);
  return net_create (&options, dev);
}

static void
test_options (void **state)
{
  static const char *const bad[] = {
    "user,queues=2", "user,offload=on", "user,tap=x", "tap=x,hostfwd=tcp::1-:1", "user=maybe",
    "user,restrict=1", "user,net=10.0.0.0", "user,net=10.0.0.0/28", "user,net=10.0.0.256/24",
    "user,mtu=65535", "user,hostfwd=tcp", "user,hostfwd=icmp::1-:1", "user,hostfwd=tcp::1",
    "user,hostfwd=tcp::0-:1", "user,hostfwd=tcp::1-:65536", "user,hostfwd=tcp:host:1-:1",
    "user,hostfwd=tcp:1.2.3.4.5.6.7.8.9.10:1-:1", "user,hostfwd=udp::1-:1x",
    "user,hostfwd=tcp:127.0.0.1:1-10.0.2.15:1-", "user,hostfwd=tcp:192.0.2.1:9-:9",
  };
  const uint64_t offloads = VIRTIO_BIT (VIRTIO_NET_F_CSUM) | VIRTIO_BIT (VIRTIO_NET_F_GUEST_CSUM)
                            | VIRTIO_BIT (VIRTIO_NET_F_HOST_TSO4) | VIRTIO_BIT (VIRTIO_NET_F_GUEST_TSO4)
                            | VIRTIO_BIT (VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
  struct vdev *dev = NULL;
  struct net_info info;

  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    if (create (bad[i], &dev) == 0)
      fail_msg ("'%s' was taken", bad[i]);
  assert_int_equal (create ("user,net=192.168.7.0/27,mtu=9000,ipv6=off,host-loopback=off,"
                            "policy=bind-mac=on", &dev), 0);
  assert_int_equal (dev->features & offloads, 0);
  net_describe (dev, &info);
  assert_string_equal (info.backend, "user");
  vdev_free (dev);
}

#else

static void
test_without (void **state)
{
  struct options options = { 0 };
  struct vdev *dev = NULL;

  options_add (&options, "user", "on");
  assert_true (net_create (&options, &dev) < 0);
}

#endif

int
main (void)
{
  const struct CMUnitTest tests[] = {
#ifdef PVT_HAVE_LIBSLIRP
    cmocka_unit_test (test_sandbox), /* first: libslirp remembers files for the process */
    cmocka_unit_test (test_guest),      cmocka_unit_test (test_restricted),
    cmocka_unit_test (test_full_queue), cmocka_unit_test (test_options),
#else
    cmocka_unit_test (test_without),
#endif
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
