/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a guest is, concluded from everything that the host learns about it: a
 * state machine without a clock, threads or descriptors of its own. Whoever
 * drives it passes what happened and when. README.md has the table.
 */
#pragma once

#include <glib.h>

typedef enum
{
  PVT_HEALTH_STARTING,   /* nothing was heard of it yet */
  PVT_HEALTH_OK,
  PVT_HEALTH_AGENT_LOST, /* no heartbeat, and its kernel lives or nobody can tell */
  PVT_HEALTH_GUEST_HUNG, /* no heartbeat, and the kernel or all of user space stands still */
  PVT_HEALTH_PANICKED,
  PVT_HEALTH_DUMPING,    /* panicked, and writes its dump: leave it alone */
  PVT_HEALTH_REBOOTED,   /* it was reset, and the new boot was not heard of yet */
  PVT_HEALTH_SHUT_DOWN,
  PVT_HEALTH_PAUSED,     /* its processors are stopped by the host, or it sleeps */
  PVT_HEALTH_FROZEN,     /* its filesystems are */
} PvtHealthState;

#define PVT_HEALTH_N_STATES (PVT_HEALTH_FROZEN + 1)

typedef enum
{
  PVT_HEALTH_IN_STARTED,     /* a machine is there; the one before is forgotten */
  PVT_HEALTH_IN_HEARTBEAT,   /* boot_id and frozen count */
  PVT_HEALTH_IN_PORT_OPENED, /* a program of the guest has opened the agent's port */
  PVT_HEALTH_IN_PORT_CLOSED,
  PVT_HEALTH_IN_CHANNEL_TAKEN, /* somebody else talks on the channel: silence means nothing */
  PVT_HEALTH_IN_KERNEL,      /* kernel counts */
  PVT_HEALTH_IN_PANICKED,
  PVT_HEALTH_IN_CRASH_LOADED, /* panicked, and another kernel is loaded for the dump */
  PVT_HEALTH_IN_WATCHDOG,
  PVT_HEALTH_IN_BROKEN,      /* its processors cannot go on: QEMU's internal-error */
  PVT_HEALTH_IN_RESET,
  PVT_HEALTH_IN_SHUTDOWN,
  PVT_HEALTH_IN_GONE,        /* the machine is no more */
  PVT_HEALTH_IN_STOPPED,     /* its processors */
  PVT_HEALTH_IN_RUNNING,
  PVT_HEALTH_IN_MIGRATING,
  PVT_HEALTH_IN_MIGRATED,    /* or given up */
  PVT_HEALTH_IN_TICK,        /* time went by */
} PvtHealthInputKind;

#define PVT_HEALTH_N_INPUTS (PVT_HEALTH_IN_TICK + 1)

/* What the processors and the devices say about the guest's kernel. */
typedef enum
{
  PVT_KERNEL_UNKNOWN,
  PVT_KERNEL_ALIVE,
  PVT_KERNEL_BUSY, /* all processors run, and nothing more can be told */
  PVT_KERNEL_DEAD,
} PvtKernel;

/* A boot id has 36 characters; a guest's is cut there. */
#define PVT_HEALTH_BOOT_ID_MAX 63

typedef struct
{
  PvtHealthInputKind kind;
  const char *boot_id; /* NULL: not known */
  gboolean frozen;
  PvtKernel kernel;
} PvtHealthInput;

/* Limits, in microseconds of silence. */
typedef struct
{
  gint64 lost;   /* the agent is lost, or the guest hangs where that is known */
  gint64 hang;   /* where all processors run and nothing tells more: it hangs */
  gint64 boot;   /* in place of lost for a guest that has not been heard of yet */
  gint64 frozen; /* in place of lost while its filesystems are frozen */
  gint64 dump;   /* what a dump may take */
} PvtHealthLimits;

/* 30 s, 60 s, 5 minutes, 10 minutes, 5 minutes. */
extern const PvtHealthLimits pvt_health_default_limits;

typedef struct
{
  PvtHealthState from, to;
  const char *cause; /* one of a fixed set of words; README.md lists them */
  gint64 when;       /* the time that came with the input */
} PvtHealthChange;

typedef void (*PvtHealthChanged) (const PvtHealthChange *change, gpointer user_data);

typedef struct
{
  PvtHealthLimits limits;
  PvtHealthChanged changed;
  gpointer user_data;
  /* private */
  PvtHealthState condition; /* never PAUSED: that is @stopped */
  PvtHealthState shown;
  gboolean stopped, migrating;
  gboolean port_known, port_open;
  gboolean barked; /* its watchdog: no sign of the kernel takes that back */
  PvtKernel kernel;
  gint64 heard; /* the last sign that stops the clock of silence */
  char boot_id[PVT_HEALTH_BOOT_ID_MAX + 1];
} PvtHealth;

/* @changed (may be NULL) is called for each change, within pvt_health_input(). */
void pvt_health_init (PvtHealth *health, const PvtHealthLimits *limits, gint64 now,
                      PvtHealthChanged changed, gpointer user_data);

/* Takes what happened at @now (microseconds of any clock that never goes back). */
void pvt_health_input (PvtHealth *health, const PvtHealthInput *input, gint64 now);

/* The state that counts: PAUSED hides what is below it, but no crash and no end. */
PvtHealthState pvt_health_state (const PvtHealth *health);

/* When a TICK behind @now can change something; G_MAXINT64: none can. */
gint64 pvt_health_next_tick (const PvtHealth *health, gint64 now);

/* How long nothing was heard; 0 while silence means nothing. */
gint64 pvt_health_silence (const PvtHealth *health, gint64 now);

/* "agent-lost" and so on. */
const char *pvt_health_state_name (PvtHealthState state);
