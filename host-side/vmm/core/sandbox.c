/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list is short because files, sockets and the machine are made before; what
 * is left is moving bytes, finding a peer again (sendmsg could name it as well),
 * waiting, memory for the control socket's JSON, and ending. Nothing opens a path,
 * starts a program or makes a socket, unless a device said that it must. */
#include "sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* Sanitizers open files and start threads when they report: with them there is no list. */
#ifdef __has_feature
#define SANITIZED __has_feature (address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#if defined(__x86_64__) && !SANITIZED
#define OUR_ARCH AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#endif

static unsigned on_demand;

void
sandbox_allow (unsigned what)
{
  on_demand |= what;
}

#ifdef OUR_ARCH
static const unsigned short allowed[] = {
  /* moving bytes */
  SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_preadv, SYS_pwritev, SYS_sendto, SYS_recvfrom,
  SYS_sendmsg, SYS_recvmsg, SYS_connect, SYS_fdatasync, SYS_fallocate, SYS_ftruncate,
  SYS_lseek,
  /* waiting */
  SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_ctl, SYS_poll, SYS_ppoll, SYS_futex,
  SYS_clock_nanosleep, SYS_timerfd_settime, SYS_restart_syscall, SYS_sched_yield,
  /* time, where the kernel's clock cannot be read without it */
  SYS_clock_gettime, SYS_gettimeofday, SYS_time,
  /* the machine, and its clients */
  SYS_ioctl, SYS_accept4, SYS_close, SYS_shutdown, SYS_fstat, SYS_newfstatat, SYS_fcntl,
  /* memory: vhost-user maps what its front-end sends */
  SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk,
  /* signals and ending */
  SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_tgkill, SYS_getpid, SYS_gettid, SYS_exit,
  SYS_exit_group, SYS_unlink, SYS_getrandom, SYS_rseq, SYS_set_robust_list,
  /* glibc's malloc, when it counts processors for its arenas */
  SYS_sched_getaffinity, SYS_sysinfo,
};

#define N_ALLOWED (sizeof allowed / sizeof allowed[0])
#define HEAD 8u
#define ON_DEMAND 32u
#define KIND_OF_SOCKET 0xfu /* SOCK_TYPE_MASK of linux/net.h */

#define ADD(out, n, list) \
  for (unsigned i_ = 0; i_ < sizeof (list) / sizeof (list)[0]; i_++) \
    (out)[(n)++] = (list)[i_]

/* Which sockets may be made; the call's number is still loaded behind it for others. */
static unsigned
build_sockets (struct sock_filter *out)
{
  const struct sock_filter local[] = {
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  /* No raw ones, which root could make: libslirp does without. */
  const struct sock_filter inet[] = {
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 6),
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, args[1])),
    BPF_STMT (BPF_ALU | BPF_AND | BPF_K, KIND_OF_SOCKET),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 1, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
  };
  unsigned n = 2;

  if (on_demand & SANDBOX_UNIX_SOCKETS)
    ADD (out, n, local);
  if (on_demand & SANDBOX_INET_SOCKETS)
    ADD (out, n, inet);
  if (n == 2)
    return 0;
  out[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  out[0] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0,
                                          (unsigned char) (n - 1));
  out[1] = (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS,
                                          offsetof (struct seccomp_data, args[0]));
  return n;
}

/* What a device asked for; the call's number is still loaded behind it. */
static unsigned
build_on_demand (struct sock_filter *out)
{
  /* Nothing is bound and nothing listens that did not before. */
  static const unsigned short of_inet[] = {
    SYS_accept, SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername,
    SYS_stat, /* libslirp, of resolv.conf; newer C libraries have newfstatat for it */
  };
  unsigned n = build_sockets (out);

  for (unsigned i = 0; i < sizeof of_inet / sizeof of_inet[0] && on_demand & SANDBOX_INET_SOCKETS; i++)
    {
      out[n++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, of_inet[i], 0, 1);
      out[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
  if (on_demand & SANDBOX_IO_URING)
    {
      out[n++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1);
      out[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
  return n;
}

static unsigned
build (struct sock_filter *out)
{
  const struct sock_filter head[HEAD] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, arch)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    /* x32 calls have other numbers and the same architecture. */
    BPF_JUMP (BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    /* glibc's malloc asks /proc for the overcommit policy when it shrinks an arena,
     * and does without: no file is opened any more. */
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
  };
  unsigned n = 0;

  while (n < HEAD)
    {
      out[n] = head[n];
      n++;
    }
  n += build_on_demand (out + n);
  for (unsigned i = 0; i < N_ALLOWED; i++)
    out[n++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
                                              (unsigned char) (N_ALLOWED - i), 0);
  out[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  out[n++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  return n;
}
#endif

int
sandbox_enter (void)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return -errno;
#ifdef OUR_ARCH
  static struct sock_filter filter[HEAD + ON_DEMAND + N_ALLOWED + 2];
  struct sock_fprog program = { (unsigned short) build (filter), filter };
  /* TSYNC returns the thread that could not follow. */
  long ret = syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);

  if (ret != 0)
    return ret < 0 ? -errno : -ESRCH;
#endif
  return 0;
}
