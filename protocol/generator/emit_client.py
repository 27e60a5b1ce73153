# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvt-client-commands.h/.c and pvt-boxed.h/.c: the library's typed calls."""

from c_common import BANNER, c_member_type, comment, is_scalar
from emit_types import objects
from names import args_type, c_type, doc_lines, function


def commands(schema):
    """Streams need more than a call: the extended channel has them."""
    return [schema.commands[name] for name in sorted(schema.commands)
            if not schema.commands[name].stream]


def by_pointer(command, types):
    """Whether the result is returned itself, with NULL for an error."""
    return command.returns is not None and not is_scalar(command.returns, types)


def transfer(command, types):
    field = command.returns
    if field.array and field.type == "string":
        return "(transfer full) (array zero-terminated=1)"
    if field.array:
        return f"(transfer full) (element-type {c_type(field.type)})"
    return "(transfer full)"


def signature(command, types, suffix=""):
    ret = c_member_type(command.returns, types) if by_pointer(command, types) else "gboolean "
    out = [f"{c_member_type(command.returns, types)}*result"] if (
        command.returns and not by_pointer(command, types)) else []
    name = f"pvt_client_{function(command.name)}{suffix}"
    args = [f"const {args_type(command.name)} *args"] if command.args else []
    if suffix == "_async":
        return (f"void {name} (PvtClient *client, " + ", ".join(
            [*args, "int timeout_ms", "GCancellable *cancellable", "GAsyncReadyCallback callback",
             "gpointer user_data"]) + ")")
    if suffix == "_finish":
        return f"{ret}{name} (PvtClient *client, " + ", ".join(
            ["GAsyncResult *async_result", *out, "GError **error"]) + ")"
    return f"{ret}{name} (PvtClient *client, " + ", ".join(
        [*args, *out, "int timeout_ms", "GCancellable *cancellable", "GError **error"]) + ")"


def returns_doc(command, types):
    if by_pointer(command, types):
        return f"Returns: {transfer(command, types)}: " + " ".join(doc_lines(command.returns.doc))
    return "Returns: %TRUE on success"


def docs(command, types, suffix):
    name = f"pvt_client_{function(command.name)}{suffix}"
    lines = [f"{name}:", "@client: a #PvtClient"]
    if suffix == "_finish":
        lines.append("@async_result: what the callback got")
    else:
        if command.args:
            lines.append("@args: the arguments")
        lines += ["@timeout_ms: most milliseconds to wait, or -1 for the client's default",
                  "@cancellable: (nullable): cancels the wait"]
    if suffix == "_async":
        lines += ["@callback: (scope async): called when there is an answer",
                  "@user_data: (closure): for @callback"]
    else:
        if command.returns and not by_pointer(command, types):
            lines.append("@result: (out): " + " ".join(doc_lines(command.returns.doc)))
        lines.append("@error: set on failure")
    lines += ["", f"`{command.name}`: " + " ".join(doc_lines(command.doc))]
    if suffix != "_async":
        lines += ["", returns_doc(command, types)]
    lines += ["", f"Since: {command.spec['since']}"]
    return comment(lines)


def header(schema):
    out = [BANNER, "#pragma once\n", "#include <gio/gio.h>\n", '#include "pvt-boxed.h"',
           '#include "pvt-client.h"\n', "G_BEGIN_DECLS\n"]
    for command in commands(schema):
        for suffix in ("", "_async", "_finish"):
            out.append(signature(command, schema.types, suffix) + ";")
        out.append("")
    return "\n".join([*out, "G_END_DECLS", ""])


def info_ref(command):
    return f"&pvt_command_infos[PVT_COMMAND_{command.name.upper().replace('-', '_')}]"


def definition(text, body):
    kind, rest = text.split("pvt_client_", 1)
    return f"{kind.strip()}\npvt_client_{rest}\n{{\n{body}}}\n"


def bodies(command, types):
    args = "args" if command.args else "NULL"
    info = info_ref(command)
    call = f"pvt_client_call (client, {info}, {args}, %s, timeout_ms, cancellable, error)"
    finish = "pvt_client_call_finish (client, async_result, %s, error)"
    if by_pointer(command, types):
        kind = c_member_type(command.returns, types)
        wrap = "  " + kind + "result = NULL;\n\n  %s;\n  return result;\n"
        sync, done = (wrap % (text % "&result") for text in (call, finish))
    else:
        slot = "result" if command.returns else "NULL"
        sync, done = (f"  return {text % slot};\n" for text in (call, finish))
    start = (f"  pvt_client_call_async (client, {info}, {args}, timeout_ms, cancellable, callback,\n"
             "                         user_data);\n")
    return {"": sync, "_async": start, "_finish": done}


def source(schema):
    out = [BANNER, '#include "pvt-client-commands.h"\n', '#include "call.h"',
           '#include "pvt-commands.h"\n']
    for command in commands(schema):
        for suffix, body in bodies(command, schema.types).items():
            out.append(docs(command, schema.types, suffix))
            out.append(definition(signature(command, schema.types, suffix), body))
    return "\n".join(out)


def boxed_header(schema):
    out = [BANNER, "#pragma once\n", "#include <glib-object.h>\n", '#include "pvt-types.h"\n',
           "G_BEGIN_DECLS\n"]
    for name, snake_name, _ in objects(schema):
        out.append(f"#define PVT_TYPE_{snake_name.upper()} (pvt_{snake_name}_get_type ())")
        out.append(f"GType pvt_{snake_name}_get_type (void) G_GNUC_CONST;")
    return "\n".join([*out, "\nG_END_DECLS", ""])


def boxed_source(schema):
    out = [BANNER, '#include "pvt-boxed.h"\n']
    for name, snake_name, _ in objects(schema):
        out.append(f"G_DEFINE_BOXED_TYPE ({name}, pvt_{snake_name},\n"
                   f"                     (GBoxedCopyFunc) pvt_{snake_name}_copy, "
                   f"pvt_{snake_name}_free)")
    return "\n".join([*out, ""])


def symbol_map(schema):
    """The linker's list of what the library exports."""
    names = ["pvt_client_*", "pvt_watch_*", "pvt_page_new", "pvt_page_read",
             "pvt_page_prepare", "pvt_page_get_type", "pvt_page_figures_*", "pvt_page_metric_get_value",
             "pvt_agent_error_quark", "pvt_agent_error_class",
             "pvt_agent_error_from_class"]
    for _, snake_name, _ in objects(schema):
        names += [f"pvt_{snake_name}_{verb}" for verb in ("get_type", "new", "copy", "free")]
    return "LIBPVTOOLS_1.0 {\nglobal:\n" + "".join(f"  {name};\n" for name in names) + "local:\n  *;\n};\n"
