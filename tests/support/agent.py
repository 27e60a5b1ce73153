# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts an agent on a unix socket in a directory of its own."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from wire import Line


def find_agent():
    """$PVT_AGENT, or the agent of a build directory in the tree."""
    if os.environ.get("PVT_AGENT"):
        return os.environ["PVT_AGENT"]
    tree = pathlib.Path(__file__).resolve().parents[2]
    for build in ("release", "asan", "clang", "."):
        path = tree / "build" / build / "agent" / "pvtools-agent"
        if path.exists():
            return str(path)
    raise FileNotFoundError("no pvtools-agent: set PVT_AGENT or run tests/run once")


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class Agent:
    """A running agent; a context manager."""

    def __init__(self, *options, binary=None, env=None, pass_fds=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-agent-"))
        self.socket = self.directory / "agent.sock"
        self.log = self.directory / "log"
        (self.directory / "state").mkdir()  # qemu-ga does not make it
        self.process = subprocess.Popen(
            [binary or find_agent(), "-m", "unix-listen", "-p", str(self.socket),
             "-t", str(self.directory / "state"), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log.open("w"),
            env=dict(os.environ, **(env or {})), pass_fds=pass_fds)
        deadline = time.monotonic() + 30
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the agent did not start: {self.log.read_text()}")
            time.sleep(0.02)

    def listens(self):
        try:
            self.line().close()
            return True
        except OSError:
            return False

    def line(self, kind=Line, **keywords):
        return kind(self.socket, **keywords)

    def memory(self, field="Private_Dirty"):
        """kB of a field of smaps_rollup."""
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M).group(1))

    @property
    def sanitized(self):
        """Sanitizers keep freed memory: figures of it mean nothing then."""
        return "libasan" in pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()

    def peak_kb(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", text, re.M).group(1))

    def children(self):
        """Process numbers of what the agent has started, whichever thread did; the
        guardian of freezes, which is always there, is not among them."""
        return [pid for pid in self.processes() if name_of(pid) != "pvt-guardian"]

    def guardian(self):
        for pid in self.processes():
            if name_of(pid) == "pvt-guardian":
                return pid
        raise AssertionError("no guardian")

    def processes(self):
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text()
            except OSError:
                continue
            if int(text.rsplit(")", 1)[1].split()[1]) == self.process.pid:
                found.append(int(path.parent.name))
        return found

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        text = self.log.read_text()
        shutil.rmtree(self.directory)
        if code != 0 or "Sanitizer" in text or "runtime error" in text:
            raise AssertionError(f"the agent ended with {code}:\n{text[-4000:]}")
