#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The README's lines for RPMs, word for word, with dnf and rpm in a fresh Debian root.

It is no Fedora. rpm knows there what dpkg has installed, told by files/system-rpm with
rpm's own generators, and there is a qemu-guest-agent that has to go. What the packages
need is so resolved by dnf, their files and scripts are installed by rpm, and what is
installed runs; a service manager is not there, nor Fedora's macros and repositories.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import tap
from freshroot import Kept
from readme import install_line
from tap import check, equal, note

# Debian's dnf comes with a plugin that wants a repository of its own; its libraries are
# not in Fedora's folder, so that the linker does not look there.
PREPARE = """apt-get -qq update
apt-get -qq -y --no-install-recommends build-dep ./packaging
apt-get -qq -y --no-install-recommends install rpm dnf dnf-plugins-core
sed -i 's/^enabled = true/enabled = false/' /etc/dnf/plugins/local.conf
echo /usr/lib64 > /etc/ld.so.conf.d/lib64.conf
tests/guest/files/system-rpm
"""
root = Kept(PREPARE)


def installed():
    return {line.rsplit("-", 2)[0] for line in root().run("rpm -qa").split()}


def test_rpms_are_built():
    equal(installed(), {"debian-system", "qemu-guest-agent"}, "what rpm knows at the start")
    root().follow(install_line("dnf builddep"))
    note(" ".join(sorted(path.name for path in (root().tree / "packages").glob("*.rpm"))))


def test_the_guests_package_replaces_qemu_guest_agent():
    text = root().follow(install_line("dnf install --allowerasing"))
    check("Complete!" in text, text)
    equal(installed(), {"debian-system", "pvtools-agent"}, "installed")
    # The lists that it had been given are the agent's now.
    check("block-rpcs=guest-exec,guest-file-open\n" in root().run("cat /etc/pvtools/agent.conf; pvtools-agent -D"), text)
    equal(root().run("rpm -V pvtools-agent; ls /usr/bin/qemu-ga 2> /dev/null || true"), "", "its files and the other's")


def test_the_hosts_packages_ask_the_guests():
    root().follow(install_line("dnf install ./packages/pvtools-0"))
    equal(installed(), {"debian-system", "pvtools-agent", "pvtools", "libpvtools0"}, "installed")
    text = root().run("pvtools-agent -m unix-listen -p /run/asked.sock 2> /dev/null & agent=$!\n"
                      "pvtools wait unix:/run/asked.sock --timeout 60\n"
                      "pvtools info unix:/run/asked.sock; kill $agent")
    check("Agent        pvtools-agent" in text, text)


def test_they_can_be_removed():
    root().follow("dnf remove pvtools-agent pvtools libpvtools0")
    equal(installed(), {"debian-system"}, "installed")
    equal(root().run("ls /usr/sbin/pvtools-agent /usr/bin/pvtools 2> /dev/null || true"), "", "left")


if __name__ == "__main__":
    tap.story(globals(), root)
