#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools-vmm beside QEMU's q35 and microvm: start, memory, boot, disk and network.

  tests/bench/vmm.py --vmm VMM [--agent AGENT] [--linux] [--rounds N] [--seconds N] [--json FILE]

Without --linux: on this machine's /dev/kvm, which may only interpret, until the first
instruction and to the entry of a kernel. With it: in a guest with a /dev/kvm of its own
(tests/guest/nested.py), a stock kernel to its first program, and what that measures.

The three take turns, so that what else the machine does hits all of them. Everything
is read from one clock outside the guests. Medians; ratios count, times are the machine's.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import statistics
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parent / "guest")]

import base
import cache
import micro
import nested

MEMORY = 256
DISK_MIB = 64
MACHINES = ("pvtools-vmm", "q35", "microvm")
QEMU = "qemu-system-x86_64"
FIRMWARE = ("bios-256k.bin", "bios-microvm.bin", "linuxboot_dma.bin", "linuxboot.bin", "kvmvapic.bin", "pvh.bin",
            "qboot.rom")
FIRMWARE_PLACES = ("/usr/share/qemu", "/usr/share/seabios")
DRIVERS = ["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net"]
SECTOR = 512
TRIES = 3  # of a run that ends before it has told all
# out 'K' to COM1, a line feed, halt: as 16-bit code, and with prefixes as 64-bit code.
SAY = (b"\xba\xf8\x03", b"\xb0K\xee\xb0\n\xee\xf4\xeb\xfd")


def first_instruction():
    """A firmware that is nothing but its reset vector (16 bytes below 4 GiB)."""
    return (bytes(65536 - 16) + b"".join(SAY)).ljust(65536, b"\0")


def kernel_that_speaks(size):
    """A bzImage (Linux' Documentation/x86/boot.rst) whose first instructions, of its
    16-bit and its 64-bit entry, tell that they are run; as long as a real one."""
    setup = bytearray(2 * SECTOR)
    struct.pack_into("<B", setup, 0x1F1, 1)  # sectors of set-up code behind the first
    struct.pack_into("<I", setup, 0x1F4, (size - len(setup)) // 16)
    struct.pack_into("<H2B4sH", setup, 0x1FE, 0xAA55, 0xEB, 0x66, b"HdrS", 0x20C)
    struct.pack_into("<B", setup, 0x211, 1)  # loaded high
    struct.pack_into("<I", setup, 0x214, 0x100000)
    struct.pack_into("<IIBBHI", setup, 0x22C, 0x7FFFFFFF, 1 << 20, 1, 20, 3, 2047)
    struct.pack_into("<QI", setup, 0x258, 16 << 20, 32 << 20)
    code = b"".join(SAY)
    setup[0x268:0x268 + len(code)] = code
    return (bytes(setup) + bytes(0x200) + b"\x66" + code).ljust(size, b"\x90")


def qemu(machine, accel_cpu, firmware=None):
    extra = {"q35": "q35,smm=off,sata=off,smbus=off,vmport=off",
             "microvm": "microvm,acpi=on,pit=off,pic=off,rtc=off"}[machine]
    return [QEMU, "-machine", f"{extra},memory-backend=m", "-accel", "kvm", "-cpu", accel_cpu,
            "-object", f"memory-backend-memfd,id=m,size={MEMORY}M,share=on", "-m", MEMORY, "-nodefaults",
            "-no-user-config", "-display", "none", "-serial", "stdio",
            "-global", "virtio-mmio.force-legacy=false", *(["-bios", firmware] if firmware else [])]


def command(machine, vmm, cpu, payload, disk=None, tap_name=None, firmware=None):
    """@payload: (kernel, initial RAM disk or None, command line)."""
    kernel, initrd, append = payload
    if machine == "pvtools-vmm":
        words = [vmm, "run", "--memory", MEMORY]
        words += ["--kernel", kernel, "--append", append, *(["--initrd", initrd] if initrd else [])]
        words += ["--disk", f"file={disk}"] if disk else []
        words += ["--net", f"tap={tap_name}"] if tap_name else []
        return words
    words = qemu(machine, cpu, firmware)
    bus = "pci" if machine == "q35" else "device"
    if not firmware:
        words += ["-kernel", kernel, "-append", append, *(["-initrd", initrd] if initrd else [])]
    if disk:
        words += ["-object", "iothread,id=io", "-drive", f"file={disk},if=none,id=d,format=raw",
                  "-device", f"virtio-blk-{bus},drive=d,iothread=io"]
    if tap_name:
        words += ["-netdev", f"tap,id=n,ifname={tap_name},script=no,downscript=no,vhost=off",
                  "-device", f"virtio-net-{bus},netdev=n" + (",romfile=" if bus == "pci" else "")]
    return words


def build_tools(directory):
    for name, sources in (("vmm-watch", ["vmm-watch.c"]), ("vmm-guest", ["vmm-guest.c", "vmm-guest-net.c"])):
        subprocess.run(["cc", "-O2", "-static", "-o", directory / name, *(HERE / s for s in sources)],
                       check=True)
    (directory / "rom").write_bytes(first_instruction())
    (directory / "entry").write_bytes(kernel_that_speaks(64 << 10))


def parse(text):
    """What vmm-watch said: {"exec", "pss", "private", "at": {line: us}, "rates": {name: a second}}."""
    told = {"at": {}, "rates": {}}
    began = {}
    for line in text.splitlines():
        first, _, rest = line.partition(" ")
        words = rest.split()
        if not first.isdigit():
            told[first] = int(rest)
        elif words[:1] == ["error"]:
            raise RuntimeError(line)
        elif words[:1] == ["begin"]:
            began[words[1]] = int(first)
        elif words[:1] == ["end"]:
            told["rates"][words[1]] = int(words[2]) / (int(first) - began[words[1]]) * 1e6
        else:
            told["at"].setdefault(rest, int(first))
    return told


class Here:
    """This machine's /dev/kvm."""

    cpu = "qemu64"

    def __init__(self, vmm, directory):
        self.vmm, self.directory = vmm, directory

    def run(self, machine, what, until="K"):
        firmware = self.directory / "rom" if what == "rom" else None
        words = command(machine, self.vmm, self.cpu, (self.directory / "entry", None, "quiet"),
                        firmware=firmware)
        done = subprocess.run([self.directory / "vmm-watch", "--until", until, "--", *map(str, words)],
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{machine}: {shlex.join(map(str, words))}: {done.stderr}")
        return parse(done.stdout)


class Nested(nested.Outer):
    """A guest with a /dev/kvm, the three, and what is measured in them."""

    cpu = "host"

    def __init__(self, vmm, directory, seconds):
        self.seconds = seconds
        super().__init__(image(vmm, directory))

    def __enter__(self):
        super().__enter__()
        self.sh(f"dd if=/dev/zero of=/run/disk bs=1M count={DISK_MIB} 2>/dev/null; "
                "vmm-watch --tap tap0=10.9.0.1 -- true; vmm-guest serve > /dev/null 2>&1 &")
        return self

    def run(self, machine, what, until="K"):
        kernel = {"linux": "vmlinuz", "bare": "vmlinuz", "loaded": "loaded", "rom": "entry"}[what]
        payload = (f"/bench/{kernel}", None if what == "rom" else "/bench/initrd",
                   f"quiet panic=-1 seconds={self.seconds if what == 'linux' else 0}")
        words = command(machine, "pvtools-vmm", self.cpu, payload,
                        *(("/run/disk", "tap0") if what in ("linux", "loaded") else ()),
                        firmware="/bench/rom" if what == "rom" else None)
        if machine != "pvtools-vmm":
            words += ["-L", "/bench"]
        return parse(self.sh(f"vmm-watch --seconds 150 --until {until} -- {shlex.join(map(str, words))} "
                             "2> /run/vmm.err || { cat /run/vmm.err; false; }", timeout=200))


def image(vmm, tools):
    """(kernel, initial RAM disk) of the guest around the three; theirs are in /bench."""
    kernel, _, release = base.kernel(full=True)
    inner, _, inner_release = base.kernel()
    agent = nested.find_agent()
    firmware = [path for name in FIRMWARE for place in FIRMWARE_PLACES
                if (path := pathlib.Path(place, name)).exists()]
    files = [tools / "vmm-watch", tools / "vmm-guest", tools / "rom", tools / "entry"]
    name = cache.key(*map(pathlib.Path, (agent, vmm, __file__, micro.__file__)), *files, str(kernel),
                     str(inner), pathlib.Path(f"/usr/bin/{QEMU}"))

    def make(target):
        loaded, initrd = tools / "loaded", tools / "initrd"
        loaded.write_bytes(kernel_that_speaks(pathlib.Path(inner).stat().st_size))
        build_inner(tools, inner_release, initrd)
        micro.build(agent, release, target, ["kvm", "kvm_amd", "tun"],
                    (vmm, f"/usr/bin/{QEMU}"),
                    [*((tools / tool, f"bin/{tool}") for tool in ("vmm-watch", "vmm-guest")),
                     *((path, f"bench/{path.name}") for path in firmware), (inner, "bench/vmlinuz"),
                     *((path, f"bench/{path.name}") for path in (loaded, initrd, tools / "rom",
                                                                  tools / "entry"))])

    return kernel, cache.make("bench-vmm", name, make)


def build_inner(tools, release, target):
    """One program and the drivers it needs."""
    with tempfile.TemporaryDirectory(prefix="pvt-bench-") as name:
        tree = pathlib.Path(name)
        for folder in ("dev", "proc", "sys", "modules"):
            (tree / folder).mkdir()
        micro.copy(tools / "vmm-guest", tree / "init")
        modules = micro.module_files(release, DRIVERS)
        for path in modules:
            micro.copy(path, tree / "modules" / path.name)
        (tree / "modules/order").write_text("".join(f"{path.name}\n" for path in modules))
        micro.pack(tree, target)


class Rows(dict):
    """{row: values of each machine}, and of which runs there are none."""

    def __init__(self):
        super().__init__()
        self.ended = []

    def add(self, name, unit, machine, value, more_is_better=False):
        row = self.setdefault(name, {"unit": unit, "more": more_is_better, "of": {m: [] for m in MACHINES}})
        row["of"][machine].append(value)

    def table(self, title):
        lines = [f"| {title} | pvtools-vmm | QEMU q35 | QEMU microvm | ours to q35 | ours to microvm |",
                 "|---|---|---|---|---|---|"]
        for name, row in self.items():
            ours, *others = (statistics.median(row["of"][m]) for m in MACHINES)
            row["ratios"] = [ours / other for other in others]
            cells = [f"{value:.0f}" if value >= 100 else f"{value:.1f}" for value in (ours, *others)]
            lines.append(f"| {name} ({row['unit']}) | {' | '.join(cells)} | "
                         f"{' | '.join(f'{ratio:.2f}' for ratio in row['ratios'])} |")
        return "\n".join(lines + [f"\nStarted again: {why}" for why in self.ended])


def until_it_works(rows, measure, machine, *rest):
    """A guest that ends before its time, as a reset of the nested one may make it, does not
    take the other machines' figures along."""
    for _ in range(TRIES):
        try:
            return measure(machine, *rest)
        except (AssertionError, RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:
            why = (str(error).strip().splitlines() or [repr(error)])[-1]
        rows.ended.append(f"{machine}: {why}")
        print(f"# {rows.ended[-1]}", file=sys.stderr, flush=True)
    raise RuntimeError(f"{machine} ended {TRIES} times")


def measure_start(lane, rounds, rows):
    """To the first instruction; a kernel's, behind what firmware there is; memory then."""
    for _ in range(rounds):
        for machine in MACHINES:
            told = until_it_works(rows, lane.run, machine, "rom")
            rows.add("start to the first instruction", "ms", machine, told["exec"] / 1e3)
            rows.add("memory besides the guest's, Pss", "KiB", machine, told["pss"])
            rows.add("the same, private only", "KiB", machine, told["private"])


DISK_ROWS = [(f"{way}-4k-{depth}", f"{word} 4 KiB at random, depth {depth}", "requests/s", 1)
             for depth in (1, 32) for way, word in (("read", "read"), ("write", "write"))]
DISK_ROWS += [(f"{way}-1m", f"{way} 1 MiB at random", "MiB/s", 1) for way in ("read", "write")]
NET_ROWS = [("stream-out", "TCP from the guest", "MB/s", 1e6), ("stream-in", "TCP to the guest", "MB/s", 1e6),
            ("round-trip", "TCP, one byte and back", "a second", 1)]


def entered_and_measured(machine, lane):
    """(ms to the kernel's entry, what its run told)."""
    entry = lane.run(machine, "loaded")["exec"] / 1e3
    told = lane.run(machine, "linux", "idle")
    if "up" not in told["at"] or len(told["rates"]) != len(DISK_ROWS + NET_ROWS):
        raise RuntimeError(f"only {sorted([*told['at'], *told['rates']])}")
    return entry, told


def measure_linux(lane, rounds, rows):
    for _ in range(rounds):
        for machine in MACHINES:
            entry, told = until_it_works(rows, entered_and_measured, machine, lane)
            up = told["at"]["up"] / 1e3
            rows.add("start to a kernel's entry", "ms", machine, entry)
            rows.add("kernel's entry to its first program", "ms", machine, up - entry)
            rows.add("start to the first program", "ms", machine, up)
            rows.add("with disk and network, Pss", "KiB", machine, told["pss"])
            rows.add("the same with them, private", "KiB", machine, told["private"])
            for name, text, unit, scale in DISK_ROWS + NET_ROWS:
                rows.add(text, unit, machine, told["rates"][name] / scale, True)
            print(f"# {machine}: {told}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vmm", required=True)
    parser.add_argument("--agent")
    parser.add_argument("--linux", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.agent:
        os.environ["PVT_AGENT"] = options.agent
    rows = Rows()
    with tempfile.TemporaryDirectory(prefix="pvt-bench-") as name:
        directory = pathlib.Path(name)
        build_tools(directory)
        if options.linux:
            with Nested(options.vmm, directory, options.seconds) as lane:
                measure_start(lane, 3 * options.rounds, rows)
                measure_linux(lane, options.rounds, rows)
        elif not os.access("/dev/kvm", os.R_OK | os.W_OK):
            print("/dev/kvm cannot be opened here: nothing was measured")
            return
        else:
            measure_start(Here(options.vmm, directory), options.rounds, rows)
    print(rows.table("in a nested guest" if options.linux else "on this machine's KVM"))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
