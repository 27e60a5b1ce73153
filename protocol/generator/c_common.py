# SPDX-License-Identifier: LGPL-2.1-or-later
"""What several C emitters share: comments, declarations, field tables."""

import textwrap

from names import args_type, c_type, doc_lines, member, prefix

BANNER = ("/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"
          "/* Generated from protocol/schema; do not edit. */\n")

KINDS = {"bool": "BOOL", "i64": "I64", "u32": "U32", "u64": "U64", "f64": "F64",
         "string": "STRING", "bytes": "BYTES"}
SCALAR_C = {"bool": "gboolean ", "i64": "gint64 ", "u32": "guint32 ", "u64": "guint64 ",
            "f64": "double ", "string": "char *", "bytes": "GBytes *"}


def safe(text):
    """Text inside a C comment."""
    return text.replace("*/", "* /").replace("/*", "/ *")


def comment(lines, indent=""):
    out = [f"{indent}/**"]
    for line in lines:
        wrapped = textwrap.wrap(safe(line), 92 - len(indent)) or [""]
        out += [f"{indent} * {part}".rstrip() for part in wrapped]
    return "\n".join([*out, f"{indent} */"])


def is_scalar(field, types):
    if field.array:
        return False
    if field.type in types:
        return types[field.type].kind == "enum"
    return field.type not in ("string", "bytes")


def c_member_type(field, types):
    if field.array:
        return "char **" if field.type == "string" else "GPtrArray *"
    if field.type in types:
        name = c_type(field.type)
        return f"{name} " if types[field.type].kind == "enum" else f"{name} *"
    return SCALAR_C[field.type]


def annotation(field, types):
    """What GObject introspection needs to know of a member."""
    notes = []
    if field.array:
        notes.append("(array zero-terminated=1)" if field.type == "string"
                     else f"(element-type {c_type(field.type)})")
    if field.optional and not is_scalar(field, types):
        notes.append("(nullable)")
    return " ".join(notes)


def declare_members(fields, types):
    lines = []
    for field in fields:
        if field.optional and is_scalar(field, types):
            lines.append(f"  gboolean has_{member(field.name)};")
        lines.append(f"  {c_member_type(field, types)}{member(field.name)};")
    return lines


def member_docs(fields, types):
    docs = []
    for field in fields:
        text = " ".join(doc_lines(field.doc))
        note = annotation(field, types)
        if field.optional and is_scalar(field, types):
            docs.append(f"@has_{member(field.name)}: whether @{member(field.name)} is there")
        docs.append(f"@{member(field.name)}: {note + ': ' if note else ''}{text}")
    return docs


def kind_of(field, types):
    if field.type in KINDS:
        return KINDS[field.type]
    return types[field.type].kind.upper()


def field_row(field, struct, types, offset=None):
    """One PvtField initialiser."""
    name = member(field.name)
    flags = [flag for flag, on in (("PVT_FIELD_OPTIONAL", field.optional),
                                   ("PVT_FIELD_ARRAY", field.array),
                                   ("PVT_FIELD_SECRET", field.secret)) if on]
    where = offset if offset is not None else f"G_STRUCT_OFFSET ({struct}, {name})"
    has = (f"G_STRUCT_OFFSET ({struct}, has_{name})"
           if field.optional and is_scalar(field, types) else "PVT_NO_OFFSET")
    of_type = f"&{prefix(field.type)}_type" if field.type in types else "NULL"
    return (f'  {{ "{field.name}", {len(field.name)}, PVT_KIND_{kind_of(field, types)}, '
            f'{" | ".join(flags) or 0}, {where}, {has}, {field.max}, {field.max_item}, {of_type}, '
            f'{c_int(field.low)}, {c_int(field.high)} }},')


def c_int(value):
    return f"G_GINT64_CONSTANT ({value})" if abs(value) > 2**31 - 1 else str(value)


def table_name(command):
    return f"{args_type(command.name)}_fields"
