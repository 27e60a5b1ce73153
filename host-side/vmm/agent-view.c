/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process of its own: what a guest says is parsed where nothing else can be broken,
 * and the machine's sandbox stays as it is. Between two questions the port is free for
 * others. */
#include "agent-view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pvtools.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PERIOD_MS 2000
#define ANSWER_MS 5000
#define NAME_CHARS 64
#define MIB_BYTES (1 << 20)

typedef struct
{
  char *who;     /* name, address and agent: what is told when it changes */
  char *figures; /* or NULL */
} State;

static void
state_clear (State *state)
{
  g_clear_pointer (&state->who, g_free);
  g_clear_pointer (&state->figures, g_free);
}

/* A guest's text on our terminal: no control characters, not too long. */
static char *
tame (const char *text)
{
  char *safe = g_strndup (text ? text : "", NAME_CHARS);

  for (char *c = safe; *c; c++)
    if (!g_ascii_isprint (*c))
      *c = '?';
  return safe;
}

static char *
first_address (PvtClient *client)
{
  g_autoptr (GPtrArray) list = pvt_client_guest_network_get_interfaces (client, -1, NULL, NULL);

  for (guint i = 0; list && i < list->len; i++)
    {
      const PvtGuestNetworkInterface *interface = list->pdata[i];

      for (guint a = 0; interface->ip_addresses && a < interface->ip_addresses->len; a++)
        {
          const PvtGuestIpAddress *address = interface->ip_addresses->pdata[a];

          if (strcmp (interface->name, "lo") != 0 && !g_str_has_prefix (address->ip_address, "fe80:"))
            return tame (address->ip_address);
        }
    }
  return g_strdup ("no address");
}

/* "CPU 12%, memory 36 of 217 MiB, up 29 s"; NULL for an agent that has none of it. */
static char *
figures (PvtClient *client)
{
  PvtGetCpuUsageArgs args = { 0 };
  g_autoptr (PvtCpuUsage) usage = pvt_client_get_cpu_usage (client, &args, -1, NULL, NULL);
  g_autoptr (PvtMemory) memory = usage ? pvt_client_get_memory (client, -1, NULL, NULL) : NULL;
  g_autoptr (PvtUptime) uptime = memory ? pvt_client_get_uptime (client, -1, NULL, NULL) : NULL;

  if (uptime == NULL || usage->total == NULL)
    return NULL;
  return g_strdup_printf ("CPU %.0f%%, memory %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                          " MiB, up %" G_GUINT64_FORMAT " s",
                          (1 - usage->total->idle - usage->total->iowait) * 100,
                          (guint64) (memory->total - MIN (memory->available, memory->total)) / MIB_BYTES,
                          (guint64) memory->total / MIB_BYTES, (guint64) uptime->uptime_ms / 1000);
}

static void
ask (const char *address, State *state)
{
  g_autoptr (PvtClient) client = pvt_client_connect (address, ANSWER_MS, NULL, NULL);
  g_autoptr (PvtGuestHostName) name = NULL;
  g_autofree char *host = NULL, *ip = NULL;

  *state = (State){ NULL, NULL };
  if (client)
    {
      pvt_client_set_timeout (client, ANSWER_MS);
      name = pvt_client_guest_get_host_name (client, -1, NULL, NULL);
    }
  if (name)
    {
      host = tame (name->host_name);
      ip = first_address (client);
      state->figures = figures (client);
      state->who = g_strdup_printf ("connected, %s, %s", host, ip);
    }
  else
    state->who = g_strdup ("not connected");
}

/* Without a terminal only news are told; the first figures of an agent are some. */
static void
show (const State *now, const State *before, gboolean in_place)
{
  const char *comma = now->figures ? ", " : "", *behind = now->figures ? now->figures : "";

  if (in_place)
    fprintf (stderr, "\r\033[Kagent: %s%s%s", now->who, comma, behind);
  else if (g_strcmp0 (now->who, before->who) != 0 || (now->figures && before->figures == NULL))
    fprintf (stderr, "agent: %s%s%s\n", now->who, comma, behind);
}

static void __attribute__ ((noreturn))
look_on (const char *path, gboolean in_place, int stop)
{
  g_autofree char *address = g_strconcat ("unix:", path, NULL);
  struct pollfd wait = { .fd = stop, .events = POLLIN };
  State before = { NULL, NULL }, now;

  do
    {
      ask (address, &now);
      show (&now, &before, in_place);
      state_clear (&before);
      before = now;
    }
  while (poll (&wait, 1, PERIOD_MS) == 0);
  if (in_place)
    fputs ("\r\033[K", stderr);
  _exit (0);
}

/* Nothing is kept but standard error and the socket: no disk, no console. */
static void __attribute__ ((noreturn))
become_view (const char *path, gboolean in_place, int stop)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  sigset_t none;

  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  /* The terminal's ^C is for the machine, which ends us in order. */
  signal (SIGINT, SIG_IGN);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  dup2 (null, STDIN_FILENO);
  dup2 (null, STDOUT_FILENO);
  dup2 (stop, 3);
  syscall (SYS_close_range, 4u, ~0u, 0u);
  look_on (path, in_place, 3);
}

int
agent_view_start (const char *path, bool shared)
{
  gboolean in_place = isatty (STDERR_FILENO) && !shared;
  int pair[2];
  pid_t pid;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return -errno;
  pid = fork ();
  if (pid == 0)
    become_view (path, in_place, pair[1]);
  close (pair[1]);
  if (pid > 0)
    return pair[0];
  close (pair[0]);
  return -EAGAIN;
}

void
agent_view_stop (int fd)
{
  char byte;

  if (fd < 0)
    return;
  shutdown (fd, SHUT_WR);
  while (read (fd, &byte, 1) < 0 && errno == EINTR) /* until it has gone */
    continue;
  close (fd);
}
