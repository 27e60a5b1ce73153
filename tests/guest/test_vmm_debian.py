#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole Debian under pvtools-vmm on every machine: its own initial RAM disk, its root on a
disk, systemd to a login. One boot for all: what test_debian asks of it, quiesced,
snapshotted, and shut down; its disk is looked at after each.

PVT_LONG=1 reboots it in the same process, too."""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

os.environ["PVT_MACHINE"] = "vmm"  # before anybody asks for a machine

import cli
import debian
import tap
import test_debian
from agent import find_agent
from shell import PATIENCE, sh
from tap import Skip, check, equal, note
from test_debian import pvtools
from vm import VM

BOOT = 120 * PATIENCE
# Of test_debian, in every run.
SHARED = ["osinfo_is_the_distribution", "disks_where_qemu_put_them", "filesystem_figures",
          "the_service_is_systemds"]
guest = test_debian.guest
tried = []


def vm():
    """One boot, also for test_debian's, which is not tried again when it fails."""
    if not guest:
        check(not tried, "it did not boot, or has ended")
        tried.append(True)
        machine = VM(*debian.image(find_agent()), copies=True,
                     disks=[("virtio-blk-pci,drive={drive},serial=data1,id=data", 128 << 20)])
        guest["vm"] = machine.__enter__()
        machine.wait_agent()
    return guest["vm"]


test_debian.vm = vm


def run(script):
    with vm().line(timeout=120) as line:
        line.sync()
        return sh(line, script)


def tools(*words, code=0):
    """e2fsprogs of this machine on a file that came from where our VMM runs."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False,
                          env=dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin"))
    equal(done.returncode, code, f"{words}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def is_clean(image):
    """Every structure of it, and nothing to be replayed from its journal."""
    head = tools("dumpe2fs", "-h", image)
    check("needs_recovery" not in head and "Filesystem state:         clean" in head, head)
    tools("e2fsck", "-fn", image)


def test_it_boots_to_its_agent():
    note(pvtools("info", f"unix:{vm().agent_socket}"))
    note(pvtools("df", f"unix:{vm().agent_socket}"))


def test_quiesce():
    done = cli.run("quiesce", vm().address, "--", "echo", "still", timeout=BOOT)
    equal((done.returncode, done.stdout), (0, "still\n"), done.stderr)
    note(done.stderr)
    check("consistent, 1 filesystem" in done.stderr, done.stderr)


def test_snapshot():
    """All disks as of one freeze: what was written before is there, what came after is not."""
    machine = vm()
    to = machine.store / "snapshot"
    to.mkdir(parents=True)
    machine.place.sh(f"mkdir -p {to}")
    run("echo before > /root/mark")
    report = json.loads(pvtools("snapshot", machine.address, "--to", to, "-o", "json"))
    run("echo behind > /root/mark; sync")
    disks = report["guests"][0]["disks"]
    note(f"{report['verdict']}: {[disk['disk'] for disk in disks]}")
    equal((report["verdict"], [disk["inside-the-freeze"] for disk in disks]), ("consistent", [True, True]), report)
    copy = machine.directory / "copy.img"
    machine.place.get(pathlib.Path(disks[0]["snapshot"]), copy)
    is_clean(copy)
    equal(tools("debugfs", "-R", "cat /root/mark", copy), "before\n", "what was frozen")
    copy.unlink()


def test_a_login():
    """On its console, which getty has when the boot is over."""
    deadline = time.monotonic() + BOOT
    while "login:" not in vm().console.read_text(errors="replace"):
        check(time.monotonic() < deadline, vm().console.read_text(errors="replace")[-600:])
        time.sleep(0.5)


def test_reboot():
    if not os.environ.get("PVT_LONG"):
        raise Skip("a boot more; with PVT_LONG=1")
    note(pvtools("reboot", vm().address, "--wait", "--timeout", BOOT))


def test_shutdown():
    machine = vm()
    done = json.loads(pvtools("shutdown", machine.address, "--wait", "--timeout", BOOT, "-o", "json"))
    equal(done, {"accepted": True, "by": "agent", "ended": True}, "answer")
    equal(machine.wait_exit(), 0, "our VMM's exit")
    check("Power down" in machine.console.read_text(errors="replace"), machine.console.read_text(errors="replace")[-600:])
    left = machine.directory / "left.img"
    machine.place.get(machine.store / machine.drives[0].name, left)
    is_clean(left)


def close():
    if guest:
        guest.pop("vm").__exit__(None, None, None)


def main():
    own = {name: value for name, value in globals().items() if name.startswith("test_") and callable(value)}
    first = own.pop("test_it_boots_to_its_agent")
    shared = {f"test_{name}": getattr(test_debian, f"test_{name}") for name in SHARED}
    try:
        tap.main({"test_it_boots_to_its_agent": first, **shared, **own}, sys.argv[1:])
    finally:
        close()


if __name__ == "__main__":
    main()
