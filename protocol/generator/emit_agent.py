# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvt-handlers.h/.c: prototypes of the agent's handlers, thunks and the command table.

A command in the table whose handler nobody wrote is a link error.
"""

from c_common import BANNER, c_member_type, comment, is_scalar
from names import args_type, doc_lines, function

def prototype(command, types, end):
    params = ["PvtCall *call"]
    if command.args:
        params.append(f"const {args_type(command.name)} *args")
    if command.returns:
        params.append(f"{c_member_type(command.returns, types)}*result")
    params.append("GError **error")
    return f"gboolean{end}pvt_handle_{function(command.name)} ({', '.join(params)})"


def header(schema):
    out = [BANNER, "#pragma once\n", '#include "pvt-commands.h"', '#include "pvt-types.h"\n',
           "/* One request being handled; see agent/core/call.h. */",
           "typedef struct _PvtCall PvtCall;\n",
           "typedef gboolean (*PvtHandler) (PvtCall *call, const void *args, void *result,",
           "                                GError **error);\n",
           "typedef struct\n{\n  const PvtCommandInfo *info;\n  PvtHandler handler;\n} PvtCommand;\n",
           "/* The commands built into this agent, sorted by name. */",
           "extern const PvtCommand pvt_commands[];", "extern const guint pvt_n_commands;\n",
           "#define PVT_MAX_ARGS_SIZE " + max_size(schema) + "\n"]
    for command in commands(schema):
        out.append(comment([f"`{command.name}`: " + " ".join(doc_lines(command.doc))]))
        out.append(prototype(command, schema.types, " ") + ";\n")
    return "\n".join(out)


def max_size(schema):
    names = [args_type(command.name) for command in commands(schema) if command.args]
    return "(sizeof (union { char none; " + " ".join(
        f"{name} m{i};" for i, name in enumerate(names)) + " }))"


def commands(schema):
    return [schema.commands[name] for name in sorted(schema.commands)]


def thunk(command, types):
    call = ["call"]
    unused = []
    call.append("args") if command.args else unused.append("args")
    call.append("result") if command.returns else unused.append("result")
    marks = {name: " G_GNUC_UNUSED" for name in unused}
    return (f"static gboolean\ncall_{function(command.name)} (PvtCall *call, "
            f"const void *args{marks.get('args', '')}, void *result{marks.get('result', '')}, "
            f"GError **error)\n{{\n"
            f"  return pvt_handle_{function(command.name)} ({', '.join([*call, 'error'])});\n}}\n")


def source(schema):
    out = [BANNER, '#include "pvt-handlers.h"\n']
    out += [thunk(command, schema.types) for command in commands(schema)]
    rows = [f"  {{ &pvt_command_infos[PVT_COMMAND_{command.name.upper().replace('-', '_')}], "
            f"call_{function(command.name)} }}," for command in commands(schema)]
    return "\n".join([*out, "const PvtCommand pvt_commands[] = {", *rows, "};",
                      "const guint pvt_n_commands = G_N_ELEMENTS (pvt_commands);", ""])
