# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that has a real /dev/kvm on every machine.

QEMU emulates a processor with SVM and nested paging (-cpu max). Debian's full
kernel loads kvm-amd on it, and pvtools-vmm boots a stock kernel with our agent
inside that. The outer guest is driven by its own agent.
"""

import gzip
import os
import pathlib
import struct
import subprocess
import tempfile

import base
import cache
import micro
import shell
import vhostuser
from agent import find_agent
from qemuvm import EMULATED, QemuVM

TREE = pathlib.Path(__file__).resolve().parents[2]
MODULES = ["kvm", "kvm_amd", "loop", "crc32c_generic"]  # the last two to look into images


def find_cli():
    path = os.environ.get("PVT_CLI") or TREE / "build/release/host-side/cli/pvtools"
    if not pathlib.Path(path).exists():
        raise RuntimeError(f"no {path}: build first, or set PVT_CLI")
    return str(path)


def build_payload(target):
    """A PVH guest of tests/guest/payload: board or echo."""
    source = TREE / "tests/guest/payload" / f"{target.stem}.S"
    subprocess.run(["cc", "-nostdlib", "-static", "-no-pie", "-o", str(target), str(source),
                    "-Wl,-N,-e,entry,-Ttext=0x100000,--build-id=none,--no-warn-rwx-segments"],
                   check=True)
    return target


def build_tool(target):
    """unixcat, sockecho, rings or flushed, which run in any guest."""
    subprocess.run(["cc", "-O1", "-static", "-s", "-o", str(target),
                    str(TREE / "tests/guest/payload" / f"{target.name}.c")], check=True)
    return target


def unpack_kernel(image, target):
    """The ELF file in a bzImage, which has a PVH entry, compressed as busybox understands it:
    boot.rst's payload_offset and payload_length; four bytes of its size are behind it."""
    data = pathlib.Path(image).read_bytes()
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (data[0x1f1] + 1) * 512 + offset
    payload = data[start:start + length - 4]
    if payload[:4] != b"\x02\x21\x4c\x18":
        raise RuntimeError(f"{image} is not compressed by LZ4 as Debian's are: {payload[:4].hex()}")
    elf = subprocess.run(["lz4", "-dc"], input=payload, stdout=subprocess.PIPE, check=True).stdout
    target.write_bytes(gzip.compress(elf, 1))
    return target


def image():
    """(kernel, initial RAM disk) of the outer guest; the inner ones' are in /inner."""
    agent, cli, vmm = find_agent(), find_cli(), vhostuser.find_vmm()
    inner_kernel, inner_initrd = micro.image(agent)
    _, full_initrd = micro.image(agent, full=True)
    kernel, _, release = base.kernel(full=True)
    name = cache.key(*map(pathlib.Path, (agent, cli, vmm, inner_initrd, full_initrd, __file__,
                                         micro.__file__)),
                     str(inner_kernel), str(kernel),
                     *sorted((TREE / "tests/guest/payload").iterdir()))

    def make(target):
        with tempfile.TemporaryDirectory(prefix="pvt-payload-") as directory:
            payload = build_payload(pathlib.Path(directory) / "board.elf")
            unixcat = build_tool(pathlib.Path(directory) / "unixcat")
            sockecho = build_tool(pathlib.Path(directory) / "sockecho")
            rings = build_tool(pathlib.Path(directory) / "rings")
            flushed = build_tool(pathlib.Path(directory) / "flushed")
            elf = unpack_kernel(inner_kernel, pathlib.Path(directory) / "vmlinux.gz")
            micro.build(agent, release, target, MODULES, (cli, vmm),
                        ((inner_kernel, "inner/vmlinuz"), (inner_initrd, "inner/initrd"),
                         (kernel, "inner/vmlinuz-full"), (full_initrd, "inner/initrd-full"),
                         (payload, "inner/board.elf"), (unixcat, "bin/unixcat"),
                         (sockecho, "bin/sockecho"), (rings, "bin/rings"),
                         (flushed, "bin/flushed"), (elf, "inner/vmlinux.gz")))

    return kernel, cache.make("nested", name, make)


class Outer(QemuVM):
    """The outer guest, of @made or image(); sh() runs a script in it."""

    accelerator = EMULATED  # KVM in KVM is another story

    def __init__(self, made=None, **keywords):
        super().__init__(*(made or image()), memory=1536, network=False, **keywords)

    def __enter__(self):
        super().__enter__()
        try:
            self.wait_agent()
        except BaseException:
            self.__exit__(RuntimeError, None, None)
            raise
        return self

    def sh(self, script, timeout=180):
        with self.line(timeout=timeout) as line:
            line.sync()
            return shell.sh(line, script, timeout)
