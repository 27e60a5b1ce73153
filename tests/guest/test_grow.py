#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks enlarged under a running guest: its filesystems take what they were given."""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import tap
from agent import find_agent
from shell import PATIENCE
from tap import check, equal
from vm import ON_VMM, VM, needs
from wire import AgentError

MIB = 1 << 20
BLK = "virtio-blk-pci,drive={drive},serial="
# Serial, device, size before and after in MiB.
QEMUS_DISKS = [
    ("pvtgpt", BLK + "pvtgpt", 96, 192),
    ("pvtmbr", "scsi-hd,drive={drive},bus=scsi0.0,serial=pvtmbr", 400, 700),
    ("pvtbtr", BLK + "pvtbtr", 160, 320),
    ("pvtlvm", BLK + "pvtlvm", 200, 400),
    ("pvt4k", BLK + "pvt4k,logical_block_size=4096,physical_block_size=4096", 96, 192),
    ("pvtlog", BLK + "pvtlog", 64, 96),
    ("pvtcrypt", BLK + "pvtcrypt", 64, 96),
    ("pvtbta", BLK + "pvtbta", 128, 160),
    ("pvtbtb", BLK + "pvtbtb", 128, 320),
    ("pvtlva", BLK + "pvtlva", 48, 64),
    ("pvtlvb", BLK + "pvtlvb", 48, 96),
    ("pvtahead", BLK + "pvtahead", 64, 64),
    # QEMU's NVMe cannot be enlarged; its names differ, though.
    ("pvtnvme", "nvme,drive={drive},serial=pvtnvme", 64, 64),
]
# Our VMM's are all virtio-blk, with sectors of 512 bytes.
DISKS = [(name, BLK + name, before, after) for name, _, before, after in QEMUS_DISKS
         if name not in ("pvt4k", "pvtnvme")] if ON_VMM else QEMUS_DISKS
GROWN = [name for name in ("pvtgpt", "pvtmbr", "pvtbtr", "pvtlvm", "pvt4k") if name in [disk[0] for disk in DISKS]]
CHECKS = 21 if ON_VMM else 24  # of files/test-grow; three are of the large sectors
UNIT = """[Unit]
Description=Sets up and checks what is grown
After=systemd-udev-settle.service local-fs.target
Wants=systemd-udev-settle.service
[Service]
StandardOutput=journal+console
StandardError=journal+console
ExecStart=/usr/local/sbin/pvt-test-grow
"""

seen = {}


def add_script(source, target):
    """A copy of the guest's disk with the script and its unit in it."""
    unit = target.with_suffix(".service")
    unit.write_text(UNIT)
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(source), str(target)], check=True)
    script = "/usr/local/sbin/pvt-test-grow"
    service = "/etc/systemd/system/pvt-test-grow.service"
    lines = [f"write {HERE / 'files' / 'test-grow'} {script}",
             f"set_inode_field {script} mode 0100755", f"write {unit} {service}",
             "symlink /etc/systemd/system/multi-user.target.wants/pvt-test-grow.service " + service]
    subprocess.run(["debugfs", "-w", "-f", "-", str(target)], input="\n".join(lines) + "\n",
                   text=True, check=True, capture_output=True)


def console(vm):
    return vm.console.read_text(errors="replace")


def wait_for(vm, word, timeout):
    deadline = time.monotonic() + timeout * PATIENCE
    while f"pvt-test-grow: {word}" not in console(vm):
        check("pvt-test-grow: failed" not in console(vm), "the guest's script failed")
        check(time.monotonic() < deadline, f"the guest's script did not get to '{word}'")
        time.sleep(0.5)


def refusal(line, **arguments):
    try:
        return f"no error but {line.ask('pvt-disk-grow', arguments)}"
    except AgentError as error:
        return error.desc


def grow_all(line, **more):
    return {name: line.ask("pvt-disk-grow", dict(mountpoint=f"/mnt/{name}", **more), timeout=300)
            for name in GROWN}


def ask_refusals(line, device):
    seen["refusals"] = {
        "nothing mounted": refusal(line, mountpoint="/nowhere"),
        "tmpfs": refusal(line, mountpoint="/run"),
        "both": refusal(line, mountpoint="/mnt/pvtgpt", device="/dev/vda"),
        "neither": refusal(line),
        "no device": refusal(line, device="/dev/nothing"),
        "a file": refusal(line, device="/etc/passwd"),
        "not last": refusal(line, device=device.removesuffix("2") + "1"),
        "not mounted": refusal(line, device=device.removesuffix("2")),
        "read-only": refusal(line, mountpoint="/mnt/first"),
        "logical": refusal(line, mountpoint="/mnt/logical"),
        "crypt": refusal(line, mountpoint="/mnt/crypt"),
        "small btrfs": refusal(line, device="/dev/disk/by-id/virtio-pvtbta"),
        "which of two": refusal(line, mountpoint="/mnt/two"),
    }


def ask_cli(vm):
    """The host's command, where one was built."""
    command = os.environ.get("PVT_CLI")
    if command:
        words = [command, "disk", "grow", f"unix:{vm.agent_socket}", "/mnt/pvtgpt", "--dry-run"]
        seen["table"] = subprocess.run(words, capture_output=True, text=True, timeout=120,
                                       check=False)
        seen["json"] = subprocess.run([*words, "-o", "json"], capture_output=True, text=True,
                                      timeout=120, check=False)


def write_file(line, path):
    handle = line.ask("guest-file-open", path=path, mode="w")
    line.ask("guest-file-close", handle=handle)


def play(vm):
    vm.wait_agent()
    wait_for(vm, "done", 300)
    with vm.line() as line:
        line.sync()
        seen["before"] = grow_all(line)
        if not ON_VMM:
            seen["nvme"] = line.ask("pvt-disk-grow", mountpoint="/mnt/nvme")
        for number, (_, _, before, after) in enumerate(DISKS):
            if after != before:
                vm.resize_disk(number, after * MIB)
        seen["dry"] = grow_all(line, **{"dry-run": True})
    ask_cli(vm)
    with vm.line() as line:
        line.sync()
        seen["grown"] = grow_all(line)
        seen["again"] = grow_all(line)
        seen["by device"] = line.ask("pvt-disk-grow", device=seen["grown"]["pvtlvm"]["device"])
        node = "/dev/disk/by-id/virtio-pvtbtb"
        seen["two"] = line.ask("pvt-disk-grow", device=node, timeout=300)
        seen["volumes"] = line.ask("pvt-disk-grow", mountpoint="/mnt/volumes/", timeout=300)
        seen["ahead"] = line.ask("pvt-disk-grow", mountpoint="/mnt/ahead", timeout=300)
        ask_refusals(line, seen["grown"]["pvtgpt"]["device"])
        write_file(line, "/run/pvt-grow-verify")
        wait_for(vm, "verified", 300)
        seen["console"] = console(vm)
        line.send(line.request("guest-shutdown"))
    vm.wait_exit()
    for number, (name, *_) in enumerate(DISKS):
        seen[f"image {name}"] = read_tables(vm.directory / f"disk{number}.img", name)


def read_tables(path, name):
    """What a firmware looks at: header and backup, with their entries."""
    sector = 4096 if name == "pvt4k" else 512
    size = path.stat().st_size
    with path.open("rb") as file:
        def header(lba):
            file.seek(lba * sector)
            raw = bytearray(file.read(sector)[:92])
            crc, raw[16:20] = bytes(raw[16:20]), bytes(4)
            place, other, first, last = struct.unpack_from("<QQQQ", raw, 24)
            entries, count, length, entries_crc = struct.unpack_from("<QIII", raw, 72)
            valid = raw[:8] == b"EFI PART" and crc == struct.pack("<I", zlib.crc32(bytes(raw)))
            if valid:
                file.seek(entries * sector)
                valid = zlib.crc32(file.read(count * length)) == entries_crc
            return {"valid": valid, "place": place, "other": other, "last": last}
        return {"sectors": size // sector, "primary": header(1), "backup": header(size // sector - 1)}


def learn():
    """One boot; everything that was asked and answered."""
    if "tried" in seen:
        check("image pvtgpt" in seen, "the guest was not set up; see the first failure")
        return seen
    seen["tried"] = True
    kernel, initrd, disk = debian.image(find_agent(), full_kernel=True)
    with tempfile.TemporaryDirectory(prefix="pvt-grow-") as directory:
        own = pathlib.Path(directory) / "disk.img"
        add_script(disk, own)
        machine = VM(kernel, initrd, own)
        for number, (_, device, size, _) in enumerate(DISKS):
            machine.add_disk(number, device, size * MIB)
        if not ON_VMM:
            # The controller comes before what hangs on it. As most SCSI, it tells nobody.
            machine.arguments[1:1] = ["-device", "virtio-scsi-pci,id=scsi0,param_change=off"]
        with machine as vm:
            play(vm)
    return seen


def steps(answer):
    return {step["kind"]: step for step in answer["steps"]}


def test_nothing_to_do_before_the_disk_grows():
    for name, answer in learn()["before"].items():
        check(not any(step["changed"] for step in answer["steps"]), f"{name}: {answer}")
        check("did not grow" in answer["note"], f"{name}: {answer}")
        equal(answer["size-before"], answer["size-after"], name)


def test_names_of_nvme():
    needs("controllers")
    answer = learn()["nvme"]
    check(not any(step["changed"] for step in answer["steps"]) and "did not grow" in answer["note"], answer)
    equal(answer["size-before"], answer["size-after"], "size")
    equal([step["target"] for step in answer["steps"]], ["/dev/nvme0n1", "/dev/nvme0n1p1", "/mnt/nvme"], "NVMe")


def test_dry_run_tells_what_comes():
    for name, dry in learn()["dry"].items():
        real = seen["grown"][name]
        check(dry["size-after"] > dry["size-before"], f"{name}: {dry}")
        equal(dry["size-before"], real["size-before"], f"{name}: before")
        equal(dry["size-after"], real["size-after"], f"{name}: after")
        for step in dry["steps"][1:]:
            equal(step, steps(real)[step["kind"]], f"{name}: step")


def grown(name, kinds, wanted):
    """The answer for a disk; @wanted: its smallest size in MiB."""
    answer = learn()["grown"][name]
    equal([step["kind"] for step in answer["steps"]], kinds, "steps")
    for step in answer["steps"][1:]:
        check(step["changed"] and step["after"] > step["before"], f"{name}: {step}")
    check(answer["size-after"] >= wanted * MIB, f"{name}: {answer}")
    equal(answer["steps"][0]["after"] // MIB, dict((d[0], d[3]) for d in DISKS)[name], "the disk")
    return answer


def test_gpt_and_ext4():
    answer = grown("pvtgpt", ["rescan", "partition", "filesystem"], 174)
    equal(answer["type"], "ext4", "type")
    equal(answer["mountpoint"], "/mnt/pvtgpt", "mountpoint")
    check(answer["device"].endswith("2"), answer)


def test_mbr_and_xfs():
    equal(grown("pvtmbr", ["rescan", "partition", "filesystem"], 698)["type"], "xfs", "type")


def test_scsi_is_told_to_look():
    needs("controllers")
    rescan = steps(learn()["dry"]["pvtmbr"])["rescan"]
    check(rescan["changed"], f"the kernel knew before it was told to look: {rescan}")


def test_btrfs_without_partitions():
    equal(grown("pvtbtr", ["rescan", "filesystem"], 320)["type"], "btrfs", "type")


def test_gpt_lvm_and_ext4():
    answer = grown("pvtlvm", ["rescan", "partition", "pv", "lv", "filesystem"], 380)
    equal(answer["device"], "/dev/mapper/pvtvg-pvt--lv", "device")
    equal(steps(answer)["lv"]["after"], steps(answer)["pv"]["after"], "the volume has all of it")


def test_large_sectors():
    needs("large-sectors")
    equal(grown("pvt4k", ["rescan", "partition", "filesystem"], 190)["type"], "ext4", "type")


def test_one_device_of_a_btrfs_on_two():
    answer = learn()["two"]
    equal((answer["size-before"], answer["size-after"]), (128 * MIB, 320 * MIB), answer)
    equal([step["kind"] for step in answer["steps"]], ["rescan", "filesystem"], "steps")


def test_volume_on_two_physical_volumes():
    answer = learn()["volumes"]
    equal([(step["kind"], step["changed"]) for step in answer["steps"]],
          [("rescan", False), ("partition", False), ("pv", False), ("rescan", False), ("pv", True),
           ("lv", True), ("filesystem", True)], "steps")
    check("partition 2 stands behind it" in answer["note"], answer)
    check(answer["size-after"] - answer["size-before"] >= 44 * MIB, answer)


def test_kernel_behind_the_table():
    found = steps(learn()["ahead"])
    equal((found["partition"]["before"], found["partition"]["after"] > 24 * MIB),
          (24 * MIB, True), found)
    check(found["filesystem"]["changed"], found)


def test_again_is_nothing():
    for name, answer in learn()["again"].items():
        check(not any(step["changed"] for step in answer["steps"]), f"{name}: {answer}")
        equal(answer["size-after"], seen["grown"][name]["size-after"], name)
    equal(learn()["by device"], seen["again"]["pvtlvm"], "by device")


def test_refusals_say_why():
    said = learn()["refusals"]
    words = {
        "nothing mounted": "nothing is mounted at '/nowhere'",
        "tmpfs": "/run is a filesystem of type tmpfs: only ext4, xfs and btrfs can be grown",
        "both": "exactly one of",
        "neither": "exactly one of",
        "no device": "/dev/nothing: No such file",
        "a file": "/etc/passwd is no block device",
        "not last": "partition 1 is not the last one: partition 2 stands behind it",
        "not mounted": "no filesystem is mounted from",
        "read-only": "/mnt/first is mounted read-only",
        "logical": "partition 5 is a logical one inside an extended partition",
        "crypt": "/dev/mapper/pvtplain is a device-mapper device of kind CRYPT",
        "small btrfs": "resizes a btrfs to 256 MiB or more",
        "which of two": "the btrfs at /mnt/two lies on 2 devices",
    }
    for case, word in words.items():
        check(word in said[case], f"{case}: {said[case]}")


def test_the_guest_found_everything_whole():
    lines = [line.split("pvt-test-grow: ", 1)[1].strip() for line in learn()["console"].splitlines()
             if "pvt-test-grow: " in line]
    bad = [line for line in lines if line.startswith("BAD")]
    check(not bad, "\n".join(bad))
    equal(len([line for line in lines if line.startswith("ok ")]), CHECKS, "\n".join(lines))


def test_both_gpts_on_the_images_are_whole():
    for name in (name for name in GROWN if name not in ("pvtmbr", "pvtbtr")):
        image = learn()[f"image {name}"]
        last = image["sectors"] - 1
        check(image["primary"]["valid"] and image["backup"]["valid"], f"{name}: {image}")
        equal((image["primary"]["place"], image["primary"]["other"]), (1, last), f"{name}: primary")
        equal((image["backup"]["place"], image["backup"]["other"]), (last, 1), f"{name}: backup")


def test_the_hosts_command():
    learn()
    if "table" not in seen:
        raise tap.Skip("PVT_CLI names no pvtools")
    check(seen["table"].returncode == 0 and "would grow" in seen["table"].stdout, seen["table"])
    equal(json.loads(seen["json"].stdout), seen["dry"]["pvtgpt"], seen["json"].stderr)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
