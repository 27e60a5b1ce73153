# SPDX-License-Identifier: LGPL-2.1-or-later
"""reference.md, schema.json (JSON Schema) and the fuzz dictionary and seeds."""

import json

from names import doc_lines


def text(doc):
    return " ".join(doc_lines(doc))


def type_text(field):
    name = f"[{field.type}]" if field.array else field.type
    return name + ("?" if field.optional else "")


def bounds(field):
    parts = []
    if field.max:
        parts.append(f"at most {field.max} " + ("elements" if field.array else "bytes"))
    if field.max_item:
        parts.append(f"each at most {field.max_item} bytes")
    if field.low or field.high:
        parts.append(f"{field.low} to {field.high}")
    return f" ({', '.join(parts)})" if parts else ""


def member_rows(fields):
    rows = ["| member | type | meaning |", "|---|---|---|"]
    for field in fields:
        doc = text(field.doc).replace("|", "\\|")
        rows.append(f"| `{field.name}` | {type_text(field)} | {doc}{bounds(field)} |")
    return rows


def command_text(command):
    spec = command.spec
    facts = [f"class {command.klass}", f"since {spec['since']}"]
    if "compat" in spec:
        facts.append(f"as {spec['compat']}")
    facts.append("also while frozen" if command.frozen else "not while frozen")
    facts.append(f"budget {command.budget_ms} ms")
    out = [f"### {command.name}", "", text(command.doc), "", "*" + ", ".join(facts) + ".*", ""]
    if command.args:
        out += ["Arguments:", "", *member_rows(command.args), ""]
    if command.returns:
        out += [f"Returns {type_text(command.returns)}: {text(command.returns.doc)}", ""]
    elif not command.success_response:
        out += ["No reply on success.", ""]
    for error in spec.get("errors", []):
        out.append(f"- {error}")
    if command.example:
        request = {"execute": command.name}
        if command.example.get("args"):
            request["arguments"] = command.example["args"]
        out += ["", "```json", json.dumps(request)]
        if command.success_response:
            out.append(json.dumps({"return": command.example.get("returns", {})}))
        out += ["```", ""]
    return out


def type_section(item):
    out = [f"### {item.name}", "", text(item.doc), ""]
    if item.kind == "enum":
        out += [f"- `{value}`: {text(doc)}" for value, doc in item.values]
    elif item.kind == "union":
        out += [f"- `{item.tag}` = `{value}`: the members of {name}"
                for value, name in item.branches.items()]
    else:
        out += member_rows(item.fields)
    return [*out, ""]


def reference(schema):
    out = ["# pvtools protocol reference", "", "Generated from `protocol/schema`.", ""]
    for domain, doc in schema.domains.items():
        out += [f"## {domain}", "", text(doc), ""]
        for command in schema.commands.values():
            if command.domain == domain:
                out += command_text(command)
    out += ["## Types", ""]
    for item in schema.types.values():
        out += type_section(item)
    return "\n".join(out) + "\n"


JSON_TYPES = {"bool": {"type": "boolean"}, "f64": {"type": "number"},
              "i64": {"type": "integer"},
              "u32": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
              "u64": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
              "string": {"type": "string"}, "bytes": {"type": "string", "contentEncoding": "base64"}}


def field_schema(field):
    one = dict(JSON_TYPES[field.type]) if field.type in JSON_TYPES else {
        "$ref": f"#/$defs/{field.type}"}
    if field.array:
        one = {"type": "array", "items": one}
        if field.max:
            one["maxItems"] = field.max
    elif field.low or field.high:
        one.update(minimum=field.low, maximum=field.high)
    one["description"] = text(field.doc)
    return one


def object_schema(fields, doc, closed):
    out = {"type": "object", "description": text(doc),
           "properties": {field.name: field_schema(field) for field in fields},
           "required": [field.name for field in fields if not field.optional]}
    if closed:
        out["additionalProperties"] = False
    return out


def type_schema(item):
    if item.kind == "enum":
        return {"enum": [value for value, _ in item.values], "description": text(item.doc)}
    if item.kind == "alternate":
        return {"oneOf": [field_schema(field) for field in item.fields],
                "description": text(item.doc)}
    if item.kind == "union":
        tag = {"properties": {item.tag: {"$ref": f"#/$defs/{item.tag_type}"}}, "required": [item.tag]}
        return {"description": text(item.doc), "allOf": [tag], "anyOf": [
            {"allOf": [{"properties": {item.tag: {"const": value}}}, {"$ref": f"#/$defs/{name}"}]}
            for value, name in item.branches.items()]}
    return object_schema(item.fields, item.doc, False)


def json_schema(schema):
    defs = {item.name: type_schema(item) for item in schema.types.values()}
    requests, replies = [], {}
    for command in schema.commands.values():
        request = {"type": "object", "required": ["execute"], "properties": {
            "execute": {"const": command.name},
            "arguments": object_schema(command.args, command.doc, True)}}
        if any(not field.optional for field in command.args):
            request["required"].append("arguments")
        requests.append(request)
        if command.success_response:
            replies[command.name] = field_schema(command.returns) if command.returns else {
                "type": "object", "maxProperties": 0}
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema",
                       "title": "pvtools requests", "$defs": defs, "oneOf": requests,
                       "replies": replies}, indent=1) + "\n"


def dictionary(schema):
    words = {"execute", "arguments", "id", "return", "error", "class", "desc", "true", "false", "null"}
    words.update(schema.commands)
    for item in schema.types.values():
        words.update(field.name for field in item.fields)
        words.update(value for value, _ in item.values)
    for command in schema.commands.values():
        words.update(field.name for field in command.args)
    return "".join(f'"\\"{word}\\""\n' for word in sorted(words))


def seeds(schema):
    """(file name, text) of one request for each command."""
    for command in schema.commands.values():
        request = {"execute": command.name}
        if command.example.get("args"):
            request["arguments"] = command.example["args"]
        yield f"{command.name}.json", json.dumps(request) + "\n"
