/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libslirp may take of a process that has others to serve, too. It makes a socket for
 * each connection and each port that a guest uses, and keeps what a guest has begun and not
 * ended, with no limit of its own: a guest could leave no descriptor for the control socket,
 * and end the process by using up its memory. So when either gets scarce, frames that
 * would take more of it are dropped, until there is room again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Descriptors that are left for others: what all other kinds of threads may come to need. */
#define USER_ROOM_LEAVES 304u

struct user_room
{
  int statm;         /* of /proc: it stays open */
  uint64_t data_max; /* bytes */
  bool full;         /* of memory */
  bool told;
};

/* Before the sandbox is entered. */
void user_room_init (struct user_room *room);
void user_room_finish (struct user_room *room);
/* Looks at the memory in use; before some frames are taken. */
void user_room_look (struct user_room *room);
/* Whether there is room for what this frame of the guest may take. @fd: any open one. */
bool user_room_admits (struct user_room *room, const uint8_t *frame, size_t len, int fd);
