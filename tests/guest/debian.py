# SPDX-License-Identifier: LGPL-2.1-or-later
"""The full guest: a Debian with systemd on an ext4 disk, our agent installed.

The disk is made once from the base root. An agent, its unit and its udev rule
are written into a copy of it with debugfs, so that a new agent costs a second
and no mount.
"""

import pathlib
import re
import shutil
import subprocess
import tempfile

import base
import cache

TREE = pathlib.Path(__file__).resolve().parents[2]
FILES = TREE / "tests" / "guest" / "files"
SIZE = "2600M"
DATABASE_SIZE = "3700M"


def guest_files(agent):
    """What is put in: {path in the guest: (source, mode)}."""
    return {
        "/usr/sbin/pvtools-agent": (pathlib.Path(agent), 0o755),
        "/lib/systemd/system/pvtools-agent.service":
            (TREE / "packaging/systemd/pvtools-agent.service", 0o644),
        "/lib/systemd/system/pvtools-exec.service":
            (TREE / "packaging/systemd/pvtools-exec.service", 0o644),
        "/lib/udev/rules.d/60-pvtools-agent.rules":
            (TREE / "packaging/udev/60-pvtools-agent.rules", 0o644),
        "/lib/udev/rules.d/61-pvtools-hotplug.rules":
            (TREE / "packaging/udev/61-pvtools-hotplug.rules", 0o644),
        "/etc/systemd/system/pvt-test-disks.service": (FILES / "test-disks.service", 0o644),
        "/usr/local/sbin/pvt-test-disks": (FILES / "test-disks", 0o755),
        "/usr/share/pvtools/hooks/postgresql": (TREE / "agent/hooks/postgresql", 0o755),
        "/usr/share/pvtools/hooks/mariadb": (TREE / "agent/hooks/mariadb", 0o755),
    }


def make_disk(target, root=None, size=SIZE):
    print("# making the guest's disk (once, some seconds)", flush=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", "-L", "pvtools-root", "-d",
                    str(root or base.root()), str(target), size], check=True, capture_output=True)


def debugfs_script(agent, root):
    """Commands that write the files; /lib may be a link to usr/lib."""
    lines = ["mkdir /usr/share/pvtools", "mkdir /usr/share/pvtools/hooks"]
    for path, (source, mode) in guest_files(agent).items():
        real = path
        if path.startswith("/lib/") and (root / "lib").is_symlink():
            real = "/usr" + path
        lines += [f"rm {real}", f"write {source} {real}",
                  f"set_inode_field {real} mode 0{0o100000 | mode:o}"]
    wants = "/etc/systemd/system/multi-user.target.wants"
    lines.append(f"symlink {wants}/pvt-test-disks.service /etc/systemd/system/pvt-test-disks.service")
    return "\n".join(lines) + "\n"


def install(agent, disk, target):
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(disk), str(target)], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".debugfs") as script:
        script.write(debugfs_script(agent, base.root()))
        script.flush()
        done = subprocess.run(["debugfs", "-w", "-f", script.name, str(target)],
                              capture_output=True, text=True, check=True)
    bad = [line for line in done.stderr.splitlines()
           if not re.match(r"debugfs 1|rm: File not found", line)]
    if bad:
        raise RuntimeError("debugfs: " + "; ".join(bad))


def strip(agent):
    """A copy without debug information: it is the size that ships."""
    stripped = pathlib.Path(tempfile.mkdtemp(prefix="pvt-strip-")) / "pvtools-agent"
    subprocess.run(["strip", "-o", str(stripped), str(agent)], check=True)
    return stripped


def database_disk():
    """A root with servers for the tests, which the plain one has not: databases and NFS.
    None starts by itself: all at once they make a slow machine's boot time out."""
    root = base.root_with("dbroot", "postgresql", "postgresql-contrib", "mariadb-server",
                          "nfs-kernel-server", hooks=[
                              'chroot "$1" systemctl disable postgresql mariadb nfs-server nfs-client.target'])
    return cache.make("dbdisk", cache.key(root.name, DATABASE_SIZE),
                      lambda target: make_disk(target, root, DATABASE_SIZE))


def image(agent, full_kernel=False, database=False):
    """(kernel, initial RAM disk, disk) with this agent installed."""
    kernel, initrd, _ = base.kernel(full_kernel)
    if database:
        disk = database_disk()
    else:
        disk = cache.make(base.kind("disk"), cache.key(base.root().name, SIZE), make_disk)
    name = cache.key(disk.name, *(str((path, mode)) for path, (_, mode) in guest_files(agent).items()),
                     *(source for source, _ in guest_files(agent).values()))

    def build(target):
        stripped = strip(agent)
        install(stripped, disk, target)
        shutil.rmtree(stripped.parent)

    return kernel, initrd, cache.make(base.kind("withdb" if database else "debian"), name, build)
