/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor: which link between us and a guest's agent is broken, and what helps. */
#include "address.h"
#include "channel-of-qemu.h"
#include "output.h"
#include "qmp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A clock that differs by more is worth a word. */
#define CLOCK_SECONDS 2.0

typedef enum
{
  GOOD,
  NOTE, /* works, but somebody may wonder */
  BAD,
} Verdict;

typedef struct
{
  PvtCli *cli;
  JsonBuilder *json; /* NULL: a line each on standard output */
  GError *failure;   /* of the first broken link */
} Doctor;

static void
add_member (JsonBuilder *builder, const char *name, const char *value)
{
  if (value == NULL)
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

/* One finding. @advice may be NULL. */
static void
say (Doctor *doctor, Verdict verdict, const char *link, const char *finding, const char *advice)
{
  static const char *const names[] = { "ok", "note", "broken" };
  g_autofree char *safe = pvt_safe_text (finding);

  if (doctor->json)
    {
      json_builder_begin_object (doctor->json);
      add_member (doctor->json, "link", link);
      add_member (doctor->json, "verdict", names[verdict]);
      add_member (doctor->json, "finding", safe);
      add_member (doctor->json, "advice", advice);
      json_builder_end_object (doctor->json);
      return;
    }
  printf ("%-7s %-9s %s\n", names[verdict], link, safe);
  if (advice)
    printf ("%18s-> %s\n", "", advice);
}

/* The first broken link decides the exit code. Takes the error over. */
static void
blame (Doctor *doctor, const char *link, GError *error, const char *advice)
{
  say (doctor, BAD, link, error->message, advice);
  if (doctor->failure)
    g_error_free (error);
  else
    doctor->failure = error;
}

static const char *
advice_of_connect (int code)
{
  switch (code)
    {
    case ENOENT:
      return "is the guest running, and is this the path of its chardev (-chardev socket,path=...)?";
    case ECONNREFUSED:
      return "the socket is a left-over: no QEMU listens on it any more. Start the guest";
    case EACCES:
    case EPERM:
      return "you may not open it: become a member of its group, or use sudo";
    case EAGAIN:
      return "others wait for this channel already: it serves one at a time. Who holds it? "
             "(ss -xp)";
    default:
      return NULL;
    }
}

/* Whether there is a socket that takes connections. */
static gboolean
check_socket (Doctor *doctor, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *address = g_strconcat ("unix:", path, NULL);
  g_autofree char *finding = NULL;
  PvtClient *client;
  struct stat st;

  if (stat (path, &st) == 0 && !S_ISSOCK (st.st_mode))
    {
      finding = g_strdup_printf ("%s is not a socket", path);
      blame (doctor, "channel",
             g_error_new_literal (PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED, finding), NULL);
      return FALSE;
    }
  errno = 0;
  client = pvt_client_connect (address, doctor->cli->timeout_ms, NULL, &error);
  if (client == NULL)
    {
      blame (doctor, "channel", g_steal_pointer (&error), advice_of_connect (errno));
      return FALSE;
    }
  g_object_unref (client);
  finding = g_strdup_printf ("%s takes connections", path);
  say (doctor, GOOD, "channel", finding, NULL);
  return TRUE;
}

/* FALSE: its CPUs stand still, so that nobody can answer. */
static gboolean
check_running (Doctor *doctor, PvtQmp *qmp)
{
  g_autoptr (JsonNode) node = pvt_qmp_execute (qmp, "query-status", NULL, NULL);
  const char *status = node && JSON_NODE_HOLDS_OBJECT (node)
                           ? pvt_json_string (json_node_get_object (node), "status")
                           : NULL;
  g_autofree char *finding = g_strdup_printf ("QEMU says: %s", status ? status : "nothing");

  if (g_strcmp0 (status, "running") == 0)
    {
      say (doctor, GOOD, "guest", finding, NULL);
      return TRUE;
    }
  blame (doctor, "guest",
         g_error_new_literal (PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED, finding),
         "an agent answers only while the guest runs: virsh resume, or cont in the monitor");
  return FALSE;
}

/* Whether the guest has opened its end of the port: QEMU knows. */
static void
check_port (Doctor *doctor, PvtQmp *qmp, const char *path)
{
  g_autoptr (JsonNode) node = pvt_qmp_execute (qmp, "query-chardev", NULL, NULL);
  JsonArray *items = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; items && i < json_array_get_length (items); i++)
    {
      JsonNode *item = json_array_get_element (items, i);
      JsonObject *object = JSON_NODE_HOLDS_OBJECT (item) ? json_node_get_object (item) : NULL;
      const char *filename = object ? pvt_json_string (object, "filename") : NULL;

      if (filename == NULL || strstr (filename, path) == NULL
          || !json_object_has_member (object, "frontend-open"))
        continue;
      if (json_object_get_boolean_member (object, "frontend-open"))
        say (doctor, GOOD, "port", "a program in the guest has opened it", NULL);
      else
        say (doctor, BAD, "port", "no program in the guest has opened it",
             "in the guest: is the agent installed, and does it run? systemctl status "
             "pvtools-agent qemu-guest-agent");
    }
}

static gboolean
check_qemu (Doctor *doctor, const char *monitor)
{
  GError *error = NULL;
  PvtQmp *qmp = pvt_qmp_open (monitor, doctor->cli->timeout_ms, NULL, &error);
  g_autofree char *path = NULL;
  gboolean ok;

  if (qmp == NULL)
    {
      blame (doctor, "monitor", error,
             "does QEMU run with -qmp unix:..., and is no other program on its monitor?");
      return FALSE;
    }
  say (doctor, GOOD, "monitor", "QEMU answers", NULL);
  ok = check_running (doctor, qmp);
  pvt_qmp_close (qmp);
  path = pvt_channel_of_qemu (monitor, PVT_AGENT_PORT, doctor->cli->timeout_ms, NULL, &error);
  if (path == NULL)
    {
      blame (doctor, "device", error, NULL);
      return FALSE;
    }
  say (doctor, GOOD, "device", "the guest has a port for its agent", NULL);
  qmp = pvt_qmp_open (monitor, doctor->cli->timeout_ms, NULL, NULL);
  if (qmp)
    check_port (doctor, qmp, path);
  pvt_qmp_close (qmp);
  return check_socket (doctor, path) && ok;
}

static gboolean
check_channel (Doctor *doctor, const PvtAddress *address)
{
  if (address->kind == PVT_ADDRESS_UNIX)
    return check_socket (doctor, address->rest);
  if (address->kind == PVT_ADDRESS_QEMU)
    return check_qemu (doctor, address->rest);
  return TRUE; /* connecting tells */
}

static const char *
advice_of_agent (const PvtAddress *address, const GError *error)
{
  if (error->code == PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT)
    return "in the guest: is the agent installed and running (systemctl status pvtools-agent "
           "qemu-guest-agent), and is the guest past its boot (pvtools wait)? On the host: does "
           "libvirt or another program hold the channel?";
  if (error->code == PVT_CLIENT_ERROR_DISCONNECTED)
    return "another program may hold the channel: it serves one at a time";
  if (address->kind == PVT_ADDRESS_LIBVIRT)
    return "virsh list --all shows whether it runs; the domain needs <channel type='unix'> with "
           "<target type='virtio' name='org.qemu.guest_agent.0'/>";
  return NULL;
}

static gboolean
check_agent (Doctor *doctor, const PvtAddress *address)
{
  PvtClient *client = doctor->cli->client;
  gint64 began = g_get_monotonic_time ();
  GError *error = NULL;
  const char *version = pvt_client_get_agent_version (client, -1, NULL, &error);
  g_autofree char *finding = NULL;
  gboolean ours;

  if (version == NULL)
    {
      blame (doctor, "agent", error, advice_of_agent (address, error));
      return FALSE;
    }
  ours = pvt_client_is_pvtools (client, -1, NULL, NULL);
  finding = g_strdup_printf ("%s %s answers in %.1f ms", ours ? "pvtools-agent" : "qemu-ga",
                             version, (double) (g_get_monotonic_time () - began) / 1000);
  say (doctor, ours ? GOOD : NOTE, "agent", finding,
       ours ? NULL : "a stock qemu-ga: memory, pressure and safe freezing need pvtools-agent");
  return TRUE;
}

/* What the administrator of the guest has forbidden. */
static void
check_policy (Doctor *doctor)
{
  g_autoptr (PvtGuestAgentInfo) info
      = pvt_client_guest_info (doctor->cli->client, -1, NULL, NULL);
  g_autoptr (GString) names = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; info && i < info->supported_commands->len; i++)
    {
      const PvtGuestAgentCommandInfo *command = info->supported_commands->pdata[i];

      if (command->enabled)
        continue;
      if (n++ < 5)
        g_string_append_printf (names, "%s%s", n > 1 ? ", " : "", command->name);
    }
  if (info == NULL)
    return;
  if (n > 5)
    g_string_append_printf (names, " and %u more", n - 5);
  g_string_append (names, n ? " refused" : "every command is allowed");
  say (doctor, n ? NOTE : GOOD, "policy", names->str,
       n ? "in the guest: profile, allow-rpcs and block-rpcs of the agent's configuration, or a "
           "freeze that is in force"
         : NULL);
}

static void
check_freeze (Doctor *doctor)
{
  PvtGuestFsfreezeStatus status;

  if (!pvt_client_guest_fsfreeze_status (doctor->cli->client, &status, -1, NULL, NULL))
    return;
  if (status == PVT_GUEST_FSFREEZE_STATUS_FROZEN)
    say (doctor, NOTE, "freeze", "its filesystems are frozen",
         "a backup that is under way thaws them; else: pvtools thaw");
  else
    say (doctor, GOOD, "freeze", "its filesystems are not frozen", NULL);
}

static void
check_mounts (Doctor *doctor)
{
  g_autoptr (PvtAgentStatus) status
      = pvt_client_get_status (doctor->cli->client, -1, NULL, NULL);
  g_autofree char *list = NULL, *finding = NULL;

  if (status == NULL)
    return;
  list = g_strjoinv (", ", status->hung_mounts);
  finding = g_strdup_printf ("%s does not answer", list);
  if (status->hung_mounts[0])
    say (doctor, NOTE, "mounts", finding, "its server is gone; in the guest: umount -l");
  else
    say (doctor, GOOD, "mounts", "none is known to hang", NULL);
}

static void
check_clock (Doctor *doctor)
{
  gint64 ns;
  double off;
  g_autofree char *finding = NULL;

  if (!pvt_client_guest_get_time (doctor->cli->client, &ns, -1, NULL, NULL))
    return;
  off = (double) ns / 1e9 - (double) g_get_real_time () / 1e6;
  finding = g_strdup_printf ("%.1f s from the host's", off);
  if (off < -CLOCK_SECONDS || off > CLOCK_SECONDS)
    say (doctor, NOTE, "clock", finding, "in the guest: does chrony or timesyncd run?");
  else
    say (doctor, GOOD, "clock", finding, NULL);
}

static void
examine (Doctor *doctor)
{
  PvtCli *cli = doctor->cli;
  GError *error = NULL;
  PvtAddress address;

  if (!pvt_address_parse (cli->address, &address, &error))
    {
      blame (doctor, "address", error, NULL);
      return;
    }
  if (!check_channel (doctor, &address))
    return;
  cli->client = pvt_client_connect (cli->address, cli->timeout_ms, NULL, &error);
  if (cli->client == NULL)
    {
      blame (doctor, "channel", error, advice_of_agent (&address, error));
      return;
    }
  pvt_client_set_timeout (cli->client, cli->timeout_ms);
  if (check_agent (doctor, &address))
    {
      check_policy (doctor);
      check_freeze (doctor);
      check_mounts (doctor);
      check_clock (doctor);
    }
  g_clear_object (&cli->client);
}

static gboolean
run_doctor (PvtCli *cli, int argc, char **argv, GError **error)
{
  Doctor doctor = { cli, NULL, NULL };

  if (cli->address == NULL)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "which guest? Name it behind the verb or in $PVT_CONNECT");
      return FALSE;
    }
  if (!pvt_cli_no_words (argc, argv, error))
    return FALSE;
  doctor.json = cli->json ? json_builder_new () : NULL;
  if (doctor.json)
    json_builder_begin_array (doctor.json);
  examine (&doctor);
  if (doctor.json)
    {
      g_autoptr (JsonNode) root = NULL;

      json_builder_end_array (doctor.json);
      root = json_builder_get_root (doctor.json);
      pvt_print_json (root);
      g_object_unref (doctor.json);
    }
  if (doctor.failure == NULL)
    return TRUE;
  fflush (stdout);
  g_propagate_error (error, doctor.failure);
  return FALSE;
}

const PvtVerb pvt_verb_doctor
    = { "doctor", "", "which link to its agent is broken, and what helps", TRUE, run_doctor };
