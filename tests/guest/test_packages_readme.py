#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The README's section on installing, word for word: Debian packages and the archive.

Its lines that build are typed in a fresh Debian root (freshroot.py), those that install in
fresh guests, with what the others have built; the archive of Debian is there a disk with
the packages that ours need. The lines for RPMs are in test_packages_readme_rpm.py.
"""

import contextlib
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import readme
import stock
import tap
from freshroot import Kept
from readme import install_line, install_lines
from tap import check, equal, note

# How the section's lines begin, each of which is followed here or for RPMs.
HERE_FOLLOWED = ["apt build-dep", "apt install ./packages/pvtools-agent_", "apt install ./packages/pvtools_",
                 "packaging/build-tar", "tar -xzf"]
RPM_FOLLOWED = ["dnf builddep", "dnf install --allowerasing", "dnf install ./packages/pvtools-0"]
root = Kept("apt-get -qq update")
# In a guest: the disk's folder is what apt knows.
ARCHIVE = ("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*\n"
           "echo 'deb [trusted=yes] file:/debs/archive ./' > /etc/apt/sources.list\napt-get update\n")


def built(pattern):
    found = sorted((root().tree / "packages").glob(pattern))
    check(found, f"no {pattern} was built")
    return found


@contextlib.contextmanager
def fresh_guest(folders):
    guest = stock.Guest(lambda: folders)
    try:
        yield guest
    finally:
        if guest.machine:
            guest.machine.__exit__(*sys.exc_info())


def test_no_line_of_the_section_is_left_out():
    lines = install_lines()
    equal(sorted(install_line(beginning) for beginning in HERE_FOLLOWED + RPM_FOLLOWED), sorted(lines), "lines")


def test_debian_packages_are_built():
    root().follow(install_line("apt build-dep"))
    for name in ("pvtools-agent", "pvtools", "libpvtools0"):
        equal(len(built(f"{name}_*.deb")), 1, name)


def test_archive_is_built():
    root().follow(install_line("packaging/build-tar"))
    note(built("pvtools-agent-*.tar.gz")[0].name)


def test_the_guests_package_is_installed():
    with fresh_guest({"packages": built("pvtools-agent_*.deb")}) as guest:
        equal(guest.agent()[0], "qemu-ga", "who answers")
        guest.job(f"ln -s /debs/packages /root/packages; cd /root; yes | {install_line(HERE_FOLLOWED[1])}")
        equal(guest.agent()[0], "pvtools-agent", "who answers")
        equal(guest.run("systemctl is-active pvtools-agent").strip(), "active", "service")


def needed():
    """The packages that a guest has not and the host's packages need, with an index."""
    root().run("mkdir -p /root/archive/partial\n"
               "apt-get -qq -y -o Dir::State::status=/root/status -o Dir::Cache::archives=/root/archive "
               "-o APT::Sandbox::User=root --no-install-recommends --download-only install "
               "./packages/pvtools_*.deb ./packages/libpvtools0_*.deb\n"
               "cd /root/archive; dpkg-scanpackages --multiversion . > Packages")
    return [path for path in (root().root / "root/archive").iterdir() if path.is_file() and path.name != "lock"]


def test_the_hosts_packages_are_installed():
    """The command then asks an agent: the qemu-ga that the guest has."""
    archive = needed()
    note(f"from the archive: {' '.join(sorted(path.name.split('_')[0] for path in archive))}")
    with fresh_guest({"archive": archive, "packages": [*built("pvtools_*.deb"), *built("libpvtools0_*.deb")]}) as guest:
        guest.job(f"{ARCHIVE}ln -s /debs/packages /root/packages; cd /root; yes | {install_line(HERE_FOLLOWED[2])}")
        guest.run("systemd-run --quiet --collect qemu-ga -m unix-listen -p /run/asked.sock -t /run\n"
                  "n=0; until [ -S /run/asked.sock ]; do n=$((n+1)); [ $n -lt 120 ]; sleep 0.5; done")
        text = guest.run("pvtools info unix:/run/asked.sock")
        check("pvtools-guest" in text and "qemu-ga" in text, text)


def test_the_drivers_package_is_installed():
    """As the README has it further down; the initial RAM disk is made anew."""
    line = re.search(r"^(apt install pvtools-agent-drivers) ", readme.text(), re.M).group(1)
    built("pvtools-agent-drivers_*.deb")
    root().run("mkdir /root/drivers; cp packages/pvtools-agent-drivers_*.deb /root/drivers; cd /root/drivers\n"
               "dpkg-scanpackages --multiversion . > Packages")
    with fresh_guest({"archive": sorted((root().root / "root/drivers").iterdir())}) as guest:
        # The RAM disk is packed by an emulated processor.
        log = guest.wait_job(guest.start_job(f"{ARCHIVE}yes | {line}"), 2400)
        check("update-initramfs: Generating" in log, log)
        guest.run("dpkg -V pvtools-agent-drivers; lsinitramfs /boot/initrd.img-* | grep -q virtio_blk", timeout=600)


def test_the_archive_is_installed():
    """Where there is no package of another agent: install.sh refuses beside one."""
    with fresh_guest({"archive": built("pvtools-agent-*.tar.gz")}) as guest:
        guest.job("dpkg -P qemu-guest-agent; ln -s /debs/archive /root/packages; cd /root\n"
                  f"{install_line('tar -xzf')}")
        equal(guest.agent()[0], "pvtools-agent", "who answers")
        equal(guest.run("systemctl is-active pvtools-agent").strip(), "active", "service")


if __name__ == "__main__":
    tap.story(globals(), root)
