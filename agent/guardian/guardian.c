/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's half of the guardian. */
#include "guardian-private.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long it may take to answer. */
#define ANSWER_MS 2000

struct _PvtGuardian
{
  PvtGuardianPage *page;
  pid_t pid; /* 0: none */
  int socket;
  int hurry_fd; /* the caller's, of this freeze */
};

/* There is one at most: a guest is in one freeze at most. */
static PvtGuardian the_guardian = { .socket = -1 };
static char **aftermath_argv;
static PvtGuardianTitle title;

gint64
pvt_boottime (void)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (errno),
               "the guardian of the freeze could not be started: %s: %s", what, g_strerror (errno));
  return FALSE;
}

/* ---- its life ---- */

static gboolean
map_page (PvtGuardian *guardian, GError **error)
{
  void *page;

  if (guardian->page)
    return TRUE;
  page = mmap (NULL, sizeof (PvtGuardianPage), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (page == MAP_FAILED)
    return fail (error, "memory");
  guardian->page = page;
  return TRUE;
}

static gboolean
spawn (PvtGuardian *guardian, GError **error)
{
  int sockets[2];

  if (!map_page (guardian, error))
    return FALSE;
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
    return fail (error, "socket");
  guardian->pid = fork ();
  if (guardian->pid == 0)
    pvt_guardian_live (guardian->page, sockets[1], aftermath_argv, &title);
  close (sockets[1]);
  if (guardian->pid < 0)
    {
      fail (error, "fork");
      guardian->pid = 0;
      close (sockets[0]);
      return FALSE;
    }
  guardian->socket = sockets[0];
  return TRUE;
}

/* Whoever has not answered or is about to end is no guardian any more. */
static void
bury (PvtGuardian *guardian)
{
  if (guardian->pid == 0)
    return;
  close (guardian->socket);
  guardian->socket = -1;
  kill (guardian->pid, SIGKILL);
  while (waitpid (guardian->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  guardian->pid = 0;
}

gboolean
pvt_guardian_prepare (char *const *argv, PvtGuardianTitle its_title, GError **error)
{
  title = its_title;
  g_strfreev (aftermath_argv);
  aftermath_argv = g_strdupv ((char **) argv);
  return the_guardian.pid || spawn (&the_guardian, error);
}

void
pvt_guardian_dismiss (void)
{
  bury (&the_guardian);
  g_clear_pointer (&aftermath_argv, g_strfreev);
}

/* ---- talking to it ---- */

static gboolean
order (const PvtGuardian *guardian, const PvtGuardianOrder *what, const int *fds, guint n)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (PVT_GUARDIAN_FDS_A_MESSAGE * sizeof (int))];
  } control;
  struct iovec iov = { (void *) what, sizeof *what };
  struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
  gssize sent;

  if (n)
    {
      struct cmsghdr *header = &control.align;

      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE (n * sizeof (int));
      *header = (struct cmsghdr){ .cmsg_len = CMSG_LEN (n * sizeof (int)),
                                  .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
      memcpy (CMSG_DATA (header), fds, n * sizeof (int));
    }
  do
    sent = sendmsg (guardian->socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == sizeof *what;
}

/* An earlier answer, which came too late to be waited for, is passed over. */
static gboolean
has_answered (const PvtGuardian *guardian, PvtGuardianKind what)
{
  struct pollfd pfd = { .fd = guardian->socket, .events = POLLIN };
  guint8 kind = 0;
  int ready;

  do
    {
      do
        ready = poll (&pfd, 1, ANSWER_MS);
      while (ready < 0 && errno == EINTR);
      if (ready <= 0 || recv (guardian->socket, &kind, 1, MSG_DONTWAIT) != 1)
        return FALSE;
    }
  while (kind != what);
  return TRUE;
}

static gboolean
hand_over (const PvtGuardian *guardian, const PvtGuardianCharge *charge)
{
  int others[] = { charge->lock_fd, charge->hurry_fd };

  for (guint first = 0; first < charge->n; first += PVT_GUARDIAN_FDS_A_MESSAGE)
    if (!order (guardian, &(PvtGuardianOrder){ PVT_GUARDIAN_TAKE, first, 0 }, charge->fds + first,
                MIN (charge->n - first, PVT_GUARDIAN_FDS_A_MESSAGE)))
      return FALSE;
  return order (guardian, &(PvtGuardianOrder){ PVT_GUARDIAN_BEGIN, 0, charge->deadline }, others,
                charge->hurry_fd < 0 ? 1 : 2);
}

static void
clean_page (PvtGuardianPage *page, const PvtGuardianCharge *charge)
{
  page->abort = FALSE;
  page->end = PVT_FREEZE_END_NONE;
  page->end_time = 0;
  page->hurried = FALSE;
  page->n = charge->n;
  for (guint i = 0; i < charge->n; i++)
    page->slots[i] = (PvtGuardianSlot){ PVT_SLOT_IDLE, charge->fds[i], -1 };
}

PvtGuardian *
pvt_guardian_start (const PvtGuardianCharge *charge, GError **error)
{
  PvtGuardian *guardian = &the_guardian;

  if (charge->n > PVT_GUARDIAN_SLOTS)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_MFILE,
                   "%u filesystems are more than the %u that can be frozen together", charge->n,
                   PVT_GUARDIAN_SLOTS);
      return NULL;
    }
  /* One that was killed in its sleep is found out here, and replaced. */
  for (guint attempt = 0; attempt < 2; attempt++)
    {
      if (guardian->pid == 0 && !spawn (guardian, error))
        return NULL;
      clean_page (guardian->page, charge);
      guardian->hurry_fd = charge->hurry_fd;
      if (hand_over (guardian, charge))
        return guardian;
      bury (guardian);
    }
  fail (error, "it ends at once");
  return NULL;
}

void
pvt_guardian_hurry (PvtGuardian *guardian, gboolean on)
{
  pvt_guardian_set_hurry (guardian->page, guardian->hurry_fd, on);
}

gboolean
pvt_guardian_await (PvtGuardian *guardian, GError **error)
{
  if (has_answered (guardian, PVT_GUARDIAN_BEGIN))
    return TRUE;
  errno = EPIPE;
  return fail (error, "it does not answer");
}

int
pvt_guardian_freeze (PvtGuardian *guardian, guint index)
{
  PvtGuardianSlot *slot = &guardian->page->slots[index];
  int failed;

  if (!g_atomic_int_compare_and_exchange (&slot->state, PVT_SLOT_IDLE, PVT_SLOT_FREEZING))
    return -EALREADY;
  /* After the state: whoever aborts looks at it after setting the flag. */
  if (g_atomic_int_get (&guardian->page->abort))
    {
      g_atomic_int_set (&slot->state, PVT_SLOT_IDLE);
      return -ECANCELED;
    }
  failed = ioctl (slot->fd, FIFREEZE, 0) < 0 ? -errno : 0;
  g_atomic_int_set (&slot->state, failed ? PVT_SLOT_IDLE : PVT_SLOT_FROZEN);
  if (failed || !g_atomic_int_get (&guardian->page->abort))
    return failed;
  pvt_guardian_thaw_slot (slot, PVT_SLOT_FROZEN, slot->fd);
  return -ECANCELED;
}

int
pvt_guardian_thaw (PvtGuardian *guardian, guint index)
{
  PvtGuardianSlot *slot = &guardian->page->slots[index];

  return pvt_guardian_thaw_slot (slot, PVT_SLOT_FROZEN, slot->fd);
}

gboolean
pvt_guardian_renew (PvtGuardian *guardian, gint64 deadline)
{
  return order (guardian, &(PvtGuardianOrder){ PVT_GUARDIAN_RENEW, 0, deadline }, NULL, 0);
}

int
pvt_guardian_fd (const PvtGuardian *guardian)
{
  return guardian->socket;
}

void
pvt_guardian_abort (PvtGuardian *guardian)
{
  g_atomic_int_set (&guardian->page->abort, TRUE);
  /* One filesystem may hang in its freeze, with the thread that would thaw the others. */
  if (guardian->pid > 0)
    kill (guardian->pid, SIGTERM);
}

void
pvt_guardian_leave (void)
{
  the_guardian.pid = 0;
}

PvtFreezeEnd
pvt_guardian_end (PvtGuardian *guardian, gint64 *when)
{
  PvtFreezeEnd end = (PvtFreezeEnd) g_atomic_int_get (&guardian->page->end);

  *when = end == PVT_FREEZE_END_NONE ? pvt_boottime () : guardian->page->end_time;
  return end == PVT_FREEZE_END_NONE ? PVT_FREEZE_END_GUARDIAN_DIED : end;
}

/* Ready for the next freeze, or replaced. */
void
pvt_guardian_release (PvtGuardian *guardian)
{
  if (guardian == NULL)
    return;
  if (order (guardian, &(PvtGuardianOrder){ PVT_GUARDIAN_GOODBYE, 0, 0 }, NULL, 0)
      && has_answered (guardian, PVT_GUARDIAN_GOODBYE))
    return;
  bury (guardian);
  spawn (guardian, NULL);
}
