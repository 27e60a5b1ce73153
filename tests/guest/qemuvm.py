# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest under QEMU: with KVM where the processor has it, emulated where not."""

import subprocess

from machine import EXTENDED, MAC, PORT, Machine, has_kvm


EMULATED = ["-accel", "tcg,thread=multi", "-cpu", "max"]


def accelerator():
    """QEMU's arguments for the fastest way this machine really has."""
    return ["-accel", "kvm", "-cpu", "host"] if has_kvm() else EMULATED


class QemuVM(Machine):
    """`devices` are further QEMU arguments, `disks` are (device arguments, size) of
    scratch disks, {drive} standing for the drive."""

    accelerator = None  # QEMU's arguments, where it is not the fastest

    def __init__(self, kernel, initrd, disk=None, append="", smp="2", memory=1024, devices=(),
                 disks=(), network=True, port=True, paused=False):
        super().__init__()
        self.arguments = [
            "qemu-system-x86_64", "-machine", "q35", *(self.accelerator or accelerator()), "-smp", smp, "-m", str(memory),
            "-nodefaults", "-display", "none", "-kernel", str(kernel), "-initrd", str(initrd),
            "-append", f"console=ttyS0 quiet panic=-1 {'root=/dev/vda rw ' if disk else ''}{append}",
            "-serial", f"file:{self.console}", "-qmp", f"unix:{self.qmp_socket},server=on,wait=off",
            "-qmp", f"unix:{self.second},server=on,wait=off", "-device", "virtio-serial-pci,id=vser",
            "-chardev", f"socket,id=agent,path={self.agent_socket},server=on,wait=off"]
        if port:
            self.arguments += ["-chardev", f"socket,id=extended,path={self.extended_socket},server=on,wait=off",
                               "-device", f"virtserialport,bus=vser.0,chardev=extended,name={EXTENDED}"]
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

    def add_disk(self, number, device, size):
        path = self.directory / f"disk{number}.img"
        with path.open("wb") as file:
            file.truncate(size)
        self.arguments += ["-drive", f"file={path},if=none,id=d{number},format=raw",
                           "-device", device.format(drive=f"d{number}")]

    def keep_disk(self, name, path):
        """A further disk, whose file is there before and after."""
        self.arguments += ["-drive", f"file={path},if=none,id={name},format=raw",
                           "-device", f"virtio-blk-pci,drive={name}"]

    def resize_disk(self, number, size):
        """While it runs; the @number'th of its scratch disks."""
        self.monitor.command("block_resize", device=f"d{number}", size=size)

    def resize_root(self, size):
        """The same of the disk with its root."""
        self.monitor.command("block_resize", device="root", size=size)

    def start(self):
        return subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=self.said.open("wb"))

    def pci_slots(self):
        """{device id: (bus, slot, function)} as QEMU placed them."""
        slots = {}
        for bus in self.monitor.command("query-pci"):
            for device in bus["devices"]:
                slots[device["qdev_id"]] = (device["bus"], device["slot"], device["function"])
        return slots
