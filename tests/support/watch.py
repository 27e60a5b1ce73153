# SPDX-License-Identifier: LGPL-2.1-or-later
"""`pvtools health --follow`, and every state that it told."""

import json
import os
import subprocess
import threading
import time

import cli
from tap import note

# Short limits: a guest of a busy machine is slow, not dead, and five seconds of
# silence are still nothing that a living agent needs.
FAST = ["--interval", "1", "--lost-after", "6", "--hung-after", "14", "--boot", "120"]
if os.environ.get("PVT_MACHINE") == "vmm":  # in a guest that is emulated itself
    FAST = ["--interval", "1", "--lost-after", "30", "--hung-after", "60", "--boot", "480"]


class Watch:
    """A context manager; `states` are those that were told, in their order."""

    def __init__(self, address, *options):
        self.command = [cli.find_cli(), "health", address, "--follow", "-o", "json", *FAST,
                        *map(str, options)]
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
        if "Sanitizer" in error or "runtime error" in error:
            raise AssertionError(error)
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

    def expect(self, *states, timeout=240):
        """Waits until these were told, from the first on; anything else is wrong."""
        deadline = time.monotonic() + timeout
        with self.news:
            while self.states[:len(states)] == list(states)[:len(self.states)] \
                    and len(self.states) < len(states) and time.monotonic() < deadline:
                self.news.wait(1)
            if self.states != list(states):
                raise AssertionError(f"told {self.states}, wanted {list(states)}: {self.lines}")
        return self.changes[-1]["cause"]
