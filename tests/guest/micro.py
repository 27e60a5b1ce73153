# SPDX-License-Identifier: LGPL-2.1-or-later
"""The micro guest: Debian's kernel, busybox and an agent in one initial RAM disk.

Boots in about two seconds under emulation. Its disks and network come from the
machine it is put in.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import base
import cache

HERE = pathlib.Path(__file__).resolve().parent

MODULES = ["virtio_pci", "virtio_mmio", "virtio_console", "virtio_blk", "virtio_net", "virtio_scsi",
           "virtio_rng", "sd_mod", "ahci", "ata_piix", "nvme", "ext4", "fuse", "dm_mod",
           "button", "evdev", "pvpanic_mmio", "pvpanic_pci", "virtio_balloon",
           "vmw_vsock_virtio_transport"]


def module_files(release, names):
    """Module files with what they need before them, from modules.dep."""
    directory = base.root() / "lib" / "modules" / release
    needs, path_of = {}, {}
    for line in (directory / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        path_of[re.sub(r"\.ko.*$", "", pathlib.Path(path).name).replace("-", "_")] = path
    ordered = []

    def add(path):
        if path not in ordered:
            for need in needs[path]:
                add(need)
            ordered.append(path)

    for name in names:
        if name in path_of:  # else it is built in, or this kernel has it not
            add(path_of[name])
    return [directory / path for path in ordered]


def libraries(binary):
    """The shared objects a program needs, the loader among them; of a static one none."""
    text = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    if "statically linked" in text:
        return []
    found = set(re.findall(r"(/\S+) \(0x", text))
    # Loaded on first use, so ldd does not see it.
    for directory in ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"):
        if os.path.exists(f"{directory}/libudev.so.1"):
            found.add(f"{directory}/libudev.so.1")
            break
    return sorted(found)


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755)


def fill(tree, agent, release, modules=()):
    for name in ("bin", "sbin", "proc", "sys", "dev", "run", "tmp", "etc", "mnt", "modules"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    copy("/bin/busybox", tree / "bin" / "busybox")
    copy(agent, tree / "sbin" / "agent")
    for library in libraries(agent):
        copy(os.path.realpath(library), tree / library.lstrip("/"))
    order = []
    for path in module_files(release, [*MODULES, *modules]):
        copy(path, tree / "modules" / path.name)
        order.append(path.name)
    (tree / "modules" / "order").write_text("\n".join(order) + "\n")
    for source, target in (("init", "init"), ("shutdown", "sbin/shutdown"), ("verify", "sbin/verify")):
        copy(HERE / "files" / f"micro-{source}", tree / target)
    shutil.copyfile(base.root() / "etc" / "os-release", tree / "etc" / "os-release")


def pack(tree, target):
    """A directory as an initial RAM disk."""
    files = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                             input="\n".join(files).encode(), capture_output=True, check=True)
    target.write_bytes(subprocess.run(["gzip", "-1"], input=archive.stdout,
                                      capture_output=True, check=True).stdout)


def build(agent, release, target, modules=(), programs=(), extra=()):
    """@programs come with their libraries into /bin; @extra are (source, path in the guest)."""
    with tempfile.TemporaryDirectory(prefix="pvt-micro-") as name:
        tree = pathlib.Path(name)
        fill(tree, agent, release, modules)
        for program in programs:
            copy(program, tree / "bin" / pathlib.Path(program).name)
            for library in libraries(program):
                system = library.startswith(("/lib", "/usr"))
                place = library if system else f"/lib/{pathlib.Path(library).name}"
                copy(os.path.realpath(library), tree / place.lstrip("/"))
        for source, path in extra:
            copy(source, tree / path)
        pack(tree, target)


def image(agent, full=False):
    """(kernel, initial RAM disk) for this agent; @full: the kernel with every driver."""
    kernel, _, release = base.kernel(full=full)
    parts = [pathlib.Path(agent), pathlib.Path(__file__), HERE / "files" / "micro-init",
             HERE / "files" / "micro-shutdown", HERE / "files" / "micro-verify", str(kernel)]
    name = pathlib.Path(agent).name + ("-full" if full else "")
    return kernel, cache.make(f"micro-{name}", cache.key(*parts),
                              lambda target: build(agent, release, target))
