#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The power goes at some moment of an installation or an upgrade: the guest boots with a
working agent, old or new, and what was begun can be finished.

cuts.py has what a power cut is here, and how its moment is chosen. PVT_LONG=1 has more of
them; test_packages_powercut_rpm.py has those of RPMs.
"""

import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cuts
import debs
import signed
import tap
from cuts import chance
from tap import check, equal, note
from upgrades import Upgrades

TRIALS = 20 if os.environ.get("PVT_LONG") else 2
LINE = re.compile(r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:startup|install|upgrade|configure|status|remove|conffile)|state )",
                  re.M)
ours = signed.Signer("ours")


def folders():
    return {"old": [debs.deb("pvtools-agent")], "new": [debs.deb("pvtools-agent", debs.NEWER)], "keys": [ours.public]}


guest = cuts.Guest(folders, LINE, "/var/log/dpkg.log", "/var/lib/pvtools/upgrade/state")
note(f"PVT_SEED={cuts.SEED}")


def status():
    return guest.patiently("dpkg-query -W -f '${Version} ${Status}' pvtools-agent 2> /dev/null || true").strip()


def check_works(allowed=("pvtools-agent", "qemu-ga")):
    """Somebody answers, and does what it is told."""
    name = guest.who(allowed)
    note(f"after the boot {name} answers; pvtools-agent: {status() or 'not installed'}")


upgrades = Upgrades(guest, status)


def cut_dpkg(which):
    before = guest.watch()
    guest.start_job(f"dpkg -i /debs/{which}/pvtools-agent_*.deb")
    guest.cut(before, chance.randrange(12), chance.uniform(0, 1.5))
    check_works()
    # What dpkg(1) calls reinst-required it configures never again, only installs.
    configure = ":" if "reinstreq" in status() else "dpkg --configure -a"
    guest.job(f"{configure}\ndpkg -i /debs/{which}/pvtools-agent_*.deb\n[ -z \"$(dpkg --audit)\" ]")
    check_works(["pvtools-agent"])


def test_an_installation_over_qemu_ga():
    equal(guest.agent()[0], "qemu-ga", "who answers")
    guest.run("sync")
    cut_dpkg("old")


def test_upgrades_and_downgrades_by_dpkg():
    for trial in range(TRIALS):
        cut_dpkg("old" if trial % 2 else "new")


def wait_for_end():
    upgrades.wait_for_end()
    equal(guest.patiently("dpkg --audit").strip(), "", "dpkg's audit")


def test_upgrades_from_the_host():
    guest.run("mkdir -p /etc/pvtools/keys.d; cp /debs/keys/ours.gpg /etc/pvtools/keys.d/; sync")
    for trial in range(TRIALS):
        old, new = status().split()[0], f"0.2.{trial}"
        guest.cut_upgrade(upgrades, ours.sign(signed.package(new)), chance.randrange(15), chance.uniform(0, 2))
        check_works(["pvtools-agent"])
        wait_for_end()
        check_works(["pvtools-agent"])
        check(status() in [f"{version} install ok installed" for version in (old, new)], status())


def test_a_new_agent_that_does_not_run_is_gone_after_the_boot():
    """The power goes while the upgrade waits for an agent that will never report."""
    old = status()

    def break_agent(tree):
        (tree / "usr/sbin/pvtools-agent").write_text("#!/bin/sh\nexit 7\n")
    guest.cut_upgrade(upgrades, ours.sign(signed.package("0.3", break_agent)), 0, 2, "--wait", "30", until="state waiting")
    check_works(["pvtools-agent"])
    wait_for_end()
    equal(status(), old, "what is installed")
    check("state rolled-back" in guest.patiently("cat /var/lib/pvtools/upgrade/state"), "it says so")


if __name__ == "__main__":
    tap.story(globals(), guest, ours, signed)
