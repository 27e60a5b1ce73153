# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lines of a file as C strings: embed.py INPUT OUTPUT."""

import pathlib
import sys

lines = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") for line in lines
           if line and not line.startswith("#"))
pathlib.Path(sys.argv[2]).write_text("".join(f'"{line}",\n' for line in escaped), encoding="utf-8")
