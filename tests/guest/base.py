# SPDX-License-Identifier: LGPL-2.1-or-later
"""The root of a small Debian (or Ubuntu) that every guest is made from.

Made by mmdebstrap from the host's own package sources and kept in the cache:
its kernel and modules serve the micro guest, all of it the full one. PVT_SUITE makes
guests of another release from the same archive, PVT_SUITE=trixie those of Debian 13;
PVT_SUITE=ubuntu:noble those of Ubuntu 24.04, from its archive (ubuntu.py).
"""

import os
import pathlib
import platform
import subprocess

import cache
import ubuntu

PACKAGES = ["systemd", "systemd-sysv", "udev", "dbus", "iproute2", "kmod", "procps",
            "libglib2.0-0", "libudev1", "e2fsprogs", "lvm2", "cryptsetup-bin", "mdadm",
            "btrfs-progs", "xfsprogs", "dosfstools", "fdisk", "initramfs-tools", "tzdata"]
# What Debian has anyway, as required there.
ALSO = {"debian": [], "ubuntu": ["apt"]}
# The cloud kernel boots fastest; it has no AHCI driver, so the full one is there, too.
KERNELS = {"debian": ["linux-image-cloud-amd64", "linux-image-amd64"],
           "ubuntu": ["linux-image-virtual"]}

HOOKS = [
    'chroot "$1" systemctl enable systemd-networkd',
    'echo pvtools-guest > "$1/etc/hostname"',
    'echo "/dev/vda / ext4 defaults 0 1" > "$1/etc/fstab"',
    'printf "[Match]\\nName=en* eth*\\n[Network]\\nDHCP=yes\\n" > "$1/etc/systemd/network/80-dhcp.network"',
    'chroot "$1" passwd -d root',
    'ln -sf /usr/share/zoneinfo/Europe/Berlin "$1/etc/localtime"',
    'echo nameserver 10.0.2.3 > "$1/etc/resolv.conf"',
    'rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*',
]


def own_release():
    info = platform.freedesktop_os_release()
    return info["ID"], info["VERSION_CODENAME"]


def host_release():
    """(distribution, suite) of the guests: the host's own unless told otherwise."""
    distribution, suite = own_release()
    told = os.environ.get("PVT_SUITE")
    if told and ":" in told:
        distribution, suite = told.split(":")
    elif told:
        suite = told
    return distribution, suite


def is_other():
    return host_release() != own_release()


def kind(name):
    """Of things in the cache: those of another release do not push these out."""
    return f"{host_release()[1]}+{name}" if is_other() else name


def packages():
    return [*PACKAGES, *ALSO[host_release()[0]]]


def kernels():
    """Another release is for tests that boot the first one."""
    names = KERNELS[host_release()[0]]
    return names[:1] if is_other() else names


def sources():
    """The host's sources of the distribution itself, not of third parties; those of its
    other releases are made from them."""
    (distribution, suite), (own_distribution, own) = host_release(), own_release()
    if not is_other():
        return own_sources(own)
    place = cache.directory() / f"{suite}-sources"
    place.mkdir(exist_ok=True)
    if distribution == own_distribution:
        for path in own_sources(own):
            (place / pathlib.Path(path).name).write_text(
                pathlib.Path(path).read_text(errors="replace").replace(own, suite))
    elif distribution == "ubuntu":
        ubuntu.write_sources(place / "ubuntu.sources", suite)
    else:
        raise RuntimeError(f"no sources of {distribution} are known here")
    return sorted(str(path) for path in place.iterdir())


def own_sources(own):
    found = []
    for path in (*sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*.sources")),
                 pathlib.Path("/etc/apt/sources.list")):
        if path.exists() and any(word in path.read_text(errors="replace") for word in (
                "debian-archive-keyring", "ubuntu-archive-keyring", "bookworm main",
                own + " main")):
            found.append(str(path))
    return found


def build(target, extra=(), hooks=()):
    distribution, suite = host_release()
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
               f"--include={','.join([*packages(), *kernels(), *extra])}", '--aptopt=Acquire::Languages "none"',
               *(f"--customize-hook={hook}" for hook in (*HOOKS, *hooks)), suite, str(target), *sources()]
    print(f"# making a {distribution} {suite} root (once, about a minute)", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap failed:\n{done.stderr[-3000:]}")


def root():
    name = cache.key(*packages(), *host_release(), *HOOKS, str(KERNELS), "2")
    return cache.make(kind("base"), name, build)


def root_with(name_of_kind, *extra, hooks=()):
    """The same with further packages, kept apart under that kind."""
    name = cache.key(*packages(), *extra, *host_release(), *HOOKS, *hooks, str(KERNELS))
    return cache.make(kind(name_of_kind), name, lambda target: build(target, extra, hooks))


def kernel(full=False):
    """(kernel image, initial RAM disk, release) of the root; @full: with every driver."""
    releases = sorted(path.name.removeprefix("vmlinuz-")
                      for path in (root() / "boot").glob("vmlinuz-*"))
    if not releases:
        raise RuntimeError("the root has no kernel")
    cloud = [release for release in releases if "cloud" in release]
    others = [release for release in releases if release not in cloud]
    release = ((others or cloud) if full else (cloud or others))[-1]
    boot = root() / "boot"
    return boot / f"vmlinuz-{release}", boot / f"initrd.img-{release}", release
