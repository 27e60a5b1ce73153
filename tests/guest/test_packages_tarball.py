#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""install.sh in a running Debian guest with systemd: refused beside qemu-ga, installed
in its place, upgraded, rolled back when the new agent does not start, removed.

One guest, one story: the tests build on each other and run in their order.
"""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import tap
import tarball
from agent import find_agent
from stock import Guest
from tap import check, equal


def folders():
    place = pathlib.Path(tempfile.mkdtemp(prefix="pvt-tar-"))
    return {"first": [tarball.make(find_agent(), place / "first")],
            "second": [tarball.make(find_agent(), place / "second", "second")]}


guest = Guest(folders)


def installer(which, *options, code=0):
    """Runs install.sh through whichever agent answers; it must not end that agent."""
    return guest.run(f"mkdir -p /root/{which}; cd /root/{which}; [ -e install.sh ] || "
                     f"tar -xzf /debs/{which}/*.tar.gz --strip-components=1; rc=0; "
                     f"./install.sh {' '.join(options)} || rc=$?; echo; echo rc=$rc; [ $rc -eq {code} ]")


def program_sum():
    return guest.run("sha256sum < /usr/local/sbin/pvtools-agent")


def test_refused_beside_qemu_ga():
    equal(guest.agent()[0], "qemu-ga", "who answers")
    before = guest.run("find /usr/local /etc -newer /debs | wc -l; ls /usr/local/sbin")
    text = installer("first", code=5)
    check("remove its package first" in text, text)
    text = installer("first", "--dry-run", "--force")
    check("would start pvtools-agent (systemd)" in text, text)
    equal(guest.run("find /usr/local /etc -newer /debs | wc -l; ls /usr/local/sbin"), before, "nothing is touched")


def test_installed_when_that_is_gone():
    guest.job("dpkg -P qemu-guest-agent\n/root/first/install.sh")
    equal(guest.agent()[0], "pvtools-agent", "who answers")
    equal(guest.run("systemctl is-active pvtools-agent").strip(), "active", "service")
    equal(guest.run("readlink /proc/$(pidof pvtools-agent)/exe").strip(), "/usr/local/sbin/pvtools-agent", "place")


def test_starts_at_boot():
    guest.reboot()
    equal(guest.run("systemctl is-active pvtools-agent").strip(), "active", "service")


def test_upgraded():
    before, pid = program_sum(), guest.agent()[1]
    guest.job("mkdir -p /root/second; cd /root/second; tar -xzf /debs/second/*.tar.gz --strip-components=1\n"
              "./install.sh")
    check(program_sum() != before and guest.agent()[1] != pid, "another program runs")
    installer("second", "--check")


def test_an_agent_that_does_not_start_is_rolled_back():
    """A configuration that no agent reads stops the new one; the old program is put back."""
    before = program_sum()
    log = guest.job("mkdir -p /etc/pvtools; echo nonsense > /etc/pvtools/agent.conf\n"
                    "rc=0; /root/first/install.sh || rc=$?; echo rc=$rc\n"
                    "rm /etc/pvtools/agent.conf; systemctl restart pvtools-agent\n"
                    "ls /usr/local/lib/pvtools-agent /usr/local/sbin")
    check("rc=1" in log and "undoing" in log, log)
    check("\njournal\n" not in log and ".pvt-" not in log, log)
    equal(program_sum(), before, "the program")
    equal(guest.agent()[0], "pvtools-agent", "who answers")


def test_uninstalled():
    log = guest.job("/usr/local/lib/pvtools-agent/install.sh --uninstall\n"
                    "echo left: $(find / -xdev -name '*pvtools-agent*' -not -path '/root/*' -not -path '/proc/*') "
                    "$(ls -d /etc/pvtools /run/pvtools 2>/dev/null) $(pidof pvtools-agent)\n"
                    "dpkg -i /debs/stock/*.deb; systemctl start qemu-guest-agent")
    equal(next(line for line in log.splitlines() if line.startswith("left:")).split()[1:], [], "left")
    equal(guest.agent()[0], "qemu-ga", "who answers")


if __name__ == "__main__":
    tap.story(globals(), guest)
