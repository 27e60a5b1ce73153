/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's library and QEMU's monitor, against the other side of a socket that a
 * thread plays. */
#include "tap-main.h"

#include "channel-of-qemu.h"
#include "extended.h"
#include "protocol/transport/transport.h"
#include "qmp.h"

#include <glib/gstdio.h>
#include <poll.h>
#include <pvtools.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing comes, or it would have come long before: no test waits for it. */
#define SHORT_MS 300
#define LONG_MS 60000

/* ---- the other side ---- */

typedef struct
{
  char *directory, *path, *address;
  int listening;
  void (*play) (int fd);
  GThread *thread;
} Peer;

static void
say (int fd, const char *data, gsize len)
{
  /* The client may have left already. */
  while (len > 0)
    {
      gssize n = send (fd, data, len, MSG_NOSIGNAL);

      if (n < 0)
        return;
      data += n;
      len -= (gsize) n;
    }
}

static void
say_text (int fd, const char *text)
{
  say (fd, text, strlen (text));
}

/* A line; FALSE when the client has left. */
static gboolean
hear (int fd, GString *line)
{
  char c;

  g_string_truncate (line, 0);
  while (read (fd, &c, 1) == 1)
    {
      g_string_append_c (line, c);
      if (c == '\n')
        return TRUE;
    }
  return FALSE;
}

static gpointer
serve (gpointer data)
{
  Peer *peer = data;
  struct pollfd pfd = { .fd = peer->listening, .events = POLLIN };

  for (;;)
    {
      int fd = poll (&pfd, 1, -1) == 1 ? accept4 (peer->listening, NULL, NULL, SOCK_CLOEXEC) : -1;

      if (fd < 0)
        return NULL;
      peer->play (fd);
      close (fd);
    }
}

static void
start (Peer *peer, void (*play) (int fd))
{
  peer->directory = g_dir_make_tmp ("pvt-client-XXXXXX", NULL);
  peer->path = g_build_filename (peer->directory, "s", NULL);
  peer->address = g_strconcat ("unix:", peer->path, NULL);
  peer->listening = pvt_transport_listen_unix (peer->path, NULL);
  assert_true (peer->listening >= 0);
  peer->play = play;
  peer->thread = g_thread_new ("peer", serve, peer);
}

static void
stop (Peer *peer)
{
  shutdown (peer->listening, SHUT_RDWR);
  g_thread_join (peer->thread);
  close (peer->listening);
  g_unlink (peer->path);
  g_rmdir (peer->directory);
  g_free (peer->directory);
  g_free (peer->path);
  g_free (peer->address);
}

/* ---- QEMU's monitor ---- */

static void
greet_as_qemu (int fd, GString *line)
{
  say_text (fd, "{\"QMP\": {}}\n");
  assert_true (hear (fd, line));
  say_text (fd, "{\"return\": {}}\n");
}

/* Answers the first command with the second. */
static void
late_qemu (int fd)
{
  g_autoptr (GString) line = g_string_new (NULL);

  greet_as_qemu (fd, line);
  if (hear (fd, line) && hear (fd, line))
    say_text (fd, "{\"return\": \"late\"}\n{\"event\": \"STOP\"}\n{\"return\": \"mine\"}\n");
  hear (fd, line);
}

static void
late_answers_of_a_monitor_are_nobodys (void **state G_GNUC_UNUSED)
{
  GError *error = NULL;
  g_autoptr (JsonNode) answer = NULL;
  PvtQmp *qmp;
  Peer peer;

  start (&peer, late_qemu);
  qmp = pvt_qmp_open (peer.path, SHORT_MS, NULL, NULL);
  assert_non_null (qmp);
  assert_null (pvt_qmp_execute (qmp, "transaction", NULL, &error));
  assert_true (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT));
  g_error_free (error);
  answer = pvt_qmp_execute (qmp, "query-block", NULL, NULL);
  assert_non_null (answer);
  assert_string_equal (json_node_get_string (answer), "mine");
  pvt_qmp_close (qmp);
  stop (&peer);
}

static void
hung_qemu (int fd)
{
  g_autoptr (GString) line = g_string_new (NULL);

  greet_as_qemu (fd, line);
  while (hear (fd, line))
    ;
}

static void
leaving_qemu (int fd)
{
  g_autoptr (GString) line = g_string_new (NULL);

  greet_as_qemu (fd, line);
  hear (fd, line);
}

static void
a_silent_monitor_is_no_missing_port (void **state G_GNUC_UNUSED)
{
  GError *error = NULL;
  Peer peer;

  start (&peer, hung_qemu);
  assert_null (pvt_channel_of_qemu (peer.path, "port", SHORT_MS, NULL, &error));
  assert_true (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT));
  assert_non_null (strstr (error->message, "qom-list"));
  g_clear_error (&error);
  stop (&peer);
  start (&peer, leaving_qemu);
  assert_null (pvt_channel_of_qemu (peer.path, "port", LONG_MS, NULL, &error));
  assert_true (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED));
  g_clear_error (&error);
  stop (&peer);
}

/* ---- an agent ---- */

static void
answer_as_agent (int fd, const char *line)
{
  const char *id = strstr (line, "\"id\": ");

  if (strstr (line, "guest-sync-delimited") && id)
    {
      g_autofree char *text = g_strdup_printf ("\xff{\"return\": %" G_GINT64_FORMAT "}\n",
                                               g_ascii_strtoll (id + 6, NULL, 10));

      say_text (fd, text);
    }
  else if (strstr (line, "guest-info"))
    say_text (fd, "{\"return\": {\"version\": \"9\", \"supported_commands\": [{\"name\": \"guest-ping\", "
                  "\"enabled\": true, \"success-response\": true}]}}\n");
  else if (strstr (line, "guest-ping"))
    say_text (fd, "{\"return\": {}}\n");
}

static void
agent (int fd)
{
  g_autoptr (GString) line = g_string_new (NULL);

  while (hear (fd, line))
    answer_as_agent (fd, line->str);
}

static gpointer
ask_what_it_has (gpointer client)
{
  gboolean has = TRUE;

  for (guint i = 0; i < 20; i++)
    has = has && pvt_client_has_command (client, "guest-ping", LONG_MS, NULL, NULL)
          && strcmp (pvt_client_get_agent_version (client, LONG_MS, NULL, NULL), "9") == 0;
  return GINT_TO_POINTER (has);
}

/* What they learn is one client's: AddressSanitizer tells when it is learnt twice. */
static void
threads_share_a_client (void **state G_GNUC_UNUSED)
{
  for (guint round = 0; round < 20; round++)
    {
      PvtClient *client;
      GThread *threads[8];
      Peer peer;

      start (&peer, agent);
      client = pvt_client_connect (peer.address, LONG_MS, NULL, NULL);
      for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        threads[i] = g_thread_new ("asks", ask_what_it_has, client);
      for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        assert_true (GPOINTER_TO_INT (g_thread_join (threads[i])));
      g_object_unref (client);
      stop (&peer);
    }
}

static guint
count_entries (const char *directory)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

static void
thousands_of_calls_leave_nothing (void **state G_GNUC_UNUSED)
{
  guint descriptors = 0, threads = 0;
  Peer peer;

  start (&peer, agent);
  for (guint i = 0; i < 2000; i++)
    {
      g_autoptr (PvtClient) client = pvt_client_connect (peer.address, LONG_MS, NULL, NULL);

      assert_true (pvt_client_guest_ping (client, -1, NULL, NULL));
      assert_null (pvt_client_connect ("unix:/nowhere", LONG_MS, NULL, NULL));
      if (i == 0)
        {
          descriptors = count_entries ("/proc/self/fd");
          threads = count_entries ("/proc/self/task");
        }
      /* Of the peer's, the last connection may still be open. */
      assert_true (count_entries ("/proc/self/fd") <= descriptors + 1);
    }
  assert_int_equal (count_entries ("/proc/self/task"), threads);
  stop (&peer);
}

static gpointer
cancel (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
silent (int fd)
{
  g_autoptr (GString) line = g_string_new (NULL);

  while (hear (fd, line))
    ;
}

static void
a_wait_is_cancelled (void **state G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  PvtClient *client;
  GThread *thread;
  Peer peer;

  start (&peer, silent);
  client = pvt_client_connect (peer.address, LONG_MS, NULL, NULL);
  thread = g_thread_new ("cancels", cancel, cancellable);
  assert_false (pvt_client_guest_ping (client, G_MAXINT, cancellable, &error));
  assert_true (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
  g_thread_join (thread);
  g_object_unref (client);
  stop (&peer);
}

typedef struct
{
  PvtClient *client;
  GCancellable *cancellable;
} Call;

static gpointer
call_until_cancelled (gpointer data)
{
  Call *call = data;

  return GINT_TO_POINTER (pvt_client_guest_ping (call->client, G_MAXINT, call->cancellable, NULL));
}

static gint heard_something;

static void
silent_and_known (int fd)
{
  g_autoptr (GString) line = g_string_new (NULL);

  while (hear (fd, line))
    g_atomic_int_set (&heard_something, TRUE);
}

/* A call waits for others of its client as long as it was told to, and no longer. */
static void
a_turn_is_bounded_too (void **state G_GNUC_UNUSED)
{
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  Call call = { NULL, g_cancellable_new () };
  GError *error = NULL;
  GThread *thread;
  Peer peer;

  start (&peer, silent_and_known);
  call.client = pvt_client_connect (peer.address, LONG_MS, NULL, NULL);
  thread = g_thread_new ("calls", call_until_cancelled, &call);
  while (!g_atomic_int_get (&heard_something))
    g_usleep (1000);
  alarm (LONG_MS / 1000);
  assert_false (pvt_client_guest_ping (call.client, SHORT_MS, NULL, &error));
  assert_true (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_BUSY));
  g_clear_error (&error);
  g_cancellable_cancel (cancelled);
  assert_null (pvt_client_execute (call.client, "guest-ping", NULL, G_MAXINT, cancelled, &error));
  assert_true (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
  g_clear_error (&error);
  g_cancellable_cancel (call.cancellable);
  assert_false (GPOINTER_TO_INT (g_thread_join (thread)));
  alarm (0);
  g_object_unref (call.cancellable);
  g_object_unref (call.client);
  stop (&peer);
}

/* ---- an agent's extended channel ---- */

/* The next packet; FALSE when the client has left. */
static gboolean
hear_packet (int fd, PvtPacketParser *parser, PvtPacket *packet)
{
  for (;;)
    {
      gssize n;

      if (pvt_packet_next (parser, packet) == PVT_PACKET_READY)
        return TRUE;
      n = read (fd, pvt_packet_reserve (parser, 4096), 4096);
      if (n <= 0)
        return FALSE;
      pvt_packet_commit (parser, (gsize) n);
    }
}

static void
say_packet (int fd, PvtPacketType type, guint8 channel, guint32 id, const char *text)
{
  PvtBuf out = { 0 };

  pvt_packet_append (&out, type, channel, id, text, strlen (text));
  say (fd, out.data, out.len);
  pvt_buf_clear (&out);
}

static gboolean
greet_as_agent (int fd, PvtPacketParser *parser)
{
  g_autofree char *hello = NULL, *text = NULL;
  const char *nonce;
  PvtPacket packet;

  if (!hear_packet (fd, parser, &packet))
    return FALSE;
  text = g_strndup (packet.data, packet.len);
  nonce = strstr (text, "\"nonce\": \"");
  assert_non_null (nonce);
  hello = g_strdup_printf ("{\"return\": {\"protocol\": 1, \"version\": \"9\", \"nonce\": \"%.16s\", "
                           "\"window\": 524288, \"features\": []}}",
                           nonce + 10);
  say_text (fd, "\xff\xff\xff\xff\xff\xff\xff\xff");
  say_packet (fd, PVT_PACKET_HELLO, 0, packet.id, hello);
  return TRUE;
}

static void
leaving_agent (int fd)
{
  PvtPacketParser parser = { 0 };

  greet_as_agent (fd, &parser);
  pvt_packet_parser_clear (&parser);
}

static gboolean
greet_late_as_agent (int fd, PvtPacketParser *parser)
{
  static const char other[] = "{\"return\": {\"protocol\": 1, \"version\": \"9\", \"nonce\": \"0\", "
                              "\"window\": 524288, \"features\": []}}";

  say_packet (fd, PVT_PACKET_REPLY, 0, 2, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"late\"}}\n");
  say_text (fd, "\xff\xff\xff\xff\xff\xff\xff\xff");
  say_packet (fd, PVT_PACKET_HELLO, 0, 1, other);
  return greet_as_agent (fd, parser);
}

/* It answers what a client asked that was killed, and its greeting; then ours. */
static void
late_agent (int fd)
{
  PvtPacketParser parser = { 0 };
  PvtPacket packet;

  if (greet_late_as_agent (fd, &parser) && hear_packet (fd, &parser, &packet))
    say_packet (fd, PVT_PACKET_REPLY, 0, packet.id, "{\"return\": {}}");
  pvt_packet_parser_clear (&parser);
}

static void
answers_to_another_client_are_passed_over (void **state G_GNUC_UNUSED)
{
  PvtExtended *extended;
  Peer peer;

  start (&peer, late_agent);
  extended = pvt_extended_open (peer.address, LONG_MS, NULL);
  assert_non_null (extended);
  assert_true (pvt_extended_call (extended, &pvt_command_infos[PVT_COMMAND_GUEST_PING], NULL, NULL,
                                  LONG_MS, NULL, NULL, NULL, NULL));
  pvt_extended_close (extended);
  stop (&peer);
}

static gpointer
wait_until_it_left (gpointer extended)
{
  struct pollfd pfd = { .fd = pvt_extended_fd (extended), .events = POLLRDHUP };

  poll (&pfd, 1, LONG_MS);
  return NULL;
}

/* GLib ignores the signal once it has made a socket: this channel is made without. */
static void
a_guest_that_left_is_no_sigpipe (void **state G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  PvtExtended *extended;
  Peer peer;

  signal (SIGPIPE, SIG_DFL);
  start (&peer, leaving_agent);
  extended = pvt_extended_open (peer.address, LONG_MS, NULL);
  assert_non_null (extended);
  wait_until_it_left (extended);
  assert_false (pvt_extended_call (extended, &pvt_command_infos[PVT_COMMAND_GUEST_PING], NULL, NULL,
                                   LONG_MS, NULL, NULL, NULL, &error));
  assert_true (g_error_matches (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED));
  pvt_extended_close (extended);
  stop (&peer);
}

/* Events, 32 MiB of them, before the answer that they would belong to. */
static void
flooding_agent (int fd)
{
  static const char event[] = "{\"event\": \"heartbeat\", \"number\": 1, \"realtime-ns\": 1, \"new\": \"%s\"}";
  g_autofree char *long_text = g_strnfill (64 * 1024, 'x');
  g_autofree char *text = g_strdup_printf (event, long_text);
  PvtPacketParser parser = { 0 };
  PvtPacket packet;

  if (greet_as_agent (fd, &parser) && hear_packet (fd, &parser, &packet))
    {
      for (guint i = 0; i < 512; i++)
        say_packet (fd, PVT_PACKET_DATA, 1, packet.id, text);
      say_packet (fd, PVT_PACKET_REPLY, 0, packet.id,
                  "{\"return\": {\"boot-id\": \"x\", \"queue\": 1, \"events\": [], \"unavailable\": []}}");
      hear_packet (fd, &parser, &packet);
    }
  pvt_packet_parser_clear (&parser);
}

typedef struct
{
  guint events;
  GError *error;
  GMainLoop *loop;
} Heard;

static void
on_event (PvtWatch *watch G_GNUC_UNUSED, const PvtEvent *event G_GNUC_UNUSED, gpointer data)
{
  ((Heard *) data)->events++;
}

static void
on_closed (PvtWatch *watch G_GNUC_UNUSED, const GError *error, gpointer data)
{
  Heard *heard = data;

  heard->error = g_error_copy (error);
  g_main_loop_quit (heard->loop);
}

static void
events_before_the_answer_are_bounded (void **state G_GNUC_UNUSED)
{
  Heard heard = { 0, NULL, g_main_loop_new (NULL, FALSE) };
  PvtWatch *watch;
  Peer peer;

  start (&peer, flooding_agent);
  watch = pvt_watch_new (peer.address);
  pvt_watch_set_heartbeat (watch, 1000);
  g_signal_connect (watch, "event", G_CALLBACK (on_event), &heard);
  g_signal_connect (watch, "closed", G_CALLBACK (on_closed), &heard);
  if (pvt_watch_start (watch, LONG_MS, &heard.error))
    g_main_loop_run (heard.loop);
  assert_true (g_error_matches (heard.error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_PROTOCOL));
  assert_non_null (strstr (heard.error->message, "without end"));
  assert_in_range (heard.events, 0, 64);
  g_error_free (heard.error);
  g_object_unref (watch);
  g_main_loop_unref (heard.loop);
  stop (&peer);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (late_answers_of_a_monitor_are_nobodys),
    cmocka_unit_test (a_silent_monitor_is_no_missing_port),
    cmocka_unit_test (threads_share_a_client),
    cmocka_unit_test (thousands_of_calls_leave_nothing),
    cmocka_unit_test (a_wait_is_cancelled),
    cmocka_unit_test (a_turn_is_bounded_too),
    cmocka_unit_test (answers_to_another_client_are_passed_over),
    cmocka_unit_test (a_guest_that_left_is_no_sigpipe),
    cmocka_unit_test (events_before_the_answer_are_bounded),
  };

  cmocka_set_message_output (CM_OUTPUT_TAP);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
