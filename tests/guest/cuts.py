# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose power goes at moments of a package manager's work that chance chooses.

QEMU is killed with SIGKILL. Each boot writes into a qcow2 layer of its own, whose tables
reach the file when the guest flushes its disk: what it has not flushed is lost, as with a
disk's own cache. The moments are chosen by the lines that the work writes about itself and
some time after one; the seed is printed, PVT_SEED repeats it.
"""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

import cli
import stock
from tap import check, note

SEED = int(os.environ.get("PVT_SEED") or time.time_ns() % 1_000_000)
BOOT = 900  # seconds until its agent answers, at most
chance = random.Random(SEED)


class Guest(stock.Guest):
    """Its disk outlives it. @line is what lines begin with that are counted, @logs the files
    in the guest where they are written."""

    def __init__(self, folders, line, *logs):
        super().__init__(folders)
        self.counted, self.logs = line, " ".join(logs)
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
            self.machine.wait_agent(BOOT)
        return self.machine

    def lines(self):
        return len(self.counted.findall(self.vm().console.read_text(errors="replace")))

    def watch(self):
        """From here on the console has a line for each step of the work."""
        self.start_job(f"mkdir -p /var/lib/pvtools; touch {self.logs.split()[0]}\n"
                       f"tail -n 0 -F {self.logs} > /dev/console 2> /dev/null")
        return self.lines()

    def cut(self, before, number, after):
        """The power goes @after seconds behind that line since @before, or when none comes any more."""
        seen, since = 0, time.monotonic()
        while seen < number and time.monotonic() - since < 60:
            now = self.lines() - before
            if now > seen:
                seen, since = now, time.monotonic()
            time.sleep(0.02)
        time.sleep(after)
        self.machine.process.kill()
        lines = self.counted.split(self.machine.console.read_text(errors="replace"))
        note(f"cut {after:.2f} s behind line {seen}:{lines[-1].splitlines()[0] if seen and lines[-1] else ''}")
        self.machine.__exit__(None, None, None)
        self.machine = None

    def wait_console(self, text, timeout=300):
        deadline = time.monotonic() + timeout
        while text not in self.vm().console.read_text(errors="replace"):
            check(time.monotonic() < deadline, f"{text} never came")
            time.sleep(0.05)

    def cut_upgrade(self, upgrades, path, number, after, *words, until=None):
        """The same while the host's command is at work; with @until, from that line on."""
        before = self.watch()
        running = upgrades.start(path, *words, until=until) if until else cli.start(
            "upgrade", upgrades.address(), path, *words)
        self.cut(before, number, after)
        running.kill()
        running.communicate()

    def who(self, allowed):
        """Somebody of these answers, and does what it is told."""
        name = self.patiently("readlink /proc/$(pidof pvtools-agent qemu-ga | tr ' ' '\\n' | sort -n | head -1)/exe")
        name = pathlib.Path(name.strip()).name
        check(name in allowed, f"{name} answers")
        return name

    def close(self):
        super().close()
        shutil.rmtree(self.place)
