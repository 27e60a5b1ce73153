#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The generator: what it writes for a small schema, and what it refuses and how."""

import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import tap
from tap import check, equal

GEN = TREE / "protocol/generator/pvt-gen"
KINDS = ["types", "commands", "agent", "client", "examples", "docs"]

GOOD = {
    "domain": "small", "doc": "A schema with one of everything.",
    "commands": {
        "guest-do": {
            "since": "1.0", "compat": "qemu-ga 1.0", "class": "control", "frozen": "no",
            "blocks": True, "budget-ms": 1000, "doc": "Does it.",
            "args": {"name": {"type": "string", "max": 10, "doc": "A name."},
                     "count?": {"type": "u32", "range": [1, 5], "doc": "How often."},
                     "list?": {"type": "[Thing]", "max": 3, "doc": "Things."}},
            "returns": {"type": "[Thing]", "doc": "Things."},
            "example": {"args": {"name": "x"}, "returns": []}},
        "pvt-tell": {"since": "1.0", "class": "query", "frozen": "yes", "budget-ms": 10,
                     "doc": "Tells.", "returns": {"type": "i64", "doc": "A number."},
                     "example": {"returns": 5}}},
    "structs": {"Thing": {"since": "1.0", "doc": "A thing.", "fields": {
        "kind": {"type": "Kind", "doc": "Its kind."},
        "size?": {"type": "u64", "doc": "Its size."},
        "either?": {"type": "Either", "doc": "One or the other."}}},
        "Linux": {"since": "1.0", "doc": "A branch.", "fields": {"a": {"type": "i64", "doc": "A."}}}},
    "enums": {"Kind": {"since": "1.0", "doc": "Kinds.", "values": {"linux": "One.", "two-two": "Two."}}},
    "alternates": {"Either": {"since": "1.0", "doc": "Either.", "branches": {
        "number": {"type": "i64", "doc": "N."}, "flag": {"type": "bool", "doc": "F."}}}},
    "unions": {"Some": {"since": "1.0", "doc": "Some.", "tag": "kind", "tag-type": "Kind",
                        "branches": {"linux": "Linux"}}},
}


def generate(schema, kind, out, seed="0"):
    path = pathlib.Path(out) / "small.json"
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return subprocess.run([sys.executable, str(GEN), "--out", str(pathlib.Path(out) / "gen"), kind,
                           "small.json"], cwd=out, capture_output=True, text=True,
                          env=dict(os.environ, PYTHONHASHSEED=seed), check=False)


def outputs(seed):
    with tempfile.TemporaryDirectory() as out:
        for kind in KINDS:
            done = generate(GOOD, kind, out, seed)
            equal(done.returncode, 0, f"{kind}: {done.stderr}")
        return {path.name: path.read_text() for path in sorted((pathlib.Path(out) / "gen").iterdir())}


def test_output_is_as_recorded():
    """tests/protocol/test_generator.py --update records it anew."""
    for name, text in outputs("0").items():
        path = HERE / "golden" / name
        check(path.exists(), f"{name} has no golden file")
        equal(text, path.read_text(), name)


def test_output_is_the_same_every_time():
    equal(outputs("1"), outputs("2"), "two runs")


def change(path, value):
    """The good schema with one thing set, or removed when value is None."""
    schema = copy.deepcopy(GOOD)
    *parents, last = path
    place = schema
    for step in parents:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return schema


DO = ("commands", "guest-do")
FIELD = {"type": "i64", "doc": "x"}
BAD = [
    ("{", "Expecting property name"),
    ('{"domain": "small", "domain": "small"}', "member 'domain' is there twice"),
    (change(("domain",), "other"), "domain 'other' must be the file's name"),
    (change(("extra",), 1), "unknown key 'extra'"),
    (change(("doc",), None), "'doc' is missing"),
    (change((*DO, "doc"), " "), "doc must be text"),
    (change((*DO, "class"), "magic"), "class 'magic' is not one of"),
    (change((*DO, "frozen"), "maybe"), "frozen must be yes or no"),
    (change((*DO, "budget-ms"), 0), "budget-ms must be"),
    (change((*DO, "since"), None), "'since' is missing"),
    (change((*DO, "colour"), "red"), "unknown key 'colour'"),
    (change((*DO, "success-response"), False), "without a success response returns nothing"),
    (change(("commands", "do-it"), GOOD["commands"]["pvt-tell"]), "begins with guest- or pvt-"),
    (change((*DO, "args", "name"), {"type": "string", "doc": "x"}), "needs 'max'"),
    (change((*DO, "args", "list?"), {"type": "[Thing]", "doc": "x"}), "needs 'max'"),
    (change((*DO, "args", "list?"), {"type": "[string]", "max": 3, "doc": "x"}), "needs 'max-item'"),
    (change((*DO, "args", "count?", "range"), [5, 1]), "the range is empty"),
    (change((*DO, "args", "name", "range"), [1, 2]), "only integers have a range"),
    (change((*DO, "args", "Bad Name"), FIELD), "is not a member name"),
    (change((*DO, "returns", "type"), "Nothing"), "unknown type 'Nothing'"),
    (change((*DO, "returns", "type"), "[i64]"), "arrays of i64 are not supported"),
    (change((*DO, "returns", "type"), "[Thing"), "is not closed"),
    (change(("structs", "Thing", "fields"), {}), "a struct needs fields"),
    (change(("structs", "thing"), GOOD["structs"]["Thing"]), "is not a type name"),
    (change(("enums", "Kind", "values"), {}), "an enum needs values"),
    (change(("enums", "Thing"), GOOD["enums"]["Kind"]), "type Thing is there twice"),
    (change(("alternates", "Either", "branches"), {"n": FIELD}), "needs two branches"),
    (change(("unions", "Some", "tag-type"), "Thing"), "is not an enum"),
    (change(("unions", "Some", "branches", "three"), "Linux"), "'three' is not a value of Kind"),
    (change(("unions", "Some", "branches", "linux"), "Kind"), "is not a struct"),
]


def test_bad_schemas_are_refused_with_a_reason():
    with tempfile.TemporaryDirectory() as out:
        for schema, wanted in BAD:
            done = generate(schema, "check", out)
            equal(done.returncode, 1, f"{wanted}: exit code")
            check(wanted in done.stderr, f"wanted {wanted!r}, got {done.stderr!r}")
            check(done.stderr.startswith("pvt-gen: small.json"), done.stderr)
            equal(done.stderr.count("\n"), 1, "lines of the error")


def test_the_schema_has_every_command_of_qemu_ga():
    names = set()
    for path in (TREE / "protocol/schema").glob("*.json"):
        names |= set(json.loads(path.read_text())["commands"])
    wanted = """sync-delimited sync ping get-time set-time info shutdown file-open file-close file-read
        file-write file-seek file-flush fsfreeze-status fsfreeze-freeze fsfreeze-freeze-list
        fsfreeze-thaw fstrim suspend-disk suspend-ram suspend-hybrid network-get-interfaces get-vcpus
        set-vcpus get-disks get-fsinfo set-user-password get-memory-blocks set-memory-blocks
        get-memory-block-info exec-status exec get-host-name get-users get-timezone get-osinfo
        ssh-get-authorized-keys ssh-add-authorized-keys ssh-remove-authorized-keys get-diskstats
        get-cpustats get-load network-get-route""".split()
    equal(len(wanted), 43, "commands on Linux")
    equal({f"guest-{name}" for name in wanted} - names, set(), "missing commands")


def update():
    for path in (HERE / "golden").iterdir():
        path.unlink()
    for name, text in outputs("0").items():
        (HERE / "golden" / name).write_text(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        tap.main(globals(), sys.argv[1:])
