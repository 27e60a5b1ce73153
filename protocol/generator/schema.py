# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads and checks protocol/schema: whatever is wrong is named with its file and path."""

import json
import pathlib
import re

SCALARS = {"bool", "i64", "u32", "u64", "f64", "string", "bytes"}
INTEGERS = {"i64", "u32", "u64"}
CLASSES = ("query", "quiesce", "control", "exec")
SECTIONS = ("structs", "enums", "alternates", "unions")

_COMMON = {"since", "compat", "doc"}
_KEYS = {
    "file": {"domain", "doc", "commands", *SECTIONS},
    "command": _COMMON | {"class", "frozen", "blocks", "budget-ms", "success-response", "ordered", "stream", "quiet",
                          "args", "returns", "errors", "example"},
    "field": {"type", "doc", "max", "max-item", "min", "range", "since", "secret"},
    "struct": _COMMON | {"fields"},
    "enum": _COMMON | {"values"},
    "alternate": _COMMON | {"branches"},
    "union": _COMMON | {"tag", "tag-type", "branches"},
}
_WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z0-9]*\Z")


class SchemaError(Exception):
    """The schema says something that it may not say."""


def fail(where, why):
    raise SchemaError(f"{where}: {why}")


def no_duplicates(pairs):
    seen = {}
    for key, value in pairs:
        if key in seen:
            raise SchemaError(f"member '{key}' is there twice")
        seen[key] = value
    return seen


def check_keys(where, kind, value, required=()):
    if not isinstance(value, dict):
        fail(where, "an object was expected")
    for key in value:
        if key not in _KEYS[kind]:
            fail(where, f"unknown key '{key}'")
    for key in ("doc", *required):
        if key not in value:
            fail(where, f"'{key}' is missing")
    check_doc(where, value["doc"])


def check_doc(where, doc):
    lines = doc if isinstance(doc, list) else [doc]
    if not lines or not all(isinstance(line, str) and line.strip() for line in lines):
        fail(where, "doc must be text or a list of lines")


class Field:
    """One member of a struct or of a command's arguments, or a return value."""

    def __init__(self, where, name, spec):
        check_keys(where, "field", spec, ["type"])
        self.where = where
        self.optional = name.endswith("?")
        self.name = name.rstrip("?")
        self.spec = spec
        self.doc = spec["doc"]
        text = spec["type"]
        if not isinstance(text, str):
            fail(where, "type must be a string")
        self.array = text.startswith("[")
        self.type = text[1:-1] if self.array else text
        if self.array and not text.endswith("]"):
            fail(where, f"type '{text}' is not closed")
        if not _WORD.match(self.name.replace("_", "-")):
            fail(where, f"'{self.name}' is not a member name")
        self.secret = bool(spec.get("secret", False))
        self.max = spec.get("max", 0)
        self.max_item = spec.get("max-item", 0)
        low_high = spec.get("range", [spec.get("min", 0), 0])
        self.low, self.high = low_high
        if "min" in spec and "range" not in spec:
            self.high = 2**32 - 1 if self.type == "u32" else 2**63 - 1

    def check_type(self, types):
        if self.type not in SCALARS and self.type not in types:
            fail(self.where, f"unknown type '{self.type}'")
        if self.array and self.type != "string" and (
                self.type in SCALARS or types[self.type].kind in ("enum",)):
            fail(self.where, f"arrays of {self.type} are not supported")
        if self.low > self.high:
            fail(self.where, "the range is empty")
        if (self.low or self.high) and self.type not in INTEGERS:
            fail(self.where, "only integers have a range")

    def check_bounded(self, types, seen=()):
        """Everything that a peer may ask must have a bound."""
        if self.array and not self.max:
            fail(self.where, "an array of arguments needs 'max'")
        if self.type in ("string", "bytes"):
            if not (self.max_item if self.array else self.max):
                fail(self.where, "text of arguments needs '%s'" % ("max-item" if self.array else "max"))
        elif self.type in types and self.type not in seen:
            for member in types[self.type].fields:
                member.check_bounded(types, (*seen, self.type))


class Type:
    """A struct, enum, alternate or union."""

    def __init__(self, where, kind, name, spec):
        check_keys(where, kind, spec, ["since"])
        if not _TYPE.match(name):
            fail(where, f"'{name}' is not a type name")
        self.where, self.kind, self.name, self.spec = where, kind, name, spec
        self.doc = spec["doc"]
        self.fields, self.values, self.branches = [], [], {}
        getattr(self, "_load_" + kind)(spec)

    def _load_struct(self, spec):
        for name, field in spec.get("fields", {}).items():
            self.fields.append(Field(f"{self.where}.{name}", name, field))
        if not self.fields:
            fail(self.where, "a struct needs fields")
        if len(self.fields) > 64:
            fail(self.where, "more than 64 fields")

    def _load_enum(self, spec):
        values = spec.get("values", {})
        if not values:
            fail(self.where, "an enum needs values")
        for value, doc in values.items():
            check_doc(f"{self.where}.{value}", doc)
            self.values.append((value, doc))

    def _load_alternate(self, spec):
        for name, field in spec.get("branches", {}).items():
            self.fields.append(Field(f"{self.where}.{name}", name, field))
        if len(self.fields) < 2:
            fail(self.where, "an alternate needs two branches")

    def _load_union(self, spec):
        if "tag" not in spec or "tag-type" not in spec:
            fail(self.where, "a union needs 'tag' and 'tag-type'")
        self.tag, self.tag_type = spec["tag"], spec["tag-type"]
        self.branches = dict(spec.get("branches", {}))

    def check(self, types):
        for field in self.fields:
            field.check_type(types)
        if self.kind != "union":
            return
        if self.tag_type not in types or types[self.tag_type].kind != "enum":
            fail(self.where, f"tag-type '{self.tag_type}' is not an enum")
        known = [value for value, _ in types[self.tag_type].values]
        for value, name in self.branches.items():
            if value not in known:
                fail(self.where, f"'{value}' is not a value of {self.tag_type}")
            if name not in types or types[name].kind != "struct":
                fail(self.where, f"branch '{name}' is not a struct")


class Command:
    """One command of the wire."""

    def __init__(self, where, domain, name, spec):
        check_keys(where, "command", spec, ["since", "class", "frozen", "budget-ms"])
        if not re.match(r"(guest|pvt)-[a-z0-9-]+\Z", name):
            fail(where, "a command begins with guest- or pvt-")
        if spec["class"] not in CLASSES:
            fail(where, f"class '{spec['class']}' is not one of {', '.join(CLASSES)}")
        if spec["frozen"] not in ("yes", "no"):
            fail(where, "frozen must be yes or no")
        if not 1 <= spec["budget-ms"] <= 3600000:
            fail(where, "budget-ms must be 1..3600000")
        self.where, self.domain, self.name, self.spec = where, domain, name, spec
        self.doc = spec["doc"]
        self.klass = spec["class"]
        self.frozen = spec["frozen"] == "yes"
        self.blocks = bool(spec.get("blocks", False))
        self.budget_ms = spec["budget-ms"]
        self.success_response = bool(spec.get("success-response", True))
        self.stream = bool(spec.get("stream", False))
        self.quiet = bool(spec.get("quiet", False))
        self.example = spec.get("example", {})
        self.args = [Field(f"{where}.{key}", key, field)
                     for key, field in spec.get("args", {}).items()]
        self.returns = Field(f"{where}.returns", "return", spec["returns"]) if "returns" in spec else None
        if self.returns and not self.success_response:
            fail(where, "a command without a success response returns nothing")
        if self.stream and not (self.blocks and self.success_response):
            fail(where, "a stream is begun by a command that blocks and answers")

    def check(self, types):
        for field in self.args:
            field.check_type(types)
            field.check_bounded(types)
        if self.returns:
            self.returns.check_type(types)


class Schema:
    """All domains together."""

    def __init__(self):
        self.types, self.commands, self.domains = {}, {}, {}

    def add_file(self, path):
        try:
            doc = json.loads(pathlib.Path(path).read_text(encoding="utf-8"),
                             object_pairs_hook=no_duplicates)
        except (ValueError, SchemaError) as error:
            fail(path, error)
        check_keys(path, "file", doc, ["domain"])
        domain = doc["domain"]
        if domain != pathlib.Path(path).stem:
            fail(path, f"domain '{domain}' must be the file's name")
        self.domains[domain] = doc["doc"]
        for section in SECTIONS:
            for name, spec in doc.get(section, {}).items():
                if name in self.types:
                    fail(path, f"type {name} is there twice")
                self.types[name] = Type(f"{path}: {name}", section[:-1], name, spec)
        for name, spec in doc.get("commands", {}).items():
            if name in self.commands:
                fail(path, f"command {name} is there twice")
            self.commands[name] = Command(f"{path}: {name}", domain, name, spec)

    def check(self):
        for item in (*self.types.values(), *self.commands.values()):
            item.check(self.types)


def load(paths):
    schema = Schema()
    for path in paths:
        schema.add_file(str(path))
    schema.check()
    return schema
