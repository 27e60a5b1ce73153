#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent under SELinux's enforcement: everything works, nothing is denied, until a boolean
says so. One guest, one story, of the long form."""

import base64
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import selinux
import signed
import tap
from stock import Guest, sh
from tap import Skip, check, equal, note
from wire import AgentError

HOOK = "#!/bin/sh\necho $1 $(cat /proc/self/attr/current) >> /run/hook-ran\n"
EXTRA = {"etc/pvtools/hooks.d/10-test": (HOOK, 0o755)}
AGENT, PROGRAM = "system_u:system_r:pvtools_agent_t:s0", "system_u:system_r:pvtools_agent_unconfined_t:s0"
DENIED = "{ cat /var/log/audit/audit.log*; dmesg; } | grep -a 'avc: *denied' | grep -a pvtools_agent || true"
MODE = os.environ.get("PVT_SELINUX", "enforcing=1")
LABELS = "for p in $(pidof pvtools-agent); do tr -d '\\0' < /proc/$p/attr/current; echo; done"


class Confined(Guest):
    """As the others, on a disk whose system enforces."""

    def __init__(self):
        super().__init__(None)

    def vm(self):
        if not os.environ.get("PVT_LONG"):
            raise Skip("a guest with SELinux is of the long form: PVT_LONG=1")
        if not self.machine:
            machine = selinux.machine(EXTRA, MODE, disks=[("virtio-blk-pci,drive={drive},serial=data", 64 << 20)])
            self.machine = machine.__enter__()
            machine.wait_agent(600)
        return self.machine


guest = Confined()
run = guest.run


def ask(name, **arguments):
    with guest.line(180) as line:
        return line.ask(name, **arguments)


def denials():
    return run(DENIED).splitlines()


def check_nothing_is_denied():
    found = denials()
    check(not found, "\n".join(found[-40:]))


def check_domain():
    """The agent and its guardian."""
    equal(set(run(LABELS).split()), {AGENT}, "processes")


def host(verb, *words):
    machine = guest.vm()
    socket = machine.agent_socket if verb == "upgrade" else machine.extended_socket
    done = cli.run(verb, f"unix:{socket}", *words, timeout=600)
    equal(done.returncode, 0, f"{verb}: {done.stdout}{done.stderr}")
    return done.stdout


def test_the_agent_is_in_its_domain():
    equal(run("cat /sys/fs/selinux/enforce").strip(), MODE[-1], "enforcing")
    equal(run("systemctl is-active pvtools-agent auditd").split(), ["active", "active"], "services")
    check_domain()
    for path, kind in (("/usr/sbin/pvtools-agent", "exec"), ("/etc/pvtools", "conf"), ("/run/pvtools", "runtime"),
                       ("/etc/pvtools/hooks.d/10-test", "unconfined_exec"),
                       ("/usr/lib/pvtools/upgrade-agent", "unconfined_exec")):
        equal(run(f"stat -c %C {path}").strip(), f"system_u:object_r:pvtools_agent_{kind}_t:s0", path)


def test_programs_of_the_host_are_outside_of_it():
    equal(run("tr -d '\\0' < /proc/self/attr/current"), PROGRAM, "guest-exec")
    # As a service would: of another user, from a file system without labels.
    equal(run("mount -t tmpfs none /mnt; cp /bin/id /mnt/; /mnt/id -u; umount /mnt").strip(), "0", "mount")


def test_whatever_reads():
    with guest.line(300) as line:
        names = [command["name"] for command in line.ask("guest-info")["supported_commands"]]
        reading = [name for name in names if name.startswith(("guest-get-", "guest-network-get", "pvt-get-"))]
        refused = {}
        for name in reading:
            try:
                line.ask(name)
            except AgentError as error:
                refused[name] = error.desc
    note(f"{len(reading)} commands read; refused: {refused}")
    check(len(reading) > 20, reading)
    check(not [name for name, why in refused.items() if "ermission" in why], refused)
    check_nothing_is_denied()


def test_freeze_trim_thaw_with_hooks():
    run("mkfs.ext4 -q /dev/vdb; mount /dev/vdb /srv; rm -f /run/hook-ran")
    with guest.line(180) as line:
        frozen = line.ask("guest-fsfreeze-freeze")
        equal(line.ask("guest-fsfreeze-status"), "frozen", "status")
        equal(line.ask("guest-fsfreeze-thaw"), frozen, "thawed")
        check(frozen >= 2, frozen)
        line.ask("guest-fstrim")
    equal(run("cat /run/hook-ran").replace("\0", "").splitlines(), [f"freeze {PROGRAM}", f"thaw {PROGRAM}"], "hooks")
    check_nothing_is_denied()


def copy_in(path, text):
    handle = ask("guest-file-open", path=path, mode="w")
    ask("guest-file-write", handle=handle, **{"buf-b64": base64.b64encode(text.encode()).decode()})
    ask("guest-file-close", handle=handle)
    handle = ask("guest-file-open", path=path, mode="r")
    got = base64.b64decode(ask("guest-file-read", handle=handle)["buf-b64"]).decode()
    ask("guest-file-close", handle=handle)
    equal(got, text, path)


def test_files_everywhere():
    for path in ("/root/pvt", "/etc/pvt.conf", "/tmp/pvt", "/var/lib/pvt", "/run/pvt", "/srv/pvt", "/boot/pvt",
                 "/usr/share/pvt", "/home/pvt", "/var/log/pvt.log"):
        copy_in(path, path)
    handle = ask("guest-file-open", path="/etc/shadow", mode="r")
    check(b"root:" in base64.b64decode(ask("guest-file-read", handle=handle)["buf-b64"]), "shadow")
    ask("guest-file-close", handle=handle)
    check_nothing_is_denied()


def test_streams_and_terminals():
    """What is copied over a file has its label."""
    with tempfile.TemporaryDirectory(prefix="pvt-copy-") as name:
        host("cp", "-q", ":/etc/shadow", f"{name}/shadow")
        host("cp", "-q", f"{name}/shadow", ":/etc/shadow")
        host("cp", "-q", f"{name}/shadow", ":/srv/unlabelled")
    equal(run("stat -c %C /etc/shadow | cut -d: -f3").strip(), "shadow_t", "its label")
    check("/dev/pts/" in host("exec", "-t", "--", "sh", "-c", "tty; ls -Z $(tty)"), "a terminal")
    equal(host("exec", "-u", "nobody", "--", "sh", "-c", "id -un; cat /proc/self/attr/current").replace("\0", "").split(),
          ["nobody", PROGRAM], "another user")
    check_nothing_is_denied()


def test_events_are_pushed():
    """They come of the kernel, of systemd, of utmp."""
    watching = cli.start("watch", f"unix:{guest.vm().extended_socket}", "-o", "json")
    try:
        for _ in range(2):
            check("event" in json.loads(watching.stdout.readline()), "no event")
    finally:
        watching.terminate()
        watching.communicate()
    silent = [command for command in ("checkup", "health", "time") if cli.run(
        command, f"unix:{guest.vm().agent_socket}", timeout=200).returncode == 3]
    equal(silent, [], "without an answer")
    check_nothing_is_denied()


def test_keys_and_passwords():
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvb2Jhcg test"
    ask("guest-ssh-add-authorized-keys", username="root", keys=[key])
    equal(ask("guest-ssh-get-authorized-keys", username="root")["keys"], [key], "keys")
    equal(run("stat -c %C /root/.ssh /root/.ssh/authorized_keys | cut -d: -f3").split(), ["ssh_home_t"] * 2, "labels")
    ask("guest-ssh-remove-authorized-keys", username="root", keys=[key])
    before = run("grep ^root: /etc/shadow")
    ask("guest-set-user-password", username="root", crypted=False,
        password=base64.b64encode(b"a long enough one 17").decode())
    check(run("grep ^root: /etc/shadow") != before, "the password is as it was")
    equal(run("stat -c %C /etc/shadow | cut -d: -f3").strip(), "shadow_t", "its label")
    check_nothing_is_denied()


def test_clock_processors_memory():
    now = ask("guest-get-time")
    ask("guest-set-time", time=now + 5_000_000_000)
    ask("guest-set-time")
    for online in (False, True):
        equal(ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": online}]), 1, "processors set")
        equal(run("cat /sys/devices/system/cpu/cpu1/online").strip(), str(int(online)), "online")
    with contextlib.suppress(AgentError):
        blocks = ask("guest-get-memory-blocks")
        ask("guest-set-memory-blocks", **{"mem-blks": [{"phys-index": blocks[-1]["phys-index"], "online": True}]})
    check_nothing_is_denied()


def test_upgraded_by_the_host():
    """The helper checks and installs outside of the domain; the new agent is in it, its files are labelled."""
    run("mkdir -p /etc/pvtools/keys.d")
    signer = signed.Signer("ours")
    package = signer.sign(signed.package("0.2"))
    try:
        host("cp", "-q", signer.public, ":/etc/pvtools/keys.d/ours.gpg")
        note(host("upgrade", package).strip())
    finally:
        signer.close()
    equal(guest.patiently("dpkg-query -W -f '${Version}' pvtools-agent").strip(), "0.2", "version")
    equal(guest.patiently("stat -c %C /usr/sbin/pvtools-agent").strip(), "system_u:object_r:pvtools_agent_exec_t:s0", "label")
    check_domain()
    check_nothing_is_denied()


def test_the_next_boot():
    guest.reboot()
    check_domain()
    check_nothing_is_denied()


def test_what_booleans_forbid_is_denied():
    """The host cannot switch them itself then: a job does, that a file ends."""
    job = guest.start_job("setsebool pvtools_agent_run_unconfined=0 pvtools_agent_manage_all_files=0; "
                          "touch /run/pvtools/off; while [ -e /run/pvtools/off ]; do sleep 0.3; done; "
                          "setsebool pvtools_agent_run_unconfined=1 pvtools_agent_manage_all_files=1")
    with guest.line(180) as line:
        deadline = time.monotonic() + 120
        while sh(line, "ls /run/pvtools; tr -d '\\0' < /proc/self/attr/current").split()[-1] != AGENT:
            check(time.monotonic() < deadline, "the boolean was not switched")
            time.sleep(0.5)
        try:
            line.ask("guest-file-open", path="/etc/pvt.conf", mode="w")
            raise AssertionError("it was opened")
        except AgentError as error:
            check("ermission" in error.desc, error.desc)
        sh(line, "! mount -t tmpfs none /mnt")
        # What needs neither goes on.
        frozen = line.ask("guest-fsfreeze-freeze")
        equal(line.ask("guest-fsfreeze-thaw"), frozen, "thawed")
        sh(line, "rm /run/pvtools/off")
    guest.wait_job(job)
    found = denials()
    note("\n".join(found[:4]))
    check([text for text in found if "etc_t" in text and "write" in text], "the file")
    check([text for text in found if "mount" in text], "the mount")


if __name__ == "__main__":
    tap.story(globals(), guest, signed)
