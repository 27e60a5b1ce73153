# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvt-examples.h: the schema's examples as C strings, for the round-trip test."""

import json

from c_common import BANNER


def c_string(value):
    return json.dumps(json.dumps(value))


def header(schema):
    rows = []
    for name in sorted(schema.commands):
        command = schema.commands[name]
        args = c_string(command.example["args"]) if command.example.get("args") else "NULL"
        returns = c_string(command.example["returns"]) if (
            command.returns and "returns" in command.example) else "NULL"
        rows.append(f"  {{ PVT_COMMAND_{name.upper().replace('-', '_')}, {args}, {returns} }},")
    return BANNER + "\n".join(["", "static const struct\n{\n  guint command;\n  const char *args;",
                               "  const char *returns;\n} pvt_examples[] = {", *rows, "};", ""])
