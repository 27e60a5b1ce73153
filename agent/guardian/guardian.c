/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How often it looks whether an ioctl that is under way has come back. */
#define LOOK_MS 10

/* How long it may take to end once it was told to. */
#define GOODBYE_MS 2000

enum
{
  IDLE,
  FREEZING, /* the agent's ioctl is under way */
  FROZEN,
  THAWED,
};

typedef struct
{
  gint state;
  int fd;
} Slot;

/* The page that both see. */
typedef struct
{
  gint abort; /* no further filesystem may be frozen */
  gint end;   /* PvtFreezeEnd */
  gint64 end_time;
  guint n;
  Slot slots[];
} Shared;

struct _PvtGuardian
{
  Shared *shared;
  gsize size;
  pid_t pid;
  int socket;
};

gint64
pvt_boottime (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

/* ---- in the helper: system calls only ---- */

static int
thaw_slot (Slot *slot, gint from)
{
  if (!g_atomic_int_compare_and_exchange (&slot->state, from, THAWED))
    return 0;
  return ioctl (slot->fd, FITHAW, 0) < 0 ? -errno : 1;
}

/* Last frozen, first thawed: what lies on another comes after it. */
static void
thaw_all (Shared *shared, gint from)
{
  for (guint i = shared->n; i-- > 0;)
    thaw_slot (&shared->slots[i], from);
}

static gboolean
is_under_way (Shared *shared)
{
  for (guint i = 0; i < shared->n; i++)
    if (g_atomic_int_get (&shared->slots[i].state) == FREEZING)
      return TRUE;
  return FALSE;
}

/* A hang-up: all threads of the agent are gone, and with them their ioctls. */
static gboolean
agent_is_dead (int socket, int patience_ms)
{
  struct pollfd pfd = { .fd = socket, .events = POLLRDHUP };

  return poll (&pfd, 1, patience_ms) > 0 && (pfd.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

/* Ends the freeze. What is frozen goes at once; what is just being frozen, as
 * soon as that has come to an end. */
static void
end_freeze (Shared *shared, int socket, PvtFreezeEnd end)
{
  g_atomic_int_set (&shared->end, (gint) end);
  g_atomic_int_set (&shared->abort, TRUE);
  thaw_all (shared, FROZEN);
  while (is_under_way (shared))
    {
      if (agent_is_dead (socket, LOOK_MS))
        thaw_all (shared, FREEZING);
      thaw_all (shared, FROZEN);
    }
  shared->end_time = pvt_boottime ();
}

static void
arm (int timer, gint64 deadline)
{
  struct itimerspec spec
      = { .it_value = { deadline / 1000000000, deadline % 1000000000 } };

  timerfd_settime (timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* What is to be done; the agent sends a deadline, or nothing more. */
static PvtFreezeEnd
await_end (int socket, int timer, int signals)
{
  struct pollfd pfds[3] = { { .fd = socket, .events = POLLIN },
                            { .fd = timer, .events = POLLIN },
                            { .fd = signals, .events = POLLIN } };
  gint64 deadline;

  while (TRUE)
    {
      if (poll (pfds, 3, -1) < 0)
        continue;
      if (pfds[0].revents)
        {
          gssize n = read (socket, &deadline, sizeof deadline);

          if (n == sizeof deadline && deadline < 0)
            return PVT_FREEZE_END_HOST;
          if (n == sizeof deadline)
            arm (timer, deadline);
          else if (n == 0 || (n < 0 && errno != EINTR))
            return PVT_FREEZE_END_AGENT_DIED;
        }
      else if (pfds[1].revents)
        return PVT_FREEZE_END_DEADLINE;
      else if (pfds[2].revents)
        return PVT_FREEZE_END_ASKED_BY_SIGNAL;
    }
}

static int
compare_fds (const void *a, const void *b)
{
  return *(const int *) a - *(const int *) b;
}

static void
close_between (int first, int last)
{
  if (first > last || syscall (SYS_close_range, first, last, 0) == 0)
    return;
  for (int fd = first; fd <= MIN (last, 65536); fd++)
    close (fd);
}

/* Above all the agent's virtio port must not stay open here: the next agent
 * could not open it. @keep is sorted in place. */
static void
close_others (int *keep, guint n)
{
  int next = 0;

  qsort (keep, n, sizeof *keep, compare_fds);
  for (guint i = 0; i < n; i++)
    {
      close_between (next, keep[i] - 1);
      next = keep[i] + 1;
    }
  close_between (next, G_MAXINT);
}

static int
make_signal_fd (void)
{
  sigset_t all;

  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, NULL);
  sigemptyset (&all);
  sigaddset (&all, SIGTERM);
  sigaddset (&all, SIGINT);
  sigaddset (&all, SIGHUP);
  return signalfd (-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Only what is touched is locked: all that the helper will need is touched
 * here, before anything is frozen. */
static void
lock_memory (Shared *shared, int socket, int timer)
{
  struct pollfd pfd = { .fd = socket, .events = POLLIN };

  mlockall (MCL_CURRENT | MCL_ONFAULT);
  poll (&pfd, 1, 0);
  arm (timer, 0);
  if (ioctl (-1, FITHAW, 0) == 0)
    _exit (1);
  thaw_all (shared, FREEZING);
  is_under_way (shared);
  agent_is_dead (socket, 0);
  pvt_boottime ();
}

/* Does not return: runs the agent's program for the thaw hooks, if any. */
static G_NORETURN void
become_aftermath (const PvtGuardianAftermath *aftermath)
{
  sigset_t none;

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  fcntl (aftermath->lock_fd, F_SETFD, 0);
  execv ("/proc/self/exe", aftermath->argv);
  _exit (1);
}

static G_NORETURN void
guard (Shared *shared, int socket, int timer, gint64 deadline, int *keep, guint n_keep,
       const PvtGuardianAftermath *aftermath)
{
  int signals = make_signal_fd (), null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  PvtFreezeEnd end;

  prctl (PR_SET_NAME, "pvt-guardian");
  setsid ();
  /* The log stays, for what it becomes in the end. */
  dup2 (null, 0);
  dup2 (null, 1);
  for (int fd = 0; fd < 3; fd++)
    keep[n_keep++] = fd;
  keep[n_keep++] = signals;
  close_others (keep, n_keep);
  lock_memory (shared, socket, timer);
  arm (timer, deadline);
  if (write (socket, "r", 1) != 1)
    _exit (1);
  end = await_end (socket, timer, signals);
  if (end == PVT_FREEZE_END_HOST)
    _exit (0);
  end_freeze (shared, socket, end);
  if (end == PVT_FREEZE_END_AGENT_DIED)
    become_aftermath (aftermath);
  _exit (0);
}

/* ---- in the agent ---- */

static PvtGuardian *
fail (GError **error, const char *what)
{
  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
               "the guardian of the freeze could not be started: %s: %s", what, g_strerror (errno));
  return NULL;
}

static Shared *
share (const int *fds, guint n, gsize *size)
{
  Shared *shared;

  *size = sizeof (Shared) + n * sizeof (Slot);
  shared = mmap (NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (shared == MAP_FAILED)
    return NULL;
  shared->n = n;
  for (guint i = 0; i < n; i++)
    shared->slots[i] = (Slot){ IDLE, fds[i] };
  return shared;
}

/* Until it says that it is ready. */
static gboolean
await_ready (int socket)
{
  char byte;
  gssize n;

  do
    n = read (socket, &byte, 1);
  while (n < 0 && errno == EINTR);
  return n == 1;
}

static PvtGuardian *
fork_guardian (PvtGuardian *guardian, int *sockets, int timer, const int *fds, gint64 deadline,
               const PvtGuardianAftermath *aftermath, GError **error)
{
  guint n = guardian->shared->n;
  g_autofree int *keep = g_new (int, n + 8);
  guint n_keep = n;

  if (n)
    memcpy (keep, fds, n * sizeof *keep);
  keep[n_keep++] = sockets[1];
  keep[n_keep++] = timer;
  keep[n_keep++] = aftermath->lock_fd;
  guardian->pid = fork ();
  if (guardian->pid == 0)
    guard (guardian->shared, sockets[1], timer, deadline, keep, n_keep, aftermath);
  guardian->socket = sockets[0];
  close (sockets[1]);
  if (guardian->pid < 0)
    return fail (error, "fork");
  if (await_ready (guardian->socket))
    return guardian;
  errno = EPIPE;
  return fail (error, "it ended at once");
}

PvtGuardian *
pvt_guardian_start (const int *fds, guint n, gint64 deadline, const PvtGuardianAftermath *aftermath,
                    GError **error)
{
  PvtGuardian *guardian = g_new0 (PvtGuardian, 1), *started = NULL;
  int timer = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), sockets[2];

  guardian->socket = -1;
  guardian->pid = -1;
  guardian->shared = share (fds, n, &guardian->size);
  if (guardian->shared == NULL || timer < 0)
    fail (error, "memory or timer");
  else if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
    fail (error, "socket");
  else
    started = fork_guardian (guardian, sockets, timer, fds, deadline, aftermath, error);
  if (timer >= 0)
    close (timer);
  if (started == NULL)
    pvt_guardian_free (guardian);
  return started;
}

int
pvt_guardian_freeze (PvtGuardian *guardian, guint index)
{
  Slot *slot = &guardian->shared->slots[index];
  int failed;

  if (!g_atomic_int_compare_and_exchange (&slot->state, IDLE, FREEZING))
    return -EALREADY;
  /* After the state: whoever aborts looks at it after setting the flag. */
  if (g_atomic_int_get (&guardian->shared->abort))
    {
      g_atomic_int_set (&slot->state, IDLE);
      return -ECANCELED;
    }
  failed = ioctl (slot->fd, FIFREEZE, 0) < 0 ? -errno : 0;
  g_atomic_int_set (&slot->state, failed ? IDLE : FROZEN);
  if (failed || !g_atomic_int_get (&guardian->shared->abort))
    return failed;
  thaw_slot (slot, FROZEN);
  return -ECANCELED;
}

int
pvt_guardian_thaw (PvtGuardian *guardian, guint index)
{
  return thaw_slot (&guardian->shared->slots[index], FROZEN);
}

gboolean
pvt_guardian_renew (PvtGuardian *guardian, gint64 deadline)
{
  return send (guardian->socket, &deadline, sizeof deadline, MSG_NOSIGNAL) == sizeof deadline;
}

int
pvt_guardian_fd (const PvtGuardian *guardian)
{
  return guardian->socket;
}

void
pvt_guardian_abort (PvtGuardian *guardian)
{
  g_atomic_int_set (&guardian->shared->abort, TRUE);
}

PvtFreezeEnd
pvt_guardian_end (PvtGuardian *guardian, gint64 *when)
{
  PvtFreezeEnd end = (PvtFreezeEnd) g_atomic_int_get (&guardian->shared->end);

  *when = end == PVT_FREEZE_END_NONE ? pvt_boottime () : guardian->shared->end_time;
  return end == PVT_FREEZE_END_NONE ? PVT_FREEZE_END_GUARDIAN_DIED : end;
}

/* It has nothing to do but end; should it not, it is no guardian any more. */
static void
wait_for (pid_t pid)
{
  for (guint waited = 0; waited < GOODBYE_MS; waited++)
    {
      if (waitpid (pid, NULL, WNOHANG) != 0)
        return;
      g_usleep (1000);
    }
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
}

void
pvt_guardian_free (PvtGuardian *guardian)
{
  gint64 goodbye = -1;

  if (guardian == NULL)
    return;
  if (guardian->pid > 0)
    {
      if (send (guardian->socket, &goodbye, sizeof goodbye, MSG_NOSIGNAL) < 0)
        kill (guardian->pid, SIGKILL);
      wait_for (guardian->pid);
    }
  if (guardian->socket >= 0)
    close (guardian->socket);
  if (guardian->shared)
    munmap (guardian->shared, guardian->size);
  g_free (guardian);
}
