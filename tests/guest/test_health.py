#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of a guest is told rightly, and nothing that is not so in between."""

import json
import os
import pathlib
import re
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import tap
from shell import sh
from tap import Skip, check, equal
from watch import Watch
from vm import needs
from watched import machine

DISK = [("virtio-blk-pci,drive={drive},serial=health", 64 << 20)]


def watched(vm, *options):
    vm.wait_agent()
    return Watch(vm.address, *options)


def later(vm, script):
    """A script that begins in a second, and goes on when the agent that began it does not."""
    with vm.line() as line:
        line.sync()
        line.ask("guest-exec", path="/bin/sh", arg=["-c", f"sleep 1; {script}"])


def long_form(test):
    """One of those that tests/run --long has; what they are about, others have, too."""
    if os.environ.get("PVT_LONG"):
        return test

    def skipped():
        raise Skip("the long form only: tests/run --long")
    return skipped


# Until the host takes the network's cable out: a word to a guest without an agent.
UNTIL_TOLD = "while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.2; done"


def tell(vm):
    vm.monitor.command("set_link", name="net0", up=False)


def arm(vm):
    vm.monitor.command("set_link", name="net0", up=True)


def now(vm):
    done = cli.run("health", vm.address, "-o", "json", "--timeout", "20")
    return done.returncode, done.stdout


def test_pause_freeze_and_an_agent_that_goes():
    with machine(disks=DISK, append="pvt.mount") as vm, watched(vm) as watch:
        watch.expect("ok")
        vm.monitor.command("stop")
        watch.expect("ok", "paused")
        vm.monitor.command("cont")
        watch.expect("ok", "paused", "ok")
        with vm.line() as line:
            line.sync()
            line.ask("guest-fsfreeze-freeze")
        watch.expect("ok", "paused", "ok", "frozen")
        with vm.line() as line:
            line.sync()
            line.ask("guest-fsfreeze-thaw")
        seen = ["ok", "paused", "ok", "frozen", "ok"]
        watch.expect(*seen)
        # An agent that stands still, while the kernel does not.
        later(vm, f"pid=$(pidof agent); kill -STOP $pid; {UNTIL_TOLD}; kill -CONT $pid")
        equal(watch.expect(*(seen := [*seen, "agent-lost"])), "kernel-alive", "why")
        tell(vm)
        watch.expect(*(seen := [*seen, "ok"]))
        arm(vm)
        # One that is gone, until it is back.
        later(vm, f"mv /sbin/agent /sbin/away; kill -9 $(pidof agent); {UNTIL_TOLD}; mv /sbin/away /sbin/agent")
        equal(watch.expect(*(seen := [*seen, "agent-lost"])), "port-closed", "why")
        tell(vm)
        watch.expect(*(seen := [*seen, "ok"]))
        # One that is killed and started again at once is none that is lost.
        later(vm, "kill -9 $(pidof agent)")
        vm.wait_agent()
        equal(watch.states, seen, "states")


def test_a_panic_that_ends_the_machine():
    with machine() as vm, watched(vm) as watch:
        watch.expect("ok")
        later(vm, "echo c > /proc/sysrq-trigger")
        equal(watch.expect("ok", "panicked"), "panic-event", "why")
        vm.wait_exit(60)
        watch.process.terminate()
        equal(watch.process.wait(60), 27, "exit code")
        equal(watch.states, ["ok", "panicked"], "at the end")


def erst(directory):
    """What keeps a kernel's last words over a reset: a file behind ACPI's ERST."""
    path = directory / "erst"
    path.write_bytes(bytes(64 << 10))
    return ["-object", f"memory-backend-file,id=erst,mem-path={path},size=64K,share=on",
            "-device", "acpi-erst,memdev=erst"]


def crashes(directory):
    return json.loads(cli.expect(0, "crash", "list", "--crash-dir", directory, "-o", "json"))


def test_a_panic_that_the_watcher_answers_by_a_reset():
    """Once in an hour, and not twice; and what the guest wrote last is kept."""
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        kept = directory / "kept"
        with machine(*erst(directory), append="panic=0") as vm, \
                watched(vm, "--on-panic", "reset", "--limit", "1/1h", "--grace", "3", "--crash-dir", kept,
                        "--console", vm.console) as watch:
            watch.expect("ok")
            later(vm, "printf 'last words \\033[31m\\n' > /dev/console; echo c > /proc/sysrq-trigger")
            watch.expect("ok", "panicked", "rebooted", "ok")
            wait(lambda: crashes(kept)[0]["pstore-files"], "nothing of pstore was kept")
            crash, = crashes(kept)
            equal((crash["state"], crash["cause"]), ("panicked", "panic-event"), "crash")
            text = cli.expect(0, "crash", "show", crash["id"], "--crash-dir", kept)
            check("last words \\x1b[31m" in text and "\033" not in text, "the console's end")
            check("Kernel panic - not syncing: sysrq triggered crash" in text, "the panic's text")
            check(re.search(r"^--- dmesg-erst-\d+ ---$", text, re.M), "pstore")
            check("Panic#1 Part" in text, "what ERST kept")
            later(vm, "echo c > /proc/sysrq-trigger")
            watch.expect("ok", "panicked", "rebooted", "ok", "panicked")
            wait(lambda: len(watch.actions) == 2, "no second action was told")
            equal(watch.actions, [("reset", True), ("reset", False)], "actions")
            equal(len(crashes(kept)), 2, "crashes kept")


def wait(condition, what, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.1)


@long_form
def test_a_panic_that_the_guest_answers_by_a_reboot():
    with machine("-action", "panic=none") as vm, watched(vm) as watch:
        watch.expect("ok")
        later(vm, "echo c > /proc/sysrq-trigger")
        watch.expect("ok", "panicked", "rebooted", "ok")


def test_reboots_and_the_end():
    with machine() as vm, watched(vm) as watch:
        seen = ["ok"]
        watch.expect(*seen)
        with vm.line() as line:
            line.sync()
            line.send(line.request("guest-shutdown", mode="reboot"))
        watch.expect(*(seen := [*seen, "rebooted", "ok"]))
        vm.monitor.command("system_reset")
        watch.expect(*(seen := [*seen, "rebooted", "ok"]))
        later(vm, "echo b > /proc/sysrq-trigger")
        watch.expect(*(seen := [*seen, "rebooted", "ok"]))
        with vm.line() as line:
            line.sync()
            line.send(line.request("guest-shutdown"))
        watch.expect(*(seen := [*seen, "shut-down"]))
        vm.wait_exit(60)
        equal(watch.states, seen, "at the end")


def test_a_kernel_that_is_halted():
    """All processors halted without interrupts: nothing will ever wake them."""
    needs("registers")
    with machine(smp="2") as vm, watched(vm, "--on-hang", "run:echo $PVT_HEALTH_STATE $PVT_HEALTH_CAUSE >&2") as watch:
        watch.expect("ok")
        later(vm, "halt -f")
        equal(watch.expect("ok", "guest-hung"), "kernel-dead", "why")
        wait(lambda: watch.actions == [("run", True)], "it is not told that the command was run")
        code, text = now_with_monitor_free(vm, watch)
        check(code == 26 and '"guest-hung"' in text, (code, text))


def now_with_monitor_free(vm, watch):
    watch.process.terminate()
    watch.process.wait(60)
    return now(vm)


def test_user_space_that_never_runs():
    """A real-time loop on the only processor: the kernel takes interrupts, and
    nothing else ever runs."""
    needs("registers")
    with machine() as vm, watched(vm, "--on-hang", "reset") as watch:
        watch.expect("ok")
        later(vm, "echo -1 > /proc/sys/kernel/sched_rt_runtime_us; exec chrt -f 99 sh -c 'while :; do :; done'")
        watch.expect("ok", "guest-hung", "rebooted", "ok")
        check(watch.changes[1]["cause"] in ("kernel-dead", "all-processors-busy"), watch.changes)
        equal(watch.actions, [("reset", True)], "actions")


def test_a_watchdog_that_bites():
    with machine("-action", "watchdog=reset") as vm, watched(vm) as watch:
        watch.expect("ok")
        later(vm, "watchdog -t 1 -T 3 /dev/watchdog; sleep 2; kill -STOP $(pidof watchdog)")
        watch.expect("ok", "guest-hung", "rebooted", "ok")
        equal(watch.changes[1]["cause"], "watchdog-event", "why")


@long_form
def test_memory_that_runs_out():
    """The greedy one is killed; the guest and its agent are well."""
    with machine() as vm, watched(vm) as watch:
        watch.expect("ok")
        later(vm, "echo 1 > /proc/sys/vm/overcommit_memory; sh -c 'x=xxxxxxxx; while :; do x=$x$x; done' 2> /dev/console; echo it has ended > /dev/console")
        wait(lambda: "it has ended" in vm.console.read_text(errors="replace"), "no end", 120)
        with vm.line() as line:
            line.sync()
            equal(sh(line, "grep oom_kill /proc/vmstat"), "oom_kill 1\n", "killed")
        equal(watch.states, ["ok"], "states")


@long_form
def test_a_channel_that_somebody_else_has():
    with machine() as vm, watched(vm) as watch:
        watch.expect("ok")
        with vm.line() as line:
            line.sync()
            for _ in range(10):
                line.ask("guest-ping")
                time.sleep(1)
        equal(watch.states, ["ok"], "states")


@long_form
def test_heartbeats_that_are_pushed():
    with machine(disks=DISK, append="pvt.mount") as vm, watched(vm, "--push") as watch:
        seen = ["ok"]
        watch.expect(*seen)
        with vm.line() as line:
            line.sync()
            line.ask("guest-fsfreeze-freeze")
            watch.expect(*(seen := [*seen, "frozen"]))
            line.ask("guest-fsfreeze-thaw")
        watch.expect(*(seen := [*seen, "ok"]))
        later(vm, f"pid=$(pidof agent); kill -STOP $pid; {UNTIL_TOLD}; kill -CONT $pid")
        equal(watch.expect(*(seen := [*seen, "agent-lost"])), "kernel-alive", "why")
        tell(vm)
        watch.expect(*(seen := [*seen, "ok"]))
        vm.monitor.command("system_reset")
        watch.expect(*(seen := [*seen, "rebooted", "ok"]))


@long_form
def test_the_stock_agent():
    with machine(agent="/usr/sbin/qemu-ga") as vm, watched(vm) as watch:
        seen = ["ok"]
        watch.expect(*seen)
        later(vm, f"pid=$(pidof agent); kill -STOP $pid; {UNTIL_TOLD}; kill -CONT $pid")
        equal(watch.expect(*(seen := [*seen, "agent-lost"])), "kernel-alive", "why")
        tell(vm)
        watch.expect(*(seen := [*seen, "ok"]))
        vm.monitor.command("system_reset")
        watch.expect(*(seen := [*seen, "rebooted", "ok"]))
        later(vm, "echo c > /proc/sysrq-trigger")
        watch.expect(*(seen := [*seen, "panicked"]))


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
