# SPDX-License-Identifier: LGPL-2.1-or-later
"""A TAP runner: every function test_* of a module is one test.

A test passes when it returns, fails when it raises, and is skipped with its
reason when it raises Skip. Standard output carries TAP and nothing else.
"""

import sys
import time
import traceback


class Skip(Exception):
    """The test cannot run here; the text says why."""


def check(condition, why):
    if not condition:
        raise AssertionError(why)


def equal(got, wanted, what="value"):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def note(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def run_one(number, name, function):
    began = time.monotonic()
    try:
        function()
        print(f"ok {number} - {name}", flush=True)
        return True
    except Skip as skip:
        print(f"ok {number} - {name} # SKIP {skip}", flush=True)
        return True
    except Exception:
        print(f"not ok {number} - {name}", flush=True)
        note(traceback.format_exc())
        note(f"after {time.monotonic() - began:.1f} s")
        return False


def main(module, only=()):
    """Runs the module's tests; those whose name contains a word of @only or is its =word, if any."""
    tests = [(name[5:], function) for name, function in module.items()
             if name.startswith("test_") and callable(function)]
    if only:
        tests = [(name, function) for name, function in tests if any(word in name if word[0] != "=" else word[1:] == name for word in only)]
    print(f"1..{len(tests)}", flush=True)
    results = [run_one(number, name, function) for number, (name, function) in enumerate(tests, 1)]
    sys.exit(0 if all(results) else 1)


def story(module, *opened):
    """main() with the program's arguments; whatever happens, each of @opened is closed at the end."""
    try:
        main(module, sys.argv[1:])
    finally:
        for each in opened:
            each.close()
