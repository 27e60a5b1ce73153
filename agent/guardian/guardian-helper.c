/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The helper's half of the guardian: system calls only.
 *
 * Between freezes it sleeps in read(2) of its socket and ends when that hangs up.
 * All that it will need while filesystems are frozen it has touched, and so
 * locked, before it says that it is ready.
 */
#include "guardian-private.h"

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
#include <unistd.h>

/* How often it looks whether an ioctl that is under way has come back. */
#define LOOK_MS 10

typedef struct
{
  PvtGuardianPage *page;
  int socket, timer, signals;
  int lock_fd; /* -1 between freezes */
  int hurry_fd; /* or -1 */
} Helper;

/* The flag goes on before the switch and off after it: whoever finds it on when
 * the other is dead may switch off once too often, never once too little. */
void
pvt_guardian_set_hurry (PvtGuardianPage *page, int fd, gboolean on)
{
  if (on)
    g_atomic_int_set (&page->hurried, TRUE);
  if (fd >= 0 && g_atomic_int_get (&page->hurried))
    (void) !pwrite (fd, on ? "1" : "0", 1, 0);
  if (!on)
    g_atomic_int_set (&page->hurried, FALSE);
}

int
pvt_guardian_thaw_slot (PvtGuardianSlot *slot, gint from, int fd)
{
  if (!g_atomic_int_compare_and_exchange (&slot->state, from, PVT_SLOT_THAWED))
    return 0;
  return ioctl (fd, FITHAW, 0) < 0 ? -errno : 1;
}

/* Last frozen, first thawed: what lies on another comes after it. */
static void
thaw_all (PvtGuardianPage *shared, gint from)
{
  for (guint i = shared->n; i-- > 0;)
    pvt_guardian_thaw_slot (&shared->slots[i], from, shared->slots[i].its_fd);
}

static gboolean
is_under_way (PvtGuardianPage *shared)
{
  for (guint i = 0; i < shared->n; i++)
    if (g_atomic_int_get (&shared->slots[i].state) == PVT_SLOT_FREEZING)
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
end_freeze (const Helper *helper, PvtFreezeEnd end)
{
  PvtGuardianPage *shared = helper->page;

  g_atomic_int_set (&shared->end, (gint) end);
  g_atomic_int_set (&shared->abort, TRUE);
  thaw_all (shared, PVT_SLOT_FROZEN);
  pvt_guardian_set_hurry (shared, helper->hurry_fd, FALSE);
  while (is_under_way (shared))
    {
      if (agent_is_dead (helper->socket, LOOK_MS))
        thaw_all (shared, PVT_SLOT_FREEZING);
      thaw_all (shared, PVT_SLOT_FROZEN);
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

/* ---- the agent's orders ---- */

/* The descriptors that came with a packet; how many. */
static guint
take_fds (struct msghdr *message, int *fds)
{
  struct cmsghdr *header = CMSG_FIRSTHDR (message);
  guint n;

  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
    return 0;
  n = (guint) ((header->cmsg_len - CMSG_LEN (0)) / sizeof (int));
  memcpy (fds, CMSG_DATA (header), n * sizeof (int));
  return n;
}

static void
take (Helper *helper, guint first, const int *fds, guint n)
{
  for (guint i = 0; i < n && first + i < PVT_GUARDIAN_SLOTS; i++)
    helper->page->slots[first + i].its_fd = fds[i];
}

/* Only what is touched is locked: once through all that an end will need. */
static void
touch (Helper *helper)
{
  arm (helper->timer, 0);
  if (ioctl (-1, FITHAW, 0) == 0)
    _exit (1);
  thaw_all (helper->page, PVT_SLOT_FREEZING);
  is_under_way (helper->page);
  agent_is_dead (helper->socket, 0);
  pvt_guardian_set_hurry (helper->page, -1, FALSE);
  pvt_boottime ();
}

static void
answer (const Helper *helper, guint8 kind)
{
  if (send (helper->socket, &kind, 1, MSG_NOSIGNAL) != 1)
    _exit (1);
}

/* Descriptors are lost when there may be no more of them. */
static gboolean
has_all (const PvtGuardianPage *page)
{
  for (guint i = 0; i < page->n; i++)
    if (page->slots[i].its_fd < 0)
      return FALSE;
  return TRUE;
}

static void
begin (Helper *helper, const int *fds, guint n, gint64 deadline)
{
  helper->lock_fd = n > 0 ? fds[0] : -1;
  helper->hurry_fd = n > 1 ? fds[1] : -1;
  if (helper->lock_fd < 0 || !has_all (helper->page))
    _exit (1);
  touch (helper);
  arm (helper->timer, deadline);
  answer (helper, PVT_GUARDIAN_BEGIN);
}

static void
say_goodbye (Helper *helper)
{
  arm (helper->timer, 0);
  for (guint i = 0; i < helper->page->n; i++)
    close (helper->page->slots[i].its_fd);
  if (helper->lock_fd >= 0)
    close (helper->lock_fd);
  if (helper->hurry_fd >= 0)
    close (helper->hurry_fd);
  helper->lock_fd = helper->hurry_fd = -1;
  answer (helper, PVT_GUARDIAN_GOODBYE);
}

/* FALSE: the agent is gone. */
static gboolean
obey (Helper *helper)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (PVT_GUARDIAN_FDS_A_MESSAGE * sizeof (int))];
  } control;
  PvtGuardianOrder order;
  struct iovec iov = { &order, sizeof order };
  struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof control };
  gssize got = recvmsg (helper->socket, &message, MSG_CMSG_CLOEXEC);
  int fds[PVT_GUARDIAN_FDS_A_MESSAGE];
  guint n;

  if (got < 0)
    return errno == EINTR || errno == EAGAIN;
  if (got != sizeof order)
    return FALSE;
  n = take_fds (&message, fds);
  if (order.kind == PVT_GUARDIAN_TAKE)
    take (helper, order.first, fds, n);
  else if (order.kind == PVT_GUARDIAN_BEGIN)
    begin (helper, fds, n, order.deadline);
  else if (order.kind == PVT_GUARDIAN_RENEW)
    arm (helper->timer, order.deadline);
  else
    say_goodbye (helper);
  return TRUE;
}

/* Serves one freeze after the other, until one has to be ended here. */
static PvtFreezeEnd
await_end (Helper *helper)
{
  struct pollfd pfds[3] = { { .fd = helper->socket, .events = POLLIN },
                            { .fd = helper->timer, .events = POLLIN },
                            { .fd = helper->signals, .events = POLLIN } };

  while (TRUE)
    {
      if (poll (pfds, 3, -1) < 0)
        continue;
      if (pfds[0].revents)
        {
          if (!obey (helper))
            return PVT_FREEZE_END_AGENT_DIED;
        }
      else if (pfds[1].revents)
        return PVT_FREEZE_END_DEADLINE;
      else if (pfds[2].revents)
        return PVT_FREEZE_END_ASKED_BY_SIGNAL;
    }
}

/* ---- becoming the helper ---- */

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

/* Does not return: runs the agent's program for the thaw hooks, if any. */
static G_NORETURN void
become_aftermath (const Helper *helper, char *const *argv)
{
  sigset_t none;

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  fcntl (helper->lock_fd, F_SETFD, 0);
  execv ("/proc/self/exe", argv);
  _exit (1);
}

#define NAME "pvt-guardian"

static void
show_name (const PvtGuardianTitle *title)
{
  prctl (PR_SET_NAME, NAME);
  if (title->len < sizeof NAME)
    return;
  memset (title->start, 0, title->len);
  memcpy (title->start, NAME, sizeof NAME);
}

/* The log, descriptor 2, stays for what it becomes in the end. */
static void
part_with_the_agent (const Helper *helper)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  int keep[] = { 0, 1, 2, helper->socket, helper->timer, helper->signals };

  setsid ();
  dup2 (null, 0);
  dup2 (null, 1);
  close_others (keep, G_N_ELEMENTS (keep));
}

void
pvt_guardian_live (PvtGuardianPage *page, int socket, char *const *argv,
                   const PvtGuardianTitle *title)
{
  Helper helper = { .page = page,
                    .socket = socket,
                    .timer = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK),
                    .signals = make_signal_fd (),
                    .lock_fd = -1,
                    .hurry_fd = -1 };
  PvtFreezeEnd end;

  if (helper.timer < 0 || helper.signals < 0)
    _exit (1);
  part_with_the_agent (&helper);
  show_name (title);
  mlockall (MCL_CURRENT | MCL_ONFAULT);
  end = await_end (&helper);
  if (helper.lock_fd < 0)
    _exit (0);
  end_freeze (&helper, end);
  if (end == PVT_FREEZE_END_AGENT_DIED)
    become_aftermath (&helper, argv);
  _exit (0);
}
