#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The power goes at some moment of rpm's work or of `pvtools upgrade` with an RPM: the guest
boots with a working agent, old or new, and what was begun can be finished.

It is no Fedora: a Debian guest gets Debian's rpm, and its qemu-guest-agent as an RPM.
cuts.py has what a power cut is here. PVT_LONG=1 has more of them.
"""

import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cuts
import rpms
import signed
import tap
from cuts import chance
from signed import WORK
from tap import check, equal, note
from upgrades import Upgrades

TRIALS = 12 if os.environ.get("PVT_LONG") else 2
# What rpm -vv says of files, records and scripts, and what the upgrade says of itself.
LINE = re.compile(r"^(?:D: (?:create|erase|install|skip|touch|unlink|fini|adding|removing|syncing|%|Plugin)|state )", re.M)
LINES = 60
RPM = "rpm --upgrade -vv --oldpackage --replacepkgs"
FINISH = RPM + " /debs/rpms/{}.rpm > /root/rpm.log 2>&1 || {{ cat /root/rpm.log; exit 1; }}"
STOCK = {"lib/systemd/system/qemu-guest-agent.service": 644, "lib/udev/rules.d/60-qemu-guest-agent.rules": 644,
         "usr/sbin/qemu-ga": 755}
OTHER = """rpm --install /debs/rpms/qemu-guest-agent.rpm
systemctl daemon-reload
udevadm control --reload
systemctl start qemu-guest-agent
sync
"""
PREPARE = f"""{rpms.PREPARE_DATABASE}
rpm --install /debs/rpms/system.rpm
dpkg -P qemu-guest-agent
{OTHER}"""
# Of the package that goes, when its files have gone: somebody else's file is forced to the
# disk, and with it what the filesystem has noted of names, ours and those.
GONE = """%postun
[ -e /root/stop-there ] || exit 0
echo x > /root/other
sync /root/other
echo PVT-GONE > /dev/console
sleep 1000
"""
ours = signed.Signer("ours")


def stock_agent():
    """Debian's files, in a package with the script that Fedora's has for its end."""
    tree = WORK / "stock"
    subprocess.run(["dpkg-deb", "-x", str(next(p for p in cuts.stock.stock_debs() if "guest-agent" in p.name)), str(tree)],
                   check=True)
    places = {name: name if name.startswith("usr") else f"usr/{name}" for name in STOCK}
    return rpms.pack("qemu-guest-agent", "Name: qemu-guest-agent\nVersion: 7.2\nRelease: 1\nSummary: A stand-in\n"
                     "License: GPL-2.0-or-later\nAutoReqProv: no\n%description\nWhat Debian has.\n%install\n" +
                     "".join(f"install -D -m {mode} {tree}/{name} %{{buildroot}}/{places[name]}\n"
                             for name, mode in STOCK.items()) +
                     "%preun\n[ $1 -ne 0 ] || systemctl --quiet --no-reload disable --now qemu-guest-agent || :\n" + GONE + "%files\n" +
                     "".join(f"/{place}\n" for place in places.values()))


def folders():
    """"swap" is what dnf swap makes: one transaction that installs ours and erases the other's."""
    if not (WORK / "swap.rpm").exists():
        stock_agent()
        rpms.system()
        for name, version, edit in (("swap", "0.1.1", rpms.in_spec("Conflicts:", "Obsoletes:")), ("old", "0.1.2", str), ("new", "0.1.3", str)):
            rpms.package(version, edit=edit).rename(WORK / f"{name}.rpm")
    return {"rpm": rpms.debs_of_rpm(), "keys": [ours.public],
            "rpms": [WORK / f"{name}.rpm" for name in ("system", "qemu-guest-agent", "swap", "old", "new")]}


guest = cuts.Guest(folders, LINE, "/root/rpm.log", "/var/lib/pvtools/upgrade/state")
note(f"PVT_SEED={cuts.SEED}")


def status():
    """What rpm knows of both, and what it finds other than it should be."""
    return guest.patiently("rpm -qa pvtools-agent qemu-guest-agent | sort\nrpm -V --nomtime --nodeps pvtools-agent || true").strip()


def records(text):
    """Those packages, and the lines about files."""
    lines = [line for line in text.splitlines() if "is not installed" not in line]
    return [line for line in lines if line.endswith(".x86_64")], [line for line in lines if not line.endswith(".x86_64")]


def check_works(allowed=("pvtools-agent", "qemu-ga")):
    name = guest.who(allowed)
    known, other = records(status())
    note(f"after the boot {name} answers; rpm knows {' and '.join(known) or 'nothing'}, "
         f"{len(other)} files are not as it says")


upgrades = Upgrades(guest, status)


def check_whole():
    guest.who(["pvtools-agent"])
    found = status().splitlines()
    check(len(found) == 1, f"one record, all files as they should be: {found}")


def cut_rpm(which, allowed):
    before = guest.watch()
    guest.start_job(f"{RPM} /debs/rpms/{which}.rpm > /root/rpm.log 2>&1")
    guest.cut(before, chance.randrange(LINES), chance.uniform(0, 1.5))
    check_works(allowed)
    guest.job(FINISH.format(which))
    check_whole()


def test_an_installation_over_qemu_ga():
    guest.job(PREPARE)
    equal((guest.agent()[0], status().splitlines()[0]), ("qemu-ga", "qemu-guest-agent-7.2-1.x86_64"), "at the start")
    cut_rpm("swap", ("pvtools-agent", "qemu-ga"))


def test_ours_is_on_the_disk_before_the_other_goes():
    """A file that is only renamed into its place may be empty after a power cut."""
    guest.job(f"rpm --erase pvtools-agent\n{OTHER}touch /root/stop-there")
    equal(guest.agent()[0], "qemu-ga", "who answers")
    guest.start_job(f"{RPM} /debs/rpms/swap.rpm > /root/rpm.log 2>&1")
    guest.wait_console("PVT-GONE")
    guest.cut(0, 0, 0)
    check_works(["pvtools-agent"])
    guest.job(f"rm /root/stop-there\n{FINISH.format('swap')}")
    check_whole()


def test_upgrades_and_downgrades_by_rpm():
    for trial in range(TRIALS):
        cut_rpm("old" if trial % 2 else "new", ["pvtools-agent"])


def test_upgrades_from_the_host():
    guest.run("mkdir -p /etc/pvtools/keys.d; cp /debs/keys/ours.gpg /etc/pvtools/keys.d/; sync")
    for trial in range(TRIALS):
        old, new = status(), f"pvtools-agent-0.2.{trial}-1.x86_64"
        guest.cut_upgrade(upgrades, ours.sign(rpms.package(f"0.2.{trial}")), chance.randrange(4), chance.uniform(0, 4))
        check_works(["pvtools-agent"])
        upgrades.wait_for_end()
        check_works(["pvtools-agent"])
        check(status() in (old, new), status())


def test_a_new_agent_that_does_not_run_is_gone_after_the_boot():
    """The power goes while the upgrade waits for an agent that will never report."""
    old = status()

    def break_agent(tree):
        (tree / "usr/sbin/pvtools-agent").write_text("#!/bin/sh\nexit 7\n")
    guest.cut_upgrade(upgrades, ours.sign(rpms.package("0.3", break_agent)), 0, 2, "--wait", "30", until="state waiting")
    check_works(["pvtools-agent"])
    upgrades.wait_for_end()
    equal(status(), old, "what is installed")
    check("state rolled-back" in guest.patiently("cat /var/lib/pvtools/upgrade/state"), "it says so")


if __name__ == "__main__":
    tap.story(globals(), guest, ours, signed)
