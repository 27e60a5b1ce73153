# SPDX-License-Identifier: LGPL-2.1-or-later
"""The SELinux module of this tree, compiled with Debian's selinux-policy-dev."""

import pathlib
import shutil
import subprocess

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "packaging/selinux"
MAKEFILE = "/usr/share/selinux/devel/Makefile"


def sources():
    return [SOURCES / f"pvtools.{kind}" for kind in ("te", "fc", "if")]


def compile_in(place):
    """The module's package; @place is a directory to make."""
    place.mkdir(parents=True)
    for path in sources():
        shutil.copy(path, place)
    done = subprocess.run(["make", "-f", MAKEFILE, "pvtools.pp"], cwd=place, capture_output=True, text=True,
                          check=False, timeout=300)
    if done.returncode or "warning" in (done.stdout + done.stderr).lower():
        raise RuntimeError(f"the module does not compile:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return place / "pvtools.pp"
