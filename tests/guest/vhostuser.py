# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our device models as vhost-user back-ends, and QEMU's arguments to use them."""

import os
import pathlib
import socket
import subprocess
import time

TREE = pathlib.Path(__file__).resolve().parents[2]


def find_vmm():
    path = os.environ.get("PVT_VMM") or TREE / "build/release/host-side/vmm/pvtools-vmm"
    if not pathlib.Path(path).exists():
        raise RuntimeError(f"no {path}: build first, or set PVT_VMM")
    return str(path)


def memory(megabytes):
    """Guest memory that another process can map."""
    return ["-object", f"memory-backend-memfd,id=m,size={megabytes}M,share=on",
            "-machine", "memory-backend=m"]


def device(path, kind, options=""):
    name = f"vu{kind}{pathlib.Path(path).stem}"
    again = ",reconnect=1" if kind == "blk" else ""  # QEMU's others do not reconnect
    return ["-chardev", f"socket,id={name},path={path}{again}",
            "-device", f"vhost-user-{kind}-pci,chardev={name}{options}"]


class Backend:
    """pvtools-vmm device KIND with its socket."""

    def __init__(self, path, kind, **options):
        self.path = str(path)
        self.command = [find_vmm(), "device", kind, "--socket", self.path]
        for key, value in options.items():
            self.command += [f"--{key}", str(value)]
        self.process = None

    def start(self):
        pathlib.Path(self.path).unlink(missing_ok=True)
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + 20
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.command} did not start")
            time.sleep(0.02)
        return self

    def listens(self):
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(self.path)
                return True
        except OSError:
            return False

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
