#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The archive in a Debian 11 with SysV init (sysv.py): a C library older than that of the
system that built the agent, no GLib, no systemd. Installed, frozen, rebooted, restarted,
upgraded, rolled back, removed, shut down.

One guest, one story: the tests build on each other and run in their order.
"""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import sysv
import tap
import tarball
from tap import check, equal, note

SCRIPT = "/etc/init.d/pvtools-agent"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="pvt-sysv-"))


def folders():
    return {"first": [tarball.static_archive()],
            "second": [tarball.make(tarball.static_agent(), WORK / "second", "second")]}


guest = sysv.Guest(folders)


def program_sum():
    return guest.run("sha256sum < /usr/local/sbin/pvtools-agent")


def links():
    return guest.run("ls -d /etc/rc?.d/[SK]*pvtools-agent").split()


def test_installed_at_the_first_boot():
    # The agent answers before install.sh has seen that it does.
    log = guest.run("n=0; until grep 'install.sh ended' /root/install.log; do n=$((n+1)); [ $n -lt 150 ]; sleep 1; done\n"
                    "cat /root/install.log")
    check("installed, and the agent runs" in log, log)
    note(log)
    text = guest.run("/lib/x86_64-linux-gnu/libc.so.6 | head -1; ls /usr/lib/*/libglib* /run/systemd/system 2>/dev/null || true\n"
                     "cat /proc/1/comm; uname -r")
    note(text)
    check("2.31" in text and "libglib" not in text and "/run/systemd" not in text and "\ninit\n" in text, text)
    equal(guest.agent()[0], "pvtools-agent", "who answers")
    equal(len(links()), 7, "links")
    maps = guest.run("cat /proc/$(cat /run/pvtools-agent.pid)/maps")
    equal({words[5] for words in map(str.split, maps.splitlines()) if len(words) > 5 and words[5][0] == "/"},
          {"/usr/local/sbin/pvtools-agent", "/dev/zero"}, "mapped files")


def test_commands():
    with guest.line() as line:
        equal(line.ask("guest-get-osinfo")["version-id"], "11", "system")
        names = [info["name"] for info in line.ask("guest-network-get-interfaces")]
        check("lo" in names, names)
        check(any(entry["mountpoint"] == "/" for entry in line.ask("guest-get-fsinfo")), "file systems")
        equal(line.ask("guest-get-users"), [], "users")
        line.ask("guest-set-user-password", username="root", password="c2VjcmV0", crypted=False)
    check(guest.run("getent shadow root").split(":")[1].startswith("$"), "the password")


def test_freeze():
    with guest.line() as line:
        check(line.ask("guest-fsfreeze-freeze") >= 1, "frozen")
        equal(line.ask("guest-fsfreeze-status"), "frozen", "status")
        check(line.ask("guest-fsfreeze-thaw") >= 1, "thawed")


def test_reboot():
    guest.reboot()
    equal(guest.agent()[0], "pvtools-agent", "who answers")
    guest.run(f"{SCRIPT} status")
    equal(guest.run("cat /proc/$(cat /run/pvtools-agent.pid)/oom_score_adj").strip(), "-900", "OOM score")


def test_restart():
    pid = guest.agent()[1]
    guest.run("sleep 1000 > /dev/null 2>&1 < /dev/null & echo $! > /root/sleep")
    guest.job(f"service pvtools-agent restart\n{SCRIPT} status")
    check(guest.agent()[1] != pid, "another process")
    guest.run("kill -0 $(cat /root/sleep); kill $(cat /root/sleep)")


def test_upgraded():
    before, pid, which = program_sum(), guest.agent()[1], links()
    guest.job("mkdir -p /root/second; tar -xzf /debs/second/*.tar.gz -C /root/second --strip-components=1\n"
              "/root/second/install.sh")
    check(program_sum() != before and guest.agent()[1] != pid, "another program runs")
    equal(links(), which, "links")


def test_an_agent_that_does_not_start_is_rolled_back():
    before, which = program_sum(), links()
    log = guest.job("echo nonsense > /etc/pvtools/agent.conf\n"
                    "rc=0; /root/first/install.sh || rc=$?; echo rc=$rc\n"
                    f"rm /etc/pvtools/agent.conf; {SCRIPT} restart\n"
                    "ls /usr/local/lib/pvtools-agent /usr/local/sbin /etc/init.d")
    check("rc=1" in log and "undoing" in log, log)
    check("\njournal\n" not in log and ".pvt-" not in log, log)
    equal((program_sum(), links()), (before, which), "program and links")


def test_uninstalled_and_installed_again():
    """What was left is written down, as nobody answers in between."""
    log = guest.job("/usr/local/lib/pvtools-agent/install.sh --uninstall\n"
                    "echo left: $(find / -xdev -name '*pvtools*' -not -path '/root/*' -not -path '/proc/*' "
                    "-not -path '/var/log/*') $(ls -d /run/pvtools* 2>/dev/null) $(pidof pvtools-agent)\n"
                    "/root/first/install.sh")
    equal(next(line for line in log.splitlines() if line.startswith("left:")), "left:", "left")
    equal((guest.agent()[0], len(links())), ("pvtools-agent", 7), "it is back")


def test_shut_down():
    with guest.line() as line:
        line.send(line.request("guest-shutdown"))
        guest.vm().monitor.wait_event("SHUTDOWN", 300)


if __name__ == "__main__":
    tap.story(globals(), guest)
