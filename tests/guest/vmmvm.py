# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest of pvtools-vmm that tests use as they use one of QEMU's (vm.py).

What tests ask of QEMU is put into our words where we have the same; a test that asks for
more is skipped, and says why.
"""

import pathlib
import re
import shutil

import places
from machine import EXTENDED, MAC, PORT, Machine, needs
from tap import Skip

# QEMU's devices: our words for them, or which of LACKS.
DEVICES = {"virtio-balloon-pci": ["--balloon"], "virtio-rng-pci": ["--rng"],
           "pvpanic": [],  # every machine has it
           "pcie-root-port": "hotplug", "isa-serial": "legacy-serial", "i6300esb": "watchdog",
           "acpi-erst": "erst"}


def words_of(devices):
    """Our words for QEMU's arguments. A shared page's file is a path, which is the place's to change."""
    words, rest, files = [], list(devices), {}
    while rest:
        option, value = rest.pop(0), rest.pop(0)
        name, _, options = value.partition(",")
        known = DEVICES.get(name)
        values = dict(word.partition("=")[::2] for word in options.split(","))
        if option == "-device" and name == "vmgenid":
            words += ["--vmgenid", options.removeprefix("guid=")]
        elif option == "-global" and "disable_s3" in value:
            needs("sleep")
        elif option == "-rtc":
            needs("rtc")
        elif option == "-action":
            needs("panic-actions")
        elif option == "-object" and name == "memory-backend-file":
            files[values["id"]] = pathlib.Path(values["mem-path"])
        elif name == "ivshmem-plain" and "--shared-page" not in words:
            words += ["--shared-page", files[values["memdev"]]]
        elif option != "-device" or known is None:
            raise Skip(f"our VMM has nothing like {option} {value}")
        elif isinstance(known, str):
            needs(known)
        else:
            words += known
    return words


def disk_words(device, path):
    """Our words for a disk that a test describes in QEMU's."""
    name, _, options = device.partition(",")
    if name != "virtio-blk-pci":
        raise Skip(f"our VMM has no {name}")
    words = f"file={path}"
    for option in options.split(","):
        key, _, value = option.partition("=")
        if key == "serial":
            words += f",serial={value}"
        elif key not in ("drive", "id"):
            raise Skip(f"disks of our VMM have no {key}")
    return words


class VmmVM(Machine):
    """As QemuVM; in a nested guest where this machine's KVM has no hardware."""

    STARTS = 300  # in a guest that is emulated

    def __init__(self, kernel, initrd, disk=None, append="", smp="2", memory=1024, devices=(),
                 disks=(), network=True, port=True, paused=False, place=None, copies=False):
        """@copies: of its disks, which are in self.store, take no time."""
        super().__init__()
        # One control socket, which takes several programs.
        self.sockets = {path: self.qmp_socket for path in (self.qmp_socket, self.second)}
        self.ids, self.drives = [], []
        try:
            if not smp.isdigit():
                needs("hotplug")
            more = words_of(devices)
            for device, _ in disks:
                disk_words(device, "")
            self.place = place or places.place()
            self.place.make(self.directory)
            more = [self.place.page(word, self.directory) if isinstance(word, pathlib.Path) else word
                    for word in more]
            paths = [self.make_disk(number, size) for number, (_, size) in enumerate(disks)]
            self.store = self.place.store([*([disk] if disk else []), *paths], self.directory) if copies else None
        except BaseException:
            shutil.rmtree(self.directory)
            raise
        root = "root=/dev/vda rw " if disk else ""
        self.words = ["run", "--kernel", self.place.file(kernel), "--initrd", self.place.file(initrd),
                      "--append", f"console=ttyS0 quiet panic=-1 {root}{append}", "--memory", memory,
                      "--cpus", smp, "--serial", self.console, "--qmp", self.qmp_socket]
        if disk:
            self.add_drive("root", f"file={self.file_of(disk, False)},serial=pvtroot", disk)
        if network:
            self.add("net0", "--net", f"user,mac={MAC}")
        for number, (device, size) in enumerate(disks):
            self.add_disk(number, device, size)
        self.words += [*more, *(["--paused"] if paused else [])]
        for name, path in ((EXTENDED, self.extended_socket), (PORT, self.agent_socket)) if port else ():
            self.words += ["--port", f"{name}={path}"]
            self.sockets[path] = path

    def add(self, name, *words):
        """A device, whose place on the bus is the next one."""
        self.ids.append(name)
        self.words += words

    def file_of(self, path, keep):
        """What our VMM is given for a disk."""
        return self.store / path.name if self.store else self.place.disk(path, keep, self.directory)

    def add_drive(self, name, words, path):
        """Drives are counted on the control socket."""
        self.add(name, "--disk", words)
        self.drives.append(path)

    def keep_disk(self, name, path):
        """A further disk, whose file is there before and after."""
        self.add_drive(name, f"file={self.file_of(path, True)}", path)

    def resize_disk(self, number, size):
        """While it runs; the @number'th of its scratch disks."""
        self.resize(self.directory / f"disk{number}.img", size)

    def resize_root(self, size):
        """The same of the disk with its root, which is the first."""
        self.resize(self.drives[0], size)

    def resize(self, path, size):
        self.place.grow(path, size)
        self.monitor.command("block_resize", device=f"drive{self.drives.index(path)}", size=size)

    def make_disk(self, number, size):
        path = self.directory / f"disk{number}.img"
        with path.open("wb") as file:
            file.truncate(size)
        return path

    def add_disk(self, number, device, size):
        path = self.make_disk(number, size)
        name = re.search(r",id=(\w+)", device)
        self.add_drive(name[1] if name else f"d{number}",
                       disk_words(device, self.file_of(path, True)), path)

    @property
    def arguments(self):
        self.end()
        shutil.rmtree(self.directory)
        raise Skip("it gives QEMU arguments of its own")

    def start(self):
        return self.place.start(self.words, self.directory, self.sockets, [self.console], self.said)

    def last_words(self):
        return self.place.last_words(self.said)

    def end(self):
        self.place.end(self.directory)

    def pci_slots(self):
        """Bus 0: the bridge, then the devices in the order of the command line."""
        return {name: (0, number + 1, 0) for number, name in enumerate(self.ids)}
