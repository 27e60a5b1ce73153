# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the README tells people to type to install pvtools."""

import pathlib

TREE = pathlib.Path(__file__).resolve().parents[2]


def install_lines():
    """The command lines of its section on installing, without the remarks behind them."""
    section = (TREE / "README.md").read_text().split("\n## Install\n")[1].split("\n## ")[0]
    lines = "".join(section.split("```sh\n")[1].split("```")[0]).splitlines()
    return [line.split("  #")[0].strip() for line in lines if line and not line.startswith("#")]


def install_line(beginning):
    """The one that begins so."""
    found = [line for line in install_lines() if line.startswith(beginning)]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} lines of the README's section on installing begin with {beginning!r}")
    return found[0]
