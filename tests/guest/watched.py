# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that `pvtools health --follow` watches: every state it was said to be in."""

import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import base
import cache
import cli
import micro
from agent import find_agent
from tap import note
from vm import VM

MODULES = ["i6300esb", "virtio_balloon", "crc32c_generic"]
# Short limits: a guest of a busy machine is slow, not dead, and five seconds of
# silence are still nothing that a living agent needs.
FAST = ["--interval", "1", "--lost-after", "6", "--hung-after", "14", "--boot", "120"]


def image(agent=None, programs=("/usr/bin/chrt",)):
    """The micro guest with every driver there is, and a watchdog."""
    agent = agent or find_agent()
    kernel, _, release = base.kernel(full=True)
    key = cache.key(pathlib.Path(agent), pathlib.Path(micro.__file__), micro.HERE / "files" / "micro-init",
                    micro.HERE / "files" / "micro-shutdown", str(kernel), *MODULES, *programs)
    name = f"health-{pathlib.Path(agent).name}"
    return kernel, cache.make(name, key, lambda target: micro.build(agent, release, target, MODULES, programs))


def machine(*more, agent=None, **keywords):
    """With what a crash and a hang are told by, and a monitor for the watcher."""
    keywords.setdefault("smp", "1")
    keywords.setdefault("memory", 256)
    vm = VM(*image(agent), devices=["-device", "pvpanic", "-device", "i6300esb",
                                    "-device", "virtio-balloon-pci", *more], **keywords)
    vm.second = vm.directory / "second.sock"
    vm.arguments += ["-qmp", f"unix:{vm.second},server=on,wait=off"]
    return vm


class Watch:
    """A context manager; `states` are those that were told, in their order."""

    def __init__(self, address, *options):
        self.command = [cli.find_cli(), "health", address, "--follow", "-o", "json", *FAST, *options]
        self.lines, self.news = [], threading.Condition()

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append(json.loads(line))
                self.news.notify_all()

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        error = self.process.stderr.read()
        self.process.wait(60)
        self.thread.join(60)
        if kind is not None:
            note(f"told: {self.lines}\nerrors: {error}\nended with {self.process.returncode}")

    @property
    def changes(self):
        return [line for line in self.lines if "state" in line]

    @property
    def states(self):
        return [line["state"] for line in self.changes]

    @property
    def actions(self):
        return [(line["action"], line["done"]) for line in self.lines if "action" in line]

    def expect(self, *states, timeout=60):
        """Waits until these were told, from the first on; anything else is wrong."""
        deadline = time.monotonic() + timeout
        with self.news:
            while self.states[:len(states)] == list(states)[:len(self.states)] \
                    and len(self.states) < len(states) and time.monotonic() < deadline:
                self.news.wait(1)
            if self.states != list(states):
                raise AssertionError(f"told {self.states}, wanted {list(states)}: {self.lines}")
        return self.changes[-1]["cause"]
