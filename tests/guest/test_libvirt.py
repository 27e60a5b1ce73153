#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh against our agent: every query of the checklist, then an orderly shutdown."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import micro
import tap
from agent import find_agent
from libvirt import Libvirt
from tap import check, equal
from vm import MAC

started = {}


def domain():
    if "domain" not in started:
        check("failed" not in started, "the domain did not start; see the first failure")
        started["failed"] = True
        machine = Libvirt(*micro.image(find_agent())).__enter__()
        started["domain"] = machine
        machine.wait_agent()
        del started["failed"]
    return started["domain"]


def virsh(verb, *words):
    return domain().virsh(verb, domain().name, *words)


def facts(text):
    """guestinfo's "key : value" lines."""
    return dict(re.findall(r"^(\S+)\s*:\s*(.*)$", text, re.M))


def test_domifaddr():
    text = virsh("domifaddr", "--source", "agent")
    check(re.search(rf"eth0\s+{MAC}\s+ipv4\s+10\.0\.2\.15/24", text), text)


def test_domhostname():
    equal(virsh("domhostname", "--source", "agent").strip(), "micro", "host name")


def test_domfsinfo_names_the_target():
    line = next(l for l in virsh("domfsinfo").splitlines() if "/mnt" in l)
    equal(line.split(), ["/mnt", "vda", "ext2", "vda"] if "ext2" in line
          else ["/mnt", "vda", "ext4", "vda"], "domfsinfo")


def test_domtime():
    check(abs(int(virsh("domtime").split()[-1]) - time.time()) < 60, "time")


def test_guestvcpus():
    text = facts(virsh("guestvcpus"))
    equal((text["vcpus"], text["online"]), ("0-1", "0-1"), "guestvcpus")
    equal(virsh("vcpucount", "--guest").strip(), "2", "vcpucount")


def test_guestinfo_with_each_flag():
    info = facts(virsh("guestinfo", "--hostname"))
    equal(info["hostname"], "micro", "hostname")
    check(facts(virsh("guestinfo", "--os"))["os.id"] in ("debian", "ubuntu"), "os")
    check("timezone.offset" in virsh("guestinfo", "--timezone"), "timezone")
    check(re.search(r"user\.count\s*:\s*0", virsh("guestinfo", "--user")), "users")
    fs = facts(virsh("guestinfo", "--filesystem"))
    equal((fs["fs.count"], fs["fs.0.mountpoint"], fs["fs.0.disk.0.serial"], fs["fs.0.disk.0.alias"]),
          ("1", "/mnt", "virt1", "vda"), "filesystem")
    disk = facts(virsh("guestinfo", "--disk"))
    equal((disk["disk.count"], disk["disk.0.name"], disk["disk.0.guest_alias"]
           if "disk.0.guest_alias" in disk else None), ("1", "/dev/vda", None), "disk")
    interface = facts(virsh("guestinfo", "--interface"))
    check("10.0.2.15" in interface.values() and MAC in interface.values(), interface)


def test_guestinfo_of_everything():
    text = virsh("guestinfo")
    for word in ("hostname", "os.id", "timezone.offset", "fs.count", "disk.count", "if.count"):
        check(word in text, f"{word} is missing in {text}")


def test_agent_command():
    reply = json.loads(virsh("qemu-agent-command", '{"execute":"guest-info"}'))
    check(len(reply["return"]["supported_commands"]) > 20, reply)
    bad = domain().virsh("qemu-agent-command", domain().name, '{"execute":"guest-nope"}', ok=False)
    check("has not been found" in bad.stderr, bad.stderr)
    check("version" in virsh("qemu-agent-command", '{"execute":"guest-info"}'), "and on it goes")


def test_agent_timeout_setting():
    virsh("guest-agent-timeout", "--timeout", "7")
    equal(virsh("domhostname", "--source", "agent").strip(), "micro", "host name")


def test_our_client_through_libvirt():
    agent = pathlib.Path(find_agent()).resolve()
    cli = os.environ.get("PVT_CLI") or str(agent.parents[1] / "host-side/cli/pvtools")
    done = subprocess.run([cli, "ip", f"libvirt:{domain().name}"], capture_output=True, text=True,
                          timeout=60, env=dict(os.environ, LIBVIRT_DEFAULT_URI="qemu:///system"))
    check("10.0.2.15/24" in done.stdout, done.stdout + done.stderr)


def test_shutdown_by_agent():
    machine = domain()
    machine.virsh("shutdown", machine.name, "--mode", "agent")
    deadline = time.monotonic() + 60
    while machine.name in machine.virsh("list", "--name"):
        check(time.monotonic() < deadline, "the domain did not shut down")
        time.sleep(0.3)


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if "domain" in started:
            started["domain"].__exit__()
