#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks and filesystems of every kind, as a host must find them among its own."""

import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import tap
from agent import find_agent
from shell import PATIENCE
from tap import check, equal
from vm import ON_VMM, VM, needs

BLK = "virtio-blk-pci,drive={drive},serial="
SIZE = 160 << 20
DISKS = [
    (BLK + "pvtblk,id=blk", SIZE),
    ("scsi-hd,drive={drive},bus=scsi0.0,serial=pvtscsi,channel=0,scsi-id=3,lun=5", SIZE),
    ("ide-hd,drive={drive},bus=ahci0.2,serial=pvtahci", SIZE),
    ("nvme,drive={drive},serial=pvtnvme,id=nvme", SIZE),
    (BLK + "pvtlvm,id=lvm", 400 << 20),
    (BLK + "pvtcrypt,id=crypt", SIZE),
    (BLK + "pvtmda,id=mda", SIZE),
    (BLK + "pvtmdb,id=mdb", SIZE),
    (BLK + "pvtbtra,id=btra", SIZE),
    (BLK + "pvtbtrb,id=btrb", SIZE),
    (BLK + "pvtpart,id=part", SIZE),
]
# Of the disks, those that hang on a controller of their own; our VMM has none of these.
OTHERS = ("pvtscsi", "pvtahci", "pvtnvme")
CONTROLLERS = ["-device", "virtio-scsi-pci,id=scsi0", "-device", "ich9-ahci,id=ahci0"]

seen = {}


def learn():
    """One boot; what the guest told and where QEMU put things."""
    if seen:
        check("fs" in seen, "the guest was not set up; see the first failure")
        return seen
    seen["tried"] = True
    machine = VM(*debian.image(find_agent(), full_kernel=True), append="pvt.disks")
    for number, (device, size) in enumerate(DISKS):
        if not (ON_VMM and any(other in device for other in OTHERS)):
            machine.add_disk(number, device, size)
    if not ON_VMM:
        # Controllers come before what hangs on them.
        machine.arguments[1:1] = CONTROLLERS
    with machine as vm:
        vm.wait_agent()
        deadline = time.monotonic() + 180 * PATIENCE
        while "pvt-test-disks: done" not in console(vm):
            check("pvt-test-disks: failed" not in console(vm), "the set-up failed")
            check(time.monotonic() < deadline, "the storage stacks were not set up")
            time.sleep(0.5)
        with vm.line() as line:
            line.sync()
            seen["fs"] = {f["mountpoint"]: f for f in line.ask("guest-get-fsinfo")}
            seen["all"] = {f["mountpoint"]: f for f in line.ask("pvt-get-filesystems")}
            seen["disks"] = {d["name"]: d for d in line.ask("guest-get-disks")}
            seen["slots"] = vm.pci_slots()
    return seen


def console(vm):
    return vm.console.read_text(errors="replace")


def slot_of(address):
    pci = address["pci-controller"]
    return pci["bus"], pci["slot"], pci["function"]


def only_disk(mountpoint):
    disks = learn()["fs"][mountpoint]["disk"]
    equal(len(disks), 1, f"disks of {mountpoint}")
    return disks[0]


def test_virtio_blk():
    disk = only_disk("/mnt/pvtblk")
    equal((disk["bus-type"], disk["serial"]), ("virtio", "pvtblk"), "disk")
    equal(slot_of(disk), learn()["slots"]["blk"], "slot")


def test_virtio_scsi():
    needs("controllers")
    disk = only_disk("/mnt/pvtscsi")
    equal((disk["bus-type"], disk["bus"], disk["target"], disk["unit"]), ("scsi", 0, 3, 5), "disk")
    equal(slot_of(disk), learn()["slots"]["scsi0"], "the controller's slot")
    check("pvtscsi" in disk["serial"], disk)


def test_ahci():
    needs("controllers")
    disk = only_disk("/mnt/pvtahci")
    equal((disk["bus-type"], disk["bus"], disk["target"], disk["unit"]), ("sata", 0, 0, 2), "disk")
    equal(slot_of(disk), learn()["slots"]["ahci0"], "the controller's slot")
    check("pvtahci" in disk["serial"], disk)


def test_nvme():
    needs("controllers")
    disk = only_disk("/mnt/pvtnvme")
    equal(disk["bus-type"], "nvme", "bus")
    equal(slot_of(disk), learn()["slots"]["nvme"], "slot")
    check("pvtnvme" in disk["serial"], disk)
    smart = learn()["disks"]["/dev/nvme0n1"]["smart"]
    equal(smart["type"], "nvme", "smart")
    check(250 < smart["temperature"] < 400, smart)


def test_lvm():
    disk = only_disk("/mnt/pvtlvm")
    equal((disk["serial"], learn()["fs"]["/mnt/pvtlvm"]["type"]), ("pvtlvm", "xfs"), "disk")
    equal(slot_of(disk), learn()["slots"]["lvm"], "slot")
    volume = next(d for d in learn()["disks"].values() if d.get("alias") == "/dev/mapper/pvtvg-pvtlv")
    check("address" not in volume and len(volume["dependencies"]) == 1, volume)
    equal(learn()["disks"][volume["dependencies"][0]]["address"]["serial"], "pvtlvm", "depends on")


def test_dm_crypt():
    equal(only_disk("/mnt/pvtcrypt")["serial"], "pvtcrypt", "disk")


def test_md_mirror_has_both_disks():
    disks = learn()["fs"]["/mnt/pvtmd"]["disk"]
    equal({d["serial"] for d in disks}, {"pvtmda", "pvtmdb"}, "disks")
    equal({slot_of(d) for d in disks}, {learn()["slots"]["mda"], learn()["slots"]["mdb"]}, "slots")


def test_btrfs_on_two_disks():
    disks = learn()["fs"]["/mnt/pvtbtrfs"]["disk"]
    equal({d["serial"] for d in disks}, {"pvtbtra", "pvtbtrb"}, "disks")


def test_partition_and_blank_in_mountpoint():
    fs = learn()["fs"]["/mnt/with space"]
    equal(fs["type"], "vfat", "type")
    part = next(d for d in learn()["disks"].values() if d["partition"]
                and d["name"] == "/dev/" + fs["name"])
    parent = learn()["disks"][part["dependencies"][0]]
    equal(parent["address"]["serial"], "pvtpart", "the disk of the partition")
    equal(slot_of(only_disk("/mnt/with space")), learn()["slots"]["part"], "slot")


def test_usage_of_every_filesystem():
    for mountpoint in ("/mnt/pvtblk", "/mnt/pvtlvm", "/mnt/pvtmd", "/mnt/pvtbtrfs"):
        fs = learn()["all"][mountpoint]
        check("error" not in fs and fs["used-bytes"] < fs["total-bytes"], fs)
        check(not fs["remote"] and not fs["read-only"], fs)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
