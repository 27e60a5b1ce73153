#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages in a Debian guest whose qemu-guest-agent they replace.

One guest, one story: the tests build on each other and run in their order.
"""

import hashlib
import os
import pathlib
import re
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import debs
import tap
from readme import install_line
from stock import Guest, sh, start
from tap import check, equal, note
from vm import PORT
from wire import AgentError


def folders():
    return {"old": [debs.deb("pvtools-agent")], "new": [debs.deb("pvtools-agent", debs.NEWER)]}


guest = Guest(folders)
run = guest.run


def version():
    return run("dpkg-query -W -f '${Version}' pvtools-agent").strip()


def check_ours(expected):
    equal(guest.agent()[0], "pvtools-agent", "who answers")
    equal(version(), expected, "version")
    equal(run("systemctl is-active pvtools-agent").strip(), "active", "service")
    equal(run("systemctl --failed --no-legend").strip(), "", "failed units")


def is_blocked(name, timeout=60):
    with guest.line(timeout) as line:
        try:
            line.ask(name)
            return False
        except AgentError as error:
            return error.error_class == "CommandNotFound"


def wait_blocked(name):
    """While one agent follows another: what the first is asked last, nobody answers."""
    deadline = time.monotonic() + 180
    while True:
        try:
            if is_blocked(name, 10):
                return
        except (TimeoutError, EOFError, OSError):
            pass
        check(time.monotonic() < deadline, f"{name} was never blocked")
        time.sleep(0.5)


def freeze_and_thaw():
    with guest.vm().line(timeout=60) as line:
        frozen = line.ask("guest-fsfreeze-freeze")
        equal(line.ask("guest-fsfreeze-status"), "frozen", "status")
        equal(line.ask("guest-fsfreeze-thaw"), frozen, "thawed")
        check(frozen >= 1, "nothing was frozen")


README_LINE = "apt install ./packages/pvtools-agent_"
OLD = debs.field(debs.deb("pvtools-agent"), "Version")


def test_the_guest_begins_with_qemu_ga():
    equal(guest.agent()[0], "qemu-ga", "who answers")
    check(is_blocked("guest-get-users"), "its configuration is in force")
    freeze_and_thaw()
    equal(run("cat /run/hook-ran").split(), ["freeze", "thaw"], "its hooks")


def test_installed_over_it_as_the_readme_says():
    log = guest.job(f"ln -s /debs/old /root/packages; cd /root; yes | {install_line(README_LINE)}")
    check(re.search(r"REMOV(ED|ING):[^:]*qemu-guest-agent", log), f"apt says what goes: {log}")
    check_ours(OLD)
    equal(run("dpkg-query -W -f '${db:Status-Status}' qemu-guest-agent").strip(), "config-files",
          "the other package")
    equal(run("systemctl is-active qemu-guest-agent || true").strip(), "inactive", "the other service")


def check_settings():
    """What was made for qemu-ga is in force: its configuration and its hook."""
    check(is_blocked("guest-get-users"), "its configuration is in force")
    run("rm -f /run/hook-ran")
    freeze_and_thaw()
    equal(run("cat /run/hook-ran").split(), ["freeze", "thaw"], "its hooks")


def test_configuration_and_hooks_are_honoured():
    check(is_blocked("guest-get-users"), "/etc/qemu/qemu-ga.conf is in force")
    run("rm -f /run/hook-ran")
    freeze_and_thaw()
    equal(run("cat /run/hook-ran").split(), ["freeze", "thaw"], "hooks in /etc/qemu")
    run("cp /usr/share/doc/pvtools-agent/examples/hooks/postgresql /etc/pvtools/hooks.d/\n"
        "cp /etc/qemu/fsfreeze-hook.d/10-test /etc/pvtools/hooks.d/\nrm /run/hook-ran")
    with guest.vm().line(timeout=60) as line:
        ran = [hook["path"] for hook in line.ask("pvt-freeze")["hooks"]]
        line.ask("guest-fsfreeze-thaw")
    equal(ran, ["/etc/qemu/fsfreeze-hook", "/etc/pvtools/hooks.d/10-test", "/etc/pvtools/hooks.d/postgresql"],
          "hooks")
    equal(run("cat /run/hook-ran").split(), ["freeze", "freeze", "thaw", "thaw"], "ours")
    run("rm /etc/pvtools/hooks.d/*")


def test_reboot():
    guest.reboot()
    check_ours(OLD)
    check_settings()


def test_upgrade_during_an_exec():
    machine = guest.vm()
    run("rm -f /root/ticks /root/stop")
    with machine.line() as line:
        pid = start(line, "exec > /dev/null 2>&1; i=0; while [ ! -e /root/stop ]; do i=$((i+1)); "
                          "echo $i >> /root/ticks; sleep 0.2; done; echo ended >> /root/ticks")
    before = guest.agent()
    guest.job("dpkg -i /debs/new/pvtools-agent_*.deb")
    check_ours(debs.NEWER)
    check(guest.agent() != before, "the new one was started")
    run(f"kill -0 {pid}; n=$(wc -l < /root/ticks); sleep 2; [ $(wc -l < /root/ticks) -gt $n ]; touch /root/stop")
    run("for i in 1 2 3 4 5 6 7 8 9; do if [ \"$(tail -1 /root/ticks)\" = ended ]; then exit 0; fi; sleep 1; done; "
        "exit 1")


def test_downgrade():
    guest.job("dpkg -i /debs/old/pvtools-agent_*.deb")
    check_ours(OLD)
    check_settings()


def copy_to_the_guest(path):
    return cli.run("cp", f"unix:{guest.vm().extended_socket}", "-q", path, ":/root/copied", timeout=300)


def test_upgrade_during_a_transfer():
    """A copy that the restart cuts off says so, leaves the file as it was; the next one is whole."""
    with tempfile.TemporaryDirectory(prefix="pvt-copy-") as name:
        paths = [pathlib.Path(name) / which for which in ("one", "two")]
        for path in paths:
            path.write_bytes(os.urandom(4 << 20) * 4)
        sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        done = copy_to_the_guest(paths[0])
        equal(done.returncode, 0, done.stderr)
        job, turn, current, cut = guest.start_job("dpkg -i /debs/new/pvtools-agent_*.deb; sleep 2"), 0, sums[0], []
        # Copies one behind the other, until the new agent is there.
        while not is_over(job):
            turn = 1 - turn
            done = copy_to_the_guest(paths[turn])
            if done.returncode:
                check(done.stderr.strip(), "it says why")
                cut.append(done.stderr.strip())
            got = copied_sum()
            check(got in (current, sums[turn]), "the file is a whole one")
            check(done.returncode or got == sums[turn], "what is said to be copied is")
            current = got
        guest.wait_job(job)
        note(f"cut off: {cut}")
        done = copy_to_the_guest(paths[1 - turn])
        equal((done.returncode, copied_sum()), (0, sums[1 - turn]), done.stderr)
    check_ours(debs.NEWER)
    check_settings()


def is_over(job):
    return guest.patiently(f"cat /root/{job}.rc 2>/dev/null || true").strip() != ""


def copied_sum():
    return guest.patiently("sha256sum < /root/copied").split()[0]


def test_upgrade_while_the_guest_is_frozen():
    """dpkg waits for the thaw like everybody who writes, then the new agent comes."""
    machine = guest.vm()
    guest.job("dpkg -i /debs/old/pvtools-agent_*.deb")
    job = guest.start_job("sleep 3; dpkg -i /debs/new/pvtools-agent_*.deb")
    with machine.line(timeout=60) as line:
        frozen = line.ask("guest-fsfreeze-freeze")
        time.sleep(6)
        equal(line.ask("guest-fsfreeze-status"), "frozen", "still frozen")
        equal(line.ask("guest-fsfreeze-thaw"), frozen, "thawed")
    guest.wait_job(job)
    check_ours(debs.NEWER)
    with machine.line() as line:
        equal(line.ask("guest-fsfreeze-status"), "thawed", "status")
    run("echo x > /root/after; sync /root/after")
    check_settings()


def freeze_status():
    """thawed or frozen; nothing while no agent answers."""
    try:
        with guest.vm().line(timeout=10) as line:
            line.sync(int(time.monotonic() * 1e6) | 1)
            return line.ask("guest-fsfreeze-status")
    except (TimeoutError, EOFError, OSError):
        return None


def test_restart_of_the_service_ends_a_freeze_and_says_so():
    """What the postinst does, in the middle of a freeze; without a disk, as all are frozen."""
    machine = guest.vm()
    run("systemctl --version > /dev/null")
    before = guest.agent()
    with machine.line(timeout=60) as line:
        sh(line, "(sleep 2; systemctl restart pvtools-agent) > /dev/null 2>&1 &")
        line.ask("guest-fsfreeze-freeze")
    deadline = time.monotonic() + 60
    while freeze_status() != "thawed":
        check(time.monotonic() < deadline, "still frozen")
        time.sleep(0.3)
    with machine.line() as line:
        equal(line.ask("guest-fsfreeze-status"), "thawed", "status")
        try:
            line.ask("guest-fsfreeze-thaw")
            raise AssertionError("nobody was told that the guest thawed by itself")
        except AgentError as error:
            check("not consistent" in error.desc, error.desc)
    check(guest.agent() != before, "the agent was restarted")
    run("echo x > /root/after-restart; sync /root/after-restart")


def test_monitor_drop_in():
    """A hardened agent that only answers; it cannot be told to undo that, so a job does."""
    directory = "/etc/systemd/system/pvtools-agent.service.d"
    now = version()
    example = "/usr/share/doc/pvtools-agent/examples/systemd/monitor.conf"
    job = guest.start_job(f"install -D -m 644 {example} {directory}/monitor.conf; systemctl daemon-reload; "
                     "systemctl restart pvtools-agent; until [ -e /sys/class/block/vdc ]; do sleep 0.3; done; "
                     "systemd-analyze security --no-pager pvtools-agent | tail -1; "
                     "systemctl stop pvtools-agent; systemctl show -P Result pvtools-agent; "
                     f"rm -r {directory}; systemctl daemon-reload; systemctl restart pvtools-agent")
    wait_blocked("guest-file-open")
    with guest.line() as line:
        check(line.ask("pvt-get-memory")["total"] > 0, "memory")
        root = [fs for fs in line.ask("pvt-get-filesystems") if fs["mountpoint"] == "/"]
        check(root and root[0]["total-bytes"] > 0, root)
        serials = {disk["address"]["serial"] for disk in line.ask("guest-get-disks")}
        check({"pvtroot", "debs"} <= serials, serials)
        check(line.ask("guest-network-get-interfaces"), "interfaces")
    check(is_blocked("guest-fsfreeze-freeze") and is_blocked("guest-exec"), "the profile is monitor")
    plug_disk()
    note(guest.wait_job(job).strip())
    check_ours(now)


def plug_disk():
    """A signal to a job in the guest that needs no agent: a disk appears."""
    machine = guest.vm()
    path = machine.directory / "signal.img"
    path.write_bytes(bytes(1 << 20))
    machine.monitor.command("blockdev-add", driver="file", node_name="signal", filename=str(path))
    machine.monitor.command("device_add", driver="virtio-blk-pci", drive="signal", id="signal", bus="rp1")


def test_removed_purged_and_qemu_ga_again():
    job = guest.start_job("echo '[general]' > /etc/pvtools/agent.conf\n"
                     "dpkg -r pvtools-agent\n"
                     "echo removed: $(systemctl is-active pvtools-agent) $(pidof pvtools-agent) $(ls /etc/pvtools)\n"
                     "ls /etc/qemu\n"
                     "dpkg -P pvtools-agent\n"
                     "echo left: $(find / -xdev -name '*pvtools-agent*' -not -path '/proc/*') "
                     "$(ls -d /etc/pvtools /run/pvtools 2>/dev/null)\n"
                     "dpkg -i /debs/stock/*.deb\n"
                     "systemctl start qemu-guest-agent")
    log = guest.wait_job(job).splitlines()
    equal([line for line in log if line.startswith("removed:")], ["removed: inactive agent.conf"],
          "after the removal")
    check("qemu-ga.conf" in log, log)
    left = next(line for line in log if line.startswith("left:")).split()[1:]
    equal(left, [], "after the purge")
    equal(guest.agent()[0], "qemu-ga", "who answers")
    check(is_blocked("guest-get-users"), "its configuration is in force")
    run("rm -f /run/hook-ran")
    freeze_and_thaw()
    equal(run("cat /run/hook-ran").split(), ["freeze", "thaw"], "its hooks")


def test_installed_without_a_port_and_started_by_udev():
    """The package waits for no device; the service comes with the port."""
    machine = guest.vm()
    job = guest.start_job(f"while [ -e /dev/virtio-ports/{PORT} ]; do sleep 0.3; done\n"
                     "dpkg -P qemu-guest-agent; dpkg -i /debs/old/pvtools-agent_*.deb\n"
                     "echo service: $(systemctl is-active pvtools-agent) $(systemctl list-jobs --no-legend)\n"
                     "echo PVT-INSTALLED > /dev/console")
    machine.monitor.command("device_del", id="port")
    machine.monitor.wait_event("DEVICE_DELETED", 30)
    deadline = time.monotonic() + 120
    while "PVT-INSTALLED" not in machine.console.read_text(errors="replace"):
        check(time.monotonic() < deadline, "not installed")
        time.sleep(0.3)
    machine.monitor.command("device_add", driver="virtserialport", bus="vser.0", chardev="agent",
                            name=PORT, id="port")
    machine.wait_agent(420)
    log = guest.wait_job(job).splitlines()
    check("service: inactive" in log, log)
    check_ours(OLD)


if __name__ == "__main__":
    tap.story(globals(), guest)
