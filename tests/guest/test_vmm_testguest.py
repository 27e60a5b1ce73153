#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our drivers against our devices: the bare-metal guest under pvtools-vmm, on any
/dev/kvm, over virtio-pci and virtio-mmio, on every kind of ring."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
import vhostuser
from tap import Skip, check, equal, note
from test_testguest import GUEST, LEFT, OURS, RINGS, SECTORS, checksum, pattern
from test_vmm import connect_qmp, refused

# The slots of virtio-mmio, as far as there can be devices here: disk, generator, console.
SLOTS = " ".join(f"virtio_mmio.device=0x1000@0x{0xd0000000 + slot * 0x1000:x}:{10 + slot}"
                 for slot in range(3))
KINDS = ("blk", "rng", "console")


def echo(path):
    """The host behind the console's port: connects when it is there, and sends back."""
    peer = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + 60
    while True:
        try:
            peer.connect(str(path))
            break
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)
    with peer:
        while data := peer.recv(65536):
            peer.sendall(data)


class Run:
    """One boot: its output, and the disk it left."""

    def __init__(self, *words, append="", disk="", spoil=False, slots=SLOTS):
        if not GUEST or not os.path.exists(GUEST):
            raise Skip("this compiler does not build the test guest")
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise Skip("/dev/kvm cannot be opened here")
        self.before = pattern(SECTORS * 512, 7)
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            image = directory / "disk"
            image.write_bytes(self.before)
            thread = threading.Thread(target=echo, args=(directory / "echo",), daemon=True)
            thread.start()
            total = checksum(self.before[:64 * 512]) ^ spoil
            done = subprocess.run(
                [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", GUEST, "--memory", "64", *words,
                 "--append", f"blk-sum={total} queue-reset=busy {append} {slots}",
                 "--disk", f"file={image},serial=pvtools-testguest-01{disk}", "--rng",
                 "--port", f"echo={directory}/echo"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=300, check=False)
            self.disk = image.read_bytes()
        self.text, self.status = done.stdout, done.returncode
        self.good = re.findall(r"^ok \d+ - (.*)$", self.text, re.M)
        self.bad = re.findall(r"^not ok \d+ - (.*)$", self.text, re.M)

    def passed(self, bus, rings, left=True):
        check(self.status == 0 and not self.bad and self.good,
              f"status {self.status}:\n{self.text[-3000:]}")
        planned = re.search(r"^1\.\.(\d+)", self.text, re.M)
        check(planned is not None, f"it did not come to its end:\n{self.text[-3000:]}")
        equal(len(self.good), int(planned.group(1)), "tests")
        of_devices = [tuple(name.split(":")[0].split(" ")) for name in self.good
                      if not name.startswith("machine")]
        equal(set(of_devices), {(kind, bus, ring) for kind in KINDS for ring in rings}, "what ran")
        if left:
            equal(self.disk[OURS * 512:(OURS + LEFT) * 512], pattern(LEFT * 512, 4711),
                  "what the guest left on the disk")
        equal(self.disk[:OURS * 512], self.before[:OURS * 512], "what was not the guest's")
        note(f"{len(self.good)} cases on {len(rings)} kinds of ring")


def test_pci_by_the_ports():
    Run().passed("pci", RINGS)


def test_pci_by_memory():
    run = Run(append="config=ecam variants=0x81")
    run.passed("pci", [RINGS[0], RINGS[7]])
    check("machine: tells where PCI Express has its configuration space" in run.good, run.text)


def test_mmio():
    Run("--transport", "mmio", "--mmio-cmdline", slots="").passed("mmio", RINGS)


def test_both_at_once():
    run = Run(append="variants=0x11", disk=",transport=mmio")
    check(run.status == 0 and not run.bad, run.text[-3000:])
    where = {tuple(name.split(" ")[:2]) for name in run.good}
    equal(where, {("blk", "mmio"), ("rng", "pci"), ("console", "pci")}, "who is where")


def hardware_kvm():
    """A KVM that interprets the guest catches a doorbell without leaving it, and may count no exit."""
    return any(pathlib.Path("/sys/module", name).exists() for name in ("kvm_amd", "kvm_intel"))


def test_what_a_doorbell_costs():
    """The meter counts exits: a doorbell that KVM catches is none of ours."""
    for words, append in (((), "variants=0x80 meter=0x5f0"),
                          (("--transport", "mmio"), "variants=0x80 meter=0x5f0")):
        run = Run(*words, append=append)
        check(run.status == 0 and not run.bad, run.text[-3000:])
        lines = re.findall(r"^# (\d+ cycles a (\w+), \d+ a second, ([\d.]+) exits(?: and ([\d.]+) in the kernel)?)$",
                           run.text, re.M)
        equal([what for _, what, _, _ in lines], ["request", "request", "doorbell"], run.text[-3000:])
        for line in lines:
            note(line[0])
        equal(lines[2][2], "0.00", "exits a doorbell")
        if lines[2][3] and hardware_kvm():
            check(float(lines[2][3]) >= 1, f"what KVM counts: {lines[2][3]}")


HEARD, TALKS = 7, 9  # ports of the host's and the guest's


def serve(listener):
    """What a program of the host does for the guest: each connection gets back what it sends."""
    def one(peer):
        with peer:
            while data := peer.recv(65536):
                peer.sendall(data)

    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=one, args=(peer,), daemon=True).start()


def exchange(path, data):
    """Connects to the guest's port, sends, and returns what came back; None when nobody listens."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(60)
        peer.connect(str(path))
        peer.sendall(f"CONNECT {TALKS}\n".encode())
        with peer.makefile("rb") as stream:
            if not stream.readline().startswith(b"OK "):
                return None
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            return stream.read()


def knock(path, data, answers, over):
    """Again and again, for the guest listens once for every kind of ring."""
    while not over.is_set():
        try:
            answers.append(exchange(path, data))
        except OSError:
            pass
        time.sleep(0.05)


def sockets(bus, variants, rings):
    if not GUEST or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("there is no test guest, or no /dev/kvm")
    data, answers, over = pattern(6000, 3), [], threading.Event()
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listener:
        path = pathlib.Path(name) / "v"
        listener.bind(f"{path}_{HEARD}")
        listener.listen(8)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        knocks = threading.Thread(target=knock, args=(path, data, answers, over), daemon=True)
        knocks.start()
        done = subprocess.run(
            [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", GUEST, "--memory", "64", "--transport", bus,
             "--vsock", f"cid=33,socket={path}", f"--audit={name}/audit",
             "--append", f"variants={variants:#x} vsock-echo={HEARD} vsock-listen={TALKS} {SLOTS}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        over.set()
        knocks.join(120)
        audit = (pathlib.Path(name) / "audit").read_text()
    equal((done.returncode, "not ok" in done.stdout, "1.." in done.stdout), (0, False, True),
          done.stdout[-3000:] + done.stderr)
    equal(done.stdout.count("# guest 33\n"), rings, "kinds of ring")
    # One that comes when the guest is about to listen no more gets nothing.
    equal([answer == data for answer in answers if answer], [True] * rings, "what the host got back")
    found = {line["finding"] for line in map(json.loads, audit.splitlines()) if "finding" in line}
    equal(found - {"F4"}, set(), "what our driver does wrong")
    note(f"{len(re.findall(r'^ok ', done.stdout, re.M))} cases on {rings} kinds of ring")


def test_sockets_by_pci():
    sockets("pci", 0x81, 2)


def test_sockets_by_mmio():
    sockets("mmio", 0x11, 2)


def test_read_only_and_split_only():
    run = Run(append="variants=0xf0", disk=",readonly=on,packed=off")
    run.passed("pci", RINGS[4:], left=False)
    equal(run.disk, run.before, "the disk that was read-only")


def test_a_wrong_disk_is_noticed():
    run = Run(append="variants=0x80", spoil=True)
    equal(run.bad, ["blk pci split: reads what the host wrote"], "failed tests")


BALLOON_MIB, TAKEN = 64, 300  # as many pages as the guest has for it (test-balloon.c)


def balloon(directory, bus):
    """The host's wish is there before the guest is; what it gives is told as it goes."""
    qmp = directory / "qmp"
    process = subprocess.Popen(
        [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", GUEST, "--memory", str(BALLOON_MIB),
         "--transport", bus, "--balloon=free-page-reporting=on", "--paused", "--qmp", qmp, "--serial", directory / "out",
         "--append", f"balloon={TAKEN} variants=0x81 {SLOTS}"])
    try:
        monitor = connect_qmp(qmp)
        equal(monitor.command("query-balloon"), {"actual": BALLOON_MIB << 20}, "before")
        check("value" in refused(monitor, "balloon", value=0), "a guest of no memory")
        monitor.command("balloon", value=(BALLOON_MIB << 20) - TAKEN * 4096)
        monitor.command("cont")
        told = {monitor.wait_event("BALLOON_CHANGE")["data"]["actual"]}
        monitor.wait_event("SHUTDOWN")
        told |= {event["data"]["actual"] for event in monitor.events if event["event"] == "BALLOON_CHANGE"}
        equal(process.wait(60), 0, "the end")
        check(all((BALLOON_MIB << 20) - TAKEN * 4096 <= actual <= BALLOON_MIB << 20 for actual in told), told)
    finally:
        process.kill()
        process.wait()
    text = (directory / "out").read_text()
    check(f"balloon {bus} packed+indirect+event: the host's target is seen" in text, text[-3000:])
    check(f"balloon {bus} split: takes them back" in text and "# 0 failed" in text, text[-3000:])


def test_balloon():
    if not GUEST or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no test guest, or /dev/kvm cannot be opened here")
    for bus in ("pci", "mmio"):
        with tempfile.TemporaryDirectory() as name:
            balloon(pathlib.Path(name), bus)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
