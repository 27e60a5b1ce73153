#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The power goes at some moment of an installation or an upgrade: the guest boots with a
working agent, old or new, and what was begun can be finished.

QEMU is killed with SIGKILL. Each boot writes into a qcow2 layer of its own, whose tables
reach the file when the guest flushes its disk: what it has not flushed is lost, as with a
disk's own cache. The moments are chosen by chance, by the lines that dpkg and the upgrade
write about themselves and some time after one; the seed is printed, PVT_SEED repeats it.
PVT_LONG=1 has more of them.
"""

import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import debs
import signed
import stock
import tap
from tap import check, equal, note
from upgrades import Upgrades

SEED = int(os.environ.get("PVT_SEED") or time.time_ns() % 1_000_000)
TRIALS = 20 if os.environ.get("PVT_LONG") else 2
LINE = re.compile(r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:startup|install|upgrade|configure|status|remove|conffile)|state )",
                  re.M)
chance = random.Random(SEED)
ours = signed.Signer("ours")


def folders():
    return {"old": [debs.deb("pvtools-agent")], "new": [debs.deb("pvtools-agent", debs.NEWER)], "keys": [ours.public]}


class Guest(stock.Guest):
    """Its disk outlives it."""

    def __init__(self):
        super().__init__(folders)
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="pvt-cut-"))
        self.layers = [self.place / "base.img"]
        # The cache may drop its name meanwhile.
        try:
            os.link(stock.image(), self.layers[0])
        except OSError:
            shutil.copy(stock.image(), self.layers[0])

    def vm(self):
        if not self.machine:
            layer = self.place / f"layer{len(self.layers)}.qcow2"
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.layers[-1]), "-F",
                            "qcow2" if len(self.layers) > 1 else "raw", str(layer)], check=True)
            self.layers.append(layer)
            self.machine = stock.machine(self.folders(), overlay=layer).__enter__()
            self.machine.wait_agent(900)
        return self.machine

    def watch(self):
        """From here on the console has a line for each step of dpkg and of the upgrade."""
        self.start_job("mkdir -p /var/lib/pvtools; touch /var/log/dpkg.log\n"
                       "tail -n 0 -F /var/log/dpkg.log /var/lib/pvtools/upgrade/state > /dev/console 2> /dev/null")
        return len(LINE.findall(self.vm().console.read_text(errors="replace")))

    def cut(self, before, number, after):
        """The power goes @after seconds behind that line since @before, or when none comes any more."""
        seen, since = 0, time.monotonic()
        while seen < number and time.monotonic() - since < 60:
            now = len(LINE.findall(self.vm().console.read_text(errors="replace"))) - before
            if now > seen:
                seen, since = now, time.monotonic()
            time.sleep(0.02)
        time.sleep(after)
        self.machine.process.kill()
        lines = LINE.split(self.machine.console.read_text(errors="replace"))
        note(f"cut {after:.2f} s behind line {seen}:{lines[-1].splitlines()[0] if seen and lines[-1] else ''}")
        self.machine.__exit__(None, None, None)
        self.machine = None

    def close(self):
        super().close()
        shutil.rmtree(self.place)


guest = Guest()
note(f"PVT_SEED={SEED}")


def status():
    return guest.patiently("dpkg-query -W -f '${Version} ${Status}' pvtools-agent 2> /dev/null || true").strip()


def check_works(allowed=("pvtools-agent", "qemu-ga")):
    """Somebody answers, and does what it is told."""
    name = guest.patiently("readlink /proc/$(pidof pvtools-agent qemu-ga | tr ' ' '\\n' | sort -n | head -1)/exe")
    name = pathlib.Path(name.strip()).name
    check(name in allowed, f"{name} answers")
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


def cut_upgrade(path, number, after, *words):
    before = guest.watch()
    running = cli.start("upgrade", upgrades.address(), ours.sign(path), *words)
    guest.cut(before, number, after)
    running.kill()
    running.communicate()


def wait_for_end():
    upgrades.wait_for_end()
    equal(guest.patiently("dpkg --audit").strip(), "", "dpkg's audit")


def test_upgrades_from_the_host():
    guest.run("mkdir -p /etc/pvtools/keys.d; cp /debs/keys/ours.gpg /etc/pvtools/keys.d/; sync")
    for trial in range(TRIALS):
        old, new = status().split()[0], f"0.2.{trial}"
        cut_upgrade(signed.package(new), chance.randrange(15), chance.uniform(0, 2))
        check_works(["pvtools-agent"])
        wait_for_end()
        check_works(["pvtools-agent"])
        check(status() in [f"{version} install ok installed" for version in (old, new)], status())


def test_a_new_agent_that_does_not_run_is_gone_after_the_boot():
    """The power goes while the upgrade waits for an agent that will never report."""
    old = status()

    def break_agent(tree):
        (tree / "usr/sbin/pvtools-agent").write_text("#!/bin/sh\nexit 7\n")
    before = guest.watch()
    running = upgrades.start(ours.sign(signed.package("0.3", break_agent)), "--wait", "30")
    guest.cut(before, 0, 2)
    running.kill()
    running.communicate()
    check_works(["pvtools-agent"])
    wait_for_end()
    equal(status(), old, "what is installed")
    check("state rolled-back" in guest.patiently("cat /var/lib/pvtools/upgrade/state"), "it says so")


if __name__ == "__main__":
    tap.story(globals(), guest, ours, signed)
