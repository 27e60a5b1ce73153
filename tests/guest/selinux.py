# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian guest whose SELinux enforces, with pvtools-agent and its module.

All of it is made outside: the package is installed into a copy of the root, the policy is
built there, and setfiles writes the labels that mke2fs copies to the disk, so that the guest
neither compiles a policy nor relabels itself.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import base
import cache
import debian
import debs
import semodule
from vm import VM

SIZE = "3200M"
# auditd keeps what the kernel would drop of many denials at a time.
PACKAGES = ["selinux-policy-default", "policycoreutils", "auditd"]
CONFIG = "SELINUX=enforcing\nSELINUXTYPE=default\n"
LABELS = "/etc/selinux/default/contexts/files/file_contexts"


def root():
    return base.root_with("selinuxroot", *PACKAGES)


def kernel():
    """(kernel, initial RAM disk) of that root, whose modules fit."""
    boot = root() / "boot"
    release = sorted(path.name.removeprefix("vmlinuz-") for path in boot.glob("vmlinuz-*cloud*"))[-1]
    return boot / f"vmlinuz-{release}", boot / f"initrd.img-{release}"


def inside(tree, *words):
    done = subprocess.run(["chroot", str(tree), *words], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                               "DEBIAN_FRONTEND": "noninteractive"})
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def fill(tree, extra):
    """Installs the agent and its module in a root, and labels all of it."""
    place = tree / "var/tmp/pvt"
    shutil.copy(semodule.compile_in(place), place / "module.pp")
    shutil.copy(debs.deb("pvtools-agent"), place / "agent.deb")
    (tree / "etc/selinux/config").write_text(CONFIG)
    inside(tree, "semodule", "--noreload", "--store=default", "--install=/var/tmp/pvt/module.pp")
    inside(tree, "dpkg", "--install", "/var/tmp/pvt/agent.deb")
    shutil.rmtree(place)
    for name, (text, mode) in extra.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    # The host's own: it goes by /proc, which the root has not.
    done = subprocess.run(["setfiles", "-F", "-r", str(tree), f"{tree}{LABELS}", str(tree)], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"setfiles: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def image(extra):
    """The guest's disk; @extra: {path without the first slash: (text, mode)} is put in, too."""
    def build(target):
        with tempfile.TemporaryDirectory(prefix="selinux-", dir=cache.directory()) as name:
            tree = pathlib.Path(name) / "root"
            subprocess.run(["cp", "-a", "--reflink=auto", str(root()), str(tree)], check=True)
            fill(tree, extra)
            debian.make_disk(target, tree, SIZE)

    key = cache.key(root().name, SIZE, CONFIG, str(extra), debs.deb("pvtools-agent"), *semodule.sources())
    return cache.make("selinux", key, build)


def machine(extra, mode="enforcing=1", **keywords):
    """A VM of it."""
    return VM(*kernel(), image(extra), append=f"security=selinux selinux=1 {mode} audit=1", **keywords)
