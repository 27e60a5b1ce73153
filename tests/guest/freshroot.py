# SPDX-License-Identifier: LGPL-2.1-or-later
"""A fresh Debian to build in: the guests' root and a checkout of the tree, entered with chroot.

It is the machine's processor that works there: under emulation a compiler takes hours. It
has processes and mounts of its own, the host's network and no service manager.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

import base

TREE = pathlib.Path(__file__).resolve().parents[2]
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class FreshRoot:
    """Removed with everything in it by close()."""

    def __init__(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="pvt-fresh-"))
        self.root = self.place / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", str(base.root()), str(self.root)], check=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        # What is installed in it as in the guests that are made of it.
        shutil.copy(self.root / "var/lib/dpkg/status", self.root / "root/status")
        self.check_out()

    def check_out(self):
        self.tree = self.root / "root/pvtools"
        self.tree.mkdir()
        listed = subprocess.run(["git", "-C", str(TREE), "ls-files", "--cached", "--others", "--exclude-standard",
                                 "-z"], check=True, capture_output=True).stdout
        names = b"\0".join(name for name in listed.split(b"\0") if name and os.path.lexists(os.path.join(
            os.fsencode(TREE), name)))
        packed = subprocess.run(["tar", "-C", str(TREE), "--null", "--files-from=-", "-c"], input=names, check=True,
                                capture_output=True).stdout
        subprocess.run(["tar", "-C", str(self.tree), "--no-same-owner", "-x"], input=packed, check=True)

    def run(self, script, timeout=1000):
        """Output of a script that must end with 0; it begins in the checkout."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C",
               "DEBIAN_FRONTEND": "noninteractive",
               **{name: os.environ[name] for name in PROXIES if name in os.environ}}
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child",
                               f"--mount-proc={self.root}/proc", "chroot", str(self.root), "/bin/sh", "-c",
                               f"set -e\ncd /root/pvtools\n{script}"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", check=False, timeout=timeout, env=env)
        if done.returncode:
            raise AssertionError(f"ended with {done.returncode}:\n{script}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout

    def follow(self, line, **keywords):
        """A line that somebody types who says yes to what is asked."""
        return self.run(f"yes | {{ {line}\n}}", **keywords)

    def close(self):
        shutil.rmtree(self.place)


class Kept:
    """One root of a whole test program, made when it is first asked for."""

    def __init__(self, prepare):
        self.prepare, self.root = prepare, None

    def __call__(self):
        if not self.root:
            self.root = FreshRoot()
            self.root.run(self.prepare)
        return self.root

    def close(self):
        if self.root:
            self.root.close()
