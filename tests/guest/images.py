# SPDX-License-Identifier: LGPL-2.1-or-later
"""Initial RAM disks made by the guest's own initramfs-tools, or by dracut, in its root, in seconds.

The root in the cache stays as it is: what changes lies on a memory file system
above it, in a name space of its own.
"""

import pathlib
import subprocess
import tempfile

import base
import cache
import unpacked

LINUX = pathlib.Path(__file__).resolve().parents[2] / "drivers/linux"
HOOK, DROP_IN = LINUX / "initramfs-hook", LINUX / "dracut.conf"

# What the next line does stays in that name space.
ROOT = """set -e
mount -t tmpfs tmpfs {place}
mkdir {place}/upper {place}/work {place}/root
mount -t overlay overlay -o lowerdir={base},upperdir={place}/upper,workdir={place}/work {place}/root
mount -t proc proc {place}/root/proc
cd {place}/root
"""

# As an installer or an image builder leaves it that saw other hardware: the
# modules that are listed, and no others.
SCRIPT = ROOT + """sed -i s/MODULES=most/MODULES=list/ etc/initramfs-tools/initramfs.conf
printf 'ahci\\next4\\n' >> etc/initramfs-tools/modules
{hook}
chroot . /usr/sbin/mkinitramfs -o /tmp/image {release} > /dev/null 2>&1
cat tmp/image > {target}
"""


# The same of dracut, with what it takes from this machine left out: it asks systemd-detect-virt
# and /sys, which is not there. A Fedora has neither initramfs-tools nor an image of theirs.
DRACUT = ROOT + """cp -a {dracut}/usr {dracut}/etc .
[ ! -d {dracut}/lib ] || cp -a {dracut}/lib/. lib/
{drop_in}
chroot . /usr/bin/dracut --force --hostonly --no-hostonly-cmdline --omit 'qemu qemu-net' \\
  --add-drivers 'ahci ext4' --kver {release} /tmp/image > /dev/null 2>&1
cat tmp/image > {target}
"""
# What the doctor says of it there.
DOCTOR = """rm -f boot/initrd.img-* usr/bin/lsinitramfs vmlinuz
ln -s boot/vmlinuz-{release} vmlinuz
cp tmp/image boot/initramfs-{release}.img
cp {agent} root/agent
chroot . /root/agent --doctor=json > {target}.doctor || true
"""


def run(script, **places):
    with tempfile.TemporaryDirectory(prefix="pvt-image-") as place:
        script = script.format(place=place, base=base.root(), release=base.kernel()[2], **places)
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True,
                              check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"no image was made: {done.stdout[-1000:]}{done.stderr[-2000:]}")


def make(target, hook):
    run(SCRIPT, hook=f"install -m 755 {HOOK} usr/share/initramfs-tools/hooks/pvtools" if hook else "", target=target)


def of_other_hardware(hook):
    """An image without virtio drivers, unless our hook puts them there."""
    key = cache.key(base.root().name, SCRIPT, hook, *([HOOK] if hook else []))
    return cache.make("hooked" if hook else "unhooked", key, lambda target: make(target, hook))


def by_dracut(target, drop_in, agent):
    """The same by dracut, with our drop-in or without; beside it the doctor's opinion, as JSON."""
    line = f"install -D -m 644 {DROP_IN} usr/lib/dracut/dracut.conf.d/50-pvtools.conf" if drop_in else ""
    run(DRACUT + DOCTOR, dracut=unpacked.files("dracut-core"), drop_in=line, target=target, agent=agent)
    return target
