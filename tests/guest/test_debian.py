#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent in a full Debian guest with systemd, and the pvtools command outside."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import base
import debian
import shell
import tap
import wire
from agent import find_agent
from tap import check, equal
from vm import MAC, VM


def find_cli():
    agent = pathlib.Path(find_agent()).resolve()
    return os.environ.get("PVT_CLI") or str(agent.parents[1] / "host-side/cli/pvtools")


def pvtools(*words, code=0):
    done = subprocess.run([find_cli(), *map(str, words)], capture_output=True, text=True, timeout=200 * shell.PATIENCE)
    equal(done.returncode, code, f"pvtools {words}: {done.stdout}{done.stderr}")
    return done.stdout


# One boot serves all tests but the last, which powers it off.
guest = {}


def vm():
    if not guest:
        machine = VM(*debian.image(find_agent()),
                     disks=[("virtio-blk-pci,drive={drive},serial=data1,id=data", 128 << 20)])
        guest["vm"] = machine.__enter__()
        machine.wait_agent()
    return guest["vm"]


def address():
    return f"unix:{vm().agent_socket}"


def test_osinfo_is_the_distribution():
    with vm().line() as line:
        info = line.ask("guest-get-osinfo")
    text = (base.root() / "etc/os-release").read_text()
    for key, name in (("ID", "id"), ("VERSION_ID", "version-id"), ("PRETTY_NAME", "pretty-name")):
        check(f'{key}="{info[name]}"' in text or f"{key}={info[name]}" in text, (key, info))
    equal(info["kernel-release"], base.kernel()[2], "kernel")


def test_hostname_timezone_users():
    with vm().line() as line:
        equal(line.ask("guest-get-host-name"), {"host-name": "pvtools-guest"}, "host name")
        zone = line.ask("guest-get-timezone")
        check((zone["zone"], zone["offset"]) in (("CET", 3600), ("CEST", 7200)), zone)
        equal(line.ask("guest-get-users"), [], "users")


def test_time_agrees_with_the_host():
    with vm().line() as line:
        offset = line.ask("guest-get-time") / 1e9 - time.time()
    check(abs(offset) < 60, f"the guest is {offset} s off")


def test_network():
    with vm().line() as line:
        deadline = time.monotonic() + 60
        while line.ask("pvt-get-network").get("primary-address") != "10.0.2.15":
            check(time.monotonic() < deadline, line.ask("pvt-get-network"))
            time.sleep(0.2)
        equal(line.ask("pvt-get-network")["mac-address"], MAC, "MAC")


def test_disks_where_qemu_put_them():
    slots = vm().pci_slots()
    with vm().line() as line:
        disks = {d["address"]["serial"]: d for d in line.ask("guest-get-disks")}
    bus, slot, function = slots["data"]
    equal(disks["data1"]["address"]["pci-controller"],
          {"domain": 0, "bus": bus, "slot": slot, "function": function}, "data1")
    check("pvtroot" in disks, disks)


def test_filesystem_figures():
    with vm().line() as line:
        root = next(f for f in line.ask("pvt-get-filesystems") if f["mountpoint"] == "/")
        fsinfo = next(f for f in line.ask("guest-get-fsinfo") if f["mountpoint"] == "/")
    equal((root["type"], root["read-only"], root["remote"]), ("ext4", False, False), "root")
    equal(root["total-bytes"], fsinfo["total-bytes-privileged"], "total")
    check(root["used-bytes"] + root["available-bytes"] <= root["total-bytes"], root)
    check(0 < root["inodes-free"] < root["inodes"], root)


def test_utilisation_follows_load():
    with vm().line() as line:
        usage = line.ask("pvt-get-cpu-usage", interval_ms=500)
        check(400 <= usage["interval-ms"] <= 5000, usage["interval-ms"])
        for share in (usage["total"], *usage["cpus"]):
            check(all(0 <= share[k] <= 1 for k in share if k != "cpu"), share)
        rates = line.ask("pvt-get-rates", interval_ms=500)
        check({d["name"] for d in rates["disks"]} >= {"vda", "vdb"}, rates["disks"])


def test_the_service_is_systemds():
    with vm().line() as line:
        status = line.ask("pvt-get-status")
    equal(status["channels"][0]["method"], "virtio-serial", "method")
    equal(status["channels"][0]["connected"], True, "connected")


GREEDY = "exec dd if=/dev/zero of=/dev/null bs=160M count=1 2>/dev/null"
AGENT_GROUP = "/sys/fs/cgroup/system.slice/pvtools-agent.service"


def main_pid(timeout=60):
    with vm().line(timeout=timeout) as line:
        line.sync()
        return shell.sh(line, "systemctl show -P MainPID pvtools-agent").strip()


def test_programs_of_the_host_are_outside_the_agents_limits():
    """A limit of the agent's unit: in its group a greedy program dies of it, where it is started none does."""
    with vm().line(timeout=120) as line:
        equal(shell.sh(line, "cat /proc/self/cgroup").strip(), "0::/system.slice/pvtools-exec.service", "group")
        equal(shell.sh(line, "ulimit -d").strip(), "unlimited", "the limit of its data")
        agent = shell.sh(line, "systemctl set-property --runtime pvtools-agent.service MemoryMax=64M MemorySwapMax=0; "
                               "systemctl show -P MainPID pvtools-agent").strip()
        shell.sh(line, GREEDY)
        shell.sh(line, f"echo $$ > {AGENT_GROUP}/cgroup.procs; {GREEDY}", code=None)
        equal(shell.sh(line, "systemctl show -P MainPID pvtools-agent").strip(), agent, "the agent lives on")
        shell.sh(line, "systemctl set-property --runtime pvtools-agent.service MemoryMax=infinity")
        limit = shell.sh(line, f"grep 'Max data size' /proc/{agent}/limits").split()
        equal(limit[3:5], [str(512 << 20), "unlimited"], "the agent's own limit")


def wait_for_group(line, unit):
    """Until what is started is in the group of that unit: it changes while the other's ends."""
    deadline = time.monotonic() + 120 * shell.PATIENCE
    while shell.sh(line, "cat /proc/self/cgroup").strip() != f"0::/system.slice/{unit}.service":
        check(time.monotonic() < deadline, f"not in the group of {unit}")
        time.sleep(0.3)


def test_programs_of_the_host_start_when_their_group_is_gone():
    with vm().line(timeout=120) as line:
        shell.sh(line, "systemctl stop pvtools-exec.service")
        wait_for_group(line, "pvtools-agent")
        shell.sh(line, "systemctl start pvtools-exec.service")
        wait_for_group(line, "pvtools-exec")


def test_programs_of_the_host_outlive_the_agent():
    before = main_pid()
    with vm().line(timeout=120) as line:
        pid = shell.start(line, "exec sleep 1000")
        # It may be dead before it can answer.
        line.send(line.request("guest-exec", {"path": "/bin/systemctl", "arg": [
            "--no-block", "kill", "-s", "KILL", "--kill-who=main", "pvtools-agent"]}))
        with contextlib.suppress(TimeoutError, EOFError, OSError):
            line.read_line(timeout=10)
    deadline = time.monotonic() + 120 * shell.PATIENCE
    while True:
        try:
            # Killed while it is asked, and the next knows nothing of the question.
            if main_pid(15) != before:
                break
        except (wire.AgentError, TimeoutError, EOFError, OSError):
            pass
        check(time.monotonic() < deadline, "no other agent came")
        time.sleep(0.5)
    with vm().line(timeout=120) as line:
        shell.sh(line, f"kill -0 {pid}; kill {pid}")


def test_cli_tables_and_json():
    check("pvtools-guest" in pvtools("info", address()), "info")
    check("10.0.2.15/24" in pvtools("ip", address()), "ip")
    check("BUSY" in pvtools("stat", address()), "stat")
    equal(json.loads(pvtools("df", address(), "-o", "json"))[0]["mountpoint"], "/", "df")
    check("pvtroot" in pvtools("disks", address()), "disks")
    check("RECEIVED" in pvtools("net", address()), "net")
    equal(json.loads(pvtools("users", address(), "-o", "json")), [], "users")
    equal(json.loads(pvtools("raw", address(), "guest-sync", "id=77")), 77, "raw")
    check(set(json.loads(pvtools("info", address(), "-o", "json"))) >= {"os", "memory", "cpus"},
          "info")
    equal(pvtools("wait", address(), "--for", "ip").strip(), "10.0.2.15", "wait")


def test_cli_finds_the_channel_by_qmp():
    check("answers" in pvtools("ping", vm().address), "ping")


def test_cli_error_codes():
    pvtools("raw", address(), "guest-nope", code=6)
    pvtools("raw", address(), "guest-shutdown", "mode=explode", code=1)
    pvtools("ping", "unix:/nonexistent", code=3)
    pvtools("ping", "nonsense", code=2)


def test_shutdown_is_clean():
    machine = vm()
    pvtools("shutdown", address())
    machine.monitor.wait_event("SHUTDOWN", 90)
    equal(machine.wait_exit(), 0, "QEMU's exit")
    machine.__exit__(None, None, None)
    guest.clear()


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if guest:
            guest["vm"].__exit__(ValueError, None, None)
