# SPDX-License-Identifier: LGPL-2.1-or-later
"""Initial RAM disks made by the guest's own initramfs-tools, in its root, in seconds.

The root in the cache stays as it is: what changes lies on a memory file system
above it, in a name space of its own.
"""

import pathlib
import subprocess
import tempfile

import base
import cache

HOOK = pathlib.Path(__file__).resolve().parents[2] / "drivers/linux/initramfs-hook"

# As an installer or an image builder leaves it that saw other hardware: the
# modules that are listed, and no others.
SCRIPT = """set -e
mount -t tmpfs tmpfs {place}
mkdir {place}/upper {place}/work {place}/root
mount -t overlay overlay -o lowerdir={base},upperdir={place}/upper,workdir={place}/work {place}/root
mount -t proc proc {place}/root/proc
cd {place}/root
sed -i s/MODULES=most/MODULES=list/ etc/initramfs-tools/initramfs.conf
printf 'ahci\\next4\\n' >> etc/initramfs-tools/modules
{hook}
chroot . /usr/sbin/mkinitramfs -o /tmp/image {release} > /dev/null 2>&1
cat tmp/image > {target}
"""


def make(target, hook):
    install = f"install -m 755 {HOOK} usr/share/initramfs-tools/hooks/pvtools" if hook else ""
    with tempfile.TemporaryDirectory(prefix="pvt-image-") as place:
        script = SCRIPT.format(place=place, base=base.root(), hook=install, target=target,
                               release=base.kernel()[2])
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True,
                              check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"mkinitramfs: {done.stdout[-1000:]}{done.stderr[-2000:]}")


def of_other_hardware(hook):
    """An image without virtio drivers, unless our hook puts them there."""
    key = cache.key(base.root().name, SCRIPT, hook, *([HOOK] if hook else []))
    return cache.make("hooked" if hook else "unhooked", key, lambda target: make(target, hook))
