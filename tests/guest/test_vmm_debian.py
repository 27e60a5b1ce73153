#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole Debian under pvtools-vmm in a nested guest: its own initial RAM disk, its root
on a disk, systemd to a login; quiesced, and ended by the power button.

PVT_LONG=1 reboots it in the same process, too."""

import json
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import base
import cache
import debian
import micro
import nested
import tap
import vhostuser
from agent import find_agent
from tap import check, note

# As long as the outer guest is emulated and everything in it twice so.
BOOT = 500

START = f"""
cd /run
pvtools-vmm run --kernel /inner/vmlinuz --initrd /inner/initrd --memory 512 --cpus 2 --rng \
    --append "console=ttyS0 root=/dev/vda rw" --disk file=/dev/vda,serial=root --serial /run/console \
    --port org.qemu.guest_agent.0=/run/inner.sock --qmp /run/inner.qmp > /dev/null 2> /run/vmm.err &
for i in $(seq 100); do [ -S /run/inner.sock ] && break; sleep 0.1; done
pvtools wait unix:/run/inner.sock --timeout {BOOT} || {{ tail -n 30 /run/console; cat /run/vmm.err; exit 1; }}
"""


def image():
    """(kernel, initial RAM disk) of the outer guest, and the inner one's disk."""
    agent, cli, vmm = find_agent(), nested.find_cli(), vhostuser.find_vmm()
    inner_kernel, inner_initrd, disk = debian.image(agent)
    kernel, _, release = base.kernel(full=True)
    name = cache.key(*map(pathlib.Path, (agent, cli, vmm, __file__, nested.__file__, micro.__file__)),
                     str(inner_kernel), str(kernel), disk.name)

    def make(target):
        with tempfile.TemporaryDirectory(prefix="pvt-payload-") as directory:
            unixcat = nested.build_tool(pathlib.Path(directory) / "unixcat")
            micro.build(agent, release, target, nested.MODULES, (cli, vmm),
                        ((inner_kernel, "inner/vmlinuz"), (inner_initrd, "inner/initrd"),
                         (unixcat, "bin/unixcat")))

    return (kernel, cache.make("nested-debian", name, make)), disk


def test_debian_from_its_disk():
    made, disk = image()
    with nested.Outer(made, devices=("-drive", f"file={disk},if=none,id=inner,format=raw,snapshot=on",
                                     "-device", "virtio-blk-pci,drive=inner")) as vm:
        vm.sh(START, timeout=BOOT + 60)
        told = json.loads(vm.sh("pvtools info -o json unix:/run/inner.sock"))
        note(vm.sh("pvtools info unix:/run/inner.sock; pvtools df unix:/run/inner.sock"))
        check("Debian" in json.dumps(told), told)
        quiesced = vm.sh("pvtools quiesce qemu:/run/inner.qmp -- echo still", timeout=300)
        note(quiesced)
        check("still" in quiesced and "consistent, 1 filesystem" in quiesced, quiesced)
        vm.sh(f"for i in $(seq {BOOT}); do grep -q 'login:' /run/console && exit 0; sleep 1; done; "
              "tail -n 30 /run/console; exit 1", timeout=BOOT + 60)
        if os.environ.get("PVT_LONG"):
            note(vm.sh(f"pvtools reboot qemu:/run/inner.qmp --wait --timeout {BOOT}",
                       timeout=BOOT + 60))
        vm.sh("unixcat /run/inner.qmp 10 POWERDOWN <<'END'\n"
              '{"execute": "qmp_capabilities"}\n{"execute": "system_powerdown"}\nEND\n')
        vm.sh(f"for i in $(seq {BOOT}); do pidof pvtools-vmm > /dev/null || exit 0; sleep 1; done; "
              "tail -n 30 /run/console; exit 1", timeout=BOOT + 60)
        console = vm.sh("cat /run/console")
        check("Power down" in console, console[-600:])


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
