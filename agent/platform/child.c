/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child-watch.h"
#include "exec-group.h"
#include "static-libc.h"

/* How long execve(2) may take: the program may lie on a dead mount. */
#define EXEC_MS 10000
/* How long one that was killed is waited for. */
#define KILL_MS 2000
#define KILL_STEP_MS 5

#define MAX_GROUPS 256

/* Where the child came to before it failed. */
typedef enum
{
  STAGE_DESCRIPTORS,
  STAGE_USER,
  STAGE_DIRECTORY,
  STAGE_EXEC,
} Stage;

typedef struct
{
  Stage stage;
  int error_number;
} Failure;

/* All that the child needs, made before the fork: after it only
 * async-signal-safe functions may be called. */
typedef struct
{
  const PvtChildSpec *spec;
  char *path;
  int fds[3];
  int null;
  int report[2];
  gboolean change_user;
  uid_t uid;
  gid_t gid;
  gid_t groups[MAX_GROUPS];
  int n_groups;
} Plan;

char *const *
pvt_child_plain_env (void)
{
  static char *const env[] = { (char *) "PATH=" PVT_CHILD_PATH, (char *) "LC_ALL=C", NULL };

  return env;
}

char *
pvt_child_find (const char *name)
{
  const char *path = g_getenv ("PATH");
  g_auto (GStrv) directories = NULL;

  if (strchr (name, '/'))
    return g_strdup (name);
  directories = g_strsplit (path && *path ? path : PVT_CHILD_PATH, ":", -1);
  for (gsize i = 0; directories[i]; i++)
    {
      g_autofree char *full = g_build_filename (directories[i], name, NULL);

      if (directories[i][0] == '/' && access (full, X_OK) == 0
          && g_file_test (full, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&full);
    }
  return NULL;
}

static gboolean
look_up_user (Plan *plan, const char *name, GError **error)
{
  g_autofree char *buffer = g_malloc (16384);
  struct passwd entry, *found = NULL;
  int failed = getpwnam_r (name, &entry, buffer, 16384, &found);

  if (found == NULL)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "there is no user '%s'" PVT_NO_SUCH_USER "%s%s", name,
                   failed ? ": " : "", failed ? g_strerror (failed) : "");
      return FALSE;
    }
  plan->change_user = TRUE;
  plan->uid = entry.pw_uid;
  plan->gid = entry.pw_gid;
  plan->n_groups = MAX_GROUPS;
  if (getgrouplist (name, entry.pw_gid, plan->groups, &plan->n_groups) < 0)
    plan->n_groups = MAX_GROUPS;
  return TRUE;
}

static G_NORETURN void
give_up (const Plan *plan, Stage stage)
{
  Failure failure = { stage, errno };

  if (write (plan->report[1], &failure, sizeof failure) < 0)
    _exit (126);
  _exit (127);
}

static void
reset_signals (void)
{
  struct sigaction plain = { .sa_handler = SIG_DFL };
  sigset_t none;

  for (int s = 1; s < NSIG; s++)
    sigaction (s, &plain, NULL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* The agent is protected from the OOM killer, what it starts is not. */
static void
reset_oom_score (void)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  if (write (fd, "0", 1) < 0)
    {
      /* without the right to, it stays as it is */
    }
  close (fd);
}

/* The agent's unit sets the soft limit for the agent alone. */
static void
reset_memory_limit (void)
{
  struct rlimit data;

  if (getrlimit (RLIMIT_DATA, &data) < 0)
    return;
  data.rlim_cur = data.rlim_max;
  setrlimit (RLIMIT_DATA, &data);
}

static gboolean
place_descriptors (Plan *plan)
{
  int fds[3];

  /* Out of the way first: one of them may be 0, 1 or 2. */
  for (int i = 0; i < 3; i++)
    {
      fds[i] = fcntl (plan->fds[i] >= 0 ? plan->fds[i] : plan->null, F_DUPFD_CLOEXEC, 10);
      if (fds[i] < 0)
        return FALSE;
    }
  for (int i = 0; i < 3; i++)
    if (dup2 (fds[i], i) < 0)
      return FALSE;
  return TRUE;
}

/* By the kernel itself: the C library's own would first speak to the agent's other
 * threads (nptl(7)), which a child that is born in a group does not have. */
#ifdef SYS_setresuid32
#define SET_GROUPS SYS_setgroups32
#define SET_GID SYS_setresgid32
#define SET_UID SYS_setresuid32
#else
#define SET_GROUPS SYS_setgroups
#define SET_GID SYS_setresgid
#define SET_UID SYS_setresuid
#endif

static gboolean
become_user (const Plan *plan)
{
  return syscall (SET_GROUPS, plan->n_groups, plan->groups) == 0
         && syscall (SET_GID, plan->gid, plan->gid, plan->gid) == 0
         && syscall (SET_UID, plan->uid, plan->uid, plan->uid) == 0;
}

static G_NORETURN void
child (Plan *plan)
{
  const PvtChildSpec *spec = plan->spec;

  setsid ();
  reset_signals ();
  reset_oom_score ();
  reset_memory_limit ();
  if (!place_descriptors (plan))
    give_up (plan, STAGE_DESCRIPTORS);
  if (spec->terminal)
    ioctl (0, TIOCSCTTY, 0);
  if (plan->change_user && !become_user (plan))
    give_up (plan, STAGE_USER);
  if (spec->directory && chdir (spec->directory) < 0)
    give_up (plan, STAGE_DIRECTORY);
  execve (plan->path, spec->argv, spec->env ? spec->env : environ);
  give_up (plan, STAGE_EXEC);
}

static gboolean
report_failure (const Plan *plan, const Failure *failure, GError **error)
{
  static const char *const what[] = { "cannot place its descriptors", "cannot become the user",
                                      "cannot enter the directory", "cannot be run" };
  const char *of = failure->stage == STAGE_USER        ? plan->spec->user
                   : failure->stage == STAGE_DIRECTORY ? plan->spec->directory
                                                       : NULL;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (failure->error_number),
               "%s: %s%s%s: %s", plan->path, what[failure->stage], of ? " " : "", of ? of : "",
               g_strerror (failure->error_number));
  return FALSE;
}

static void
nobody_asks (pid_t pid G_GNUC_UNUSED, int status G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
}

/* Kills what may hang in the kernel, where no signal reaches it: the main loop, if there
 * is one, sees to what is left of it when it comes out. FALSE when that is so. */
static gboolean
end_child (pid_t pid, pid_t target, int *status)
{
  kill (target, SIGKILL);
  for (guint waited = 0; waited < KILL_MS; waited += KILL_STEP_MS)
    {
      if (waitpid (pid, status, WNOHANG) != 0)
        return TRUE;
      g_usleep (KILL_STEP_MS * 1000);
    }
  pvt_child_watch (pid, nobody_asks, NULL);
  return FALSE;
}

/* Until the pipe closes, which execve(2) does, or the child tells its failure. */
static gboolean
await_exec (const Plan *plan, pid_t pid, GError **error)
{
  struct pollfd pfd = { .fd = plan->report[0], .events = POLLIN };
  Failure failure;
  gssize n;
  int ready, status;

  do
    ready = poll (&pfd, 1, EXEC_MS);
  while (ready < 0 && errno == EINTR);
  if (ready == 0)
    {
      end_child (pid, pid, &status);
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_IO, "%s: could not be loaded within %d s",
                   plan->path, EXEC_MS / 1000);
      return FALSE;
    }
  n = read (plan->report[0], &failure, sizeof failure);
  if (n != sizeof failure)
    return TRUE;
  waitpid (pid, NULL, 0);
  return report_failure (plan, &failure, error);
}

static gboolean
fork_and_exec (Plan *plan, pid_t *pid_out, GError **error)
{
  pid_t pid;
  gboolean ok;

  if (pipe2 (plan->report, O_CLOEXEC) < 0)
    {
      g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
                   "cannot make a pipe: %s", g_strerror (errno));
      return FALSE;
    }
  pid = plan->spec->apart ? pvt_exec_group_fork () : fork ();
  if (pid == 0)
    child (plan);
  close (plan->report[1]);
  if (pid < 0)
    {
      g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
                   "%s: cannot fork: %s", plan->path, g_strerror (errno));
      close (plan->report[0]);
      return FALSE;
    }
  ok = await_exec (plan, pid, error);
  close (plan->report[0]);
  if (ok)
    *pid_out = pid;
  return ok;
}

gboolean
pvt_child_start (const PvtChildSpec *spec, pid_t *pid, GError **error)
{
  Plan plan = { .spec = spec, .fds = { spec->in, spec->out, spec->err } };
  g_autofree char *path = pvt_child_find (spec->argv[0]);
  gboolean ok;

  if (path == NULL)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                   "%s: there is no such program in PATH", spec->argv[0]);
      return FALSE;
    }
  if (spec->user && !look_up_user (&plan, spec->user, error))
    return FALSE;
  plan.path = path;
  plan.null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  ok = fork_and_exec (&plan, pid, error);
  if (plan.null >= 0)
    close (plan.null);
  return ok;
}

/* What a run has to do with the pipes, apart from waiting. */
typedef struct
{
  pid_t pid;
  int in, out; /* our ends; -1 once done */
  const char *input;
  gsize input_left;
  PvtChildOutcome *outcome;
  gsize output_len;
} Run;

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
feed (Run *run)
{
  gssize n = write (run->in, run->input, run->input_left);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n > 0)
    {
      run->input += n;
      run->input_left -= (gsize) n;
    }
  if (n < 0 || run->input_left == 0)
    close_fd (&run->in);
}

/* The begin is kept, the rest read and dropped: the child must not block. */
static void
drain (Run *run)
{
  char chunk[1024];
  gssize n = read (run->out, chunk, sizeof chunk);
  gsize room = sizeof run->outcome->output - 1 - run->output_len;

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (n <= 0)
    {
      close_fd (&run->out);
      return;
    }
  memcpy (run->outcome->output + run->output_len, chunk, MIN ((gsize) n, room));
  run->output_len += MIN ((gsize) n, room);
  run->outcome->output[run->output_len] = '\0';
}

/* One turn of waiting; TRUE when the child has ended. */
static gboolean
step (Run *run)
{
  struct pollfd pfds[2] = { { .fd = run->in, .events = POLLOUT },
                            { .fd = run->out, .events = POLLIN } };

  /* The pipes tell most ends at once; one held open by a grandchild does not. */
  poll (pfds, 2, run->out >= 0 ? 20 : 2);
  if (pfds[0].revents)
    feed (run);
  if (pfds[1].revents)
    drain (run);
  return waitpid (run->pid, &run->outcome->status, WNOHANG) == run->pid;
}

static void
run_to_the_end (Run *run, guint timeout_ms, const gint *cancelled)
{
  gint64 end = g_get_monotonic_time () + (gint64) timeout_ms * 1000;

  while (!step (run))
    {
      if (g_get_monotonic_time () < end && !(cancelled && g_atomic_int_get (cancelled)))
        continue;
      run->outcome->timed_out = TRUE;
      end_child (run->pid, -run->pid, &run->outcome->status);
      return;
    }
  if (run->out >= 0)
    drain (run);
}

gboolean
pvt_child_run (const PvtChildSpec *spec, const char *input, gsize input_len, guint timeout_ms,
               const gint *cancelled, PvtChildOutcome *outcome, GError **error)
{
  PvtChildSpec with_pipes = *spec;
  Run run = { .input = input, .input_left = input_len, .outcome = outcome };
  int in[2] = { -1, -1 }, out[2] = { -1, -1 };
  gboolean ok;

  memset (outcome, 0, sizeof *outcome);
  if (pipe2 (out, O_CLOEXEC) < 0 || (input && pipe2 (in, O_CLOEXEC) < 0))
    {
      g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
                   "cannot make a pipe: %s", g_strerror (errno));
      close_fd (&out[0]);
      close_fd (&out[1]);
      return FALSE;
    }
  with_pipes.in = in[0];
  with_pipes.out = with_pipes.err = out[1];
  ok = pvt_child_start (&with_pipes, &run.pid, error);
  close_fd (&in[0]);
  close_fd (&out[1]);
  run.in = in[1];
  run.out = out[0];
  fcntl (run.out, F_SETFL, O_NONBLOCK);
  if (run.in >= 0)
    fcntl (run.in, F_SETFL, O_NONBLOCK);
  if (ok)
    run_to_the_end (&run, timeout_ms, cancelled);
  close_fd (&run.in);
  close_fd (&run.out);
  return ok;
}

gboolean
pvt_child_succeeded (const PvtChildOutcome *outcome)
{
  return !outcome->timed_out && WIFEXITED (outcome->status) && WEXITSTATUS (outcome->status) == 0;
}

char *
pvt_child_describe (const PvtChildOutcome *outcome, guint timeout_ms)
{
  g_autofree char *text = g_strstrip (g_utf8_make_valid (outcome->output, -1));
  const char *colon = *text ? ": " : "";

  if (outcome->timed_out)
    return g_strdup_printf ("took longer than %u ms and was killed%s%s", timeout_ms, colon, text);
  if (WIFSIGNALED (outcome->status))
    return g_strdup_printf ("was killed by signal %d%s%s", WTERMSIG (outcome->status), colon, text);
  return g_strdup_printf ("exited with code %d%s%s", WEXITSTATUS (outcome->status), colon, text);
}

/* The link may end in " (deleted)" after an upgrade: the directory is what counts. */
char *
pvt_child_helper (const char *name)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *sbin = self ? g_path_get_dirname (self) : NULL;
  g_autofree char *prefix = sbin ? g_path_get_dirname (sbin) : NULL;

  return prefix ? g_build_filename (prefix, "lib/pvtools", name, NULL) : NULL;
}
