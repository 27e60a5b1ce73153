# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvt-commands.h/.c: every command's name, arguments and return value; used by both ends."""

from c_common import BANNER, c_member_type, field_row
from names import args_type, member, snake


def args_ref(command):
    return f"&pvt_{snake(args_type(command.name))}_type" if command.args else "NULL"


def return_var(command):
    return f"return_of_{command.name.replace('-', '_')}"


HEADER = BANNER + """
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
"""


def header(schema):
    rows = [f"  PVT_COMMAND_{name.upper().replace('-', '_')}," for name in sorted(schema.commands)]
    return HEADER + "\n".join([*rows, "};", ""])


def info_row(command):
    returns = f"&{return_var(command)}" if command.returns else "NULL"
    flags = ", ".join(str(flag).upper() for flag in (
        command.frozen, command.blocks, command.success_response, "compat" in command.spec,
        command.quiet, command.stream))
    return (f'  {{ "{command.name}", {args_ref(command)}, {returns}, {command.budget_ms},\n'
            f"    PVT_CLASS_{command.klass.upper()}, {flags} }},")


def source(schema):
    commands = [schema.commands[name] for name in sorted(schema.commands)]
    out = [BANNER, '#include "pvt-commands.h"\n', '#include "pvt-tables.h"\n']
    for command in commands:
        if command.returns:
            row = field_row(command.returns, "", schema.types, offset="0").strip().rstrip(",")
            out.append(f"static const PvtField {return_var(command)} = {row};")
    out += ["", "const PvtCommandInfo pvt_command_infos[] = {",
            *[info_row(command) for command in commands], "};",
            "const guint pvt_n_command_infos = G_N_ELEMENTS (pvt_command_infos);", ""]
    return "\n".join(out)
