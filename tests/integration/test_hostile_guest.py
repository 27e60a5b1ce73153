#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb against guests that answer in the right form and lie in every value."""

import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from liar import LIES, Liar
from tap import check

VERBS = [["ping"], ["info"], ["ip"], ["stat"], ["df"], ["disks"], ["net"], ["users"], ["status"],
         ["doctor"], ["checkup"], ["disk", "grow", "/"], ["freeze"], ["thaw"],
         ["time"], ["time", "sync"], ["seal", "--list"], ["shutdown"], ["reboot"], ["suspend"], ["health"],
         ["raw", "guest-get-fsinfo"], ["quiesce", "--", "true"]]
STOCK = [["info"], ["df"], ["stat"], ["status"], ["freeze"], ["time", "sync"], ["quiesce", "--", "true"]]

# What a terminal might obey, and what turns text around.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
OBEYED = re.compile(CONTROLS.pattern[:-1] + "\u202a-\u202e\u2066-\u2069]")

EXPORTER = pathlib.Path(cli.find_cli()).parents[1] / "exporter/pvtools-exporter"
SAMPLE = re.compile(r'(#.*|[a-z_0-9]+(\{([a-z_]+="([^"\\\n]|\\[\\"n])*",?)*\})? -?[0-9.e+-]+)')


def judge(what, done, obeyed=OBEYED):
    what = f"{what}: {done.returncode}\n{done.stdout[:2000]}\n{done.stderr[:3000]}"
    check(0 <= done.returncode < 128 or done.returncode == 255, what)
    for bad in ("Sanitizer", "runtime error", "CRITICAL", "WARNING"):
        check(bad not in done.stderr, what)
    check(not obeyed.search(done.stdout) and not obeyed.search(done.stderr), what)


def run(guest, words, form):
    at = words.index("--") if "--" in words else len(words)
    words = [*words[:at], "-o", form, "--timeout", "3", *words[at:]]
    done = cli.run(*words, timeout=120, stdin=subprocess.DEVNULL,
                   env=dict(os.environ, PVT_CONNECT=guest.address))
    judge(f"{guest.lie}: {words}", done)
    if form == "json" and done.stdout:
        json.loads(done.stdout)
    return done.returncode


def export(guest):
    done = subprocess.run([os.environ.get("PVT_EXPORTER") or EXPORTER, "--once", guest.address],
                          capture_output=True, text=True, timeout=120)
    judge(f"{guest.lie}: the exporter", done, CONTROLS)
    for line in done.stdout.strip("\n").split("\n"):
        check(SAMPLE.fullmatch(line), repr(line))


def lie_to_all(lie, stock):
    with Liar(lie, stock=stock) as guest:
        here = ["--sockets", guest.directory.name]
        for words in [*(STOCK if stock else VERBS), ["list", *here]]:
            codes = run(guest, words, "json"), run(guest, words, "table")
            # As JSON stat tells what there is.
            check(codes[0] == codes[1] or (stock and words == ["stat"]), f"{lie}: {words}: {codes}")
        export(guest)
        if lie == "mixed":
            run(guest, ["top", "--once", *here], "json")
            run(guest, ["top", "--once", *here], "table")


def make(lie, stock):
    return lambda: lie_to_all(lie, stock)


for LIE in LIES:
    globals()[f"test_a_guest_that_lies_with_the_{LIE}"] = make(LIE, False)
    if LIE in ("strange", "mixed"):
        globals()[f"test_a_stock_agent_that_lies_with_the_{LIE}"] = make(LIE, True)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
