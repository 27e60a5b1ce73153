/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters stack, and the narrowest verdict counts. First one for all threads at once, so
 * that none is forgotten, not even a library's; then each thread its own, when it wakes up
 * for the first time after that. Nobody makes threads any more, so none inherits. */
#include "sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "limits.h"
#include "log.h"
#include "sandbox-rules.h"

/* Sanitizers open files, start threads and look into us when they report, and take any
 * memory: with them there is neither a list nor a limit. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* sigaction(2); not every libc has it */
#endif

static unsigned expected;

void
sandbox_expect (unsigned kinds)
{
  expected |= kinds;
}

#if defined(__x86_64__) && !SANITIZED
static atomic_bool entered;
static _Thread_local bool narrowed;
static _Thread_local unsigned own_kinds;

static const char *
name_of (unsigned kinds)
{
  static const char *const names[] = {
    "main", "front-end", "vcpu", "control", "disk", "io_uring", "tap", "peer", "user network",
    "console", "vsock", "balloon", "rng", "copier", "shared page",
    "serial",
  };

  return kinds ? names[__builtin_ctz (kinds)] : "unnamed";
}

/* The call was not made. We say so, if that does not have to wait, and make the call once
 * more in the way that ends us, which is in the kernel's log. The signal is the call's own:
 * nothing else is interrupted, and snprintf() to memory takes no lock. */
static void
on_refused (int number, siginfo_t *info, void *data)
{
  const greg_t *regs = ((const ucontext_t *) data)->uc_mcontext.gregs;
  struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
  char line[200];
  int len = snprintf (line, sizeof line,
                      "pvtools-vmm: sandbox: system call %d (0x%llx, 0x%llx, 0x%llx) is not for a thread "
                      "of kind '%s'\n", info->si_syscall, (unsigned long long) regs[REG_RDI],
                      (unsigned long long) regs[REG_RSI], (unsigned long long) regs[REG_RDX],
                      name_of (own_kinds));

  if (info->si_code == SYS_SECCOMP && (poll (&out, 1, 0) < 1 || write (STDERR_FILENO, line, (size_t) len) != 0))
    syscall (info->si_syscall, regs[REG_RDI], regs[REG_RSI], regs[REG_RDX], regs[REG_R10], regs[REG_R8],
             SANDBOX_LAST_WORD);
  _exit (128 + number); /* somebody sent it */
}

static int
install (unsigned kinds, unsigned flags)
{
  struct sock_filter filter[SANDBOX_FILTER_MAX];
  struct sock_fprog program = { .filter = filter };
  long ret;

  program.len = (unsigned short) sandbox_filter (filter, kinds, expected);
  /* With TSYNC it returns the thread that could not follow. */
  ret = syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  return ret == 0 ? 0 : ret < 0 ? -errno : -ESRCH;
}

static int
filter_all (void)
{
  struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO };
  int ret;

  sigaction (SIGSYS, &action, NULL);
  ret = install (expected | SANDBOX_BASE, SECCOMP_FILTER_FLAG_TSYNC);
  atomic_store (&entered, ret == 0);
  return ret;
}

void
sandbox_narrow (unsigned kinds)
{
  int ret;

  if (narrowed || !atomic_load_explicit (&entered, memory_order_acquire))
    return;
  narrowed = true;
  own_kinds = kinds;
  ret = install (kinds, 0);
  if (ret == 0)
    return;
  vmm_log ("sandbox: %s: %s", name_of (kinds), strerror (-ret));
  abort ();
}

#else

static int
filter_all (void)
{
  return 0;
}

void
sandbox_narrow (unsigned kinds)
{
}
#endif

int
sandbox_enter (void)
{
  int ret = SANITIZED ? 0 : limits_enter (expected);

  if (ret < 0)
    return ret;
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
      || (!SANITIZED && prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
    return -errno;
  return filter_all ();
}

int
sandbox_alone (unsigned kinds)
{
  int ret;

  expected = kinds;
  ret = sandbox_enter ();
  sandbox_narrow (kinds);
  return ret;
}
