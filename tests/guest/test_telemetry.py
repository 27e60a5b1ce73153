#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events of a real Debian guest, through the virtio-serial port and `pvtools watch`."""

import json
import pathlib
import queue
import signal
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import debian
import tap
from agent import find_agent
from shell import sh
from tap import check, equal, note
from vm import VM

TIMEOUT = 180
guest = {}


class Watch:
    """`pvtools watch -o json`, whose events are kept."""

    def __init__(self, address, *words):
        self.process = cli.start("watch", "-o", "json", address, *words)
        self.events = []
        self.news = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.news.put(json.loads(line))
        self.news.put(None)

    def next(self, deadline):
        event = self.news.get(timeout=max(deadline - time.monotonic(), 0.01))
        check(event is not None, f"watch ended: {self.process.poll()}")
        self.events.append(event)
        return event

    def wait(self, name, **members):
        """The next event of that name with these members."""
        deadline = time.monotonic() + TIMEOUT
        seen = []
        while True:
            try:
                event = self.next(deadline)
            except queue.Empty:
                raise AssertionError(f"no {name} {members}; came: {seen}") from None
            if event["event"] != name:
                continue
            body = event[name]
            seen.append(body)
            if all(body.get(key.replace("_", "-")) == value for key, value in members.items()):
                return body

    def either_order(self, *wanted):
        """The events (name, members) that come in any order, as the kernel and systemd tell them."""
        deadline = time.monotonic() + TIMEOUT
        found = [None] * len(wanted)
        while None in found:
            try:
                event = self.next(deadline)
            except queue.Empty:
                raise AssertionError(f"not all of {wanted}: {found}") from None
            for i, (name, members) in enumerate(wanted):
                if event["event"] == name and members.items() <= event[name].items():
                    found[i] = event[name]
        return found

    def close(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


def watch_all(machine):
    """Its first heartbeat."""
    guest["watch"] = Watch(f"unix:{machine.extended_socket}", "--heartbeat", "1", "--full-percent", "80", "--timeout", "60")
    return guest["watch"].wait("heartbeat", sequence=1)


def vm():
    if not guest:
        machine = VM(*debian.image(find_agent()), memory=768,
                     disks=[("virtio-blk-pci,drive={drive},serial=data", 64 << 20)])
        guest["vm"] = machine.__enter__()
        machine.wait_agent(timeout=600)
        with machine.line() as line:
            # Boot is over: what it still does would come in between.
            sh(line, "systemctl is-system-running --wait || true", timeout=TIMEOUT)
            # utmp is there where somebody has ever logged in.
            sh(line, "touch /run/utmp")
        note(f"boot {watch_all(machine)['boot-id']}")
    return guest["vm"], guest["watch"]


def run(command):
    with vm()[0].line() as line:
        return sh(line, command, timeout=TIMEOUT)


def test_addresses():
    _, watch = vm()
    run("ip addr add 10.99.7.1/24 dev $(ls /sys/class/net | grep -v lo | head -1)")
    added = watch.wait("address", address="10.99.7.1")
    equal((added["prefix"], added["added"]), (24, True), "added")
    run("ip addr del 10.99.7.1/24 dev $(ls /sys/class/net | grep -v lo | head -1)")
    equal(watch.wait("address", address="10.99.7.1")["added"], False, "removed")


def test_a_link_goes_down():
    _, watch = vm()
    run("ip link add pvt0 type veth peer name pvt1 && ip link set pvt0 up && ip link set pvt1 up")
    watch.wait("link", interface="pvt0", present=True, up=True, carrier=True)
    run("ip link set pvt1 down")
    watch.wait("link", interface="pvt0", present=True, up=True, carrier=False)
    run("ip link del pvt0")
    watch.wait("link", interface="pvt0", present=False)


def test_the_host_pulls_the_cable():
    machine, watch = vm()
    name = run("ls /sys/class/net | grep -v lo | head -1").strip()
    machine.monitor.command("set_link", name="net0", up=False)
    watch.wait("link", interface=name, up=True, carrier=False)
    machine.monitor.command("set_link", name="net0", up=True)
    watch.wait("link", interface=name, up=True, carrier=True)


def test_mounts_and_a_full_filesystem():
    _, watch = vm()
    run("disk=$(lsblk -no NAME,SERIAL | awk '$2 == \"data\" { print $1 }'); mke2fs -q -t ext4 -F /dev/$disk && "
        "mkdir -p /mnt/data && mount /dev/$disk /mnt/data")
    mounted = watch.wait("mount", mountpoint="/mnt/data", mounted=True)
    equal((mounted["type"], mounted["read-only"]), ("ext4", False), "what")
    run("dd if=/dev/zero of=/mnt/data/big bs=1M count=100 2>/dev/null || true")
    full = watch.wait("filesystem", mountpoint="/mnt/data", nearly_full=True)
    check(full["used-share"] > 0.8, full)
    run("rm /mnt/data/big; sync")
    equal(watch.wait("filesystem", mountpoint="/mnt/data")["nearly-full"], False, "room again")
    run("mount -o remount,ro /mnt/data")
    watch.wait("mount", mountpoint="/mnt/data", mounted=True, read_only=True)
    run("umount /mnt/data")
    watch.wait("mount", mountpoint="/mnt/data", mounted=False)


def test_a_unit_fails():
    _, watch = vm()
    run("systemd-run --unit=pvt-broken false")
    failed = watch.wait("unit", unit="pvt-broken.service")
    equal(failed["state"], "failed", "state")
    # Once for each failure.
    run("systemctl reset-failed pvt-broken; systemd-run --unit=pvt-broken false")
    watch.wait("unit", unit="pvt-broken.service", state="failed")


def test_an_oom_kill():
    _, watch = vm()
    run("systemd-run --unit=pvt-hog -p MemoryMax=20M -p MemorySwapMax=0 tail /dev/zero")
    killed, _ = watch.either_order(("oom-kill", {"process": "tail"}),
                                   ("unit", {"unit": "pvt-hog.service", "state": "failed"}))
    check(killed["cgroup"] and killed["pid"] > 1, killed)


def test_the_kernels_log():
    _, watch = vm()
    # What an out-of-memory kill writes uses the rate up; after this it is whole again.
    run("sleep 12; echo '<3>pvt-test error' > /dev/kmsg; echo '<6>pvt-test information' > /dev/kmsg; "
        "printf '<4>pvt-test \\033[31mred\\n' > /dev/kmsg")
    first = watch.wait("kernel", text="pvt-test error")
    equal((first["level"], first["from-kernel"]), ("error", False), "an error")
    second = watch.wait("kernel", level="warning", text="pvt-test \x1b[31mred")
    check(second["sequence"] > first["sequence"], second)
    # A flood is cut, and that is said.
    run("for i in $(seq 400); do echo \"<3>pvt-flood $i\" > /dev/kmsg; done; sleep 8; echo '<3>pvt-after' > /dev/kmsg")
    deadline, flood = time.monotonic() + TIMEOUT, 0
    while (body := watch.wait("kernel"))["text"] != "pvt-after":
        flood += body["text"].startswith("pvt-flood")
        check(time.monotonic() < deadline, "no end of the flood")
    check(0 < flood < 200, f"{flood} of 400")
    note(f"{flood} lines of 400 told, {body.get('suppressed')} said to be left out before the last")


def test_users():
    _, watch = vm()
    run("python3 --version >/dev/null 2>&1; systemd-run --unit=pvt-login -p UtmpIdentifier=pts9 -p UtmpMode=user "
        "-p User=root sleep 300")
    users = watch.wait("users")
    equal((users["users"], users["total"]), (["root"], 1), "somebody is there")
    run("systemctl stop pvt-login")
    equal(watch.wait("users")["total"], 0, "nobody is there")


def test_users_without_utmp():
    """As Debian 13 is: logind's sessions count, of people alone."""
    machine, watch = vm()
    watch.close()  # the channel is for one
    # This guest has no PAM module that would make a session: the files are as logind writes them.
    session = "printf 'UID=%s\\nUSER=x\\nACTIVE=1\\nSTATE=%s\\nTYPE=tty\\nCLASS=%s\\n' "
    run("mv /run/utmp /run/utmp.away; mkdir -p /run/systemd/sessions")
    watch = Watch(f"unix:{machine.extended_socket}", "--heartbeat", "1", "-e", "users", "--timeout", "60")
    try:
        watch.wait("heartbeat", sequence=1)

        def write(name, *words):
            run(session + " ".join(words) + f" > /run/systemd/.{name} && mv /run/systemd/.{name} /run/systemd/sessions/{name}")
        write("c1", "0", "active", "greeter")
        write("c2", "0", "active", "user")
        equal(watch.wait("users"), {"users": ["root"], "total": 1}, "a person, and no greeter")
        with machine.line() as line:
            equal([user["user"] for user in line.ask("guest-get-users")], ["root"], "the command says the same")
        write("c2", "0", "closing", "user")
        equal(watch.wait("users")["total"], 0, "one that has gone")
    finally:
        watch.close()
        run("rm -f /run/systemd/sessions/c1 /run/systemd/sessions/c2; mv /run/utmp.away /run/utmp")
        watch_all(machine)


def test_frozen():
    """The heartbeat goes on and says so; nobody asks a frozen filesystem anything."""
    machine, watch = vm()
    cli.expect(0, "freeze", f"unix:{machine.agent_socket}", "--timeout", "60")
    beat = watch.wait("heartbeat", frozen=True)
    watch.wait("heartbeat", frozen=True, sequence=beat["sequence"] + 2)
    cli.expect(0, "thaw", f"unix:{machine.agent_socket}", "--timeout", "60")
    watch.wait("heartbeat", frozen=False)


def test_zz_shutdown():
    machine, watch = vm()
    cli.expect(0, "shutdown", f"unix:{machine.agent_socket}", "--timeout", "60")
    equal(watch.wait("shutdown"), {"reason": "poweroff", "by-host": True}, "why")
    machine.wait_exit(TIMEOUT)


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if guest:
            guest["watch"].process.kill()
            guest["vm"].__exit__(None, None, None)
