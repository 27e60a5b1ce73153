#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh changes a Debian guest through our agent: every control verb it has."""

import json
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import base64

import debian
import tap
from agent import find_agent
from libvirt import Libvirt
from tap import check, equal, note

started = {}


def domain():
    if "domain" not in started:
        check("failed" not in started, "the domain did not start; see the first failure")
        started["failed"] = True
        machine = Libvirt(*debian.image(find_agent())).__enter__()
        started["domain"] = machine
        machine.wait_agent(240)
        del started["failed"]
    return started["domain"]


def virsh(verb, *words, **keywords):
    return domain().virsh(verb, domain().name, *words, **keywords)


def agent(name, **arguments):
    arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
    return json.loads(virsh("qemu-agent-command",
                            json.dumps({"execute": name, "arguments": arguments})))["return"]


def guest(script):
    """Output of a script in the guest."""
    pid = agent("guest-exec", path="/bin/sh", arg=["-c", script], capture_output="merged")["pid"]
    deadline = time.monotonic() + 60
    while not (status := agent("guest-exec-status", pid=pid))["exited"]:
        check(time.monotonic() < deadline, f"{script} does not end")
        time.sleep(0.1)
    return base64.b64decode(status.get("out-data", "")).decode()


def test_domfsfreeze_and_thaw():
    check("Froze 1" in virsh("domfsfreeze"), "freeze")
    equal(agent("guest-fsfreeze-status"), "frozen", "status")
    again = domain().virsh("domfsfreeze", domain().name, ok=False)
    check("frozen" in again.stderr, again.stderr)
    check("Thawed 1" in virsh("domfsthaw"), "thaw")
    check("Froze 1" in virsh("domfsfreeze", "--mountpoint", "/"), "freeze by list")
    check("Thawed 1" in virsh("domfsthaw"), "thaw")
    check("Thawed 0" in virsh("domfsthaw"), "thaw of nothing")


def test_domfstrim():
    virsh("domfstrim")


def test_domtime_sets_the_clock():
    virsh("domtime", "--time", "1700000000")
    check(abs(int(guest("date +%s")) - 1700000000) < 60, "set")
    rtc = guest("cat /sys/class/rtc/rtc0/since_epoch").strip()
    check(abs(int(rtc) - 1700000000) < 60, f"hardware clock {rtc}")
    virsh("domtime", "--now")
    check(abs(int(guest("date +%s")) - time.time()) < 60, "now")
    guest("date -s @1600000000")
    virsh("domtime", "--sync")
    check(abs(int(guest("date +%s")) - time.time()) < 60, "synced")


def test_setvcpus_in_the_guest():
    virsh("setvcpus", "1", "--guest")
    equal(guest("cat /sys/devices/system/cpu/online").strip(), "0", "online")
    virsh("setvcpus", "2", "--guest")
    equal(guest("cat /sys/devices/system/cpu/online").strip(), "0-1", "online")
    virsh("guestvcpus", "1", "--disable")
    equal(guest("cat /sys/devices/system/cpu/online").strip(), "0", "disabled")
    virsh("guestvcpus", "1", "--enable")
    bad = domain().virsh("guestvcpus", domain().name, "0", "--disable", ok=False)
    check("not offlinable" in bad.stderr, bad.stderr)


def shadow(user):
    return guest(f"grep ^{user}: /etc/shadow").split(":")[1]


def test_set_user_password():
    guest("useradd -m tester")
    before = shadow("tester")
    virsh("set-user-password", "tester", "pa55 wörd")
    hashed = shadow("tester")
    check(hashed.startswith("$") and hashed != before, hashed)
    given = "$6$saltsalt$" + "x" * 86
    virsh("set-user-password", "tester", given, "--encrypted")
    equal(shadow("tester"), given, "encrypted")
    bad = domain().virsh("set-user-password", domain().name, "nobody-here", "x", ok=False)
    check("nobody-here" in bad.stderr or "chpasswd" in bad.stderr, bad.stderr)
    journal = guest("journalctl -o cat -u pvtools-agent")
    check("guest-set-user-password" in journal, "the change is on record")
    check("pa55" not in journal and "saltsalt" not in journal, "a secret is in the journal")


def test_user_ssh_keys():
    file = domain().directory / "keys"
    file.write_text("ssh-ed25519 AAAAC3Nz one\nssh-ed25519 AAAAC3Nz two\n")
    equal(virsh("get-user-sshkeys", "tester").strip(), "", "none yet")
    virsh("set-user-sshkeys", "tester", "--file", str(file))
    # virsh 9.0 prints them without anything between.
    equal(virsh("get-user-sshkeys", "tester").replace("\n", ""), file.read_text().replace("\n", ""), "added")
    equal(guest("stat -c '%U %a' ~tester/.ssh ~tester/.ssh/authorized_keys").split(),
          ["tester", "700", "tester", "600"], "owner and mode")
    file.write_text("ssh-ed25519 AAAAC3Nz one\n")
    virsh("set-user-sshkeys", "tester", "--remove", "--file", str(file))
    equal(virsh("get-user-sshkeys", "tester").split(), ["ssh-ed25519", "AAAAC3Nz", "two"], "removed")
    file.write_text("ssh-ed25519 AAAAC3Nz three\n")
    virsh("set-user-sshkeys", "tester", "--reset", "--file", str(file))
    equal(virsh("get-user-sshkeys", "tester").split()[-1], "three", "reset")


def test_a_users_link_leads_nowhere():
    guest("rm -rf ~tester/.ssh; install -d -o tester ~tester/.ssh; "
          "ln -s /etc/shadow ~tester/.ssh/authorized_keys")
    bad = domain().virsh("get-user-sshkeys", domain().name, "tester", ok=False)
    check("ermission denied" in bad.stderr, bad.stdout + bad.stderr)
    before = guest("md5sum /etc/shadow")
    domain().virsh("set-user-sshkeys", domain().name, "tester", "--reset", ok=False)
    equal(guest("md5sum /etc/shadow"), before, "shadow")
    guest("rm -rf ~tester/.ssh")


def test_quiesced_snapshot():
    overlay = domain().directory / "overlay.qcow2"
    virsh("snapshot-create-as", "s1", "--disk-only", "--quiesce", "--no-metadata", "--diskspec",
          f"vda,file={overlay}", timeout=120)
    equal(agent("guest-fsfreeze-status"), "thawed", "afterwards")
    done = subprocess.run(["e2fsck", "-fn", domain().disk], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, f"the snapshot: {done.stdout[-400:]}")
    state = subprocess.run(["dumpe2fs", "-h", domain().disk], capture_output=True, text=True, check=False)
    check("needs_recovery" not in state.stdout, "the journal would have to be replayed")
    guest("echo x > /root/after; sync")


def test_suspend_and_wake():
    before = int(guest("cat /sys/power/suspend_stats/success 2>/dev/null || echo 0"))
    virsh("dompmsuspend", "mem", timeout=120)
    deadline = time.monotonic() + 60
    while "pmsuspended" not in virsh("domstate"):
        check(time.monotonic() < deadline, "not suspended")
        time.sleep(0.3)
    virsh("dompmwakeup")
    domain().wait_agent(120)
    after = int(guest("cat /sys/power/suspend_stats/success 2>/dev/null || echo 1"))
    check(after > before, (before, after))


def test_suspend_to_disk_needs_swap():
    bad = domain().virsh("dompmsuspend", domain().name, "disk", ok=False)
    check("swap" in bad.stderr or "disk" in bad.stderr, bad.stderr)
    equal(guest("echo alive").strip(), "alive", "still there")


def test_reboot_by_agent():
    before = guest("cat /proc/sys/kernel/random/boot_id")
    virsh("reboot", "--mode", "agent", timeout=120)
    deadline = time.monotonic() + 400
    while True:
        check(time.monotonic() < deadline, "no new boot")
        time.sleep(1)
        try:
            if guest("cat /proc/sys/kernel/random/boot_id") not in ("", before):
                break
        except AssertionError:
            pass


def test_shutdown_by_agent_is_in_the_journal():
    machine = domain()
    guest("mkdir -p /var/log/journal; journalctl --flush")
    machine.virsh("shutdown", machine.name, "--mode", "agent")
    deadline = time.monotonic() + 120
    while machine.name in machine.virsh("list", "--name"):
        check(time.monotonic() < deadline, "the domain did not shut down")
        time.sleep(0.3)


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if "domain" in started:
            started["domain"].__exit__()
