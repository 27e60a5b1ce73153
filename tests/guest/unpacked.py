# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of a package that is not installed here, as an installed one would change this machine."""

import shutil
import subprocess

import base
import cache


class Missing(Exception):
    """The package cannot be had; the text says why."""


def unpack(name, target):
    target.mkdir()
    done = subprocess.run(["apt-get", "-qq", "download", name], cwd=target, capture_output=True, text=True, check=False)
    package = next(target.glob(f"{name}_*.deb"), None)
    if done.returncode or package is None:
        shutil.rmtree(target)
        raise Missing(f"apt-get download {name}: {done.stderr.strip()[-200:]}")
    subprocess.run(["dpkg-deb", "-x", package, target], check=True)
    package.unlink()


def files(name):
    """The folder they are in, as below a root."""
    return cache.make(name, cache.key(*base.host_release()), lambda target: unpack(name, target))
