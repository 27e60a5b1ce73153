# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that answers every command in the right form and lies in each value: made of
the schema, so that a command that comes later is lied to as well."""

import itertools
import json
import pathlib
import threading

from peer import Peer

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "protocol/schema"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x7f\u009b31m\u202eevil\u2028\r\n\t,\"\\{}../%s%n"


def _read():
    commands, types = {}, {}
    for path in sorted(SCHEMA.glob("*.json")):
        domain = json.loads(path.read_text())
        commands.update(domain.get("commands", {}))
        for kind in ("structs", "enums", "unions", "alternates"):
            for name, what in domain.get(kind, {}).items():
                types[name] = (kind, what)
    return commands, types


COMMANDS, TYPES = _read()

# What is said of each value; `full`: optional members, too.
LIES = {
    "least": {"full": False, "integer": 0, "number": 0, "text": "", "flag": False, "many": 0, "enum": None},
    "strange": {"full": True, "integer": 1, "number": -1.5, "text": ESCAPES, "flag": True, "many": 2,
                "enum": "no-such-\x1b-value"},
    "most": {"full": True, "integer": (1 << 63) - 1, "number": 1.7e308, "text": "\U0010ffff\u0300" * 3000,
             "flag": True, "many": 3, "enum": None},
    "below": {"full": True, "integer": -(1 << 63), "number": -1.7e308, "text": "-", "flag": False, "many": 1,
              "enum": None},
    "mixed": {"full": True, "integer": None, "number": 1.7e308, "text": "%s", "flag": True, "many": 2, "enum": None},
    "unsigned": {"full": True, "integer": (1 << 64) - 1, "number": 5e-324, "text": "a/../..", "flag": True,
                 "many": 1, "enum": None},
}
LIMITS = {"i64": (-(1 << 63), (1 << 63) - 1), "u32": (0, (1 << 32) - 1), "u64": (0, (1 << 64) - 1)}


TURNS = itertools.cycle([(1 << 63) - 1, -(1 << 63), 0])


def value(name, lie, depth=0):
    """A value of that type."""
    if name.startswith("["):
        return [value(name[1:-1], lie, depth + 1) for _ in range(lie["many"] if depth < 6 else 0)]
    if name in LIMITS:
        low, high = LIMITS[name]
        number = next(TURNS) if lie["integer"] is None else lie["integer"]
        return min(max(number, low), high)
    if name in ("bool", "f64", "string", "bytes"):
        return {"bool": lie["flag"], "f64": lie["number"], "string": lie["text"], "bytes": "G1sySg=="}[name]
    kind, what = TYPES[name]
    if kind == "enums":
        values = list(what["values"])
        return lie["enum"] or values[-1]
    if kind == "alternates":
        return value(next(iter(what["branches"].values()))["type"], lie, depth)
    if kind == "unions":
        return union(what, lie, depth)
    return members(what.get("members", what.get("fields", {})), lie, depth)


def members(fields, lie, depth):
    made = {}
    for key, field in fields.items():
        if key.endswith("?") and (not lie["full"] or depth > 8):
            continue
        made[key.rstrip("?")] = value(field["type"], lie, depth + 1)
    return made


def union(what, lie, depth):
    tag, branches = what["tag"], what["branches"]
    name = next(iter(branches))
    made = {tag: lie["enum"] or name}
    inner = branches[name].get("type") if isinstance(branches[name], dict) else branches[name]
    if inner and not lie["enum"]:
        made.update(value(inner, lie, depth))
    return made


def reply(command, lie, stock=False):
    """The answer to a command as an object with `return`."""
    names = [name for name in COMMANDS if not stock or not name.startswith("pvt-")]
    if command == "guest-info":
        return {"return": {"version": "9", "supported_commands": [
            {"name": name, "enabled": True, "success-response": True} for name in names]}}
    if command not in names:
        return {"error": {"class": "CommandNotFound", "desc": "no"}}
    returns = COMMANDS[command].get("returns")
    return {"return": value(returns["type"], lie) if returns else {}}


class Liar(Peer):
    """A unix socket with that guest behind it. Of `answers` some
    commands get other ones; a function is called with the request, and with None for its
    answer the guest hangs up."""

    def __init__(self, lie, answers=None, stock=False):
        super().__init__("liar", 64)
        self.lie, self.answers, self.stock = LIES[lie], answers or {}, stock
        self.asked = []

    def serve(self):
        while True:
            try:
                client = self.server.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client):
        try:
            for line in client.makefile("rb"):
                self._answer(client, line.strip(b"\xff\n"))
        except (OSError, ValueError):
            pass
        client.close()

    def _answer(self, client, line):
        try:
            request = json.loads(line)
        except ValueError:
            client.sendall(b'{"error": {"class": "GenericError", "desc": "no JSON"}}\n')
            return
        name = request["execute"]
        self.asked.append(name)
        first = b"\xff" if name == "guest-sync-delimited" else b""
        if name.startswith("guest-sync"):
            answer = {"return": request["arguments"]["id"]}
        elif name in self.answers:
            answer = self.answers[name]
            answer = answer(request) if callable(answer) else answer
            if answer is None:
                raise ValueError("it hangs up")
        else:
            answer = reply(name, self.lie, self.stock)
        client.sendall(first + json.dumps(answer).encode() + b"\n")
