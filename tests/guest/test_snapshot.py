#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools snapshot: all disks of one or several QEMUs, and everything that can
break on the way. Of our VMM a snapshot is a copy, which it makes where it runs."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import micro
import places
import tap
from agent import find_agent
from disks import run
from shell import PATIENCE
from tap import check, equal
from vm import ON_VMM, VM

DISKS = [("virtio-blk-pci,drive={drive},serial=one,id=one", 64 << 20),
         ("virtio-blk-pci,drive={drive},serial=two,id=two", 64 << 20)]


class Guest(VM):
    """A micro guest with a filesystem on its first disk."""

    def __init__(self):
        super().__init__(*micro.image(find_agent()), memory=256, disks=DISKS, append="pvt.mount")

    def thawed(self):
        with self.line() as line:
            return line.ask("guest-fsfreeze-status") == "thawed"


class Overlays:
    """A directory that QEMU makes overlays in; it has the same path where our VMM runs."""

    def __enter__(self):
        self.place = places.place() if ON_VMM else places.Here()
        self.directory = tempfile.TemporaryDirectory(prefix="pvt-overlays-")
        self.path = pathlib.Path(self.directory.name)
        self.place.sh(f"mkdir -p {self.path}")
        return self

    def __exit__(self, *_):
        self.place.sh(f"rm -rf {self.path}/*")
        self.directory.cleanup()

    def files(self, path=None):
        return sorted(self.place.sh(f"ls {path or self.path}").split())

    def frozen_disk(self, vm):
        """The first disk as it was in the freeze: QEMU goes on with what it has made, our VMM with the disk."""
        if not ON_VMM:
            return vm.directory / "disk0.img"
        self.place.get(self.path / self.files()[0], vm.directory / "copy.img")
        return vm.directory / "copy.img"


def verify(image):
    done = run("e2fsck", "-fn", image, check=False)
    equal(done.returncode, 0, f"{image}: {done.stdout}{done.stderr}")


def test_one_guest_all_disks():
    with Guest() as vm, Overlays() as to:
        vm.wait_agent()
        text = cli.expect(0, "snapshot", vm.address, "--to", to.path)
        check("consistent" in text and "VERDICT" in text, text)
        equal(len(to.files()), 2, f"overlays: {to.files()}")
        verify(to.frozen_disk(vm))
        check(vm.thawed(), "thawed")
        blocks = {b["device"]: b["inserted"]["image"]["filename"]
                  for b in vm.monitor.command("query-block") if b.get("inserted")}
        check(len(blocks) == 2, blocks)
        if not ON_VMM:
            equal(sorted(pathlib.Path(path).name for path in blocks.values()), to.files(), "QEMU's files")
        time.sleep(1.1)  # the second of the file names
        report = json.loads(cli.expect(0, "snapshot", "-o", "json", vm.address, "--to", to.path))
        guest = report["guests"][0]
        equal((report["verdict"], len(guest["disks"])), ("consistent", 2), "again, on top")
        check(all(disk["inside-the-freeze"] for disk in guest["disks"]), guest)
        check(guest["frozen-at"] <= guest["seen-frozen-before"] <= guest["seen-frozen-after"]
              <= guest["thaw-began"], guest)


def test_two_guests_at_once():
    with Guest() as one, Guest() as two, Overlays() as to:
        one.wait_agent()
        two.wait_agent()
        report = json.loads(cli.expect(0, "snapshot", one.address, two.address, "--to", to.path, "-o",
                                       "json"))
        equal([guest["verdict"] for guest in report["guests"]], ["consistent"] * 2, "verdicts")
        equal(len(to.files()), 4, "overlays")
        check(one.thawed() and two.thawed(), "thawed")
        if ON_VMM:  # its control socket takes several programs
            return
        # One guest whose monitor is taken costs no guest a freeze.
        taken = socket.socket(socket.AF_UNIX)
        taken.connect(str(two.second))
        done = cli.run("snapshot", one.address, two.address, "--to", to.path, "--timeout", "2",
                       timeout=200)
        check(done.returncode == 4, done.stderr)
        taken.close()
        with one.line() as line:
            equal(line.ask("pvt-get-freeze")["generation"], 1, "freezes of the first guest")
        equal(len(to.files()), 4, "overlays")


def test_no_room_for_the_overlay():
    with Guest() as vm, Overlays() as to:
        vm.wait_agent()
        small = to.path / "small"
        small.mkdir()
        to.place.sh(f"mkdir -p {small}; mount -t tmpfs -o size=64k none {small}")
        try:
            done = cli.run("snapshot", vm.address, "--to", small)
            equal(done.returncode, 13, done.stdout + done.stderr)
            check("QEMU refused" in done.stderr and "space" in done.stderr, done.stderr)
            equal(to.files(small), [], "what is left of it")
        finally:
            to.place.sh(f"umount {small}")
        check(vm.thawed(), "thawed")
        cli.expect(2, "snapshot", vm.address, "--to", to.path / "nowhere")
        cli.expect(0, "snapshot", vm.address, "--to", to.path)


class SlowMonitor:
    """Between pvtools and QEMU's monitor: does something at the transaction."""

    def __init__(self, vm, at_transaction):
        self.path = vm.directory / "slow.sock"
        self.target, self.act = vm.second, at_transaction
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(4)
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def address(self):
        return f"qemu:{self.path}"

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.target))
            threading.Thread(target=self.pump, args=(server, client, False), daemon=True).start()
            self.pump(client, server, True)
            server.close()

    def pump(self, source, sink, watch):
        while True:
            try:
                data = source.recv(65536)
                if not data:
                    break
                if watch and b'"transaction"' in data and self.act(source) is False:
                    break
                sink.sendall(data)
            except OSError:
                break
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        self.path.unlink()


def test_a_monitor_that_dies_at_the_transaction():
    with Guest() as vm, Overlays() as to:
        vm.wait_agent()
        slow = SlowMonitor(vm, lambda client: False)
        done = cli.run("snapshot", slow.address, "--to", to.path)
        slow.close()
        equal(done.returncode, 13, done.stdout + done.stderr)
        check(vm.thawed(), "thawed")


def test_a_monitor_that_is_too_slow():
    with Guest() as vm, Overlays() as to:
        vm.wait_agent()
        slow = SlowMonitor(vm, lambda client: time.sleep(4))
        text = cli.run("snapshot", slow.address, "--to", to.path, "--deadline", "2")
        slow.close()
        equal(text.returncode, 10, text.stdout + text.stderr)
        check("not consistent" in text.stdout, text.stdout)
        check(vm.thawed(), "thawed")


def test_interrupted_and_killed():
    with Guest() as vm, Overlays() as to:
        vm.wait_agent()
        for number, code in ((signal.SIGINT, 15), (signal.SIGKILL, -9)):
            running = []

            def act(_, number=number, running=running):
                running[0].send_signal(number)
                time.sleep(0.5)

            slow = SlowMonitor(vm, act)
            process = cli.start("snapshot", slow.address, "--to", to.path)
            running.append(process)
            out, err = process.communicate(timeout=60)
            slow.close()
            equal(process.returncode, code, out + err)
            deadline = time.monotonic() + 30
            while not vm.thawed():
                check(time.monotonic() < deadline, "the guest stays frozen")
                time.sleep(0.2)
            time.sleep(1.1)


def test_the_agent_is_killed_meanwhile():
    with Guest() as vm, Overlays() as to:
        vm.wait_agent()

        def kill(_):
            # The guest's own shell, asked before the freeze, does it.
            time.sleep(4 * PATIENCE)

        with vm.line() as line:
            line.ask("guest-exec", path="/bin/sh", arg=["-c", f"sleep {2 * PATIENCE}; killall -9 agent"])
        slow = SlowMonitor(vm, kill)
        text = cli.run("snapshot", slow.address, "--to", to.path, "--timeout", "3")
        slow.close()
        check(text.returncode in (10, 14), f"{text.returncode}: {text.stdout}{text.stderr}")
        check("not consistent" in text.stdout, text.stdout)
        vm.wait_agent()
        check(vm.thawed(), "thawed")


def test_a_guest_that_is_reset_meanwhile():
    with Guest() as vm, Overlays() as to:
        vm.wait_agent()
        slow = SlowMonitor(vm, lambda client: (vm.monitor.command("system_reset"), time.sleep(0.5))[0])
        text = cli.run("snapshot", slow.address, "--to", to.path, "--timeout", "3", timeout=300)
        slow.close()
        check(text.returncode in (10, 14), f"{text.returncode}: {text.stdout}{text.stderr}")
        check("not consistent" in text.stdout, text.stdout)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
