/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exec and shell: programs in the guest, with their input, output and exit code. */
#include "host-side/client/extended.h"
#include "output.h"
#include "protocol/codec/object.h"
#include "protocol/message/reply.h"
#include "pvt-tables.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define START_MS 20000

/* One read of our standard input. */
#define CHUNK (64 * 1024)

/* So often asked to end, we do, whatever the guest does: it may hang. */
#define SIGNALS_MAX 3

/* What guest-exec takes as its input at once. */
#define INPUT_MAX (16 * 1024 * 1024)

/* How often an agent without streams is asked whether a program has ended; it
 * grows with the program's age. */
#define POLL_FIRST_MS 5
#define POLL_MOST_MS 250

typedef struct
{
  gboolean input, terminal;
  char **env;
  char *directory, *user;
  char **guest;
  char **command;
} Options;

typedef struct
{
  PvtExtended *extended;
  guint32 id;
  gboolean input_open, over;
  int exit_code;
  char *trouble;
} Session;

static volatile gint got_signal, got_resize, n_signals;

/* ---- our terminal ---- */

static struct termios saved_terminal;
static gboolean is_raw;

static void
restore_terminal (void)
{
  if (is_raw)
    tcsetattr (STDIN_FILENO, TCSADRAIN, &saved_terminal);
  is_raw = FALSE;
}

/* Keys go to the guest as they are, ^C among them. */
static void
make_raw (void)
{
  struct termios raw;

  if (tcgetattr (STDIN_FILENO, &saved_terminal) < 0)
    return;
  raw = saved_terminal;
  cfmakeraw (&raw);
  is_raw = tcsetattr (STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

/* The guest's program gets them; one that does not end, or a guest that hears nothing,
 * must not keep us. */
static void
on_signal (int number)
{
  if (number == SIGWINCH)
    {
      got_resize = TRUE;
      return;
    }
  got_signal = number;
  if (++n_signals < SIGNALS_MAX)
    return;
  restore_terminal ();
  _exit (128 + number);
}

static void
catch_signals (gboolean terminal)
{
  struct sigaction action = { .sa_handler = on_signal };

  signal (SIGPIPE, SIG_IGN);
  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGHUP, &action, NULL);
  if (terminal)
    sigaction (SIGWINCH, &action, NULL);
  else
    sigaction (SIGINT, &action, NULL);
}

static void
terminal_size (guint *rows, guint *columns)
{
  struct winsize size;

  if (ioctl (STDIN_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
    return;
  *rows = size.ws_row;
  *columns = size.ws_col;
}

/* ---- a stream ---- */

/* FALSE with errno, which is EPIPE when nobody reads it any more. */
static gboolean
put_out (int fd, const char *data, gsize len)
{
  while (len > 0)
    {
      gssize n = write (fd, data, len);

      struct pollfd pfd = { .fd = fd, .events = POLLOUT };

      if (n < 0 && errno == EINTR)
        continue;
      /* Others who have it open may have made it so. */
      if (n < 0 && errno == EAGAIN && (poll (&pfd, 1, -1) == 1 || errno == EINTR))
        continue;
      if (n < 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

static void
on_data (guint channel, const char *data, gsize len, gpointer user_data)
{
  Session *session = user_data;

  if (!session->over && !put_out (channel == 2 ? STDERR_FILENO : STDOUT_FILENO, data, len))
    {
      /* As if the program were here and wrote into the closed pipe itself. */
      session->over = TRUE;
      session->exit_code = errno == EPIPE ? 128 + SIGPIPE : PVT_EXIT_EXEC_FAILED;
      if (errno != EPIPE)
        session->trouble = g_strdup_printf ("its output cannot be written: %s", g_strerror (errno));
    }
  pvt_extended_consumed (session->extended, session->id, channel, len);
}

static void
on_end (const char *json, gsize len, gpointer user_data)
{
  Session *session = user_data;
  PvtStreamEnd end = { 0 };

  if (session->over)
    return;
  session->over = TRUE;
  session->exit_code = PVT_EXIT_EXEC_FAILED;
  if (!pvt_decode_untrusted (json, len, &pvt_stream_end_type, &end))
    session->trouble = g_strdup ("the guest's word about the end is not understood");
  else if (end.has_exitcode)
    session->exit_code = (int) end.exitcode & 0xff;
  else if (end.has_signal)
    session->exit_code = 128 + ((int) end.signal & 0x7f);
  else
    session->trouble = g_strdup (end.error ? end.error : "it ended nobody knows how");
  pvt_object_clear (&pvt_stream_end_type, &end);
}

static void
send_input (Session *session)
{
  char chunk[CHUNK];
  gsize room = MIN (sizeof chunk, pvt_extended_window (session->extended, session->id));
  gssize n = read (STDIN_FILENO, chunk, room);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return;
  pvt_extended_send (session->extended, session->id, chunk, n > 0 ? (gsize) n : 0);
  session->input_open = n > 0;
}

static void
pass_signals (Session *session)
{
  guint rows = 0, columns = 0;

  if (got_signal)
    pvt_extended_control (session->extended, session->id, got_signal, 0, 0);
  got_signal = 0;
  if (got_resize)
    terminal_size (&rows, &columns);
  got_resize = FALSE;
  if (rows)
    pvt_extended_control (session->extended, session->id, 0, rows, columns);
}

static gboolean
turn (Session *session, GError **error)
{
  gboolean read_input = session->input_open
                        && pvt_extended_window (session->extended, session->id) > 0
                        && pvt_extended_unsent (session->extended) < CHUNK;
  struct pollfd pfds[2] = { { .fd = pvt_extended_fd (session->extended), .events = POLLIN },
                            { .fd = read_input ? STDIN_FILENO : -1, .events = POLLIN } };

  pass_signals (session);
  if (pvt_extended_wants_write (session->extended))
    pfds[0].events |= POLLOUT;
  if (poll (pfds, 2, 1000) < 0 && errno != EINTR)
    return TRUE;
  if (read_input && pfds[1].revents)
    send_input (session);
  return pvt_extended_process (session->extended, error);
}

static const PvtExtendedOps ops = { on_data, on_end };

static gboolean
begin (Session *session, const Options *o, GError **error)
{
  guint rows = 24, columns = 80;
  PvtExecArgs args = { .argv = o->command,
                       .env = o->env,
                       .directory = o->directory,
                       .user = o->user,
                       .has_input = TRUE,
                       .input = o->input,
                       .has_terminal = TRUE,
                       .terminal = o->terminal,
                       .has_rows = o->terminal,
                       .has_columns = o->terminal };
  PvtExecStarted *started = NULL;

  terminal_size (&rows, &columns);
  args.rows = rows;
  args.columns = columns;
  if (!pvt_extended_call (session->extended, &pvt_command_infos[PVT_COMMAND_PVT_EXEC], &args,
                          &started, START_MS, &ops, session, &session->id, error))
    return FALSE;
  pvt_exec_started_free (started);
  session->input_open = o->input;
  return TRUE;
}

static gboolean
run_stream (PvtCli *cli, const Options *o, PvtExtended *extended, GError **error)
{
  Session session = { .extended = extended };
  gboolean ok = TRUE;

  catch_signals (o->terminal);
  if (!begin (&session, o, error))
    return FALSE;
  if (o->terminal && isatty (STDIN_FILENO))
    make_raw ();
  while (ok && !session.over)
    ok = turn (&session, error);
  restore_terminal ();
  cli->exit_code = (PvtExit) session.exit_code;
  if (session.trouble)
    g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, session.trouble);
  ok = ok && session.trouble == NULL;
  g_free (session.trouble);
  return ok;
}

/* ---- an agent without streams ---- */

/* NULL with @error: part of it would be another program's input. */
static GBytes *
read_all_input (GError **error)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  guint8 chunk[4096];
  gssize n;

  while ((n = read (STDIN_FILENO, chunk, sizeof chunk)) > 0 && all->len <= INPUT_MAX)
    g_byte_array_append (all, chunk, (guint) n);
  if (n == 0 && all->len <= INPUT_MAX)
    return g_byte_array_free_to_bytes (g_steal_pointer (&all));
  if (n < 0)
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "cannot read standard input: %s",
                 g_strerror (errno));
  else
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED,
                 "without its extended channel, port " PVT_EXTENDED_PORT ", a program gets at most %d MiB "
                 "of input: it was not run", INPUT_MAX / (1024 * 1024));
  return NULL;
}

/* What came of one output. */
static gboolean
put_bytes (int fd, GBytes *bytes, gboolean truncated, GError **error)
{
  gsize len = 0;
  const char *data = bytes ? g_bytes_get_data (bytes, &len) : NULL;

  if (truncated)
    fprintf (stderr, "pvtools: the guest's agent kept only a part of the program's output\n");
  if (put_out (fd, data, len) || errno == EPIPE)
    return TRUE;
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_FAILED, "its output cannot be written: %s",
               g_strerror (errno));
  return FALSE;
}

static gboolean
await_polling (PvtCli *cli, PvtClient *client, gint64 pid, GError **error)
{
  PvtGuestExecStatusArgs args = { .pid = pid };

  for (guint pause = POLL_FIRST_MS;; pause = MIN (pause * 2, POLL_MOST_MS))
    {
      g_autoptr (PvtGuestExecStatus) status
          = pvt_client_guest_exec_status (client, &args, -1, NULL, error);

      if (status == NULL)
        return FALSE;
      if (!status->exited)
        {
          g_usleep (pause * 1000);
          continue;
        }
      if (!put_bytes (STDOUT_FILENO, status->out_data, status->out_truncated, error)
          || !put_bytes (STDERR_FILENO, status->err_data, status->err_truncated, error))
        return FALSE;
      cli->exit_code = (PvtExit) (status->has_signal ? 128 + ((int) status->signal & 0x7f)
                                                     : (int) status->exitcode & 0xff);
      return TRUE;
    }
}

static gboolean
run_polling (PvtCli *cli, const Options *o, GError **error)
{
  PvtGuestExecCaptureOutput capture = { .branch = PVT_GUEST_EXEC_CAPTURE_OUTPUT_IS_FLAG, .flag = TRUE };
  g_autoptr (PvtClient) client = NULL;
  g_autoptr (GBytes) input = NULL;
  g_autoptr (PvtGuestExec) started = NULL;
  PvtGuestExecArgs args = { .path = o->command[0],
                            .arg = o->command + 1,
                            .env = o->env,
                            .capture_output = &capture };

  if (o->terminal || o->directory || o->user)
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_UNSUPPORTED,
                           "a terminal, a directory or a user needs pvtools-agent on its extended "
                           "channel, port " PVT_EXTENDED_PORT);
      return FALSE;
    }
  client = pvt_cli_connect_plain (cli, error);
  if (client == NULL)
    return FALSE;
  args.input_data = input = o->input ? read_all_input (error) : NULL;
  if (o->input && input == NULL)
    return FALSE;
  started = pvt_client_guest_exec (client, &args, -1, NULL, error);
  return started && await_polling (cli, client, started->pid, error);
}

/* ---- both ---- */

/* The port may be there without an agent behind it; a plain one says so itself. */
static gboolean
may_fall_back (const GError *error)
{
  return error->domain == PVT_CLIENT_ERROR
         && (error->code == PVT_CLIENT_ERROR_UNSUPPORTED || error->code == PVT_CLIENT_ERROR_NOT_CONNECTED
             || error->code == PVT_CLIENT_ERROR_TIMEOUT_BEFORE_SENT);
}

static gboolean
run_anyhow (PvtCli *cli, const Options *o, GError **error)
{
  GError *failure = NULL;
  PvtExtended *extended = pvt_extended_open (cli->address, cli->timeout_ms, &failure);
  gboolean ok;

  cli->exit_code = PVT_EXIT_EXEC_FAILED;
  if (extended == NULL && may_fall_back (failure))
    {
      g_clear_error (&failure);
      ok = run_polling (cli, o, &failure);
    }
  else
    ok = extended && run_stream (cli, o, extended, &failure);
  pvt_extended_close (extended);
  if (failure && failure->domain == PVT_AGENT_ERROR)
    cli->exit_code = PVT_EXIT_EXEC_NOT_RUN;
  if (failure)
    g_propagate_error (error, failure);
  return ok;
}

static void
clear_options (Options *o)
{
  g_strfreev (o->guest);
  g_strfreev (o->env);
  g_free (o->directory);
  g_free (o->user);
}

static gboolean
parse (PvtCli *cli, Options *o, int argc, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "interactive", 'i', 0, G_OPTION_ARG_NONE, &o->input, NULL, NULL },
    { "tty", 't', 0, G_OPTION_ARG_NONE, &o->terminal, NULL, NULL },
    { "env", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &o->env, NULL, NULL },
    { "directory", 'C', 0, G_OPTION_ARG_STRING, &o->directory, NULL, NULL },
    { "user", 'u', 0, G_OPTION_ARG_STRING, &o->user, NULL, NULL },
    { NULL, 0, 0, 0, NULL, NULL, NULL },
  };

  /* The guest's name lives as long as the program does. */
  o->guest = pvt_cli_words (entries, argc, argv, error);
  return o->guest && pvt_cli_take_guest (cli, o->guest, error)
         && pvt_cli_no_words ((int) g_strv_length (o->guest), o->guest, error);
}

static gboolean
run_exec (PvtCli *cli, int argc, char **argv, GError **error)
{
  Options o = { .command = cli->command };
  gboolean ok = FALSE;

  if (parse (cli, &o, argc, argv, error))
    {
      if (o.command == NULL || o.command[0] == NULL)
        g_set_error_literal (error, PVT_CLI_ERROR, PVT_CLI_ERROR_USAGE,
                             "what shall run? -- COMMAND is missing");
      else
        ok = run_anyhow (cli, &o, error);
    }
  clear_options (&o);
  return ok;
}

const PvtVerb pvt_verb_exec
    = { "exec", "[-i] [-t] [-e K=V] [-C DIR] [-u USER] -- COMMAND...",
        "run a program, with its exit code", TRUE, run_exec };

static gboolean
run_shell (PvtCli *cli, int argc, char **argv, GError **error)
{
  /* The user's own shell where there is one, as a login. */
  char *const login[] = { (char *) "/bin/sh", (char *) "-c",
                          (char *) "cd ~ 2> /dev/null; s=$(awk -F: -v u=\"$(id -un)\" '$1 == u {print $7}' "
                                   "/etc/passwd 2> /dev/null); [ -x \"$s\" ] || s=/bin/sh; exec \"$s\" -l",
                          NULL };
  Options o = { .input = TRUE, .terminal = TRUE, .command = (char **) login };
  gboolean ok;

  ok = parse (cli, &o, argc, argv, error);
  if (ok && g_getenv ("TERM"))
    {
      char **env = g_new0 (char *, (o.env ? g_strv_length (o.env) : 0) + 2);

      env[0] = g_strconcat ("TERM=", g_getenv ("TERM"), NULL);
      for (gsize i = 0; o.env && o.env[i]; i++)
        env[i + 1] = g_strdup (o.env[i]);
      g_strfreev (o.env);
      o.env = env;
    }
  ok = ok && run_anyhow (cli, &o, error);
  clear_options (&o);
  return ok;
}

const PvtVerb pvt_verb_shell
    = { "shell", "[-u USER]", "a login shell in a terminal", TRUE, run_shell };
