/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No new privileges, and only the system calls we need: a list for the process, and a
 * shorter one for each kind of thread (sandbox-rules.c has both, as one table). */
#pragma once

/* What threads are for; one may be of several kinds. */
enum
{
  SANDBOX_MAIN = 1 << 0,    /* run: waits for the end, resets the machine, takes it apart */
  SANDBOX_FRONT = 1 << 1,   /* device: does what a vhost-user front-end asks for */
  SANDBOX_VCPU = 1 << 2,    /* a guest's processor, and registers it writes */
  SANDBOX_CONTROL = 1 << 3, /* the control socket */
  SANDBOX_DISK = 1 << 4,    /* the image, by preadv(2) and the like */
  SANDBOX_RING = 1 << 5,    /* the image, by an io_uring made before */
  SANDBOX_TAP = 1 << 6,     /* frames by a tap */
  SANDBOX_PEER = 1 << 7,    /* frames by a socket */
  SANDBOX_USER = 1 << 8,    /* libslirp: TCP and UDP as a client, and taking connections */
  SANDBOX_CONSOLE = 1 << 9, /* ports and who connects to them */
  SANDBOX_VSOCK = 1 << 10,  /* the same both ways */
  SANDBOX_BALLOON = 1 << 11,
  SANDBOX_RNG = 1 << 12,
  SANDBOX_COPIER = 1 << 13, /* a process of its own, which makes files */
  SANDBOX_PAGE = 1 << 14, /* no thread's: the guest shares a page, and may move it */
  SANDBOX_SERIAL = 1 << 15, /* what is typed for the guest */
};

/* Before sandbox_enter(): there is, or will be, something of these kinds. */
void sandbox_expect (unsigned kinds);
/* For all threads of the process, for ever: what is to be opened has been opened, and
 * threads made. From now on a call that is on no list of those expected ends the
 * process, with a line on standard error; memory and descriptors have limits; nobody may
 * look into the process but root. Negative errno. */
int sandbox_enter (void);
/* All of it in a process of one thread, which is of these @kinds and nothing else. */
int sandbox_alone (unsigned kinds);
/* In a thread, before it does something for a guest or anybody else: its own list from
 * now on. Does nothing before sandbox_enter() or a second time, and costs nothing then,
 * so it belongs into a thread's loop. */
void sandbox_narrow (unsigned kinds);
