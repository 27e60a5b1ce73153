#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian guest that was made for other hardware: it boots with drivers/linux, and
the doctor finds what is still wrong.

One guest, one story: the tests build on each other and run in their order.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import debian
import images
import tap
from agent import find_agent
from stock import sh
from tap import check, equal, note
from vm import VM

LINUX = HERE.parents[1] / "drivers/linux"
GIVEN_UP = "ALERT!  /dev/vda does not exist"


class Story:
    vm = None


def disk_with(files, target):
    """A copy of the guest's disk with more files: {path: (source, mode)}."""
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(debian.image(find_agent())[2]),
                    str(target)], check=True)
    lines = []
    for path, (source, mode) in files.items():
        lines += [f"write {source} {path}", f"set_inode_field {path} mode 0{0o100000 | mode:o}"]
    subprocess.run(["debugfs", "-w", "-f", "-", str(target)], input="\n".join(lines) + "\n", text=True,
                   check=True, capture_output=True)


def run(script, **keywords):
    with Story.vm.line(timeout=120) as line:
        return sh(line, script, **keywords)


def checkup(code=0):
    """{name: check} by the host's command."""
    report = json.loads(cli.expect(code, "checkup", f"unix:{Story.vm.agent_socket}", "-o", "json",
                                   timeout=240))
    return {entry["name"]: entry for entry in report["checks"]}


def state(checks, name):
    return checks[name]["state"]


def test_made_elsewhere_it_does_not_find_its_root():
    kernel, _, disk = debian.image(find_agent())
    with VM(kernel, images.of_other_hardware(hook=False), disk, "rootdelay=5") as vm:
        deadline = time.monotonic() + 240
        while GIVEN_UP not in vm.console.read_text(errors="replace"):
            check(vm.process.poll() is None and time.monotonic() < deadline,
                  "neither a root nor a complaint")
            time.sleep(0.3)
    note(GIVEN_UP)


def test_made_elsewhere_with_the_hook_it_boots():
    kernel, _, _ = debian.image(find_agent())
    place = tempfile.TemporaryDirectory(prefix="pvt-enablement-")
    Story.place = place
    disk = pathlib.Path(place.name) / "disk.img"
    disk_with({"/root/62-pvtools-virtio.rules": (LINUX / "62-pvtools-virtio.rules", 0o644),
               "/root/unhooked.img": (images.of_other_hardware(hook=False), 0o600)}, disk)
    vm = VM(kernel, images.of_other_hardware(hook=True), disk)
    Story.vm = vm.__enter__()
    vm.wait_agent(420)
    check("ext4" in run("findmnt -n / || grep ' / ' /proc/mounts"), "the root")


def test_checkup_of_a_plain_guest():
    text = cli.expect(0, "checkup", f"unix:{Story.vm.agent_socket}", timeout=240)
    note(text)
    lines = text.splitlines()
    check(lines[0].split() == ["STATE", "CHECK", "FINDING"], lines[0])
    got = {line.split()[1]: line for line in lines[1:] if not line.startswith(" ")}
    for name in ("drivers", "status", "virtio-version", "rings", "net-model", "net-link", "disk-flush", "channel",
                 "interrupts", "initrd"):
        check(got[name].startswith("pass "), got[name])
    # The test's fstab has /dev/vda; there are two CPUs and one queue.
    for name, word in (("disk-tuning", "vda: scheduler"), ("disk-tuning", "counts as rotating"),
                       ("disk-names", "/dev/vda"), ("net-queues", "1 queue for 2 CPUs")):
        check(got[name].startswith("WARN ") and word in got[name], got[name])
    for above, line in zip(lines, lines[1:]):
        check(line.startswith(" " * 8 + " ") == above.startswith(("WARN", "FAIL")), f"{above}\n{line}")


def test_the_rules_tune_the_disk():
    got = run("cd /sys/block/vda/queue; cat rotational\n"
              "cp /root/62-pvtools-virtio.rules /etc/udev/rules.d/; udevadm control --reload\n"
              "udevadm trigger --action=add --subsystem-match=block --sysname-match='vd*'\n"
              "udevadm trigger --action=add --subsystem-match=clocksource; udevadm settle --timeout=60\n"
              "cat scheduler rotational add_random").split("\n")
    equal(got[0], "1", "rotational before")
    check(got[1].startswith("[none]"), got)
    equal(got[2:4], ["0", "0"], "rotational and add_random")
    checks = checkup()
    equal(state(checks, "disk-tuning"), "pass", checks["disk-tuning"])
    check("scheduler none, serial pvtroot" in checks["disk-tuning"]["finding"], checks["disk-tuning"])


def test_they_can_be_left_out():
    """A file of the same name decides in place of the package's."""
    run("mv /etc/udev/rules.d/62-pvtools-virtio.rules /usr/lib/udev/rules.d/\n"
        "ln -s /dev/null /etc/udev/rules.d/62-pvtools-virtio.rules; udevadm control --reload\n"
        "echo 1 > /sys/block/vda/queue/rotational\n"
        "udevadm trigger --action=add --subsystem-match=block --sysname-match='vd*'; udevadm settle --timeout=60\n"
        "grep -q 1 /sys/block/vda/queue/rotational\n"
        "rm /etc/udev/rules.d/62-pvtools-virtio.rules")


def test_a_next_boot_that_would_fail_is_found():
    run("cp /root/unhooked.img /boot/initrd.img-$(uname -r); sync")
    checks = checkup(30)
    equal(state(checks, "initrd"), "fail", checks["initrd"])
    check("virtio_pci, virtio_blk, virtio_scsi" in checks["initrd"]["finding"], checks["initrd"])
    check("update-initramfs" in checks["initrd"]["remedy"], checks["initrd"])


def test_doctor_in_the_guest():
    text = run("pvtools-agent --doctor", code=2)
    check("FAIL  initrd" in text and "-> install pvtools-agent-drivers" in text, text)
    check("text or json" in run("pvtools-agent --doctor=xml", code=1), "a wrong form")


def test_grow_at_a_prompt():
    check("/: " in run("pvtools-agent --grow /"), "the root")
    check("nothing is mounted" in run("pvtools-agent --grow /nowhere", code=1), "no mount")


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if Story.vm:
            Story.vm.__exit__(None, None, None)
            Story.place.cleanup()
