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
