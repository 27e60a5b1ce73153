/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the control socket can do. A new command is a function and a line. */
#pragma once

#include <json-glib/json-glib.h>

struct control;
struct machine;

typedef struct
{
  struct control *control;
  struct machine *machine;
} QmpContext;

typedef struct
{
  const char *name;
  /* The return value, or NULL and an error. @arguments may be NULL. */
  JsonNode *(*run) (QmpContext *context, JsonObject *arguments, GError **error);
  gboolean negotiates;
} QmpCommand;

/* NULL for a name nobody has. */
const QmpCommand *qmp_command_find (const char *name);

/* ---- between the files of the commands ---- */

/* Where objects are that have a name, as QEMU has it. */
#define QMP_PERIPHERAL "/machine/peripheral"

/* Values; what is taken is the node's from then on. */
JsonNode *qmp_nothing (void);
JsonNode *qmp_take_array (JsonArray *array);
JsonNode *qmp_take_object (JsonObject *object);
/* A string argument; NULL and an error without it. */
const char *qmp_argument (JsonObject *arguments, const char *name, GError **error);

/* In qmp-block.c. */
JsonNode *qmp_query_block (QmpContext *context, JsonObject *arguments, GError **error);
JsonNode *qmp_block_resize (QmpContext *context, JsonObject *arguments, GError **error);
JsonNode *qmp_snapshot (QmpContext *context, JsonObject *arguments, GError **error);
JsonNode *qmp_transaction (QmpContext *context, JsonObject *arguments, GError **error);
