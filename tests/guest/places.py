# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where pvtools-vmm runs its guests: on this machine where KVM has hardware behind it, in
a nested guest where not.

A place has the same paths as this machine: a guest's directory is made here and there, so
that what the control socket says of sockets is true in both.

What a guest leaves where it runs is looked at with sh() and get(). A snapshot of our VMM is a
copy; where the disks are in a store(), a copy costs no time.
"""

import atexit
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import time

import base
import cache
import micro
import nested
import relay
import vhostuser
from agent import find_agent
from machine import has_kvm

PAGE_PORT = "pages"  # a place of the outer guest's bus for memory that two guests share
STORE = 8 << 30  # bytes, of which few are there
# In name spaces of their own, which nobody copies while a filesystem is to be unmounted.
FILL_STORE = """set -e
truncate -s {size} {image}
mkfs.xfs -q -m reflink=1 {image}
mount -o loop {image} {place}
cp --sparse=always {files} {place}
umount {place}
"""
READ_STORE = """set -e
mount -o loop {image}.now {place}
cd {place}
{copies}
cd /
umount {place}
"""

_there = []


def copy(path, target):
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", path, target], check=True)


def mounting(script, **words):
    """Runs a script that mounts something on {place} and unmounts it, as nobody sees."""
    with tempfile.TemporaryDirectory(prefix="pvt-place-") as place:
        done = subprocess.run(["unshare", "-m", "sh", "-c", script.format(place=place, **words)],
                              capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{done.stdout[-1000:]}{done.stderr[-2000:]}")


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
        target = directory / f"copy-{path.name}"
        copy(path, target)
        return target

    def grow(self, path, size):
        """A disk that is kept may have @size from now on: its file is made larger by the VMM."""

    def store(self, paths, directory):
        """Copies of disks where they can be copied again in no time if that can be had: the directory they are in."""
        store = directory / "store"
        store.mkdir()
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", *paths, store], check=True)
        return store

    def page(self, path, _directory):
        """Where a guest shares this file's memory."""
        return path

    def sh(self, script):
        """What a script prints where the guests run."""
        return subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True).stdout

    def get(self, path, target):
        """A file that is where the guests run."""
        copy(path, target)

    def get_of_store(self, targets, store):
        """Several of a store's files: {name: path here}; guests may be at work in it meanwhile."""
        for name, target in targets.items():
            copy(store / name, target)

    def start(self, words, _directory, sockets, _files, said):
        """pvtools-vmm with @words; @sockets: {path here: path where it runs}. What it says goes to @said."""
        for path, target in sockets.items():
            if path != target:
                path.symlink_to(target)
        return subprocess.Popen([vhostuser.find_vmm(), *map(str, words)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=said.open("wb"))

    def last_words(self, said):
        """Of a VMM that has ended."""
        return said.read_text(errors="replace")

    def end(self, directory):
        """The guest has ended; the directory is this machine's to remove."""


# Shared pages are for the guests inside.
CONFIG = micro.HERE / "files/outer.conf"


def image():
    """(kernel, initial RAM disk) of the outer guest: kvm-amd, our VMM, the relay."""
    agent, vmm = find_agent(), vhostuser.find_vmm()
    kernel, _, release = base.kernel(full=True)
    source = nested.TREE / "tests/guest/payload/relay.c"
    name = cache.key(*map(pathlib.Path, (agent, vmm, micro.__file__, __file__, source,
                                        CONFIG, micro.HERE / "files" / "micro-init")), str(kernel))

    def make(target):
        tool = nested.build_tool(target.with_name("relay"))
        try:
            micro.build(agent, release, target, [*nested.MODULES, "xfs"], (vmm,),
                        ((tool, "bin/relay"), (CONFIG, "etc/pvtools/agent.conf")))
        finally:
            tool.unlink()

    return kernel, cache.make("outer", name, make)


class Outer(nested.Outer):
    """With a network for the relay and a controller for disks that come and go."""

    def __init__(self):
        super().__init__(image(), devices=(
            "-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:0-:{relay.PORT}",
            "-device", "virtio-net-pci,netdev=net0", "-device", "virtio-scsi-pci,id=scsi",
            "-device", f"pcie-root-port,id={PAGE_PORT},chassis=1"))
        self.arguments[self.arguments.index("-m") + 1] = "3072"

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
        self.stores, self.pages = set(), {}  # directories; by directory: its page's name
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
                if [ -e $d/device/vpd_pg80 ] && tr -d '\\0' < $d/device/vpd_pg80 | grep -q {name}; then
                  while ! [ -b /dev/${{d##*/}} ]; do sleep 0.1; done
                  echo /dev/${{d##*/}}; exit
                fi
              done
              sleep 0.1
            done
            exit 1""").split()[-1]  # what is said of a disk that goes meanwhile is before it
        self.devices[path] = name, device
        return device

    def grow(self, path, size):
        """Both guests' disk: the outer one has it before the VMM is told."""
        name, device = self.devices[path]
        self.outer.monitor.command("block_resize", device=name, size=size)
        there = f"/sys/block/{device[5:]}"
        self.outer.sh(f"for i in $(seq 600); do [ $(cat {there}/size) = {size // 512} ] && exit; "
                      f"echo 1 > {there}/device/rescan; sleep 0.1; done; exit 1")

    def store(self, paths, directory):
        image, store = directory / "store.img", directory / "store"
        mounting(FILL_STORE, size=STORE, image=image, files=shlex.join(map(str, paths)))
        device = self.disk(image, True, directory)
        store.mkdir()
        self.outer.sh(f"mkdir {store}; mount -t xfs {device} {store}")
        self.stores.add(store)
        return store

    def page(self, path, directory):
        """The outer guest has it as memory of a device, which our VMM opens as a file: the
        pages are this machine's in all three."""
        name = f"page{directory.name[-4:]}"
        self.outer.monitor.command("object-add", qom_type="memory-backend-file", id=f"{name}-file", share=True,
                                   mem_path=str(path), size=path.stat().st_size)
        self.outer.monitor.command("device_add", driver="ivshmem-plain", id=name, memdev=f"{name}-file",
                                   bus=PAGE_PORT)
        self.pages[directory] = name
        return self.outer.sh("""
            for i in $(seq 600); do
              for d in /sys/bus/pci/devices/*; do
                if [ "$(cat $d/device)" = 0x1110 ] && [ -e $d/resource2 ]; then
                  echo 1 > $d/enable; echo $d/resource2; exit
                fi
              done
              sleep 0.1
            done
            exit 1""").strip()

    def unplug_page(self, name):
        """When the outer guest has let go of it."""
        monitor = self.outer.monitor
        monitor.command("device_del", id=name)
        deadline = time.monotonic() + 120
        while any(entry["name"] == name for entry in monitor.command("qom-list", path="/machine/peripheral")):
            if time.monotonic() > deadline:
                raise RuntimeError("the outer guest keeps the shared page")
            time.sleep(0.1)
        monitor.command("object-del", id=f"{name}-file")

    def sh(self, script):
        return self.outer.sh(script)

    def get(self, path, target):
        for store in self.stores:
            if store in path.parents:
                self.get_of_store({path.relative_to(store): target}, store)
                return
        self.relay.get(path, target, int(self.outer.sh(f"stat -c %s {path}")))

    def get_of_store(self, targets, store):
        """Its image is copied as of one moment, since guests may write to their disks in it."""
        image = store.with_name("store.img")
        copied = image.with_name("store.img.now")
        self.outer.sh(f"fsfreeze --freeze {store}")
        try:
            copy(image, copied)
        finally:
            self.outer.sh(f"fsfreeze --unfreeze {store}")
        copies = "\n".join(shlex.join(["cp", "--sparse=always", str(name), str(target)])
                           for name, target in targets.items())
        mounting(READ_STORE, image=image, copies=copies)
        copied.unlink()

    def start(self, words, directory, sockets, files, said):
        def ended():
            for bridge in self.bridges[directory]:
                bridge.close()

        process = relay.Process(self.relay, ["pvtools-vmm", *words], ended, said)
        self.bridges[directory] += [relay.Bridge(self.relay, *pair) for pair in sockets.items()]
        self.followers[directory] += [relay.Follower(self.relay, path, path)
                                      for path in (*files, said)]
        return process

    def last_words(self, said):
        """What may not have come here yet, and what the kernel says of who was killed."""
        return self.outer.sh(f"cat {said}; dmesg | tail -n 5; free")

    def end(self, directory):
        if directory / "store" in self.stores:
            self.stores.remove(directory / "store")
            self.outer.sh(f"umount {directory}/store")
        if directory in self.pages:
            self.unplug_page(self.pages.pop(directory))
        for name in self.disks.pop(directory):
            self.outer.monitor.command("device_del", id=name)
        for one in self.followers.pop(directory) + self.bridges.pop(directory):
            one.close()
        self.outer.sh(f"rm -rf {directory}")
