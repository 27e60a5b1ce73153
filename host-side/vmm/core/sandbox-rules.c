/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may call what. The table is short because files, sockets, the machine and threads
 * are made before; what is left is moving bytes, finding a peer again, waiting, memory,
 * and ending. Nothing opens a file that is there, starts a program or a thread, binds or
 * listens. */
#include "sandbox-rules.h"

#ifdef __x86_64__
#include "sandbox.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT 0x40000000u
#define KIND_OF_SOCKET 0xfu /* SOCK_TYPE_MASK of linux/net.h */
#define OWN_PID UINT32_MAX  /* stands for it */

#define MAIN SANDBOX_MAIN
#define FRONT SANDBOX_FRONT
#define VCPU SANDBOX_VCPU
#define CONTROL SANDBOX_CONTROL
#define DISK SANDBOX_DISK
#define RING SANDBOX_RING
#define TAP SANDBOX_TAP
#define PEER SANDBOX_PEER
#define USER SANDBOX_USER
#define CONSOLE SANDBOX_CONSOLE
#define VSOCK SANDBOX_VSOCK
#define BALLOON SANDBOX_BALLOON
#define RNG SANDBOX_RNG
#define COPIER SANDBOX_COPIER
#define PAGE SANDBOX_PAGE
#define SERIAL SANDBOX_SERIAL
#define WORKERS (CONTROL | DISK | RING | TAP | PEER | CONSOLE | VSOCK | BALLOON | RNG | SERIAL)

/* Low half of an argument: (value & mask) must be as said. All we look at are ints. */
struct must
{
  unsigned arg;
  uint32_t mask, value;
};

struct rule
{
  unsigned call;
  unsigned who;
  unsigned with; /* not 0: only if one of these is present */
  struct must must[2];
  bool refuse; /* EPERM, and on it goes */
};

#define COMMAND(command) .must = { { 1, UINT32_MAX, (uint32_t) (command) } }
#define NO_CODE { 2, PROT_EXEC, 0 }
#define NEW_FILE(flags) .must = { { flags, O_CREAT | O_EXCL, O_CREAT | O_EXCL } }

/* Several of one call are tried in turn. The first ones are those of the fast paths that
 * the kernel has to look at; calls without conditions it keeps in a bitmap. */
static const struct rule rules[] = {
  { SYS_ioctl, VCPU, COMMAND (KVM_RUN) },

  /* moving bytes */
  { SYS_read, SANDBOX_ALL },
  { SYS_write, SANDBOX_ALL },
  { SYS_writev, SANDBOX_ALL }, /* also how musl prints */
  { SYS_readv, TAP | USER | CONSOLE | VSOCK },
  { SYS_preadv, DISK | VCPU }, /* a processor: of KVM's statistics */
  { SYS_pwritev, DISK },
  { SYS_fdatasync, DISK },
  { SYS_fallocate, DISK },
  { SYS_io_uring_enter, RING | CONTROL, .with = RING }, /* CONTROL: a disk comes to rest */
  { SYS_sendto, CONTROL | USER | VSOCK | FRONT | COPIER },
  { SYS_sendmsg, CONTROL | PEER | USER | CONSOLE | VSOCK },
  { SYS_recvfrom, CONTROL | USER | VSOCK },
  { SYS_recvmsg, PEER | USER | FRONT | COPIER },
  { SYS_ftruncate, CONTROL | COPIER }, /* CONTROL: block_resize */
  { SYS_lseek, MAIN | COPIER },
  { SYS_copy_file_range, COPIER },
  { SYS_pread64, COPIER | USER }, /* USER: of /proc/self/statm */
  { SYS_pwrite64, COPIER },
  { SYS_fsync, COPIER },

  /* waiting */
  { SYS_epoll_wait, WORKERS },
  { SYS_epoll_pwait, WORKERS },
  { SYS_epoll_ctl, WORKERS },
  { SYS_poll, SANDBOX_ALL },
  { SYS_ppoll, SANDBOX_ALL },
  { SYS_futex, SANDBOX_ALL },
  { SYS_nanosleep, SANDBOX_ALL },
  { SYS_clock_nanosleep, SANDBOX_ALL },
  { SYS_restart_syscall, SANDBOX_ALL },
  { SYS_sched_yield, SANDBOX_ALL },
  { SYS_timerfd_settime, TAP | PEER | BALLOON | CONSOLE },
  { SYS_timerfd_settime, CONTROL | VCPU | FRONT, .with = BALLOON },

  /* time, where the kernel's clock cannot be read without it */
  { SYS_clock_gettime, SANDBOX_ALL },
  { SYS_gettimeofday, SANDBOX_ALL },
  { SYS_time, SANDBOX_ALL },

  /* the machine while it runs: a processor writes registers of functions that move and of
   * vectors that go elsewhere; the shared page moves with its function */
  { SYS_ioctl, VCPU, COMMAND (KVM_NMI) },
  { SYS_ioctl, VCPU, COMMAND (KVM_KVMCLOCK_CTRL) },
  { SYS_ioctl, VCPU, COMMAND (KVM_SET_GSI_ROUTING) },
  { SYS_ioctl, VCPU | MAIN, COMMAND (KVM_IOEVENTFD) },
  { SYS_ioctl, VCPU | MAIN, .with = PAGE, COMMAND (KVM_SET_USER_MEMORY_REGION) },
  /* what is told of a processor that KVM gives up on */
  { SYS_ioctl, VCPU | MAIN, COMMAND (KVM_GET_SREGS) },
  { SYS_ioctl, VCPU, COMMAND (KVM_GET_REGS) },

  /* the machine when it resets */
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_NESTED_STATE) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_SREGS) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_REGS) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_XCRS) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_XSAVE) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_DEBUGREGS) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_LAPIC) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_VCPU_EVENTS) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_MP_STATE) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_MSRS) },
  { SYS_ioctl, MAIN, COMMAND (KVM_SET_IRQCHIP) },

  /* devices of the host */
  { SYS_ioctl, DISK, COMMAND (BLKDISCARD) },
  { SYS_ioctl, DISK, COMMAND (BLKZEROOUT) },
  { SYS_ioctl, CONTROL, COMMAND (BLKGETSIZE64) },
  { SYS_ioctl, COPIER, COMMAND (FICLONE) },
  { SYS_ioctl, TAP, COMMAND (TUNSETQUEUE) },
  { SYS_ioctl, TAP, COMMAND (TUNSETOFFLOAD) },
  { SYS_ioctl, USER, COMMAND (FIONREAD) },
  { SYS_ioctl, SANDBOX_ALL, COMMAND (TCGETS) }, /* isatty(3), before something is printed */
  { SYS_ioctl, MAIN, .with = SERIAL, COMMAND (TCSETS) }, /* at the end it is as it was */

  /* sockets: a vsock reaches programs by unix sockets; libslirp others, and no raw ones,
   * which root could make: it does without */
  { SYS_socket, VSOCK, .must = { { 0, UINT32_MAX, AF_UNIX } } },
  { SYS_socket, USER, .must = { { 0, UINT32_MAX, AF_INET }, { 1, KIND_OF_SOCKET, SOCK_STREAM } } },
  { SYS_socket, USER, .must = { { 0, UINT32_MAX, AF_INET }, { 1, KIND_OF_SOCKET, SOCK_DGRAM } } },
  { SYS_socket, USER, .must = { { 0, UINT32_MAX, AF_INET6 }, { 1, KIND_OF_SOCKET, SOCK_STREAM } } },
  { SYS_socket, USER, .must = { { 0, UINT32_MAX, AF_INET6 }, { 1, KIND_OF_SOCKET, SOCK_DGRAM } } },
  { SYS_socket, USER, .must = { { 0, UINT32_MAX, AF_INET } }, .refuse = true },
  { SYS_socket, USER, .must = { { 0, UINT32_MAX, AF_INET6 } }, .refuse = true },
  { SYS_connect, PEER | USER | VSOCK },
  { SYS_accept, USER },
  { SYS_accept4, CONTROL | USER | CONSOLE | VSOCK | FRONT },
  { SYS_shutdown, MAIN | USER | VSOCK },
  { SYS_setsockopt, USER },
  { SYS_getsockopt, USER },
  { SYS_getsockname, USER },
  { SYS_getpeername, USER | CONTROL | MAIN }, /* GLib: is it journald that reads a warning? */

  /* descriptors and files that are there */
  { SYS_close, MAIN | CONTROL | USER | CONSOLE | VSOCK | FRONT | COPIER },
  { SYS_fcntl, USER },
  { SYS_fcntl, FRONT, COMMAND (F_SETFL) },
  { SYS_fstat, MAIN | USER | FRONT | COPIER },
  { SYS_newfstatat, MAIN | USER | FRONT | COPIER }, /* fstat(3) of some C libraries */
  { SYS_stat, USER },            /* resolv.conf */
  { SYS_unlink, MAIN | COPIER }, /* sockets, at the end; copies that failed */
  { SYS_open, COPIER, NEW_FILE (1) },
  { SYS_openat, COPIER, NEW_FILE (2) },
  /* glibc's malloc asks /proc for the overcommit policy when it shrinks an arena, and
   * does without; libslirp would read resolv.conf again */
  { SYS_open, SANDBOX_ALL, .refuse = true },
  { SYS_openat, SANDBOX_ALL, .refuse = true },

  /* memory, and never code; files only where a front-end sends its memory, and a reset
   * loads the kernel again */
  { SYS_mmap, SANDBOX_ALL, .must = { NO_CODE, { 3, MAP_ANONYMOUS, MAP_ANONYMOUS } } },
  { SYS_mmap, MAIN | FRONT, .must = { NO_CODE } },
  { SYS_mprotect, SANDBOX_ALL, .must = { NO_CODE } },
  { SYS_munmap, SANDBOX_ALL },
  { SYS_mremap, SANDBOX_ALL },
  { SYS_madvise, SANDBOX_ALL },
  { SYS_brk, SANDBOX_ALL },
  { SYS_getrandom, SANDBOX_ALL },
  { SYS_sched_getaffinity, SANDBOX_ALL }, /* malloc counts processors for its arenas */
  { SYS_sysinfo, SANDBOX_ALL },

  /* signals, to ourselves, and ending */
  { SYS_rt_sigreturn, SANDBOX_ALL },
  { SYS_rt_sigprocmask, SANDBOX_ALL },
  { SYS_tgkill, SANDBOX_ALL, .must = { { 0, UINT32_MAX, OWN_PID } } },
#ifndef __GLIBC__
  { SYS_tkill, SANDBOX_ALL },
#endif
  { SYS_getpid, SANDBOX_ALL },
  { SYS_gettid, SANDBOX_ALL },
  { SYS_rseq, SANDBOX_ALL },
  { SYS_set_robust_list, SANDBOX_ALL },
  { SYS_exit, SANDBOX_ALL },
  { SYS_exit_group, SANDBOX_ALL },

  /* threads narrow what they may */
  { SYS_seccomp, SANDBOX_BASE, .must = { { 0, UINT32_MAX, SECCOMP_SET_MODE_FILTER } } },
};

#define N_RULES (sizeof rules / sizeof rules[0])
#define LENGTH_MAX 9u /* of a rule */
_Static_assert (N_RULES * LENGTH_MAX + 16 <= SANDBOX_FILTER_MAX, "they fit");

#define STATEMENT(code, k) ((struct sock_filter) BPF_STMT (code, k))
#define JUMP(test, k, yes, no) \
  ((struct sock_filter) BPF_JUMP (BPF_JMP | (test) | BPF_K, k, (unsigned char) (yes), (unsigned char) (no)))
#define LOAD(field) STATEMENT (BPF_LD | BPF_W | BPF_ABS, (unsigned) offsetof (struct seccomp_data, field))
#define RETURN(what) STATEMENT (BPF_RET | BPF_K, what)

/* The number of the call is loaded before it, and again behind it. */
static unsigned
add_rule (struct sock_filter *out, const struct rule *rule)
{
  unsigned n = 0, checks = 0, behind;

  while (checks < 2 && rule->must[checks].mask)
    checks++;
  behind = 3 * checks + 1 + (checks > 0);
  out[n++] = JUMP (BPF_JEQ, rule->call, 0, behind);
  for (unsigned i = 0; i < checks; i++)
    {
      const struct must *must = &rule->must[i];
      uint32_t value = must->value == OWN_PID ? (uint32_t) getpid () : must->value;

      out[n++] = STATEMENT (BPF_LD | BPF_W | BPF_ABS,
                            (unsigned) offsetof (struct seccomp_data, args) + must->arg * 8);
      out[n++] = STATEMENT (BPF_ALU | BPF_AND | BPF_K, must->mask);
      out[n] = JUMP (BPF_JEQ, value, 0, behind - 1 - n);
      n++;
    }
  out[n++] = RETURN (rule->refuse ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW);
  if (checks > 0)
    out[n++] = LOAD (nr);
  return n;
}

unsigned
sandbox_filter (struct sock_filter out[SANDBOX_FILTER_MAX], unsigned kinds, unsigned present)
{
  unsigned n = 0;

  out[n++] = LOAD (arch);
  out[n++] = JUMP (BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0);
  out[n++] = RETURN (SECCOMP_RET_KILL_PROCESS);
  out[n++] = LOAD (nr);
  /* x32 calls have other numbers and the same architecture. */
  out[n++] = JUMP (BPF_JGE, X32_BIT, 0, 1);
  out[n++] = RETURN (SECCOMP_RET_KILL_PROCESS);
  for (unsigned i = 0; i < N_RULES; i++)
    if ((rules[i].who == SANDBOX_ALL || rules[i].who & kinds)
        && (rules[i].with == 0 || rules[i].with & present))
      n += add_rule (out + n, &rules[i]);
  out[n++] = LOAD (args[5]);
  out[n++] = JUMP (BPF_JEQ, SANDBOX_LAST_WORD, 0, 1);
  out[n++] = RETURN (SECCOMP_RET_KILL_PROCESS);
  out[n++] = RETURN (SECCOMP_RET_TRAP);
  return n;
}
#endif
