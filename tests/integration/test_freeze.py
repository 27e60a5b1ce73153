#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Freezing on real filesystems, and every way in which a freeze can end.

The agent runs here and freezes throw-away filesystems on loop devices by list;
a whole guest is frozen in tests/guest/test_freeze.py.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent, find_agent
from disks import Disks, run
from tap import Skip, check, equal, note
from wire import AgentError, Line

HOOK = """#!/bin/sh
echo "{name} $1 $PVT_FREEZE_GENERATION" >> {log}
{body}
"""


def refused(line, name, *fragments, error_class="GenericError", **keywords):
    try:
        got = line.ask(name, **keywords)
    except AgentError as error:
        equal(error.error_class, error_class, name)
        for fragment in fragments:
            check(fragment in error.desc, f"{fragment!r} is not in {error.desc!r}")
        return
    raise AssertionError(f"{name} {keywords} was accepted: {got}")


def freeze(line, *places):
    return line.ask("guest-fsfreeze-freeze-list", mountpoints=[str(place) for place in places])


def wait_phase(line, phase, timeout=20):
    deadline = time.monotonic() + timeout
    while True:
        state = line.ask("pvt-get-freeze")
        if state["phase"] == phase:
            return state
        check(time.monotonic() < deadline, f"still {state}")
        time.sleep(0.02)


def test_each_filesystem_that_can_is_frozen():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        for kind in ("ext4", "xfs", "btrfs"):
            place = disks.make(kind)
            equal(freeze(line, place), 1, kind)
            check(not disks.takes_writes(place), f"{kind} takes writes while frozen")
            equal(line.ask("guest-fsfreeze-status"), "frozen", kind)
            equal(line.ask("guest-fsfreeze-thaw"), 1, kind)
            disks.wait_writable(place)
            equal(line.ask("guest-fsfreeze-status"), "thawed", kind)


def test_what_cannot_be_frozen_is_named():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        ext4 = disks.make("ext4")
        tmpfs = disks.mount("-t", "tmpfs", "none", name="tmpfs")
        read_only = disks.make("ext4", name="ro")
        run("mount", "-o", "remount,ro", read_only)
        equal(freeze(line, tmpfs, read_only, "/nowhere"), 0, "none can be frozen")
        equal(line.ask("guest-fsfreeze-status"), "thawed", "none")
        report = line.ask("pvt-freeze", mountpoints=[str(p) for p in (ext4, tmpfs, read_only)])
        equal([fs["mountpoint"] for fs in report["filesystems"]], [str(ext4)], "candidates")
        equal(line.ask("pvt-thaw", generation=report["generation"])["filesystems"], 1, "thawed")


def test_vfat_is_written_out():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        ext4, vfat = disks.make("ext4"), disks.make("vfat")
        report = line.ask("pvt-freeze", mountpoints=[str(ext4), str(vfat)])
        told = {fs["mountpoint"]: fs.get("skipped") for fs in report["filesystems"]}
        check("cannot be frozen" in told[str(vfat)] and not told[str(ext4)], told)
        equal(line.ask("guest-fsfreeze-thaw"), 1, "thawed")


def test_one_freeze_a_superblock():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        btrfs = disks.make("btrfs")
        run("btrfs", "subvolume", "create", btrfs / "sub")
        image = disks.directory / "btrfs.img"
        device = run("findmnt", "-no", "SOURCE", btrfs).stdout.split("[")[0].strip()
        sub = disks.mount("-o", "subvol=sub", device, name="sub")
        ext4 = disks.make("ext4")
        (ext4 / "file").write_text("x")
        bind = disks.mount("--bind", ext4, name="bind")
        target = disks.directory / "filebind"
        target.touch()
        run("mount", "--bind", ext4 / "file", target)
        disks.mounts.append(target)
        check(image.exists(), "image")
        equal(freeze(line, btrfs, sub, ext4, bind, target), 2, "superblocks")
        equal(line.ask("guest-fsfreeze-thaw"), 2, "thawed")
        for place in (sub, bind, target):
            equal(freeze(line, place), 1, f"through {place}")
            equal(line.ask("guest-fsfreeze-thaw"), 1, "thawed")
        disks.wait_writable(sub)
        disks.wait_writable(bind)


def test_a_loop_file_on_a_frozen_filesystem():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        outer = disks.make("btrfs", name="outer")
        inner = disks.make("ext4", name="inner", where=outer)
        # Mounted again later: by the order of mounts alone it would go first.
        disks.mount("--bind", outer, name="again")
        (inner / "dirty").write_bytes(os.urandom(8 << 20))
        report = line.ask("pvt-freeze", mountpoints=[str(outer), str(inner)], timeout=30)
        equal([fs["mountpoint"] for fs in report["filesystems"]], [str(inner), str(outer)], "order")
        equal(line.ask("guest-fsfreeze-thaw"), 2, "thawed")
        disks.wait_writable(inner)


def test_device_mapper_over_a_loop_file():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        outer = disks.make("ext4", name="outer")
        image = outer / "dm.img"
        run("truncate", "-s", "24M", image)
        loop = run("losetup", "-f", "--show", image).stdout.strip()
        name = f"pvt-test-{os.getpid()}"
        try:
            done = subprocess.run(["dmsetup", "create", name], input=f"0 49152 linear {loop} 0",
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                raise Skip(f"no device-mapper here: {done.stderr.strip().splitlines()[0]}")
            run("dmsetup", "mknodes", check=False)
            run("mkfs.ext4", "-q", f"/dev/mapper/{name}")
            inner = disks.mount(f"/dev/mapper/{name}", name="inner")
            report = line.ask("pvt-freeze", mountpoints=[str(outer), str(inner)], timeout=30)
            equal([fs["mountpoint"] for fs in report["filesystems"]], [str(inner), str(outer)], "order")
            equal(line.ask("guest-fsfreeze-thaw"), 2, "thawed")
            run("umount", inner)
            disks.mounts.remove(inner)
        finally:
            run("dmsetup", "remove", name, check=False)
            run("losetup", "-d", loop, check=False)


def test_only_what_is_safe_runs_while_frozen():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        freeze(line, place)
        for name in ("guest-fsfreeze-freeze", "guest-get-osinfo", "guest-exec", "guest-get-fsinfo"):
            refused(line, name, "has been disabled", "frozen", error_class="CommandNotFound", path="true") \
                if name == "guest-exec" else \
                refused(line, name, "has been disabled", "frozen", error_class="CommandNotFound")
        with agent.line() as other:
            equal(other.ask("guest-fsfreeze-status"), "frozen", "status on another channel")
            equal(other.ask("guest-ping"), {}, "ping")
            check(other.ask("pvt-get-memory")["total"] > 0, "memory")
            enabled = {c["name"] for c in other.ask("guest-info")["supported_commands"] if c["enabled"]}
            check({"guest-ping", "guest-fsfreeze-thaw"} <= enabled and "guest-exec" not in enabled, enabled)
            check(other.ask("pvt-get-status")["frozen"], "status")
        check(not disks.takes_writes(place), "the refused freeze thawed the one in force")
        equal(line.ask("guest-fsfreeze-thaw"), 1, "thaw")
        equal(line.ask("guest-fsfreeze-thaw"), 0, "thaw of nothing")
        check(line.ask("guest-get-osinfo"), "osinfo again")


def test_the_log_waits_in_memory():
    with Disks() as disks, Agent("-v") as agent, agent.line() as line:
        freeze(line, disks.make())
        written = agent.log.read_text()
        line.ask("guest-ping")
        refused(line, "guest-get-osinfo", "frozen", error_class="CommandNotFound")
        equal(agent.log.read_text(), written, "log while frozen")
        line.ask("guest-fsfreeze-thaw")
        check("refused guest-get-osinfo" in agent.log.read_text(), agent.log.read_text())


def test_a_failed_freeze_leaves_nothing_frozen():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        first, second = disks.make(name="first"), disks.make(name="second")
        run("fsfreeze", "-f", first)  # by somebody else; frozen after @second by us
        refused(line, "guest-fsfreeze-freeze-list", str(first), "somebody else",
                mountpoints=[str(first), str(second)])
        disks.wait_writable(second)
        check(not disks.takes_writes(first), "the rollback thawed what is not ours")
        equal(line.ask("guest-fsfreeze-thaw"), 0, "nothing of ours")
        check(not disks.takes_writes(first), "the thaw thawed what is not ours")
        run("fsfreeze", "-u", first)
        equal(freeze(line, first, second), 2, "the next freeze")
        run("fsfreeze", "-u", first)
        refused(line, "guest-fsfreeze-thaw", "somebody else")
        disks.wait_writable(second)


def test_the_deadline():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        report = line.ask("pvt-freeze", mountpoints=[str(place)], deadline_ms=1000)
        check(line.ask("pvt-get-freeze")["deadline-left-ms"] <= 1000, "left")
        disks.wait_writable(place)
        state = wait_phase(line, "thawed")
        equal((state["ended-by"], state["untold"], state["generation"]),
              ("deadline", True, report["generation"]), "state")
        equal(line.ask("guest-fsfreeze-status"), "thawed", "status")
        refused(line, "guest-fsfreeze-thaw", "automatically", "deadline", "not consistent")
        equal(line.ask("guest-fsfreeze-thaw"), 0, "told once")


def test_a_lease():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        generation = line.ask("pvt-freeze", mountpoints=[str(place)], deadline_ms=1500)["generation"]
        until = time.monotonic() + 3
        while time.monotonic() < until:
            line.ask("pvt-renew-freeze", generation=generation, deadline_ms=1500)
            time.sleep(0.3)
        equal(line.ask("guest-fsfreeze-status"), "frozen", "renewed")
        refused(line, "pvt-renew-freeze", "not in force", generation=generation + 1, deadline_ms=1500)
        refused(line, "pvt-thaw", "not in force", generation=generation + 1)
        report = line.ask("pvt-thaw", generation=generation)
        check(report["frozen-at"] < report["thaw-began"], report)
        refused(line, "pvt-renew-freeze", "not in force", generation=generation, deadline_ms=1500)


def test_a_freeze_that_takes_longer_than_its_deadline():
    with Disks() as disks:
        place = disks.make()
        hook = disks.directory / "hook"
        hook.write_text("#!/bin/sh\n[ $1 = thaw ] || sleep 2\n")
        hook.chmod(0o755)
        with Agent(f"-F{hook}") as agent, agent.line() as line:
            refused(line, "pvt-freeze", "deadline", mountpoints=[str(place)], deadline_ms=1000)
            check(disks.takes_writes(place), "frozen after an error")
            equal(line.ask("guest-fsfreeze-thaw"), 0, "thaw")


def test_the_agent_is_killed():
    with Disks() as disks:
        place = disks.make()
        log = disks.directory / "hooks.log"
        hook = disks.directory / "hook"
        hook.write_text(HOOK.format(name="hook", log=log, body=""))
        hook.chmod(0o755)
        agent = Agent(f"-F{hook}")
        state = agent.directory / "state"
        with agent.line() as line:
            equal(freeze(line, place), 1, "freeze")
        agent.process.kill()
        agent.process.wait()
        disks.wait_writable(place)
        second = subprocess.Popen([find_agent(), "-m", "unix-listen", "-p", str(agent.socket), "-t",
                                   str(state), f"-F{hook}"], stderr=agent.log.open("a"))
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    line = Line(agent.socket)
                    break
                except OSError:
                    check(time.monotonic() < deadline, "the second agent")
                    time.sleep(0.05)
            with line:
                wait_phase(line, "thawed")
                equal(line.ask("guest-fsfreeze-status"), "thawed", "status")
                refused(line, "guest-fsfreeze-thaw", "automatically", "agent died")
                equal(line.ask("guest-fsfreeze-thaw"), 0, "told once")
                equal(freeze(line, place), 1, "freeze again")
                equal(line.ask("guest-fsfreeze-thaw"), 1, "thaw")
            equal(log.read_text().split("\n")[:4],
                  ["hook freeze 1", "hook thaw 1", "hook freeze 2", "hook thaw 2"], "hooks")
        finally:
            second.terminate()
            equal(second.wait(20), 0, "the second agent's end")


def test_agent_and_guardian_are_killed_together():
    with Disks() as disks:
        place = disks.make()
        agent = Agent()
        with agent.line() as line:
            equal(freeze(line, place), 1, "freeze")
        guardian = agent.guardian()
        os.kill(agent.process.pid, signal.SIGSTOP)  # so that neither sees the other's end
        os.kill(guardian, signal.SIGKILL)
        agent.process.kill()
        agent.process.wait()
        check(not disks.takes_writes(place), "who thawed?")
        second = subprocess.Popen([find_agent(), "-m", "unix-listen", "-p", str(agent.socket), "-t",
                                   str(agent.directory / "state")], stderr=agent.log.open("a"))
        try:
            disks.wait_writable(place)
            with Line(agent.socket) as line:
                refused(line, "guest-fsfreeze-thaw", "automatically")
        finally:
            second.terminate()
            second.wait(20)


def test_the_guardian_is_killed():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        freeze(line, place)
        os.kill(agent.guardian(), signal.SIGKILL)
        disks.wait_writable(place)
        equal(wait_phase(line, "thawed")["ended-by"], "guardian-died", "end")
        refused(line, "guest-fsfreeze-thaw", "automatically", "guardian was killed")
        equal(freeze(line, place), 1, "the next freeze")
        os.kill(agent.guardian(), signal.SIGTERM)
        disks.wait_writable(place)
        equal(wait_phase(line, "thawed")["ended-by"], "signal", "end")


def test_a_guardian_killed_in_its_sleep_is_replaced():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        for number, how in enumerate((signal.SIGKILL, signal.SIGTERM), 1):
            asleep = agent.guardian()
            os.kill(asleep, how)
            wait_gone(asleep)
            equal(freeze(line, place), 1, f"freeze {number}")
            check(agent.guardian() != asleep, "the guardian")
            equal(line.ask("guest-fsfreeze-thaw"), 1, "thaw")


def wait_gone(pid):
    """Until it is dead, if not buried."""
    deadline = time.monotonic() + 20
    path = pathlib.Path(f"/proc/{pid}/stat")
    while path.exists() and path.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        check(time.monotonic() < deadline, f"{pid} is still there")
        time.sleep(0.01)


def test_what_makes_a_freeze_fast_is_switched_back():
    """An agent that is killed while the kernel hurries for it."""
    switch = pathlib.Path("/sys/kernel/rcu_expedited")
    if not switch.exists() or switch.read_text().strip() != "0":
        raise Skip("no rcu_expedited that could be switched on")
    with Disks() as disks:
        agent = Agent()
        outer = disks.make(name="outer")
        inner = disks.mount("-o", "loop", make_image(outer), name="inner")
        with agent.line() as line:
            equal(freeze(line, inner), 1, "freeze")
            equal(switch.read_text().strip(), "0", "once frozen")
            line.ask("guest-fsfreeze-thaw")
            (inner / "dirty").write_bytes(bytes(1 << 20))
            run("fsfreeze", "-f", outer)  # what is dirty in the inner one goes nowhere
            line.sock.sendall(json.dumps({"execute": "guest-fsfreeze-freeze-list",
                                          "arguments": {"mountpoints": [str(inner)]}}).encode() + b"\n")
            wait_text(switch, "1")
            agent.process.kill()
            wait_text(switch, "1")
            run("fsfreeze", "-u", outer)
            wait_text(switch, "0")
            disks.wait_writable(inner)


def make_image(where):
    image = where / "image"
    run("truncate", "-s", "40M", image)
    run("mkfs.ext4", "-q", "-F", image)
    return image


def wait_text(path, text):
    deadline = time.monotonic() + 20
    while path.read_text().strip() != text:
        check(time.monotonic() < deadline, f"{path} is not {text}")
        time.sleep(0.005)


def test_the_agent_is_stopped():
    with Disks() as disks:
        place = disks.make()
        with Agent() as agent, agent.line() as line:
            freeze(line, place)
        check(disks.takes_writes(place), "frozen after the agent's end")


def test_the_agent_hangs():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        line.ask("pvt-freeze", mountpoints=[str(place)], deadline_ms=1000)
        os.kill(agent.process.pid, signal.SIGSTOP)
        try:
            disks.wait_writable(place)
        finally:
            os.kill(agent.process.pid, signal.SIGCONT)
        refused(line, "guest-fsfreeze-thaw", "automatically", "deadline")


def make_hooks(disks, **bodies):
    directory = disks.place("hooks.d")
    log = disks.directory / "hooks.log"
    log.touch()
    for name, body in bodies.items():
        path = directory / name
        path.write_text(HOOK.format(name=name, log=log, body=body))
        path.chmod(0o755)
    config = disks.directory / "agent.conf"
    config.write_text(f"[general]\nhooks-dir={directory}\nhook-timeout=2\n")
    return directory, log, config


def hooks_seen(log):
    return [" ".join(line.split()[:2]) for line in log.read_text().splitlines()]


def test_hooks_in_order_and_backwards():
    with Disks() as disks:
        place = disks.make()
        directory, log, config = make_hooks(disks, a10="", b20="", c30="")
        (directory / "b20.dpkg-old").write_text("#!/bin/sh\nexit 1\n")
        (directory / "b20.dpkg-old").chmod(0o755)
        (directory / "notrun").write_text("no")
        loose = directory / "z99"
        loose.write_text(HOOK.format(name="z99", log=log, body=""))
        loose.chmod(0o777)
        with Agent("-c", str(config)) as agent, agent.line() as line:
            report = line.ask("pvt-freeze", mountpoints=[str(place)])
            equal([pathlib.Path(hook["path"]).name for hook in report["hooks"]], ["a10", "b20", "c30"],
                  "hooks")
            line.ask("guest-fsfreeze-thaw")
            equal(hooks_seen(log), ["a10 freeze", "b20 freeze", "c30 freeze", "c30 thaw", "b20 thaw",
                                    "a10 thaw"], "order")
            check("z99" in agent.log.read_text(), "the loose one is named")


def test_a_failing_hook_fails_the_freeze():
    with Disks() as disks:
        place = disks.make()
        _, log, config = make_hooks(disks, a10="", b20="[ $1 = thaw ] || { echo no space; exit 3; }",
                                    c30="")
        with Agent("-c", str(config)) as agent, agent.line() as line:
            refused(line, "guest-fsfreeze-freeze-list", "b20", "code 3", "no space",
                    mountpoints=[str(place)])
            equal(hooks_seen(log), ["a10 freeze", "b20 freeze", "b20 thaw", "a10 thaw"], "hooks")
            check(disks.takes_writes(place), "frozen")
        config.write_text(config.read_text() + "hooks-required=false\n")
        log.write_text("")
        with Agent("-c", str(config)) as agent, agent.line() as line:
            equal(freeze(line, place), 1, "not required")
            line.ask("guest-fsfreeze-thaw")
            equal(hooks_seen(log)[-3:], ["c30 thaw", "b20 thaw", "a10 thaw"], "hooks")


def test_a_hook_that_hangs_is_killed():
    with Disks() as disks:
        place = disks.make()
        _, log, config = make_hooks(disks, a10="[ $1 = thaw ] || { sleep 100 & wait; }")
        with Agent("-c", str(config)) as agent, agent.line() as line:
            refused(line, "guest-fsfreeze-freeze-list", "a10", "2000 ms", mountpoints=[str(place)])
            equal(hooks_seen(log), ["a10 freeze", "a10 thaw"], "hooks")


def test_nothing_to_freeze_runs_the_thaw_hooks():
    with Disks() as disks:
        _, log, config = make_hooks(disks, a10="")
        with Agent("-c", str(config)) as agent, agent.line() as line:
            equal(freeze(line, "/nowhere"), 0, "frozen")
            equal(hooks_seen(log), ["a10 freeze", "a10 thaw"], "hooks")
            equal(line.ask("guest-fsfreeze-thaw"), 0, "thaw")
            equal(len(hooks_seen(log)), 2, "no second thaw")


def test_a_thaw_on_another_channel_stops_a_freeze():
    with Disks() as disks:
        place = disks.make()
        _, log, config = make_hooks(disks, a10="[ $1 = thaw ] || sleep 1")
        with Agent("-c", str(config)) as agent, agent.line() as line, agent.line() as other:
            line.send(line.request("guest-fsfreeze-freeze-list", mountpoints=[str(place)]))
            wait_phase(other, "freezing")
            equal(other.ask("guest-fsfreeze-status"), "thawed", "not yet")
            equal(other.ask("guest-fsfreeze-thaw"), 0, "thaw")
            reply = json.loads(line.read_line())
            check("error" in reply, reply)
            check(disks.takes_writes(place), "frozen")


def test_a_client_that_leaves_while_freezing():
    with Disks() as disks:
        place = disks.make()
        _, log, config = make_hooks(disks, a10="[ $1 = thaw ] || sleep 1")
        with Agent("-c", str(config)) as agent, agent.line() as other:
            line = agent.line()
            line.send(line.request("guest-fsfreeze-freeze-list", mountpoints=[str(place)]))
            wait_phase(other, "freezing")
            line.close()
            wait_phase(other, "thawed")
            check(disks.takes_writes(place), "frozen for nobody")


def test_a_network_mount_that_is_dead():
    from deadmount import DeadMount
    with Disks() as disks, DeadMount() as dead, Agent() as agent, agent.line() as line:
        place = disks.make()
        equal(freeze(line, place, dead.path), 1, "frozen")
        equal(line.ask("guest-fsfreeze-thaw"), 1, "thawed")


def test_writers_never_wait_longer_than_the_deadline():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        longest, stop = [0.0], threading.Event()

        def write():
            while not stop.is_set():
                began = time.monotonic()
                (place / "w").write_text("x")
                longest[0] = max(longest[0], time.monotonic() - began)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(20):
                freeze(line, place)
                line.ask("guest-fsfreeze-thaw")
            line.ask("pvt-freeze", mountpoints=[str(place)], deadline_ms=1000)
            wait_phase(line, "thawed")
        finally:
            stop.set()
            writer.join()
        check(longest[0] < 10, f"a write took {longest[0]:.1f} s")
        refused(line, "guest-fsfreeze-thaw", "automatically")


def leftovers(agent):
    return agent.descriptors(), len(agent.children())


def test_many_cycles_leave_nothing_behind():
    cycles = 1000 if os.environ.get("PVT_LONG") else 150
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        for _ in range(30):
            freeze(line, place)
            line.ask("guest-fsfreeze-thaw")
        before, memory = leftovers(agent), agent.memory()
        for _ in range(cycles):
            equal(freeze(line, place), 1, "freeze")
            equal(line.ask("guest-fsfreeze-thaw"), 1, "thaw")
        descriptors, children = leftovers(agent)
        note(f"{cycles} cycles: {before} -> {(descriptors, children)}, {memory} -> {agent.memory()} kB")
        equal(children, 0, "children")
        check(descriptors <= before[0] + 1, "descriptors")
        if not agent.sanitized:
            check(agent.memory() < memory + 512, "memory")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
