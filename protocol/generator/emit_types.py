# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvt-types.h and pvt-types.c: structs, enums, tables, free and copy functions."""

from c_common import (BANNER, comment, declare_members, field_row, member_docs)
from names import args_type, c_type, doc_lines, enum_value, member, prefix, snake
from schema import Field


def enum_decl(item):
    lines = [comment([f"{c_type(item.name)}:",
                      *(f"@{enum_value(item.name, value)}: {' '.join(doc_lines(doc))}"
                        for value, doc in item.values), "", *doc_lines(item.doc)]),
             "typedef enum", "{"]
    lines += [f"  {enum_value(item.name, value)}," for value, _ in item.values]
    return "\n".join([*lines, f"}} {c_type(item.name)};", ""])


def struct_decl(name, fields, doc, types):
    return "\n".join([comment([f"{name}:", *member_docs(fields, types), "", *doc_lines(doc)]),
                      f"struct _{name}", "{", *declare_members(fields, types), "};", ""])


def alternate_decl(item, types):
    name = c_type(item.name)
    tags = "\n".join(f"  {enum_value(item.name, 'is-' + field.name)}," for field in item.fields)
    return "\n".join([f"typedef enum\n{{\n{tags}\n}} {name}Branch;\n",
                      comment([f"{name}:", "@branch: which of the others holds the value",
                               *member_docs(item.fields, types), "", *doc_lines(item.doc)]),
                      f"struct _{name}", "{", f"  {name}Branch branch;",
                      *declare_members(item.fields, types), "};", ""])


def union_decl(item):
    name = c_type(item.name)
    lines = [f"  {c_type(branch)} *{member(value)};" for value, branch in item.branches.items()]
    docs = [f"@{member(value)}: (nullable): set when @{member(item.tag)} is `{value}`"
            for value in item.branches]
    return "\n".join([comment([f"{name}:", f"@{member(item.tag)}: which branch it is", *docs, "",
                               *doc_lines(item.doc)]),
                      f"struct _{name}", "{", f"  {c_type(item.tag_type)} {member(item.tag)};",
                      *lines, "};", ""])


def functions_decl(name, snake_name):
    return (f"{name} *pvt_{snake_name}_new (void);\n"
            f"{name} *pvt_{snake_name}_copy (const {name} *value);\n"
            f"void pvt_{snake_name}_free ({name} *value);\n"
            f"G_DEFINE_AUTOPTR_CLEANUP_FUNC ({name}, pvt_{snake_name}_free)\n")


def objects(schema):
    """Every C struct: (C name, snake name, kind)."""
    for item in schema.types.values():
        if item.kind != "enum":
            yield c_type(item.name), snake(item.name), item
    for command in schema.commands.values():
        if command.args:
            name = args_type(command.name)
            yield name, snake(name), command


def header(schema):
    types = schema.types
    out = [BANNER, '#pragma once\n', "#include <glib.h>\n", "G_BEGIN_DECLS\n",
           ]
    out += [enum_decl(item) for item in types.values() if item.kind == "enum"]
    out += [f"typedef struct _{name} {name};" for name, _, _ in objects(schema)]
    out.append("")
    for name, snake_name, item in objects(schema):
        kind = getattr(item, "kind", "args")
        if kind == "struct":
            out.append(struct_decl(name, item.fields, item.doc, types))
        elif kind == "alternate":
            out.append(alternate_decl(item, types))
        elif kind == "union":
            out.append(union_decl(item))
        else:
            out.append(struct_decl(name, item.args, f"Arguments of `{item.name}`.", types))
        out.append(functions_decl(name, snake_name))
    return "\n".join([*out, "G_END_DECLS", ""])


def tables_header(schema):
    """The types' tables: for this tree only, not for users of the library."""
    enums = [snake(item.name) for item in schema.types.values() if item.kind == "enum"]
    names = [*enums, *(snake_name for _, snake_name, _ in objects(schema))]
    return "\n".join([BANNER, "#pragma once\n", '#include "protocol/codec/types.h"\n',
                      *(f"extern const PvtType pvt_{name}_type;" for name in names), ""])


def enum_table(item):
    names = ", ".join(f'"{value}"' for value, _ in item.values)
    var = prefix(item.name)
    return (f"static const char *const {var}_values[] = {{ {names} }};\n"
            f"const PvtType {var}_type = {{ .name = \"{item.name}\", .kind = PVT_KIND_ENUM,\n"
            f"  .values = {var}_values, .n_values = G_N_ELEMENTS ({var}_values) }};\n")


def tag_field(item):
    return Field(item.where, item.tag, {"type": item.tag_type, "doc": "tag"})


def branch_rows(item, types):
    """The tag, then one row for each value of it, so that the value is the index."""
    name = c_type(item.name)
    rows = [field_row(tag_field(item), name, types)]
    for value, _ in types[item.tag_type].values:
        if value in item.branches:
            branch = Field(item.where, value + "?", {"type": item.branches[value], "doc": "branch"})
            rows.append(field_row(branch, name, types))
        else:
            rows.append(f'  {{ "{value}", {len(value)}, PVT_KIND_BOOL, PVT_FIELD_OPTIONAL, 0, '
                        "PVT_NO_OFFSET, 0, 0, NULL, 0, 0 },")
    return rows


def object_rows(name, item, types):
    kind = getattr(item, "kind", "args")
    if kind == "union":
        return branch_rows(item, types)
    fields = item.args if kind == "args" else item.fields
    rows = [field_row(field, name, types) for field in fields]
    if kind == "alternate":
        rows.insert(0, '  { "branch", 6, PVT_KIND_U32, 0, 0, PVT_NO_OFFSET, 0, 0, NULL, 0, 0 },')
    return rows


def object_table(name, snake_name, item, types):
    kind = getattr(item, "kind", "args")
    table = {"args": "STRUCT"}.get(kind, kind.upper())
    var = f"pvt_{snake_name}"
    rows = "\n".join(object_rows(name, item, types))
    wire = item.name
    return (f"static const PvtField {var}_fields[] = {{\n{rows}\n}};\n"
            f"const PvtType {var}_type = {{ .name = \"{wire}\", .kind = PVT_KIND_{table},\n"
            f"  .size = sizeof ({name}), .free = (GDestroyNotify) {var}_free,\n"
            f"  .fields = {var}_fields,\n"
            f"  .n_fields = G_N_ELEMENTS ({var}_fields) }};\n\n"
            f"{name} *\n{var}_new (void)\n{{\n  return g_new0 ({name}, 1);\n}}\n\n"
            f"{name} *\n{var}_copy (const {name} *value)\n{{\n"
            f"  return pvt_object_copy (&{var}_type, value);\n}}\n\n"
            f"void\n{var}_free ({name} *value)\n{{\n"
            f"  pvt_object_free (&{var}_type, value);\n}}\n")


def source(schema):
    out = [BANNER, '#include "pvt-types.h"\n', '#include "protocol/codec/object.h"',
           '#include "pvt-tables.h"\n']
    out += [enum_table(item) for item in schema.types.values() if item.kind == "enum"]
    out += [object_table(name, snake_name, item, schema.types)
            for name, snake_name, item in objects(schema)]
    return "\n".join(out)
