# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian packages of this tree, built once and kept in the cache."""

import os
import pathlib
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "guest"))

import cache

NEWER = "0.1.0+newer1"


def build(output, version=None, **environment):
    option = ["--version", version] if version else []
    done = subprocess.run([str(TREE / "packaging/build-deb"), *option, str(output)],
                          capture_output=True, text=True, check=False, timeout=1800,
                          env=dict(os.environ, **environment))
    if done.returncode:
        raise RuntimeError(f"build-deb: {done.stdout[-2000:]}{done.stderr[-4000:]}")


def sources():
    """Everything that packages are made of."""
    names = subprocess.run(["git", "-C", str(TREE), "ls-files", "--cached", "--others",
                            "--exclude-standard"], capture_output=True, text=True, check=True).stdout
    return [TREE / name for name in sorted(names.splitlines())
            if not name.startswith("tests/") and (TREE / name).is_file()]


def directory(version=None):
    """A directory with all packages, with another version if one is given."""
    kind = "newdebs" if version else "debs"
    name = cache.key(version or "", *sources())
    return cache.make(kind, name, lambda target: build(target, version))


def deb(package, version=None):
    found = sorted(directory(version).glob(f"{package}_*.deb"))
    if len(found) != 1:
        raise RuntimeError(f"{package}: {found}")
    return found[0]


def field(path, name):
    return subprocess.run(["dpkg-deb", "-f", str(path), name], capture_output=True, text=True,
                          check=True).stdout.strip()
