#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian guest saves its memory to its swap, is off, and goes on in another machine."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import tap
from agent import find_agent
from shell import PATIENCE, sh
from tap import check, equal
from test_debian import pvtools
from vm import ON_VMM, VM, needs

SWAP = 768 << 20
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Guest(VM):
    """Its disks outlive it: another may go on with them."""

    def __init__(self, disks):
        kernel, initrd, base = debian.image(find_agent())
        root, swap = pathlib.Path(disks, "root.raw"), pathlib.Path(disks, "swap.raw")
        if not root.exists():
            subprocess.run(["cp", "--reflink=auto", "--sparse=always", base, root], check=True)
            with swap.open("wb") as file:
                file.truncate(SWAP)
            # Without it the initial RAM disk would wait for it at the first boot.
            subprocess.run(["mkswap", "-q", swap], check=True, env=dict(os.environ, PATH=PATH))
        # Without S4, as under our VMM, a Linux saves itself and is off as after any shutdown.
        states = [] if ON_VMM else ["-global", "ICH9-LPC.disable_s3=0", "-global", "ICH9-LPC.disable_s4=0"]
        super().__init__(kernel, initrd, memory=512, append="root=/dev/vda rw resume=/dev/vdb", devices=states)
        self.keep_disk("root", root)
        self.keep_disk("swap", swap)

    def marks(self):
        """What another boot would not have."""
        with self.line(timeout=120) as line:
            line.sync()
            return line.ask("pvt-get-uptime")["boot-id"], sh(line, "cat /run/mark").strip()

    def clock_is_right(self):
        deadline = time.monotonic() + 60 * PATIENCE
        while True:
            with self.line() as line:
                line.sync()
                off = line.ask("guest-get-time") / 1e9 - time.time()
            if abs(off) < 2:
                return
            check(time.monotonic() < deadline, f"the guest's clock is {off:.1f} s off")
            time.sleep(1)


def prepare(vm):
    vm.wait_agent(300)
    with vm.line(timeout=120) as line:
        sh(line, "swapon /dev/vdb && echo before the night > /run/mark\n"
                 "systemctl is-active systemd-logind || systemctl start systemd-logind")


def test_hibernation():
    with tempfile.TemporaryDirectory(prefix="pvt-hibernate-") as disks:
        with Guest(disks) as vm:
            prepare(vm)
            marks = vm.marks()
            done = json.loads(pvtools("suspend", vm.address, "--disk", "--wait", "--timeout", 180 * PATIENCE,
                                      "-o", "json"))
            equal(done, {"accepted": True, "by": "agent", "ended": True}, "answer")
            equal(vm.wait_exit(60), 0, "its runner's exit")
        with Guest(disks) as vm:
            vm.wait_agent(300)
            equal(vm.marks(), marks, "the same boot goes on")
            vm.clock_is_right()


def test_hybrid_sleep():
    needs("sleep")
    with tempfile.TemporaryDirectory(prefix="pvt-hibernate-") as disks, Guest(disks) as vm:
        prepare(vm)
        marks = vm.marks()
        check("is asleep" in pvtools("suspend", vm.address, "--hybrid", "--wait", "--timeout", "180"),
              "answer")
        equal(vm.monitor.command("query-status")["status"], "suspended", "QEMU's word")
        vm.monitor.command("system_wakeup")
        vm.wait_agent(300)
        equal(vm.marks(), marks, "it woke up from its RAM")
        vm.clock_is_right()


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
