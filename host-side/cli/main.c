/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvtools: the host's command. */
#include "cli.h"
#include "help.h"
#include "json-text.h"
#include "output.h"
#include "page-look.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* See pvt_cli_connect_plain(). */
#define PLAIN_TRIES 5
#define PLAIN_PAUSE_US 100000

G_DEFINE_QUARK (pvt-cli-error-quark, pvt_cli_error)

/* In the order of the help. */
static const PvtVerb *const verbs[] = {
  &pvt_verb_list,
  &pvt_verb_doctor,
  &pvt_verb_checkup,
  &pvt_verb_ping,
  &pvt_verb_info,
  &pvt_verb_ip,
  &pvt_verb_stat,
  &pvt_verb_page,
  &pvt_verb_df,
  &pvt_verb_disks,
  &pvt_verb_disk_grow,
  &pvt_verb_net,
  &pvt_verb_users,
  &pvt_verb_status,
  &pvt_verb_health,
  &pvt_verb_crash_list,
  &pvt_verb_crash_show,
  &pvt_verb_watch,
  &pvt_verb_top,
  &pvt_verb_wait,
  &pvt_verb_freeze,
  &pvt_verb_thaw,
  &pvt_verb_quiesce,
  &pvt_verb_snapshot,
  &pvt_verb_exec,
  &pvt_verb_shell,
  &pvt_verb_cp,
  &pvt_verb_shutdown,
  &pvt_verb_reboot,
  &pvt_verb_suspend,
  &pvt_verb_time,
  &pvt_verb_time_get,
  &pvt_verb_time_sync,
  &pvt_verb_seal,
  &pvt_verb_upgrade,
  &pvt_verb_net_policy_render,
  &pvt_verb_raw,
};

static const char summary_head[]
    = "GUEST is the address of a guest's agent channel:\n"
      "  unix:/path         the unix socket of its virtio-serial port\n"
      "  vsock:CID:PORT     an agent that listens on vsock\n"
      "  vsock-mux:/path:PORT  the same by the socket of pvtools-vmm, Firecracker and others\n"
      "  libvirt:DOMAIN     a running libvirt domain, by name or UUID\n"
      "  qemu:/qmp-socket   a QEMU, by its monitor; the channel is looked up\n"
      "  page:/file         memory that it shares (stat and page only): it is not asked\n"
    "It comes behind the verb, or from --connect or $PVT_CONNECT.\n\n"
      "Verbs:\n";

static const char summary_tail[]
    = "\nExit codes:\n"
      "  0 done   1 the agent answered an error   2 wrong usage\n"
      "  3 no connection   4 timed out   5 the guest breaks the protocol\n"
      "  6 this agent cannot do that\n"
      " of quiesce and snapshot besides:\n"
      "  0 done, and proven to lie inside the freeze of every guest\n"
      "  10 done, but a guest thawed by itself meanwhile: not consistent\n"
      "  11 done without a freeze (--prefer)\n"
      "  12 a guest refused the freeze, nothing was done\n"
      "  13 the command or the snapshot failed\n"
      "  14 a guest could not be thawed from here\n"
      "  15 interrupted, all are thawed\n"
      "  16 done, but this agent cannot prove that it stayed frozen\n"
      " of health, the worst of all guests counts:\n"
      "  0 ok   20 frozen   21 paused   22 starting or rebooted   23 shut down\n"
      "  24 agent lost   25 dumping   26 guest hung   27 panicked\n"
      " of checkup besides: 30 a check failed\n"
      " of upgrade besides: 31 done, the guest needs a reboot   32 rolled back\n"
      " of exec and shell: the program's; 128 and its signal's number; 127 it cannot be run;\n"
      "  255 pvtools failed\n\n"
      "Examples:\n"
      "  pvtools info unix:/run/vm/agent.sock\n"
      "  pvtools df -o json libvirt:db1\n"
      "  pvtools wait qemu:/run/vm/qmp.sock --for ip --timeout 120\n"
      "  pvtools raw unix:/run/vm/agent.sock guest-get-osinfo\n";

char **
pvt_cli_words (const GOptionEntry *entries, int argc, char **argv, GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  /* The parser takes a program's name first. */
  char **words = g_new0 (char *, (gsize) argc + 2);

  words[0] = g_strdup ("pvtools");
  for (int i = 0; i < argc; i++)
    words[i + 1] = g_strdup (argv[i]);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_help_enabled (context, FALSE);
  if (!g_option_context_parse_strv (context, &words, error))
    {
      g_strfreev (words);
      return NULL;
    }
  g_free (words[0]);
  memmove (words, words + 1, sizeof *words * g_strv_length (words + 1) + sizeof *words);
  return words;
}

gboolean
pvt_cli_take_guest (PvtCli *cli, char **words, GError **error)
{
  if (cli->address == NULL && words[0])
    {
      cli->address = cli->taken = words[0];
      memmove (words, words + 1, sizeof *words * g_strv_length (words));
    }
  if (cli->address)
    return TRUE;
  g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                       "which guest? Name it behind the verb or in $PVT_CONNECT");
  return FALSE;
}

PvtClient *
pvt_cli_connect_plain (const PvtCli *cli, GError **error)
{
  GError *failure = NULL;

  for (guint i = 0; i < PLAIN_TRIES; i++)
    {
      g_autoptr (PvtClient) client = NULL;

      g_clear_error (&failure);
      client = pvt_client_connect (cli->address, cli->timeout_ms, NULL, &failure);
      if (client)
        pvt_client_set_timeout (client, cli->timeout_ms);
      if (client && pvt_client_guest_ping (client, -1, NULL, &failure))
        return g_steal_pointer (&client);
      if (!g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_DISCONNECTED)
          && !g_error_matches (failure, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED))
        break;
      g_usleep (PLAIN_PAUSE_US);
    }
  g_propagate_error (error, failure);
  return NULL;
}

gboolean
pvt_cli_check_seconds (const char *option, double value, gboolean absent_is_fine, GError **error)
{
  if (isfinite (value) && ((absent_is_fine && value == 0) || (value >= 1 && value <= 86400)))
    return TRUE;
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "%s takes 1 to 86400 seconds", option);
  return FALSE;
}

int
pvt_cli_patience (const PvtCli *cli, int usual_ms)
{
  return cli->timeout_given ? cli->timeout_ms : usual_ms;
}

gboolean
pvt_cli_no_words (int argc, char **argv, GError **error)
{
  if (argc == 0)
    return TRUE;
  g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "unexpected word '%s'", argv[0]);
  return FALSE;
}

static gboolean
has_no_guest (const PvtVerb *verb)
{
  return verb == &pvt_verb_list || verb == &pvt_verb_top || verb == &pvt_verb_crash_list
         || verb == &pvt_verb_crash_show || verb == &pvt_verb_net_policy_render;
}

static char *
summary (void)
{
  GString *text = g_string_new (summary_head);

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      g_autofree char *call = g_strdup_printf ("%s%s%s%s", verbs[i]->name,
                                               has_no_guest (verbs[i]) ? "" : " GUEST",
                                               *verbs[i]->usage ? " " : "", verbs[i]->usage);

      g_string_append_printf (text, "  %-34s %s\n", call, verbs[i]->help);
    }
  g_string_append (text, summary_tail);
  return g_string_free (text, FALSE);
}

static PvtExit
exit_code (const GError *error)
{
  if (error->domain == PVT_AGENT_ERROR)
    return error->code == PVT_AGENT_ERROR_COMMAND_NOT_FOUND ? PVT_EXIT_UNSUPPORTED
                                                            : PVT_EXIT_AGENT;
  if (error->domain == PVT_CLI_ERROR)
    return error->code == PVT_CLI_ERROR_USAGE ? PVT_EXIT_USAGE : PVT_EXIT_TIMEOUT;
  if (error->domain == G_OPTION_ERROR)
    return PVT_EXIT_USAGE;
  if (error->domain != PVT_CLIENT_ERROR)
    return PVT_EXIT_PROTOCOL;
  switch ((PvtClientError) error->code)
    {
    case PVT_CLIENT_ERROR_INVALID_ADDRESS:
      return PVT_EXIT_USAGE;
    case PVT_CLIENT_ERROR_NOT_CONNECTED:
    case PVT_CLIENT_ERROR_DISCONNECTED:
    case PVT_CLIENT_ERROR_BUSY:
      return PVT_EXIT_CONNECT;
    case PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT:
    case PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT:
      return PVT_EXIT_TIMEOUT;
    case PVT_CLIENT_ERROR_UNSUPPORTED:
      return PVT_EXIT_UNSUPPORTED;
    case PVT_CLIENT_ERROR_PROTOCOL:
      return PVT_EXIT_PROTOCOL;
    case PVT_CLIENT_ERROR_FAILED:
    default:
      return PVT_EXIT_AGENT;
    }
}

/* What a person can do about it. */
static const char *
advice (PvtExit code)
{
  switch (code)
    {
    case PVT_EXIT_CONNECT:
      return "is the guest running, and is no other program on its channel?";
    case PVT_EXIT_TIMEOUT:
      return "is the agent installed and running in the guest (systemctl status pvtools-agent)?";
    case PVT_EXIT_UNSUPPORTED:
      return "pvtools raw GUEST guest-info lists what this agent has and allows";
    case PVT_EXIT_USAGE:
      return "pvtools --help shows how it is used";
    case PVT_EXIT_OK:
    case PVT_EXIT_AGENT:
    case PVT_EXIT_PROTOCOL:
    case PVT_EXIT_NOT_CONSISTENT:
    case PVT_EXIT_NOT_FROZEN:
    case PVT_EXIT_FREEZE_FAILED:
    case PVT_EXIT_WORK_FAILED:
    case PVT_EXIT_STUCK:
    case PVT_EXIT_INTERRUPTED:
    case PVT_EXIT_UNPROVEN:
    case PVT_EXIT_FROZEN:
    case PVT_EXIT_PAUSED:
    case PVT_EXIT_STARTING:
    case PVT_EXIT_SHUT_DOWN:
    case PVT_EXIT_AGENT_LOST:
    case PVT_EXIT_DUMPING:
    case PVT_EXIT_GUEST_HUNG:
    case PVT_EXIT_PANICKED:
    case PVT_EXIT_CHECK_FAILED:
    case PVT_EXIT_REBOOT_NEEDED:
    case PVT_EXIT_ROLLED_BACK:
    case PVT_EXIT_EXEC_NOT_RUN:
    case PVT_EXIT_EXEC_FAILED:
    default:
      return NULL;
    }
}

static PvtExit
complain (const PvtCli *cli, const char *verb, const GError *error)
{
  PvtExit code = cli->exit_code ? cli->exit_code : exit_code (error);
  g_autofree char *safe = pvt_safe_text (error->message);

  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();
      g_autoptr (JsonNode) node = NULL;
      g_autofree char *text = NULL;

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "error");
      json_builder_add_string_value (builder, safe);
      json_builder_set_member_name (builder, "guest");
      json_builder_add_string_value (builder, cli->address ? cli->address : "");
      json_builder_set_member_name (builder, "exit-code");
      json_builder_add_int_value (builder, code);
      json_builder_end_object (builder);
      node = json_builder_get_root (builder);
      text = pvt_json_text (node, FALSE);
      fprintf (stderr, "%s\n", text);
      return code;
    }
  fprintf (stderr, "pvtools: %s%s%s%s%s\n", verb, *verb && cli->address ? " " : "",
           *verb && cli->address ? cli->address : "", *verb ? ": " : "", safe);
  if (advice (code))
    fprintf (stderr, "  %s\n", advice (code));
  return code;
}

/* Verbs may be two words: @n_words says how many were taken. */
static const PvtVerb *
find_verb (int argc, char **argv, int *n_words, GError **error)
{
  const char *name = argc > 1 ? argv[1] : NULL;
  g_autofree char *two = argc > 2 ? g_strconcat (argv[1], " ", argv[2], NULL) : NULL;

  *n_words = 2;
  for (guint i = 0; two && i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (verbs[i]->name, two) == 0)
      return verbs[i];
  *n_words = 1;
  for (guint i = 0; name && i < G_N_ELEMENTS (verbs); i++)
    if (strcmp (verbs[i]->name, name) == 0)
      return verbs[i];
  for (guint i = 0; name && i < G_N_ELEMENTS (verbs); i++)
    if (g_str_has_prefix (verbs[i]->name, name) && verbs[i]->name[strlen (name)] == ' ')
      {
        g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "'%s' takes another word, such as '%s'", name,
                     verbs[i]->name);
        return NULL;
      }
  if (name)
    g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "there is no verb '%s'", name);
  else
    g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE, "a verb is missing");
  return NULL;
}

static gboolean
run_verb (PvtCli *cli, const PvtVerb *verb, int argc, char **argv, GError **error)
{
  gboolean ok;

  if (cli->address == NULL && argc > 0 && argv[0][0] == '-' && !verb->connects_itself)
    {
      g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                   "which guest? It comes right behind the verb, before '%s'", argv[0]);
      return FALSE;
    }
  if (cli->address == NULL && argc > 0 && verb != &pvt_verb_net_policy_render && argv[0][0] != '-')
    {
      cli->address = argv[0];
      argc--;
      argv++;
    }
  if (cli->address == NULL && !verb->connects_itself)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "which guest? Name it behind the verb or in $PVT_CONNECT");
      return FALSE;
    }
  if (verb->connects_itself || (verb->takes_page && pvt_page_address_file (cli->address)))
    return verb->run (cli, argc, argv, error);
  cli->client = pvt_client_connect (cli->address, cli->timeout_ms, NULL, error);
  if (cli->client == NULL)
    return FALSE;
  pvt_client_set_timeout (cli->client, cli->timeout_ms);
  ok = verb->run (cli, argc, argv, error);
  g_object_unref (cli->client);
  return ok;
}

typedef struct
{
  char *connect, *output;
  double timeout;
  gboolean version;
} Options;

static gboolean
apply_options (PvtCli *cli, const Options *o, GError **error)
{
  cli->address = o->connect ? o->connect : g_getenv ("PVT_CONNECT");
  if (o->output && strcmp (o->output, "json") != 0 && strcmp (o->output, "table") != 0)
    {
      g_set_error (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                   "unknown output '%s': table or json was expected", o->output);
      return FALSE;
    }
  cli->json = o->output && strcmp (o->output, "json") == 0;
  cli->timeout_ms = PVT_CLIENT_DEFAULT_TIMEOUT_MS;
  cli->timeout_given = !isnan (o->timeout);
  if (!cli->timeout_given)
    return TRUE;
  if (!isfinite (o->timeout) || o->timeout < 0.001 || o->timeout > 86400)
    {
      g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                           "--timeout takes 0.001 to 86400 seconds");
      return FALSE;
    }
  cli->timeout_ms = MAX ((int) (o->timeout * 1000), 1);
  return TRUE;
}

static gboolean
run (PvtCli *cli, Options *o, const char **verb_name, int *argc, char ***argv, GError **error)
{
  const PvtVerb *verb;
  int n_words;

  if (!apply_options (cli, o, error))
    return FALSE;
  *verb_name = *argc > 1 ? (*argv)[1] : "";
  verb = find_verb (*argc, *argv, &n_words, error);
  if (verb)
    *verb_name = verb->name;
  return verb && run_verb (cli, verb, *argc - 1 - n_words, *argv + 1 + n_words, error);
}

/* Half an output must not look like a whole one. A reader that has left knows. */
static int
flush_output (const PvtCli *cli, const char *verb)
{
  g_autoptr (GError) error = NULL;

  if (fflush (stdout) == 0 && !ferror (stdout))
    return cli->exit_code;
  if (errno == EPIPE)
    return PVT_EXIT_AGENT;
  error = g_error_new (PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "the output cannot be written: %s",
                       g_strerror (errno));
  return complain (cli, verb, error);
}

/* What stands behind "--" is another program's: our options end there. */
static char **
take_command (int *argc, char **argv)
{
  for (int i = 1; i < *argc; i++)
    if (strcmp (argv[i], "--") == 0)
      {
        *argc = i;
        argv[i] = NULL;
        return argv + i + 1;
      }
  return NULL;
}

/* TRUE when it was asked for, and printed: --help behind a verb is that verb's. */
static gboolean
help_of_verb (int argc, char **argv)
{
  const PvtVerb *verb;
  int n_words, last = argc - 1;

  if (argc < 3 || (strcmp (argv[last], "--help") != 0 && strcmp (argv[last], "-h") != 0))
    return FALSE;
  verb = find_verb (argc, argv, &n_words, NULL);
  if (verb)
    pvt_help_print_verb (verb, !has_no_guest (verb));
  return verb != NULL;
}

int
main (int argc, char **argv)
{
  PvtCli cli = { .command = take_command (&argc, argv) };
  Options o = { NULL, NULL, NAN, FALSE };
  const GOptionEntry entries[] = {
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &o.connect, "the guest, in place of GUEST", "GUEST" },
    { "output", 'o', 0, G_OPTION_ARG_STRING, &o.output, "table (default) or json", "FORM" },
    { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &o.timeout, "how long to wait (default 5)", "SECONDS" },
    { "no-headers", 0, 0, G_OPTION_ARG_NONE, &cli.no_headers, "tables without their first line", NULL },
    { "bytes", 'b', 0, G_OPTION_ARG_NONE, &cli.bytes, "sizes in bytes", NULL },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &o.version, "print the version and exit", NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("VERB [GUEST] [ARGUMENT...]");
  g_autofree char *help = summary ();
  g_autoptr (GError) error = NULL;
  const char *verb_name = "";
  int code;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, help);
  /* Options of the verbs are the verbs'. */
  g_option_context_set_ignore_unknown_options (context, TRUE);
  if (help_of_verb (argc, argv))
    code = flush_output (&cli, "");
  else if (!g_option_context_parse (context, &argc, &argv, &error))
    code = complain (&cli, verb_name, error);
  else if (o.version)
    code = puts ("pvtools " PVT_VERSION) < 0;
  else if (run (&cli, &o, &verb_name, &argc, &argv, &error))
    code = flush_output (&cli, verb_name);
  else
    code = complain (&cli, verb_name, error);
  g_free (o.connect);
  g_free (o.output);
  g_free (cli.taken);
  return code;
}
