#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our drivers in the bare-metal guest, against QEMU's devices.

Each boot runs every case on every device for each kind of ring (packed or split,
with and without indirect descriptors and event index). The disk's contents come
from here and are looked at here afterwards.
"""

import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from tap import Skip, check, equal, note

GUEST = os.environ.get("PVT_TESTGUEST", "")
MASK = (1 << 64) - 1
SECTORS = 2048
OURS, LEFT = 64, 64  # where the guest leaves its pattern, and how long it is (test-blk.c)
PASSED = 1  # isa-debug-exit: status 0, shifted, and one
RINGS = ["packed+indirect+event", "packed+indirect", "packed+event", "packed",
         "split+indirect+event", "split+indirect", "split+event", "split"]


def pattern(count, seed):
    """fill_pattern of the guest: @count bytes."""
    first = seed * 0x9e3779b97f4a7c15 + 1
    return b"".join(struct.pack("<Q", (first + i * 0x0123456789abcdef) & MASK)
                    for i in range(count // 8))


def checksum(data):
    """checksum of the guest."""
    total = 0xcbf29ce484222325
    for (word,) in struct.iter_unpack("<Q", data):
        total = ((total ^ word) * 0x100000001b3) & MASK
    return total


def devices(suffix, blk="", rng="", net="", every=""):
    """A disk, a source of entropy and two interfaces on one wire."""
    return ["-drive", "if=none,id=disk,file={disk},format=raw,discard=unmap{drive}",
            "-object", "rng-random,id=random,filename=/dev/urandom",
            "-netdev", "hubport,id=one,hubid=0", "-netdev", "hubport,id=two,hubid=0",
            "-device", f"virtio-blk-{suffix},drive=disk,serial=pvtools-testguest-01{every}{blk}",
            "-device", f"virtio-rng-{suffix},rng=random{every}{rng}",
            "-device", f"virtio-net-{suffix},netdev=one{every}{net}",
            "-device", f"virtio-net-{suffix},netdev=two{every}{net}"]


PCI = ["-machine", "q35"]
MMIO = ["-machine", "microvm,acpi=off", "-global", "virtio-mmio.force-legacy=false"]
TCG = ["-accel", "tcg"]


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, "QEMU did not start")
        time.sleep(0.05)


class Run:
    """One boot: its output, exit status, and the disk it left."""

    def __init__(self, machine, guest_devices, accel=None, append="", drive="", spoil=False,
                 timeout=120):
        if not GUEST or not os.path.exists(GUEST):
            raise Skip("this compiler does not build the test guest")
        contents = pattern(SECTORS * 512, 7)
        # QEMU's virtio-mmio (7.2) offers RING_RESET and has no register for it.
        resets = "maybe" if machine[1].startswith("microvm") else "yes"
        with tempfile.TemporaryDirectory() as directory:
            disk = pathlib.Path(directory) / "disk"
            disk.write_bytes(contents)
            total = checksum(contents[:64 * 512]) ^ spoil
            words = [word.format(disk=disk, drive=drive) if "{disk}" in word else word
                     for word in guest_devices]
            done = subprocess.run(
                ["qemu-system-x86_64", *machine, *(accel or TCG), "-m", "64", "-nodefaults",
                 "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", GUEST,
                 "-append", f"blk-sum={total} queue-reset={resets} {append}",
                 "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=timeout, check=False)
            self.disk = disk.read_bytes()
        self.text, self.status, self.before = done.stdout, done.returncode, contents
        self.good = re.findall(r"^ok \d+ - (.*)$", self.text, re.M)
        self.bad = re.findall(r"^not ok \d+ - (.*)$", self.text, re.M)

    def names(self, rings=RINGS):
        """Each test's ring, device and bus were there."""
        seen = {tuple(name.split(":")[0].split(" ")) for name in self.good}
        return {ring for _, _, ring in seen}, {(device, bus) for device, bus, _ in seen}

    def passed(self, bus, rings, left=True):
        check(self.status == PASSED and not self.bad and self.good,
              f"status {self.status}:\n{self.text[-3000:]}")
        planned = int(re.search(r"^1\.\.(\d+)", self.text, re.M).group(1))
        equal(len(self.good), planned, "tests")
        ran, where = self.names()
        equal(ran, set(rings), "kinds of ring")
        equal(where, {(device, bus) for device in ("blk", "rng", "net")}, "devices")
        if left:
            equal(self.disk[OURS * 512:(OURS + LEFT) * 512], pattern(LEFT * 512, 4711),
                  "what the guest left on the disk")
        equal(self.disk[:OURS * 512], self.before[:OURS * 512], "what was not the guest's")
        cycles = re.findall(r"(\d+) cycles a (\w+)", self.text)
        note(f"{len(self.good)} cases on {len(ran)} kinds of ring; cycles: "
             + ", ".join(f"{count} a {what}" for count, what in cycles[:4]))


def test_pci_packed_and_split():
    Run(PCI, devices("pci", every=",packed=on")).passed("pci", RINGS)


def test_pci_of_a_device_without_packed_rings():
    Run(PCI, devices("pci")).passed("pci", RINGS[4:])


def test_pci_without_the_legacy_interface():
    Run(PCI, devices("pci", every=",disable-legacy=on,packed=on")).passed("pci", RINGS)


def test_pci_of_a_device_without_indirect_and_event_index():
    Run(PCI, devices("pci", every=",packed=on,indirect_desc=off,event_idx=off")).passed("pci", RINGS)


def test_pci_behind_a_bridge():
    machine = [*PCI, "-device", "pcie-pci-bridge,id=bridge"]
    words = devices("pci", every=",packed=on")
    placed = [word + f",bus=bridge,addr={place + 1}" if word.startswith("virtio-") else word
              for place, word in enumerate(words)]
    Run(machine, placed).passed("pci", RINGS)


def test_small_and_large_queues():
    for size in (8, 1024):
        net = f",rx_queue_size={max(size, 256)},tx_queue_size={256}"
        Run(PCI, devices("pci", every=",packed=on", blk=f",queue-size={size}", net=net)
            ).passed("pci", RINGS)


# With ctrl_vq=off alone QEMU goes on to offer what needs that queue, which C11 forbids.
NO_CONTROL = "".join(f",{name}=off" for name in ("ctrl_vq", "ctrl_rx", "ctrl_vlan", "ctrl_rx_extra",
                                                "ctrl_mac_addr", "guest_announce", "mq", "mrg_rxbuf"))


def test_qemu_offers_what_needs_a_control_queue_without_one():
    run = Run(PCI, devices("pci", every=",packed=on", net=",ctrl_vq=off"), append="variants=0x99")
    check(run.bad and all("offers nothing without what it needs [C11]" in name for name in run.bad), run.bad)


def test_network_without_merged_buffers_and_control():
    for extra in (",mrg_rxbuf=off", NO_CONTROL, ",host_mtu=1400"):
        Run(PCI, devices("pci", every=",packed=on", net=extra), append="variants=0x99"
            ).passed("pci", [RINGS[i] for i in (0, 3, 4, 7)])


def test_disk_without_discard_and_read_only():
    Run(PCI, devices("pci", every=",packed=on", blk=",discard=off,write-zeroes=off"),
        append="variants=0x99").passed("pci", [RINGS[i] for i in (0, 3, 4, 7)])
    run = Run(PCI, devices("pci", every=",packed=on"), drive=",readonly=on",
              append="variants=0x99")
    run.passed("pci", [RINGS[i] for i in (0, 3, 4, 7)], left=False)
    equal(run.disk, run.before, "the disk that was read-only")


def test_mmio_packed_and_split():
    Run(MMIO, devices("device", every=",packed=on")).passed("mmio", RINGS)


def test_mmio_of_a_device_without_packed_rings():
    Run(MMIO, devices("device")).passed("mmio", RINGS[4:])


def test_legacy_mmio_is_not_taken():
    run = Run(["-machine", "microvm,acpi=off", "-global", "virtio-mmio.force-legacy=true"],
              devices("device"))
    check("# 0 devices on mmio" in run.text, run.text)
    check(run.status != PASSED, "a guest that ran nothing passed")


def echo(listener):
    """Sends back what comes, until the other end closes."""
    peer, _ = listener.accept()
    with peer:
        while data := peer.recv(65536):
            peer.sendall(data)


def test_console_with_ports():
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/echo")
        listener.listen()
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        run = Run(PCI, ["-device", "virtio-serial-pci,packed=on,max_ports=4",
                        "-chardev", f"socket,id=echo,path={directory}/echo",
                        "-chardev", f"file,id=log,path={directory}/log",
                        "-device", "virtconsole,chardev=log",
                        "-device", "virtserialport,chardev=echo,name=echo"])
        log = pathlib.Path(directory, "log").read_bytes()
    check(run.status == PASSED and not run.bad, run.text[-3000:])
    equal(run.names(), (set(RINGS), {("console", "pci")}), "what ran")
    equal(log, b"!" * len(RINGS), "emergency characters")
    note(f"{len(run.good)} cases on {len(RINGS)} kinds of ring")


def test_console_of_one_port():
    with tempfile.TemporaryDirectory() as directory:
        run = Run(MMIO, ["-device", "virtio-serial-device,packed=on,max_ports=1,emergency-write=off",
                         "-chardev", f"file,id=log,path={directory}/log",
                         "-device", "virtconsole,chardev=log"])
        log = pathlib.Path(directory, "log").read_text()
    check(run.status == PASSED and not run.bad, run.text[-3000:])
    equal(run.names(), (set(RINGS), {("console", "mmio")}), "what ran")
    equal(log, "hello\n" * len(RINGS), "what arrived")


def test_balloon():
    for machine, suffix, bus in ((PCI, "pci", "pci"), (MMIO, "device", "mmio")):
        run = Run(machine, ["-device", f"virtio-balloon-{suffix},packed=on"])
        check(run.status == PASSED and not run.bad, run.text[-3000:])
        equal(run.names(), (set(RINGS), {("balloon", bus)}), "what ran")


# Firmware whose first instructions, 16 bytes before its end, are cli; hlt; jmp $-1:
# distributions build QEMU without the accelerator that has no processor at all.
HALT = bytes(65520) + b"\xfa\xf4\xeb\xfd" + bytes(12)


def test_over_qtest_without_a_guest():
    if not GUEST or not os.path.exists(GUEST):
        raise Skip("this compiler does not build the test guest")
    program = pathlib.Path(GUEST).with_name("testguest-qtest")
    with tempfile.TemporaryDirectory() as directory:
        disk, ram, path, bios = (pathlib.Path(directory, name)
                                 for name in ("disk", "ram", "socket", "bios"))
        bios.write_bytes(HALT)
        contents = pattern(SECTORS * 512, 7)
        disk.write_bytes(contents)
        words = [word.format(disk=disk, drive="") if "{disk}" in word else word
                 for word in devices("pci", every=",packed=on")]
        with subprocess.Popen(
                ["qemu-system-x86_64", "-machine", "q35,memory-backend=ram", *TCG, "-bios", bios,
                 "-m", "64", "-object", f"memory-backend-file,id=ram,size=64M,share=on,mem-path={ram}",
                 "-qtest", f"unix:{path},server=on,wait=off", "-qtest-log", "/dev/null",
                 "-nodefaults", "-display", "none", *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as qemu:
            try:
                wait_until(path.exists)
                done = subprocess.run([program, path, ram, f"blk-sum={checksum(contents[:64 * 512])}"],
                                      capture_output=True, text=True, timeout=120, check=False)
            finally:
                qemu.kill()
        left = disk.read_bytes()[OURS * 512:(OURS + LEFT) * 512]
    check(done.returncode == 0, f"{done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    bad = re.findall(r"^not ok .*$", done.stdout, re.M)
    equal(bad, [], "failed cases")
    equal(left, pattern(LEFT * 512, 4711), "what was left on the disk")
    note(f"{len(re.findall(r'^ok ', done.stdout, re.M))} cases without a processor")


def kvm():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no /dev/kvm here")
    return ["-accel", "kvm", "-cpu", "qemu64"]


def test_pci_under_kvm():
    Run(PCI, devices("pci", every=",packed=on"), accel=kvm(), append="variants=0x81 frames=7"
        ).passed("pci", [RINGS[0], RINGS[7]])


def test_mmio_under_kvm():
    Run(MMIO, devices("device", every=",packed=on"), accel=kvm(), append="variants=0x81 frames=7"
        ).passed("mmio", [RINGS[0], RINGS[7]])


def test_a_wrong_disk_is_noticed():
    run = Run(PCI, devices("pci"), append="variants=0x80", spoil=True)
    check(run.status not in (0, PASSED), f"status {run.status}")
    equal(run.bad, ["blk pci split: reads what the host wrote"], "failed tests")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
