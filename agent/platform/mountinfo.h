/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/self/mountinfo: see proc(5). */
#pragma once

#include "root.h"

typedef struct
{
  guint64 id; /* unique among the mounts that exist */
  guint major, minor; /* of the superblock */
  /* These lie behind it, in the same piece of memory. */
  char *root; /* which part of the file system is mounted */
  char *mountpoint;
  char *type;
  char *source;
  gboolean read_only;       /* the mount or all of the filesystem */
  gboolean super_read_only; /* all of the filesystem */
} PvtMount;

/* Appends a PvtMount for each line; octal escapes are undone. */
void pvt_mountinfo_parse (const char *text, gsize len, GPtrArray *mounts);

/* All mounts in mount order; the caller unrefs. */
GPtrArray *pvt_mountinfo_read (const PvtRoot *root, GError **error);

/*
 * The same, as they were when mounts changed the last time, which the kernel tells (proc(5),
 * poll(2)): one system call as a rule, while to have the file written costs as much as all
 * else about a list of filesystems. That an error made one read-only is no change of mounts.
 * Any thread; the caller unrefs the array and changes nothing in it.
 */
GPtrArray *pvt_mountinfo_kept (const PvtRoot *root, GError **error);

/* An array that frees its PvtMounts. */
GPtrArray *pvt_mounts_new (void);

/* A server on the network answers for it, or a program: it may never answer. */
gboolean pvt_mount_is_remote (const PvtMount *mount);

/*
 * The kernel answers statvfs(3) for it from memory: a disk or memory
 * filesystem, at a path that does not lead through one that may hang.
 * @mounts: all mounts.
 */
gboolean pvt_mount_answers (const PvtMount *mount, GPtrArray *mounts);

/* Kernel interfaces and memory: no device, nothing that fills up. */
gboolean pvt_mount_is_pseudo (const PvtMount *mount);
