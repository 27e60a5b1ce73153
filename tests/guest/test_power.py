#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""shutdown, reboot and suspend of the host's command, waited for to their end."""

import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import micro
import tap
from agent import find_agent
from shell import sh
from tap import check, equal
from test_debian import find_cli, pvtools
from vm import VM


def machine(*more):
    return VM(*micro.image(find_agent()), memory=256, devices=more)


def boot_id(vm):
    with vm.line() as line:
        return line.ask("pvt-get-uptime")["boot-id"]


def test_shutdown_is_waited_for_by_its_event():
    with machine() as vm:
        vm.wait_agent()
        done = json.loads(pvtools("shutdown", vm.address, "--wait", "--timeout", "90", "-o", "json"))
        equal(done, {"accepted": True, "by": "agent", "ended": True}, "answer")
        vm.monitor.wait_event("SHUTDOWN", 30)
        equal(vm.wait_exit(30), 0, "QEMU's exit")


def test_shutdown_is_waited_for_by_the_channel():
    with machine() as vm:
        vm.wait_agent()
        check("is off" in pvtools("shutdown", f"unix:{vm.agent_socket}", "--wait", "--timeout", "90"), "answer")
        equal(vm.wait_exit(30), 0, "QEMU's exit")


def test_reboot_is_over_when_another_boot_answers():
    for kind in ("qemu", "unix"):
        with machine() as vm:
            vm.wait_agent()
            first = boot_id(vm)
            where = vm.address if kind == "qemu" else f"unix:{vm.agent_socket}"
            check("is back" in pvtools("reboot", where, "--wait", "--timeout", "90"), kind)
            check(boot_id(vm) != first, f"{kind}: another boot")


def test_suspend_and_wake_up():
    with machine("-global", "ICH9-LPC.disable_s3=0") as vm:
        vm.wait_agent()
        check("is asleep" in pvtools("suspend", vm.address, "--wait", "--timeout", "60"), "answer")
        equal(vm.monitor.command("query-status")["status"], "suspended", "QEMU's word")
        vm.monitor.command("system_wakeup")
        vm.wait_agent()


def wait_silent(vm, timeout=120):
    """Until no agent answers any more."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            with vm.line(timeout=3) as line:
                line.sync(int(time.monotonic() * 1e6) | 1)
        except (TimeoutError, EOFError, OSError):
            return
        time.sleep(0.5)
    raise AssertionError("the agent still answers")


def test_the_power_button_when_the_agent_is_gone():
    with VM(*debian.image(find_agent())) as vm:
        vm.wait_agent()
        with vm.line() as line:
            sh(line, "systemctl is-active systemd-logind || systemctl start systemd-logind")
            sh(line, "systemd-run --on-active=1 --timer-property=AccuracySec=100ms "
                     "systemctl stop pvtools-agent.service")
        wait_silent(vm)
        done = subprocess.run([find_cli(), "shutdown", vm.address, "--timeout", "3"],
                              capture_output=True, text=True, timeout=100, check=False)
        equal(done.returncode, 4, f"without the fallback: {done.stderr}")
        done = json.loads(pvtools("shutdown", vm.address, "--fallback", "acpi", "--wait", "--timeout",
                                  "120", "-o", "json"))
        equal(done, {"accepted": True, "by": "acpi", "ended": True}, "answer")
        equal(vm.wait_exit(60), 0, "QEMU's exit")


def test_an_end_that_does_not_come():
    with machine() as vm:
        vm.wait_agent()
        with vm.line() as line:
            sh(line, "printf '#!/bin/sh\\nexit 0\\n' > /sbin/shutdown")
        done = subprocess.run([find_cli(), "shutdown", vm.address, "--wait", "--timeout", "4"],
                              capture_output=True, text=True, timeout=100, check=False)
        equal(done.returncode, 4, done.stderr)
        check("not off" in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
