# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every guest under test has, whatever runs it, and what our VMM's have not."""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from qmp import Qmp
from shell import PATIENCE
from tap import Skip
from wire import Line

PORT = "org.qemu.guest_agent.0"
EXTENDED = "org.pvtools.0"
MAC = "52:54:00:12:34:56"


def has_kvm():
    """Whether this machine's KVM has hardware behind it: some only interpret."""
    flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return bool(flags) and os.access("/dev/kvm", os.R_OK | os.W_OK)


# PVT_MACHINE=vmm: pvtools-vmm runs the guests.
ON_VMM = os.environ.get("PVT_MACHINE") == "vmm"
# What a test may need that our VMM has not, and what it is skipped with.
LACKS = {
    "controllers": "all disks of our VMM are virtio-blk",
    "hotplug": "our VMM plugs nothing into a running guest",
    "large-sectors": "the sectors of our VMM's disks have 512 bytes",
    "legacy-serial": "our VMM has one serial line, the console's",
    "migration": "our VMM saves and restores no guest",
    "rtc": "our VMM has no clock of its own that a test could set",
    "sleep": "our VMM has no suspend to RAM",
    "still-clock": "the clock of a guest that our VMM holds goes on",
    "watchdog": "our VMM has no watchdog",
    "registers": "our VMM does not show its processors' registers",
    "panic-actions": "with our VMM a panic is the guest's end",
    "erst": "our VMM has nothing of ACPI's ERST",
    "identity": "our VMM tells its guests no UUID",
    "host-network": "a nested guest may be between this machine and the guest's network",
}


def needs(*features):
    """Skips a test where our VMM runs the guests and has not got all of it."""
    reasons = [LACKS[feature] for feature in features]
    if ON_VMM:
        raise Skip("; ".join(reasons))


class Machine:
    """What a guest has for tests, whatever runs it. A context manager. The test itself
    holds the first monitor; what it tests uses the second, at `address`.

    Who runs it gives start(), and end() if more than a process is to be ended."""

    STARTS = 30  # seconds for its monitor to be there

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-vm-"))
        self.agent_socket = self.directory / "agent.sock"
        self.extended_socket = self.directory / "extended.sock"
        self.qmp_socket = self.directory / "qmp.sock"
        self.second = self.directory / "second.sock"
        self.address = f"qemu:{self.second}"
        self.console = self.directory / "console.log"
        self.said = self.directory / "machine.err"  # by who runs it
        self.process = self.monitor = None

    def start(self):
        """What runs it, as subprocess.Popen has it."""
        raise NotImplementedError

    def end(self):
        """It has ended; its directory is still there."""

    def __enter__(self):
        self.process = self.start()
        try:
            self.monitor = self.connect_monitor()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.show_console()
        if self.monitor:
            self.monitor.close()
        self.process.kill()
        self.process.wait()
        self.end()
        shutil.rmtree(self.directory)

    def show_console(self):
        for path, who, lines in ((self.console, "console", 30), (self.said, "machine", 10)):
            if path.exists():
                for line in path.read_text(errors="replace").splitlines()[-lines:]:
                    print(f"# {who}: {line}", flush=True)

    def last_words(self):
        """Of who runs it, which may still be on their way from a nested guest."""
        deadline = time.monotonic() + 2
        while not (self.said.exists() and self.said.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.said.read_text(errors="replace") if self.said.exists() else ""

    def connect_monitor(self):
        deadline = time.monotonic() + self.STARTS
        while True:
            try:
                return Qmp(self.qmp_socket)
            except (OSError, EOFError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    ended = self.process.poll()
                    raise RuntimeError(f"the machine did not start ({ended}): {self.last_words()}") from None
                time.sleep(0.05)

    def line(self, kind=Line, timeout=60):
        return kind(self.agent_socket, timeout=timeout if timeout < 30 else timeout * PATIENCE)

    def wait_agent(self, timeout=180):
        """Waits until the agent answers a delimited sync."""
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            try:
                with self.line(timeout=5) as line:
                    line.sync(int(time.monotonic() * 1e6) | 1)
                    return
            except (TimeoutError, EOFError, OSError):
                if self.process.poll() is not None:
                    raise RuntimeError("the guest ended before its agent answered") from None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def wait_exit(self, timeout=120):
        """Waits until the guest has powered itself off."""
        self.process.wait(timeout * PATIENCE)
        return self.process.returncode
