/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the agent's half (guardian.c) and the helper's (guardian-helper.c) share. */
#pragma once

#include "guardian.h"

/* More filesystems than this are not frozen together. */
#define PVT_GUARDIAN_SLOTS 1024

/* SCM_MAX_FD of unix(7), rounded down. */
#define PVT_GUARDIAN_FDS_A_MESSAGE 250

enum
{
  PVT_SLOT_IDLE,
  PVT_SLOT_FREEZING, /* the agent's ioctl is under way */
  PVT_SLOT_FROZEN,
  PVT_SLOT_THAWED,
};

typedef struct
{
  gint state;
  int fd;     /* the agent's descriptor */
  int its_fd; /* the helper's own of the same filesystem */
} PvtGuardianSlot;

/* The memory that both see. */
typedef struct
{
  gint abort; /* no further filesystem may be frozen */
  gint end;   /* PvtFreezeEnd */
  gint64 end_time;
  gint hurried; /* rcu_expedited was switched on by the agent */
  guint n; /* slots of the present freeze */
  PvtGuardianSlot slots[PVT_GUARDIAN_SLOTS];
} PvtGuardianPage;

/* What the agent sends, a packet each; descriptors come along as SCM_RIGHTS. */
typedef enum
{
  PVT_GUARDIAN_TAKE,    /* of the slots from @first on */
  PVT_GUARDIAN_BEGIN,   /* of the lock, and of rcu_expedited if any; arms the deadline,
                           answered */
  PVT_GUARDIAN_RENEW,   /* another deadline */
  PVT_GUARDIAN_GOODBYE, /* the freeze is over, answered when all is closed; an answer is the order's kind, a byte */
} PvtGuardianKind;

typedef struct
{
  guint32 kind, first;
  gint64 deadline;
} PvtGuardianOrder;

/* The helper's whole life; system calls only, it may be the fork of a process
 * with threads. @argv, @title: see pvt_guardian_prepare(). */
G_NORETURN void pvt_guardian_live (PvtGuardianPage *page, int socket, char *const *argv,
                                   const PvtGuardianTitle *title);

/* See pvt_guardian_hurry(); @fd may be -1. */
void pvt_guardian_set_hurry (PvtGuardianPage *page, int fd, gboolean on);

/* Thaws through @fd if @from was the slot's state: 1, 0 when it was not, -errno. */
int pvt_guardian_thaw_slot (PvtGuardianSlot *slot, gint from, int fd);
