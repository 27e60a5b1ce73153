# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the README tells people to type, and what it shows of what that prints."""

import pathlib
import re

from tap import check, equal

TREE = pathlib.Path(__file__).resolve().parents[2]


def text():
    return (TREE / "README.md").read_text(encoding="utf-8")


def sections():
    """{heading: text}."""
    return dict(part.split("\n", 1) for part in text().split("\n## ")[1:])


def blocks(section):
    """(language, text) of what stands between fences there; outputs have no language."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", sections()[section], re.M | re.S)


def install_lines():
    """The command lines of its section on installing, without the remarks behind them."""
    lines = blocks("Install")[0][1].splitlines()
    return [line.split("  #")[0].strip() for line in lines if line and not line.startswith("#")]


def install_line(beginning):
    """The one that begins so."""
    found = [line for line in install_lines() if line.startswith(beginning)]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} lines of the README's section on installing begin with {beginning!r}")
    return found[0]


def typed():
    """(command, what it printed) of all that it shows as typed at a prompt."""
    return [found for section in sections() for _, block in blocks(section)
            for found in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)]


def shown(beginning):
    """The command that begins so, of which there is one, and what it printed."""
    found = [entry for entry in typed() if entry[0].startswith(beginning)]
    check(len(found) == 1, f"{len(found)} commands of the README begin with {beginning!r}")
    return found[0]


# What differs from guest to guest and from run to run, and what of it stays: its kind.
FIGURES = [
    (r"\b\d{8}T\d{6}Z(?:-\d+)?\b", "·t"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?", "·t"),
    (r"(?<!:)\b\d\d:\d\d:\d\d\b(?!:)", "·t"),
    (r"\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d\b", "·pci"),
    (r"(?:(?<=\s)|^)[0-9a-f]*(?::[0-9a-f]*){2,}(?:/\d+)?(?=\s|$)", "·@"),
    (r"(?:(?<=\s)|^)\d+(?:\.\d+){3}(?:/\d+)?(?=\s|$)", "·@"),
    (r"(?:(?<=\s)|^)/\S*", "·/"),
    (r"\benp\d+s\d+\b", "nic"),
    (r"[±+-]?\d+(?:[.,:]\d+)*", "·"),
    (r"·%", "·%"),
    (r"· ?(?:B|[KMGT]iB)\b", "·B"),
    (r"·(?: (?:d|h|min|s|ms)\b(?: ·)?)+", "·s"),
    (r"(· [a-z]{3,}?)s\b", r"\1"),
    (r"-{3,}", "---"),  # as wide as the column under it
]


def shape(line):
    """The words of a line, of figures and names of this run their kind alone."""
    for pattern, instead in FIGURES:
        line = re.sub(pattern, instead, line)
    return tuple(line.split())


def shapes(output):
    """Of its lines, each once: a table has as many rows as there are things."""
    return list(dict.fromkeys(shape(line) for line in output.splitlines() if line.strip()))


def alike(one, other):
    """What is not known is a dash, instead of any figure."""
    return len(one) == len(other) and all(
        a == b or ("-" in (a, b) and (a + b).replace("-", "").startswith("·")) for a, b in zip(one, other))


def unlike(lines, others):
    """Those of @lines that none of the others is like."""
    return [" ".join(line) for line in lines if not any(alike(line, other) for other in others)]


def compare(beginning, got):
    """What the README shows of that command is what came now, figures apart."""
    command, printed = shown(beginning)
    both = f"{command}\n{got}\nin the README:\n{printed}"
    equal(unlike(shapes(got), shapes(printed)), [], f"not in the README: {both}\nlines")
    equal(unlike(shapes(printed), shapes(got)), [], f"only in the README: {both}\nlines")
