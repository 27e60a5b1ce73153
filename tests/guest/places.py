# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where pvtools-vmm runs its guests: on this machine where KVM has hardware behind it, in
a nested guest where not.

A place has the same paths as this machine: a guest's directory is made here and there, so
that what the control socket says of sockets is true in both.
"""

import atexit
import os
import pathlib
import re
import subprocess

import base
import cache
import micro
import nested
import relay
import vhostuser
from agent import find_agent
from machine import has_kvm

_there = []


def place():
    """The one for this process's guests."""
    if has_kvm():
        return Here()
    if not _there:
        there = There()
        atexit.register(there.close)
        _there.append(there)
    return _there[0]


class Here:
    """This machine."""

    name = "this machine's KVM"

    def make(self, directory):
        """@directory is there; what is in it begins to be reachable with start()."""

    def file(self, path):
        """Where a guest is given this file."""
        return path

    def disk(self, path, keep, directory):
        """The same for a disk: what is written to it stays if @keep."""
        if keep:
            return path
        copy = directory / f"copy-{path.name}"
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", path, copy], check=True)
        return copy

    def grow(self, path, size):
        """A disk that is kept may have @size from now on: its file is made larger by the VMM."""

    def start(self, words, _directory, sockets, _files, said):
        """pvtools-vmm with @words; @sockets: {path here: path where it runs}. What it says goes to @said."""
        for path, target in sockets.items():
            if path != target:
                path.symlink_to(target)
        return subprocess.Popen([vhostuser.find_vmm(), *map(str, words)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=said.open("wb"))

    def end(self, directory):
        """The guest has ended; the directory is this machine's to remove."""


def image():
    """(kernel, initial RAM disk) of the outer guest: kvm-amd, our VMM, the relay."""
    agent, vmm = find_agent(), vhostuser.find_vmm()
    kernel, _, release = base.kernel(full=True)
    source = nested.TREE / "tests/guest/payload/relay.c"
    name = cache.key(*map(pathlib.Path, (agent, vmm, micro.__file__, __file__, source,
                                                micro.HERE / "files" / "micro-init")), str(kernel))

    def make(target):
        tool = nested.build_tool(target.with_name("relay"))
        try:
            micro.build(agent, release, target, nested.MODULES, (vmm,), ((tool, "bin/relay"),))
        finally:
            tool.unlink()

    return kernel, cache.make("outer", name, make)


class Outer(nested.Outer):
    """With a network for the relay and a controller for disks that come and go."""

    def __init__(self):
        super().__init__(image(), devices=(
            "-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:0-:{relay.PORT}",
            "-device", "virtio-net-pci,netdev=net0", "-device", "virtio-scsi-pci,id=scsi"))
        self.arguments[self.arguments.index("-m") + 1] = "2048"

    def port(self):
        """The one of this machine that leads to the relay."""
        text = self.monitor.command("human-monitor-command", command_line="info usernet")
        return int(re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text)[1])


class There:
    """A nested guest."""

    name = "a nested guest"

    def __init__(self):
        self.outer = Outer()
        self.outer.__enter__()
        self.sent, self.disks, self.bridges, self.followers = {}, {}, {}, {}
        self.devices = {}  # by the disk's path here: (its name, its device there)
        try:
            self.outer.sh(f"relay {relay.PORT} > /dev/null 2>&1 & mkdir /inner; "
                          "while ! grep -q :2328 /proc/net/tcp; do sleep 0.1; done")
            self.relay = relay.Relay(self.outer.port())
        except BaseException:
            self.close()
            raise

    def close(self):
        self.outer.__exit__(None, None, None)

    def make(self, directory):
        self.outer.sh(f"mkdir -p {directory}")
        for open_things in (self.disks, self.bridges, self.followers):
            open_things[directory] = []

    def file(self, path):
        """Sent once for all guests."""
        if path not in self.sent:
            target = f"/inner/{len(self.sent)}-{os.path.basename(path)}"
            self.relay.put(path, target)
            self.sent[path] = target
        return self.sent[path]

    def disk(self, path, keep, directory):
        """Plugged into the outer guest, whose cache it is not kept in after a flush."""
        name = f"pvt{sum(map(len, self.disks.values()))}{directory.name[-4:]}"
        self.disks[directory].append(name)
        monitor = self.outer.monitor
        text = monitor.command("human-monitor-command", command_line=(
            f"drive_add 0 if=none,id={name},file={path},format=raw,discard=unmap,snapshot={'off' if keep else 'on'}"))
        if "OK" not in text:
            raise RuntimeError(f"drive_add: {text}")
        monitor.command("device_add", driver="scsi-hd", drive=name, id=name, serial=name)
        device = self.outer.sh(f"""
            for i in $(seq 600); do
              for d in /sys/block/sd*; do
                if tr -d '\\0' < $d/device/vpd_pg80 2>/dev/null | grep -q {name}; then
                  while ! [ -b /dev/${{d##*/}} ]; do sleep 0.1; done
                  echo /dev/${{d##*/}}; exit
                fi
              done
              sleep 0.1
            done
            exit 1""").strip()
        self.devices[path] = name, device
        return device

    def grow(self, path, size):
        """Both guests' disk: the outer one has it before the VMM is told."""
        name, device = self.devices[path]
        self.outer.monitor.command("block_resize", device=name, size=size)
        there = f"/sys/block/{device[5:]}"
        self.outer.sh(f"for i in $(seq 600); do [ $(cat {there}/size) = {size // 512} ] && exit; "
                      f"echo 1 > {there}/device/rescan; sleep 0.1; done; exit 1")

    def start(self, words, directory, sockets, files, said):
        def ended():
            for bridge in self.bridges[directory]:
                bridge.close()

        process = relay.Process(self.relay, ["pvtools-vmm", *words], ended, said)
        self.bridges[directory] += [relay.Bridge(self.relay, *pair) for pair in sockets.items()]
        self.followers[directory] += [relay.Follower(self.relay, path, path)
                                      for path in (*files, said)]
        return process

    def end(self, directory):
        for name in self.disks.pop(directory):
            self.outer.monitor.command("device_del", id=name)
        for one in self.followers.pop(directory) + self.bridges.pop(directory):
            one.close()
        self.outer.sh(f"rm -rf {directory}")
