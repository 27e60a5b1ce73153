#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent's guest suite with pvtools-vmm for QEMU: the same programs, by PVT_MACHINE=vmm.

Some of it here, all of it with PVT_LONG=1. One program by hand:

  PVT_MACHINE=vmm tests/guest/test_micro.py
"""

import importlib
import os
import pathlib
import re
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

os.environ["PVT_MACHINE"] = "vmm"  # before anybody asks for a machine

import nested
import places
import tap
from tap import Skip, check, equal, note
from vm import VM

# The programs, and which of their tests are not left to PVT_LONG.
PROGRAMS = {
    "test_extended": ["exec", "cp_and_its_speed", "the_plain_port_beside_it"],
    "test_micro": ["disk_by_address_and_serial"],
    "test_power": ["shutdown_is_waited_for_by_its_event"],
    "test_clock": [],
    "test_health": [],
    "test_exporter_guest": [],
    "test_debian": [],
    "test_telemetry": [],
    "test_freeze": [],
}
# Those that are about something of QEMU's.
QEMUS = {
    "test_audit": "our devices in QEMU, by vhost-user",
    "test_faults": "our devices in QEMU, by vhost-user",
    "test_vhost_user": "our devices in QEMU, by vhost-user",
    "test_vhost_user_net": "our devices in QEMU, by vhost-user",
    "test_disks": "AHCI, NVMe and SCSI controllers",
    "test_grow": "NVMe and SCSI controllers",
    "test_enablement": "the firmware's tables of QEMU, a disk of other hardware",
    "test_hibernate": "the sleep states of a PC",
    "test_hotplug": "processors, memory and disks that are plugged in",
    "test_page": "two shared pages, whose files are on this machine",
    "test_snapshot": "overlays of QEMU; test_vmm and test_vmm_disks have our VMM's copies",
    "test_torture": "overlays of QEMU",
}
LONG = bool(os.environ.get("PVT_LONG"))


def uses_machines(path):
    text = path.read_text()
    return "from watched import" in text or ("from vm import" in text and re.search(r"\bVM\(|\(VM\)", text))


def test_every_program_is_in_one_list():
    """Who writes another says whether our VMM can run it."""
    found = {path.stem for path in HERE.glob("test_*.py") if uses_machines(path)} - {pathlib.Path(__file__).stem}
    equal(found, set(PROGRAMS) | set(QEMUS), "programs with machines")
    equal(set(PROGRAMS) & set(QEMUS), set(), "programs in both")


def test_directly_on_this_machines_kvm():
    """No Linux, which a KVM that only interprets does not run; the machine's handling is the same."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory() as name:
        payload = nested.build_payload(pathlib.Path(name) / "board.elf")
        machine = VM(payload, payload, memory=16, smp="1", network=False, paused=True, place=places.Here())
        machine.second_monitor()
        with machine as vm:
            equal(vm.monitor.command("query-status")["status"], "paused", "status")
            check(all(path.is_socket() for path in (vm.agent_socket, vm.extended_socket, vm.second)), "sockets")
            vm.monitor.command("cont")
            deadline = time.monotonic() + 60
            while not vm.console.read_text():
                check(time.monotonic() < deadline, "it says nothing")
                time.sleep(0.05)
        check(vm.process.poll() is not None and not vm.directory.exists(), "it is still there")


def close(module):
    """What a program keeps for all its tests."""
    guest = getattr(module, "guest", {})
    if "watch" in guest:
        guest.pop("watch").process.kill()
    if "vm" in guest:
        guest.pop("vm").__exit__(None, None, None)


def make(module, name, last):
    def test():
        try:
            getattr(module, f"test_{name}")()
        finally:
            if last:
                close(module)
    return test


def tests():
    """{name: function} of what is to run."""
    found = {}
    for program, chosen in PROGRAMS.items():
        module = importlib.import_module(program)
        names = [name[5:] for name in vars(module) if name.startswith("test_") and callable(getattr(module, name))]
        check(set(chosen) <= set(names), f"{program} has not got all of {chosen}")
        names = names if LONG else chosen
        for name in names:
            found[f"{program}_{name}"] = make(module, name, name == names[-1])
    return found


if __name__ == "__main__":
    own = {name: value for name, value in globals().items() if name.startswith("test_")}
    note(f"Linux runs in {'this machine' if places.has_kvm() else 'a nested guest'}")
    tap.main({**own, **tests()}, sys.argv[1:])
