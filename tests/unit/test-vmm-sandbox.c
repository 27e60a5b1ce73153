/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process in the sandbox can still do; each try is a child of its own. */
#include "tap-main.h"

#include "host-side/vmm/core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature (address_sanitizer)
#else
#define SANITIZED 0
#endif

enum { ENTERS = 10 };

/* The status of a child that enters the sandbox and does @something, which returns
 * its exit code. */
static int
in_sandbox (int (*something) (void))
{
  int status = 0;
  pid_t pid = fork ();

  if (pid == 0)
    {
      if (sandbox_enter () < 0)
        _exit (ENTERS);
      _exit (something ());
    }
  assert_true (pid > 0);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  return status;
}

static int
use_memory (void)
{
  void *block = g_malloc (1 << 22);

  g_free (block);
  return write (STDERR_FILENO, "", 0) == 0 ? 0 : 1;
}

#if !SANITIZED /* with a sanitizer there is no list */
static int
open_file (void)
{
  return open ("/etc/hostname", O_RDONLY | O_CLOEXEC) < 0 && errno == EPERM ? 0 : 1;
}

static int
make_socket (void)
{
  return socket (AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int
make_inet_socket (void)
{
  return socket (AF_INET, SOCK_STREAM, 0) < 0;
}

static int
make_raw_socket (void)
{
  return socket (AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1) < 0 && errno == EPERM ? 0 : 1;
}

/* A kind that nobody asks for. */
static int
make_netlink_socket (void)
{
  return socket (AF_NETLINK, SOCK_RAW, 0) < 0;
}

static int
listen_somewhere (void)
{
  return listen (STDERR_FILENO, 1) < 0;
}

static int
look_at_a_socket (void)
{
  int type;
  socklen_t len = sizeof type;

  return getsockopt (-1, SOL_SOCKET, SO_TYPE, &type, &len) < 0 && errno == EBADF ? 0 : 1;
}

/* No ring is at that descriptor, which somebody says rather than our filter ends us: the
 * kernel, or the filter of a container around us. */
static int
use_a_ring (void)
{
  return syscall (SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0) < 0 ? 0 : 1;
}

static int
run_program (void)
{
  char *const words[] = { (char *) "true", NULL };

  return execv ("/bin/true", words) < 0;
}

static int
call_x32 (void)
{
  return syscall (0x40000000 + SYS_getpid) < 0;
}

static void
test_what_it_may_not (void **state)
{
  assert_int_equal (in_sandbox (open_file), 0);
  assert_int_equal (WTERMSIG (in_sandbox (make_socket)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (run_program)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (call_x32)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (use_a_ring)), SIGSYS);
}

/* Both at once, then each other thing is as it was. */
static void
test_on_demand (void **state)
{
  sandbox_allow (SANDBOX_UNIX_SOCKETS);
  assert_int_equal (in_sandbox (make_socket), 0);
  assert_int_equal (WTERMSIG (in_sandbox (make_inet_socket)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (use_a_ring)), SIGSYS);
  sandbox_allow (SANDBOX_IO_URING);
  assert_int_equal (in_sandbox (use_a_ring), 0);
  assert_int_equal (in_sandbox (make_socket), 0);
  assert_int_equal (in_sandbox (use_memory), 0);
  assert_int_equal (in_sandbox (open_file), 0);
  assert_int_equal (WTERMSIG (in_sandbox (make_inet_socket)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (look_at_a_socket)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (run_program)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (call_x32)), SIGSYS);
}

static void
test_inet (void **state)
{
  sandbox_allow (SANDBOX_INET_SOCKETS);
  assert_int_equal (in_sandbox (make_inet_socket), 0);
  assert_int_equal (in_sandbox (make_raw_socket), 0);
  assert_int_equal (in_sandbox (look_at_a_socket), 0);
  assert_int_equal (in_sandbox (make_socket), 0);
  assert_int_equal (in_sandbox (use_a_ring), 0);
  assert_int_equal (in_sandbox (use_memory), 0);
  assert_int_equal (in_sandbox (open_file), 0);
  assert_int_equal (WTERMSIG (in_sandbox (make_netlink_socket)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (listen_somewhere)), SIGSYS);
  assert_int_equal (WTERMSIG (in_sandbox (run_program)), SIGSYS);
}

#endif

static void
test_what_it_needs (void **state)
{
  assert_int_equal (in_sandbox (use_memory), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_what_it_needs),
#if !SANITIZED
    cmocka_unit_test (test_what_it_may_not),
    cmocka_unit_test (test_on_demand),
    cmocka_unit_test (test_inet),
#endif
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
