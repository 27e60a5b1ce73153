# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packages of pvtools-agent under other versions, and keys that sign them."""

import pathlib
import shutil
import subprocess
import tempfile

import debs

PLACE = tempfile.TemporaryDirectory(prefix="pvt-upgrade-")
WORK = pathlib.Path(PLACE.name)


def run(*words, **keywords):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **keywords)


class Signer:
    """A key of its own; what it signs has a signature beside it."""

    def __init__(self, name):
        self.home = WORK / name
        self.home.mkdir(mode=0o700)
        self.public = WORK / f"{name}.gpg"
        self.gpg("--quick-gen-key", f"{name} <{name}@example.org>", "ed25519", "sign", "never")
        self.gpg("--output", self.public, "--export")

    def gpg(self, *words):
        run("gpg", "--homedir", self.home, "--batch", "--yes", "--passphrase", "", "--pinentry-mode", "loopback",
            *words)

    def sign(self, path):
        self.gpg("--output", f"{path}.sig", "--detach-sign", path)
        return path

    def close(self):
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, capture_output=True)


def package(version, change=lambda tree: None):
    """The tree's package under another version, changed by a function."""
    tree, target = WORK / f"tree-{version}", WORK / f"pvtools-agent_{version}.deb"
    run("dpkg-deb", "-R", debs.deb("pvtools-agent"), tree)
    control = (tree / "DEBIAN/control").read_text().splitlines(keepends=True)
    (tree / "DEBIAN/control").write_text("".join(f"Version: {version}\n" if line.startswith("Version:") else line
                                                 for line in control))
    change(tree)
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, target)
    shutil.rmtree(tree)
    return target


def close():
    PLACE.cleanup()
