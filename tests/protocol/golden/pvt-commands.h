/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#pragma once

#include "protocol/codec/types.h"

/* What both ends know of a command. */
typedef struct
{
  const char *name;
  const PvtType *args;      /* NULL: it takes none */
  const PvtField *returns;  /* NULL: it returns {} */
  guint budget_ms;          /* how long the agent lets it run */
  guint8 command_class;     /* PvtCommandClass */
  gboolean frozen;          /* also runs while filesystems are frozen */
  gboolean blocks;          /* its handler may block */
  gboolean success_response;
  gboolean compat;          /* qemu-ga has it */
  gboolean quiet;           /* a part of what is on record: logged for who asks */
  gboolean stream;          /* begins a stream: on the extended channel only */
} PvtCommandInfo;

typedef enum
{
  PVT_CLASS_QUERY,
  PVT_CLASS_QUIESCE,
  PVT_CLASS_CONTROL,
  PVT_CLASS_EXEC,
} PvtCommandClass;

/* All commands of the schema, sorted by name. */
extern const PvtCommandInfo pvt_command_infos[];
extern const guint pvt_n_command_infos;

enum
{
  PVT_COMMAND_GUEST_DO,
  PVT_COMMAND_PVT_TELL,
};
