# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian 11 with SysV init, and an archive of the agent that it installs at its first boot.

Its C library (2.31) is older than that of any system on which the agent is built, it has no
GLib at all, and neither systemd nor D-Bus. The archives are on a disk that is at /debs.
"""

import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import base
import cache
import debian
import stock
from vm import VM

PACKAGES = ["sysvinit-core", "sysv-rc", "initscripts", "insserv", "udev", "kmod", "procps", "e2fsprogs",
            "initramfs-tools", "linux-image-cloud-amd64"]
# A line of inittab(5): what runs it must end by itself.
BOOT = r"""
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mkdir -p /debs
mount -o ro /dev/disk/by-id/virtio-debs /debs || mount -o ro /dev/vdb /debs
if [ ! -e /root/first ]; then
  mkdir /root/first
  tar -xzf /debs/first/*.tar.gz -C /root/first --strip-components=1
  /root/first/install.sh > /root/install.log 2>&1
  echo "install.sh ended with $?" >> /root/install.log
  cat /root/install.log
fi
"""
HOOKS = [
    'echo pvtools-sysv > "$1/etc/hostname"',
    'echo "/dev/vda / ext4 defaults 0 1" > "$1/etc/fstab"',
    'chroot "$1" passwd -d root',
    'printf "%s" "$BOOT" > "$1/root/boot"',
    'printf "pv:2345:once:/bin/sh /root/boot > /dev/console 2>&1\\n" >> "$1/etc/inittab"',
    'rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*',
]


def mirror():
    """The host's own. The archive of security updates drops a release before this one does."""
    for path in base.own_sources(base.own_release()[1]):
        found = re.search(r"^(?:URIs:|deb).*?(https?://\S+/debian)(?=[\s/])",
                          pathlib.Path(path).read_text(errors="replace"), re.M)
        if found:
            return found.group(1)
    return "http://deb.debian.org/debian"


def build(target):
    print("# making a Debian root with SysV init (once, about a minute)", flush=True)
    done = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
                           f"--include={','.join(PACKAGES)}", '--aptopt=Acquire::Languages "none"',
                           *(f"--customize-hook={hook}" for hook in HOOKS), "bullseye", str(target), mirror()],
                          capture_output=True, text=True, check=False, env=dict(os.environ, BOOT=BOOT))
    if done.returncode:
        raise RuntimeError(f"mmdebstrap failed:\n{done.stderr[-3000:]}")


def root():
    return cache.make("sysv", cache.key(*PACKAGES, *HOOKS, BOOT), build)


def disk():
    return cache.make("sysvdisk", cache.key(root().name, "1200M"),
                      lambda target: debian.make_disk(target, root(), "1200M"))


class Guest(stock.Guest):
    """The agent that is asked is the one that the archive brought. With one processor: where
    many others hold the machine's, an emulated second one makes the first wait."""

    patience = 900

    def vm(self):
        if not self.machine:
            boot = root() / "boot"
            kernel = next(boot.glob("vmlinuz-*"))
            vm = VM(kernel, next(boot.glob("initrd.img-*")), disk(), smp="1")
            stock.add_packages(vm, self.folders())
            self.machine = vm.__enter__()
            vm.wait_agent(self.patience)
        return self.machine

    def launch(self, name):
        return f"/bin/sh /root/{name} > /dev/null 2>&1 < /dev/null &"
