/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/core/call.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long shutdown(8) may take to accept the order. */
#define ACCEPT_MS 10000

static const struct
{
  const char *mode;
  const char *option; /* of shutdown(8) */
} modes[] = {
  { "powerdown", "-P" },
  { "halt", "-H" },
  { "reboot", "-r" },
};

static const char *
find_option (const char *mode, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    if (strcmp (mode, modes[i].mode) == 0)
      return modes[i].option;
  pvt_call_fail (error, "mode '%s' is unknown: powerdown, halt or reboot was expected", mode);
  return NULL;
}

/* The child's side: nothing of the agent's may leak into init's tools. */
static G_NORETURN void
exec_shutdown (const char *option)
{
  char *const argv[] = { (char *) "shutdown", (char *) "-h", (char *) option, (char *) "+0",
                         (char *) "hypervisor initiated shutdown", NULL };
  char *const env[] = { (char *) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
  static const char *const paths[] = { "/sbin/shutdown", "/usr/sbin/shutdown" };
  sigset_t none;

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  signal (SIGPIPE, SIG_DFL);
  setsid ();
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    execve (paths[i], argv, env);
  _exit (127);
}

/* Waits for the child with the call's patience; it is killed past it. */
static gboolean
await_child (PvtCall *call, pid_t pid, int *status, GError **error)
{
  for (guint waited = 0; waited < ACCEPT_MS; waited += 10)
    {
      pid_t done = waitpid (pid, status, WNOHANG);

      if (done == pid)
        return TRUE;
      if (done < 0)
        return pvt_call_fail (error, "cannot wait for shutdown: %s", g_strerror (errno));
      if (!pvt_call_sleep (call, 10, NULL))
        break;
    }
  kill (pid, SIGKILL);
  waitpid (pid, status, 0);
  return pvt_call_fail (error, "shutdown did not accept the order within %d ms", ACCEPT_MS);
}

gboolean
pvt_handle_guest_shutdown (PvtCall *call, const PvtGuestShutdownArgs *args, GError **error)
{
  const char *option = find_option (args->mode ? args->mode : "powerdown", error);
  pid_t pid;
  int status;

  if (option == NULL)
    return FALSE;
  pid = fork ();
  if (pid < 0)
    return pvt_call_fail (error, "cannot fork: %s", g_strerror (errno));
  if (pid == 0)
    exec_shutdown (option);
  if (!await_child (call, pid, &status, error))
    return FALSE;
  if (WIFEXITED (status) && WEXITSTATUS (status) == 127)
    return pvt_call_fail (error, "there is no shutdown program in /sbin or /usr/sbin");
  if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
    return pvt_call_fail (error, "shutdown %s failed with status 0x%x", option, (guint) status);
  return TRUE;
}
