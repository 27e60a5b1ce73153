# SPDX-License-Identifier: LGPL-2.1-or-later
"""Throw-away filesystems on loop devices, and whether one takes writes."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from tap import Skip

MKFS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"],
        "btrfs": ["mkfs.btrfs", "-q", "-f"], "vfat": ["mkfs.vfat"]}
SIZE = {"ext4": "64M", "xfs": "320M", "btrfs": "256M", "vfat": "64M"}


def run(*words, check=True):
    return subprocess.run([str(word) for word in words], check=check, capture_output=True, text=True)


class Disks:
    """Mounts that are gone again when it is left, last first."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-disks-"))
        self.mounts, self.writers = [], []

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("needs root to mount")
        return self

    def __exit__(self, *_):
        for mountpoint in reversed(self.mounts):
            run("fsfreeze", "-u", mountpoint, check=False)
        for writer in self.writers:
            writer.wait(20)
        for mountpoint in reversed(self.mounts):
            done = run("umount", mountpoint, check=False)
            if done.returncode:
                run("umount", "-l", mountpoint, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def place(self, name):
        path = self.directory / name
        path.mkdir()
        return path

    def mount(self, *words, name):
        """mount(8) with these words; the mountpoint is made and returned."""
        path = self.place(name)
        done = run("mount", *words, path, check=False)
        if done.returncode:
            raise Skip(f"cannot mount: {done.stderr.strip().splitlines()[0]}")
        self.mounts.append(path)
        return path

    def make(self, kind="ext4", name=None, where=None):
        """A new filesystem, its image in @where."""
        name = name or kind
        image = (where or self.directory) / f"{name}.img"
        run("truncate", "-s", SIZE[kind], image)
        run(*MKFS[kind], image)
        return self.mount("-o", "loop", image, name=name)

    def takes_writes(self, mountpoint, within=0.5):
        """Whether a file can be made there now; the attempt goes on after a thaw."""
        name = mountpoint / f"probe{len(self.writers)}"
        writer = subprocess.Popen(["sh", "-c", f"echo x > {name} && sync {name}"],
                                  stderr=subprocess.DEVNULL)
        self.writers.append(writer)
        deadline = time.monotonic() + within
        while writer.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return writer.poll() == 0

    def wait_writable(self, mountpoint, timeout=20):
        deadline = time.monotonic() + timeout
        while not self.takes_writes(mountpoint):
            if time.monotonic() > deadline:
                raise AssertionError(f"{mountpoint} stays frozen")
