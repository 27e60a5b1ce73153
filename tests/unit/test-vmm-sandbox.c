/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What threads of each kind can still do; each try is a child of its own. */
#include "tap-main.h"

#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/core/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__)
#define FILTERED 0 /* with a sanitizer there is no list, nor elsewhere */
#elif defined(__has_feature)
#define FILTERED !__has_feature (address_sanitizer)
#else
#define FILTERED 1
#endif

enum { ENTERS = 10, PASSES = 0, FAILS = 1, REFUSED = 2 };

static const struct
{
  unsigned kinds;
  const char *name;
} kinds[] = {
  { SANDBOX_MAIN, "main" },       { SANDBOX_FRONT, "front-end" }, { SANDBOX_VCPU, "vcpu" },
  { SANDBOX_CONTROL, "control" }, { SANDBOX_DISK, "disk" },       { SANDBOX_DISK | SANDBOX_RING, "disk" },
  { SANDBOX_TAP, "tap" },         { SANDBOX_PEER, "peer" },       { SANDBOX_USER, "user network" },
  { SANDBOX_CONSOLE, "console" }, { SANDBOX_VSOCK, "vsock" },     { SANDBOX_BALLOON, "balloon" },
  { SANDBOX_RNG, "rng" },         { SANDBOX_COPIER, "copier" },
  { SANDBOX_SERIAL, "serial" },
};

/* The status of a child that has @present in it, is a thread of @own (0: of none yet) and
 * does @something, which returns its exit code. What it prints is in @said. */
static int
in_sandbox (unsigned present, unsigned own, int (*something) (const void *data), const void *data, char said[512])
{
  int status = 0, ends[2];
  ssize_t n, len = 0;
  pid_t pid;

  assert_int_equal (pipe (ends), 0);
  pid = fork ();
  if (pid == 0)
    {
      dup2 (ends[1], STDERR_FILENO);
      syscall (SYS_close_range, 3u, ~0u, 0u);
      sandbox_expect (present);
      if (sandbox_enter () < 0)
        _exit (ENTERS);
      if (own)
        sandbox_narrow (own);
      _exit (something (data));
    }
  assert_true (pid > 0);
  close (ends[1]);
  while ((n = read (ends[0], said + len, 511 - (size_t) len)) > 0)
    len += n;
  said[len] = '\0';
  close (ends[0]);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  return status;
}

static int
in_thread_of (unsigned own, int (*something) (const void *data), const void *data)
{
  char said[512];

  return in_sandbox (own, own, something, data, said);
}

/* ---- what all of them need ---- */

/* malloc by brk and mmap, growing and giving back; waiting; time; printing. */
static int
live (const void *data)
{
  struct timespec moment = { .tv_nsec = 1000 };
  char *block = g_malloc (1 << 12);
  void *blocks[64];

  for (unsigned i = 0; i < 64; i++)
    blocks[i] = g_malloc (100000);
  for (unsigned i = 0; i < 64; i++)
    g_free (blocks[i]);
  for (size_t size = 1 << 12; size <= 1 << 24; size *= 2)
    {
      block = g_realloc (block, size);
      block[size - 1] = 1;
    }
  g_free (block);
  nanosleep (&moment, NULL);
  poll (NULL, 0, 1);
  clock_gettime (CLOCK_REALTIME, &moment);
  fprintf (stderr, "here\n");
  return moment.tv_sec > 0 ? PASSES : FAILS;
}

/* Through exit(3) and what hangs on it. */
static int
end (const void *data)
{
  exit (PASSES);
}

static int
break_down (const void *data)
{
  abort ();
}

static void
test_what_all_need (void **state)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      assert_int_equal (in_thread_of (kinds[i].kinds, live, NULL), PASSES);
      assert_int_equal (in_thread_of (kinds[i].kinds, end, NULL), PASSES);
      assert_int_equal (WTERMSIG (in_thread_of (kinds[i].kinds, break_down, NULL)), SIGABRT);
    }
}

#if FILTERED
/* ---- who may call what ---- */

#define NOBODY 0u
#define ALL ~0u
#define NEW_SOCKETS (SANDBOX_VSOCK | SANDBOX_USER)

/* With no descriptor the call fails; what counts is who says so. */
struct probe
{
  const char *what;
  unsigned may;     /* who */
  unsigned refused; /* who is told EPERM */
  long call, arguments[6];
};

static const struct probe probes[] = {
  { "run a program", NOBODY, 0, SYS_execve, { (long) "/bin/true" } },
  { "fork", NOBODY, 0, SYS_fork },
  { "make a thread", NOBODY, 0, SYS_clone3 },
  { "open a file", NOBODY, ALL, SYS_openat, { AT_FDCWD, (long) "/etc/hostname" } },
  { "open a file otherwise", NOBODY, 0, SYS_openat2, { AT_FDCWD, (long) "/etc/hostname" } },
  { "open a file to write", NOBODY, ALL, SYS_openat, { AT_FDCWD, (long) "/", O_RDWR | O_CREAT } },
  { "make a file", SANDBOX_COPIER, ALL, SYS_openat, { AT_FDCWD, (long) "/", O_RDWR | O_CREAT | O_EXCL } },
  { "remove a file", SANDBOX_MAIN | SANDBOX_COPIER, 0, SYS_unlink, { (long) "" } },
  { "rename a file", NOBODY, 0, SYS_rename, { (long) "", (long) "" } },
  { "make a file longer", SANDBOX_CONTROL | SANDBOX_COPIER, 0, SYS_ftruncate, { -1 } },
  { "punch a hole", SANDBOX_DISK, 0, SYS_fallocate, { -1 } },
  { "read a disk", SANDBOX_DISK | SANDBOX_VCPU, 0, SYS_preadv, { -1 } },
  { "write a disk", SANDBOX_DISK, 0, SYS_pwritev, { -1 } },
  { "use a ring", SANDBOX_RING, 0, SYS_io_uring_enter, { -1 } },
  { "make a ring", NOBODY, 0, SYS_io_uring_setup, { 1 } },
  { "a unix socket", SANDBOX_VSOCK, 0, SYS_socket, { AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC } },
  { "a TCP socket", SANDBOX_USER, 0, SYS_socket, { AF_INET, SOCK_STREAM | SOCK_CLOEXEC } },
  { "a UDP socket", SANDBOX_USER, 0, SYS_socket, { AF_INET6, SOCK_DGRAM } },
  { "a raw socket", NOBODY, SANDBOX_USER, SYS_socket, { AF_INET, SOCK_RAW, 1 } },
  { "a netlink socket", NOBODY, 0, SYS_socket, { AF_NETLINK, SOCK_RAW } },
  { "a socket of the host's vsock", NOBODY, 0, SYS_socket, { AF_VSOCK, SOCK_STREAM } },
  { "connect", NEW_SOCKETS | SANDBOX_PEER, 0, SYS_connect, { -1 } },
  { "bind", NOBODY, 0, SYS_bind, { -1 } },
  { "listen", NOBODY, 0, SYS_listen, { -1 } },
  { "accept", NEW_SOCKETS | SANDBOX_CONTROL | SANDBOX_CONSOLE | SANDBOX_FRONT, 0, SYS_accept4, { -1 } },
  { "look at a socket", SANDBOX_USER, 0, SYS_getsockopt, { -1 } },
  { "close", ~(SANDBOX_VCPU | SANDBOX_DISK | SANDBOX_RING | SANDBOX_TAP | SANDBOX_PEER | SANDBOX_BALLOON
               | SANDBOX_RNG | SANDBOX_SERIAL), 0, SYS_close, { -1 } },
  { "run a processor", SANDBOX_VCPU, 0, SYS_ioctl, { -1, KVM_RUN } },
  { "make a machine", NOBODY, 0, SYS_ioctl, { -1, KVM_CREATE_VM } },
  { "set registers", SANDBOX_MAIN, 0, SYS_ioctl, { -1, (long) KVM_SET_REGS } },
  { "give memory to a guest", NOBODY, 0, SYS_ioctl, { -1, (long) KVM_SET_USER_MEMORY_REGION } },
  { "type for a terminal", NOBODY, 0, SYS_ioctl, { -1, TIOCSTI } },
  { "set a terminal", NOBODY, 0, SYS_ioctl, { -1, TCSETS } },
  { "use a tap", SANDBOX_TAP, 0, SYS_ioctl, { -1, (long) TUNSETQUEUE } },
  { "clone a file", SANDBOX_COPIER, 0, SYS_ioctl, { -1, FICLONE, -1 } },
  { "make a tap", NOBODY, 0, SYS_ioctl, { -1, (long) TUNSETIFF } },
  { "discard of a block device", SANDBOX_DISK, 0, SYS_ioctl, { -1, BLKDISCARD } },
  { "map memory", ALL, 0, SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1 } },
  { "map code", NOBODY, 0, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1 } },
  { "map a file", SANDBOX_MAIN | SANDBOX_FRONT, 0, SYS_mmap, { 0, 4096, PROT_READ, MAP_PRIVATE, -1 } },
  { "map a file's code", NOBODY, 0, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, -1 } },
  { "make code", NOBODY, 0, SYS_mprotect, { 0, 0, PROT_EXEC } },
  { "signal another process", NOBODY, 0, SYS_tgkill, { 1, 1, 0 } },
  { "signal a process", NOBODY, 0, SYS_kill, { 1, 0 } },
  { "look into a process", NOBODY, 0, SYS_process_vm_readv, { 1 } },
  { "handle a signal otherwise", NOBODY, 0, SYS_rt_sigaction, { SIGSYS } },
  { "have another limit", NOBODY, 0, SYS_prlimit64, { 0 } },
  { "have another filter", NOBODY, 0, SYS_seccomp, { 1 } },
  { "a call of x32", NOBODY, 0, 0x40000000 + SYS_getpid },
};

static int
try (const void *data)
{
  const struct probe *probe = data;
  const long *a = probe->arguments;

  errno = 0;
  if (syscall (probe->call, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 && errno == EPERM)
    return REFUSED;
  return PASSES;
}

/* A filter around us, a container's, may refuse what ours lets pass. */
static void
check_probe (const struct probe *probe, unsigned own, const char *name, bool refused_anyway)
{
  int status = in_thread_of (own, try, probe);

  if (probe->may & own && (status == PASSES || refused_anyway))
    return;
  if (!(probe->may & own) && probe->refused & own && status == REFUSED << 8)
    return;
  if (!((probe->may | probe->refused) & own) && WIFSIGNALED (status) && WTERMSIG (status) == SIGSYS)
    return;
  fail_msg ("%s: '%s' ends with status 0x%x", name, probe->what, status);
}

static int
outside (const struct probe *probe)
{
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (try (probe));
  assert_int_equal (waitpid (pid, &status, 0), pid);
  return status;
}

static void
test_who_may_what (void **state)
{
  for (unsigned p = 0; p < G_N_ELEMENTS (probes); p++)
    {
      bool refused = probes[p].may && probes[p].may != ALL && outside (&probes[p]) == REFUSED << 8;

      for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
        check_probe (&probes[p], kinds[i].kinds, kinds[i].name, refused);
    }
}

static const struct probe *
probe_for (const char *what)
{
  for (unsigned p = 0; p < G_N_ELEMENTS (probes); p++)
    if (strcmp (probes[p].what, what) == 0)
      return &probes[p];
  fail_msg ("'%s' is no probe", what);
  return NULL;
}

/* Some calls are for a thread only if there is something else in the process. */
static void
test_what_depends_on_others (void **state)
{
  const struct probe *ring = probe_for ("use a ring"), *memory = probe_for ("give memory to a guest");
  const struct probe *terminal = probe_for ("set a terminal");
  char said[512];

  assert_int_equal (WTERMSIG (in_thread_of (SANDBOX_CONTROL, try, ring)), SIGSYS);
  assert_int_not_equal (WTERMSIG (in_sandbox (SANDBOX_CONTROL | SANDBOX_RING, SANDBOX_CONTROL, try, ring, said)),
                        SIGSYS);
  assert_int_equal (in_sandbox (SANDBOX_VCPU | SANDBOX_PAGE, SANDBOX_VCPU, try, memory, said), PASSES);
  assert_int_equal (WTERMSIG (in_sandbox (SANDBOX_DISK | SANDBOX_PAGE, SANDBOX_DISK, try, memory, said)),
                    SIGSYS);
  assert_int_equal (in_sandbox (SANDBOX_MAIN | SANDBOX_SERIAL, SANDBOX_MAIN, try, terminal, said), PASSES);
  assert_int_equal (WTERMSIG (in_sandbox (SANDBOX_MAIN | SANDBOX_SERIAL, SANDBOX_SERIAL, try, terminal, said)),
                    SIGSYS);
}

/* Before a thread says what it is, it may what any of those expected may, and no more. */
static void
test_the_process (void **state)
{
  unsigned present = SANDBOX_VSOCK | SANDBOX_DISK;
  char said[512];

  assert_int_equal (in_sandbox (present, 0, try, probe_for ("a unix socket"), said), PASSES);
  assert_int_equal (in_sandbox (present, 0, try, probe_for ("write a disk"), said), PASSES);
  assert_int_equal (in_sandbox (present, 0, live, NULL, said), PASSES);
  assert_int_equal (WTERMSIG (in_sandbox (present, 0, try, probe_for ("a TCP socket"), said)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (present, 0, try, probe_for ("run a processor"), said)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (present, 0, try, probe_for ("run a program"), said)), SIGSYS);
}

static void
test_it_says_so (void **state)
{
  char said[512];
  int status;

  status = in_sandbox (SANDBOX_VCPU, SANDBOX_VCPU, try, probe_for ("a TCP socket"), said);
  assert_int_equal (WTERMSIG (status), SIGSYS);
  assert_non_null (strstr (said, "pvtools-vmm: sandbox: system call 41 (0x2, 0x80001, 0x0) is not for a "
                                 "thread of kind 'vcpu'\n"));
}

/* ---- threads of one process ---- */

static int
accept_nothing (void)
{
  return accept4 (-1, NULL, NULL, 0);
}

static void
accept_in_worker (void *data)
{
  *(int *) data = accept_nothing ();
}

/* The workers are there first, as in life. The one of another kind may not what this may. */
static int
use_two_threads (const void *data)
{
  unsigned of_worker = *(const unsigned *) data;
  struct worker *worker = NULL;
  int answer = 0;

  if (worker_new (&worker, "one", of_worker) < 0)
    return FAILS;
  sandbox_expect (SANDBOX_FRONT);
  if (sandbox_enter () < 0)
    return ENTERS;
  sandbox_narrow (SANDBOX_FRONT);
  if (accept_nothing () != -1 || errno != EBADF)
    return FAILS;
  worker_call (worker, accept_in_worker, &answer);
  worker_free (worker);
  return answer == -1 ? PASSES : FAILS;
}

static int
alone (int (*something) (const void *data), const void *data)
{
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    {
      close (STDERR_FILENO);
      _exit (something (data));
    }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  return status;
}

static void
test_two_threads (void **state)
{
  assert_int_equal (alone (use_two_threads, &(unsigned){ SANDBOX_CONSOLE }), PASSES);
  assert_int_equal (WTERMSIG (alone (use_two_threads, &(unsigned){ SANDBOX_DISK })), SIGSYS);
}

/* ---- limits ---- */

static int
take_memory (const void *data)
{
  size_t size = *(const size_t *) data;

  return mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
             == MAP_FAILED ? REFUSED : PASSES;
}

static int
take_sockets (const void *data)
{
  unsigned n = 0;

  while (n < 100000 && socket (AF_UNIX, SOCK_STREAM, 0) >= 0)
    n++;
  return errno == EMFILE && n >= 257 && n < 300 ? PASSES : FAILS;
}

static void
test_limits (void **state)
{
  assert_int_equal (in_thread_of (SANDBOX_DISK, take_memory, &(size_t){ 64 << 20 }), PASSES);
  assert_int_equal (in_thread_of (SANDBOX_DISK, take_memory, &(size_t){ 256 << 20 }), REFUSED << 8);
  assert_int_equal (in_thread_of (SANDBOX_USER, take_memory, &(size_t){ 256 << 20 }), PASSES);
  assert_int_equal (in_thread_of (SANDBOX_VSOCK, take_sockets, NULL), PASSES);
}
#endif

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_what_all_need),
#if FILTERED
    cmocka_unit_test (test_who_may_what),
    cmocka_unit_test (test_what_depends_on_others),
    cmocka_unit_test (test_the_process),
    cmocka_unit_test (test_it_says_so),
    cmocka_unit_test (test_two_threads),
    cmocka_unit_test (test_limits),
#endif
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
