#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The auditor on real drivers: Linux's and ours."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import micro
import nested
import shell
import tap
import vhostuser
from agent import find_agent
from tap import Skip, check, equal, note
from vm import VM

MiB = 1 << 20
GUEST = os.environ.get("PVT_TESTGUEST", "")
RINGS = {"C10", "C19", "F1", "F3", "S1", "S3", "S5", "S6", "S8", "S9", "S13"}
PACKED = {"C10", "C19", "F1", "F3", "P1", "P4", "P6", "P8", "P11"}
PCI = {"C1", "C3", "C4", "C6", "C14", "C15", "PCI3", "PCI8", "PCI16", "PCI17"}
REGISTERS = {"C1", "C3", "C6", "C14", "C15", "M5", "M6", "M7", "M11"}
DISK = {"B3", "B4", "B5", "B6", "B7"}


def read(path):
    """(findings, {device: clauses checked}) of an audit's file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return ([line for line in lines if "finding" in line],
            {line["device"]: line["checked"] for line in lines if "checked" in line})


def wait_report(path, device):
    """The report comes when the front-end has gone."""
    deadline = time.monotonic() + 60
    while True:
        findings, checked = read(path)
        if device in checked:
            return findings, checked[device]
        check(time.monotonic() < deadline, f"{path} has no report of {device}")
        time.sleep(0.05)


WORK = """
dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null
dd if=/tmp/data of=/dev/vda bs=64k conv=fsync,notrunc 2>/dev/null
echo 3 > /proc/sys/vm/drop_caches
dd if=/dev/vda bs=64k count=64 2>/dev/null | cmp - /tmp/data
blkdiscard -o 1048576 -l 1048576 /dev/vda
cat /sys/block/vda/serial > /dev/null
mke2fs -F /dev/vda > /dev/null 2>&1
dd if=/dev/hwrng bs=512 count=8 iflag=fullblock 2>/dev/null | wc -c
"""


def backends(directory):
    """A disk of two queues and a random number generator, audited."""
    image = directory / "disk.img"
    with image.open("wb") as file:
        file.truncate(16 * MiB)
    return (vhostuser.Backend(directory / "blk.sock", "blk", file=image, serial="audited", queues=2,
                              audit=directory / "blk.audit"),
            vhostuser.Backend(directory / "rng.sock", "rng", audit=directory / "rng.audit"))


def audited_linux(device_options, rings):
    with tempfile.TemporaryDirectory(prefix="pvt-audit-") as name:
        directory = pathlib.Path(name)
        blk, rng = backends(directory)
        devices = [*vhostuser.memory(256),
                   *vhostuser.device(blk.path, "blk", ",num-queues=2" + device_options),
                   *vhostuser.device(rng.path, "rng", device_options)]
        with blk, rng:
            with VM(*micro.image(find_agent()), memory=256, network=False, devices=devices) as vm:
                vm.wait_agent()
                with vm.line(timeout=180) as line:
                    line.sync()
                    equal(shell.sh(line, WORK, 180).strip(), "4096", "random bytes")
            for device, clauses in (("blk", rings | DISK), ("rng", rings - {"P8"} | {"R1"})):
                findings, checked = wait_report(directory / f"{device}.audit", device)
                equal(findings, [], f"what Linux's {device} driver does wrong")
                equal(clauses - set(checked), set(), f"clauses of {device} that nothing was held against")
                note(f"{device}: {sum(checked.values())} checks of {len(checked)} clauses")


def test_linux_is_clean_on_split_rings():
    audited_linux("", RINGS)


def test_linux_is_clean_on_packed_rings():
    audited_linux(",packed=on", PACKED)


def run_guest(directory, words, *more, transport="mmio"):
    """Our drivers on the devices of pvtools-vmm run, without Linux or hardware."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    if not GUEST or not os.path.exists(GUEST):
        raise Skip("this compiler does not build the test guest")
    disk = directory / "disk"
    disk.write_bytes(bytes(2 * MiB))
    slots = " ".join(f"virtio_mmio.device=4K@{0xd0000000 + 0x1000 * i:#x}:{10 + i}" for i in range(2))
    return subprocess.run(
        [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", GUEST, "--memory", "64", "--append",
         f"{words} {slots}", "--transport", transport, "--disk", f"file={disk},serial=audited", "--rng",
         f"--audit={directory}/audit", *more],
        capture_output=True, text=True, timeout=120, check=False)


def our_drivers_are_clean(transport, registers):
    with tempfile.TemporaryDirectory(prefix="pvt-audit-") as name:
        directory = pathlib.Path(name)
        done = run_guest(directory, "polite=1", transport=transport)
        equal((done.returncode, "not ok" in done.stdout), (0, False), done.stdout[-2000:] + done.stderr)
        findings, checked = read(directory / "audit")
        # The test guest refuses packed rings for half of its variants: it says so.
        equal([line for line in findings if line["finding"] != "F4"], [], "what our drivers do wrong")
        equal((RINGS | PACKED | DISK | registers) - set(checked["blk"]), set(),
              "clauses that nothing was held against")
        note(f"{sum(sum(device.values()) for device in checked.values())} checks of "
             f"{len(set(checked['blk']) | set(checked['rng']))} clauses")


def test_our_drivers_are_clean_on_every_ring():
    our_drivers_are_clean("mmio", REGISTERS)


def test_our_drivers_are_clean_by_pci():
    our_drivers_are_clean("pci", PCI | {"PCI14"})


def test_rude_registers_are_named():
    """With rude=1 the test guest uses virtio-pci's registers as no driver may."""
    with tempfile.TemporaryDirectory(prefix="pvt-audit-") as name:
        directory = pathlib.Path(name)
        done = run_guest(directory, "variants=0x01 rude=1", transport="pci")
        equal((done.returncode, "not ok" in done.stdout), (0, False), done.stdout[-2000:] + done.stderr)
        findings, _ = read(directory / "audit")
        equal({line["finding"] for line in findings}, {"PCI3", "PCI8", "PCI11", "PCI14", "PCI16", "PCI17"},
              "what was found")
        equal({line["device"] for line in findings}, {"rng"}, "of which device")


def test_odd_requests_are_named():
    """Without polite= the test guest asks for what no driver may."""
    with tempfile.TemporaryDirectory(prefix="pvt-audit-") as name:
        directory = pathlib.Path(name)
        done = run_guest(directory, "variants=0x80")
        equal((done.returncode, "not ok" in done.stdout), (0, False), done.stdout[-2000:] + done.stderr)
        findings, _ = read(directory / "audit")
        equal({line["finding"] for line in findings}, {"B4", "B6", "B16", "C15", "F4"}, "what was found")


def test_a_broken_device_is_named():
    """An entropy device that says it wrote nothing, by our test guest."""
    with tempfile.TemporaryDirectory(prefix="pvt-audit-") as name:
        done = run_guest(pathlib.Path(name), "variants=0x80 polite=1", "--fault", "used-len-zero@0+")
        bad = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith("not ok")]
        check(any(line.endswith("[R2 S11]") for line in bad), f"cases that failed: {bad}")
        check(done.returncode == 0 and "# 0 failed" not in done.stdout, done.stdout[-1000:])


def test_a_broken_driver_is_named():
    """board.S accepts no VERSION_1 at first, and in the end its available index jumps."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory(prefix="pvt-audit-") as name:
        directory = pathlib.Path(name)
        payload = nested.build_payload(directory / "board.elf")
        done = subprocess.run(
            [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", payload, "--append", "check",
             "--memory", "16",
             "--rng=transport=mmio", f"--audit={directory}/audit"],
            capture_output=True, text=True, timeout=60, check=False)
        equal((done.returncode, done.stdout), (0, "ABCDEFGH\n"), done.stderr)
        findings, _ = read(directory / "audit")
        found = {line["finding"] for line in findings}
        equal({"F1", "S8"} - found, set(), f"what was found is {found}")
        jump = [line for line in findings if line["finding"] == "S8"]
        equal([(line["queue"], line["index"], line["section"]) for line in jump], [(0, 200, "2.7.6.1")],
              "the jump")
        check("k 200" in jump[0]["states"], f"the ring before: {jump[0]['states']}")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
