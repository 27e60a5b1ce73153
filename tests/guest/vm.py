# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest under QEMU: with KVM where the processor has it, emulated where not."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from qmp import Qmp
from wire import Line

PORT = "org.qemu.guest_agent.0"
MAC = "52:54:00:12:34:56"


def accelerator():
    """QEMU's arguments for the fastest way this machine really has."""
    flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    if flags and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max"]


class VM:
    """A context manager; `devices` are further QEMU arguments, `disks` are
    (device arguments, size) of scratch disks, {drive} standing for the drive.
    The test itself holds the first monitor; what it tests uses the second, at `address`."""

    def __init__(self, kernel, initrd, disk=None, append="", smp="2", memory=1024, devices=(),
                 disks=(), network=True, port=True, paused=False):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-vm-"))
        self.agent_socket = self.directory / "agent.sock"
        self.qmp_socket = self.directory / "qmp.sock"
        self.second = self.directory / "second.sock"
        self.address = f"qemu:{self.second}"
        self.console = self.directory / "console.log"
        self.arguments = [
            "qemu-system-x86_64", "-machine", "q35", *accelerator(), "-smp", smp, "-m", str(memory),
            "-nodefaults", "-display", "none", "-kernel", str(kernel), "-initrd", str(initrd),
            "-append", f"console=ttyS0 quiet panic=-1 {'root=/dev/vda rw ' if disk else ''}{append}",
            "-serial", f"file:{self.console}", "-qmp", f"unix:{self.qmp_socket},server=on,wait=off",
            "-qmp", f"unix:{self.second},server=on,wait=off", "-device", "virtio-serial-pci,id=vser",
            "-chardev", f"socket,id=agent,path={self.agent_socket},server=on,wait=off"]
        self.extended_socket = self.directory / "extended.sock"
        if port:
            self.arguments += ["-chardev", f"socket,id=extended,path={self.extended_socket},server=on,wait=off",
                               "-device", "virtserialport,bus=vser.0,chardev=extended,name=org.pvtools.0"]
            self.arguments += ["-device", f"virtserialport,bus=vser.0,chardev=agent,name={PORT},id=port"]
        if disk:
            self.arguments += ["-drive", f"file={disk},if=none,id=root,format=raw,snapshot=on",
                               "-device", "virtio-blk-pci,drive=root,serial=pvtroot"]
        if network:
            self.arguments += ["-netdev", "user,id=net0",
                               "-device", f"virtio-net-pci,netdev=net0,mac={MAC}"]
        for number, (device, size) in enumerate(disks):
            self.add_disk(number, device, size)
        self.arguments += [*devices, *(["-S"] if paused else [])]
        self.process = self.monitor = None

    def add_disk(self, number, device, size):
        path = self.directory / f"disk{number}.img"
        with path.open("wb") as file:
            file.truncate(size)
        self.arguments += ["-drive", f"file={path},if=none,id=d{number},format=raw",
                           "-device", device.format(drive=f"d{number}")]

    def __enter__(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL,
                                        stderr=(self.directory / "qemu.err").open("wb"))
        try:
            self.monitor = self._connect_monitor()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _connect_monitor(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                return Qmp(self.qmp_socket)
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("QEMU did not start: "
                                       + (self.directory / "qemu.err").read_text()) from None
                time.sleep(0.05)

    def __exit__(self, kind, value, trace):
        if kind is not None and self.console.exists():
            for line in self.console.read_text(errors="replace").splitlines()[-30:]:
                print(f"# console: {line}", flush=True)
        if self.monitor:
            self.monitor.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory)

    def line(self, kind=Line, timeout=60):
        return kind(self.agent_socket, timeout=timeout)

    def wait_agent(self, timeout=180):
        """Waits until the agent answers a delimited sync."""
        deadline = time.monotonic() + timeout
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

    def wait_exit(self, timeout=120):
        """Waits until the guest has powered itself off."""
        self.process.wait(timeout)
        return self.process.returncode

    def pci_slots(self):
        """{device id: (bus, slot, function)} as QEMU placed them."""
        slots = {}
        for bus in self.monitor.command("query-pci"):
            for device in bus["devices"]:
                slots[device["qdev_id"]] = (device["bus"], device["slot"], device["function"])
        return slots
