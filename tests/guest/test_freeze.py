#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole Debian guest is frozen: every kind of mount, and its disks as they are
while it is frozen must be clean."""

import json
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import tap
from agent import find_agent
from shell import PATIENCE, sh, start
from tap import check, equal, note
from vm import VM
from wire import AgentError, LibvirtLike, ProxmoxLike

BLK = "virtio-blk-pci,drive={drive},serial="
SIZES = {"xfs": 320, "btra": 160, "btrb": 160, "vfat": 64, "lvm": 160, "ro": 64, "nobody": 64, "auto": 64}
FROZEN = ["/", "/t/auto", "/t/btrfs", "/t/inner", "/t/lvm", "/t/nobody", "/t/xfs"]

guest = {}


def vm():
    if not guest:
        machine = VM(*debian.image(find_agent(), full_kernel=True),
                     disks=[(BLK + name, size << 20) for name, size in SIZES.items()])
        guest["vm"] = machine.__enter__()
        machine.wait_agent()
        with machine.line(timeout=120) as line:
            put(line, HERE / "files/test-freeze", "/root/test-freeze")
            sh(line, "bash /root/test-freeze")
    return guest["vm"]


def put(line, source, target):
    import base64
    handle = line.ask("guest-file-open", path=target, mode="w")
    line.ask("guest-file-write", handle=handle,
             **{"buf-b64": base64.b64encode(source.read_bytes()).decode()})
    line.ask("guest-file-close", handle=handle)


def test_every_filesystem_in_an_order_that_works():
    with vm().line() as line:
        report = line.ask("pvt-freeze")
        frozen = [fs["mountpoint"] for fs in report["filesystems"] if "skipped" not in fs]
        skipped = [fs["mountpoint"] for fs in report["filesystems"] if "skipped" in fs]
        note(f"{len(frozen)} frozen in {(report['frozen-at'] - report['started']) / 1e6:.0f} ms: {frozen}")
        thaw = line.ask("pvt-thaw", generation=report["generation"])
        equal(sorted(frozen), FROZEN, "frozen")
        equal(skipped, ["/t/vfat"], "skipped")
        check(frozen.index("/t/inner") < frozen.index("/t/lvm"), "the loop file's filesystem goes first")
        equal(frozen[-1], "/", "the root goes last")
        equal(thaw["filesystems"], len(frozen), "thawed")
        check(report["started"] < report["frozen-at"] < thaw["thaw-began"], (report, thaw))


def test_nothing_is_written_while_frozen():
    machine = vm()
    with machine.line() as line:
        pids = [start(line, f"sleep {2 * PATIENCE}; echo x > {place}/late; sync {place}/late; echo done")
                for place in ("/t/xfs", "/t/sub", "/t/lvm", "/t/inner", "/t/again", "/root", "/t/auto")]
        equal(line.ask("guest-fsfreeze-freeze"), len(FROZEN), "frozen")
        time.sleep(3 * PATIENCE)
        try:
            line.ask("guest-exec-status", pid=pids[0])
            raise AssertionError("exec-status ran while frozen")
        except AgentError as error:
            check("frozen" in error.desc, error.desc)
        equal(line.ask("guest-fsfreeze-thaw"), len(FROZEN), "thawed")
        deadline = time.monotonic() + 60 * PATIENCE
        for pid in pids:
            while not (status := line.ask("guest-exec-status", pid=pid))["exited"]:
                check(time.monotonic() < deadline, "a writer still waits")
                time.sleep(0.1)
            equal(status["exitcode"], 0, "writer")


def verify(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    equal(done.returncode, 0, f"{command}: {done.stdout[-500:]}{done.stderr[-500:]}")


def verify_copies(copies, directory):
    """Copies taken while frozen are clean, without a repair."""
    # A frozen xfs keeps one record in its log on purpose, for unlinked inodes
    # (xfs_fs_freeze in the kernel): a mount takes it, as after any restore.
    place = directory / "mnt"
    place.mkdir()
    verify("mount", "-o", "loop,nouuid", copies["xfs"], place)
    verify("umount", place)
    verify("xfs_repair", "-n", copies["xfs"])
    for name in ("nobody", "auto"):
        verify("e2fsck", "-fn", copies[name])
    # The one logical volume begins where LVM puts its first extent.
    lvm = f"{copies['lvm']}?offset={1 << 20}"
    verify("e2fsck", "-fn", lvm)
    inner = directory / "inner.img"
    verify("debugfs", "-R", f"dump /inner.img {inner}", lvm)
    verify("e2fsck", "-fn", inner)
    loops = [subprocess.run(["losetup", "-f", "--show", copies[name]], capture_output=True, text=True,
                            check=True).stdout.strip() for name in ("btra", "btrb")]
    try:
        verify("btrfs", "check", "--readonly", loops[0])
    finally:
        verify("losetup", "-d", *loops)


def test_the_disks_are_clean_while_frozen():
    machine = vm()
    with machine.line() as line:
        sh(line, "for i in 1 2 3 4 5 6 7 8 9; do dd if=/dev/urandom of=/t/xfs/f$i bs=64k count=8; "
                 "cp /t/xfs/f$i /t/auto/; cp /t/xfs/f$i /root/; done 2>/dev/null; chmod 700 /t/nobody; "
                 "cp /t/xfs/f1 /t/nobody/; chmod 0 /t/nobody")
        line.ask("guest-fsfreeze-freeze")
        copies = {}
        for number, name in enumerate(SIZES):
            copies[name] = shutil.copy(machine.directory / f"disk{number}.img",
                                       machine.directory / f"copy-{name}.img")
        equal(line.ask("guest-fsfreeze-status"), "frozen", "still frozen after the copies")
        line.ask("guest-fsfreeze-thaw")
    verify_copies(copies, machine.directory)


def test_libvirts_and_proxmoxs_way():
    machine = vm()
    with machine.line(LibvirtLike) as line:
        line.sync()
        equal(line.command("guest-fsfreeze-freeze"), {"return": len(FROZEN)}, "freeze")
        check("error" in line.command("guest-fsfreeze-freeze"), "twice")
        equal(line.command("guest-fsfreeze-thaw"), {"return": len(FROZEN)}, "thaw")
        reply = line.command("guest-fsfreeze-freeze-list", {"mountpoints": ["/t/xfs", "/t/again"]})
        equal(reply, {"return": 2}, "list")
        equal(line.command("guest-fsfreeze-thaw"), {"return": 2}, "thaw")
        equal(line.command("guest-fsfreeze-thaw"), {"return": 0}, "thaw of nothing")
    proxmox = ProxmoxLike(machine.agent_socket)
    equal(proxmox.command("guest-fsfreeze-status"), {"return": "thawed"}, "status")
    equal(proxmox.command("guest-fsfreeze-freeze", timeout=60), {"return": len(FROZEN)}, "freeze")
    equal(proxmox.command("guest-fsfreeze-status"), {"return": "frozen"}, "status")
    equal(proxmox.command("guest-ping"), {"return": {}}, "ping")
    equal(proxmox.command("guest-fsfreeze-thaw", timeout=60), {"return": len(FROZEN)}, "thaw")


def test_trim():
    with vm().line(timeout=120) as line:
        paths = {entry["path"]: entry for entry in line.ask("guest-fstrim", minimum=0)["paths"]}
        check({"/", "/t/xfs", "/t/lvm"} <= set(paths), paths)
        check(all("trimmed" in entry or "error" in entry for entry in paths.values()), paths)


def freeze_state(machine):
    """None while no agent answers: what one that was killed had read is lost."""
    try:
        with machine.line(timeout=5) as line:
            line.sync(int(time.monotonic() * 1e6) | 1)
            state = line.ask("pvt-get-freeze")
            return state if state["phase"] == "thawed" else None
    except (TimeoutError, EOFError, OSError):
        return None


def test_the_agent_dies_while_the_guest_is_frozen():
    machine = vm()
    with machine.line() as line:
        # The killer must not need a disk: it is in memory by then.
        sh(line, "cp /bin/busybox /run/ 2>/dev/null || true; "
                 f"(sleep {2 * PATIENCE}; kill -9 $(pidof pvtools-agent)) > /dev/null 2>&1 &")
        equal(line.ask("guest-fsfreeze-freeze"), len(FROZEN), "frozen")
    deadline = time.monotonic() + 90 * PATIENCE
    while (state := freeze_state(machine)) is None or not state["untold"]:
        check(time.monotonic() < deadline, f"not thawed: {state}")
        time.sleep(0.2)
    with machine.line() as line:
        line.sync()
        equal(line.ask("guest-fsfreeze-status"), "thawed", "status")
        try:
            line.ask("guest-fsfreeze-thaw")
            raise AssertionError("nobody was told that the guest thawed by itself")
        except AgentError as error:
            check("not consistent" in error.desc, error.desc)
        sh(line, "for p in / /t/xfs /t/inner /t/sub; do echo x > $p/after; sync $p/after; done")


def test_the_deadline_in_the_guest():
    with vm().line() as line:
        report = line.ask("pvt-freeze", deadline_ms=2000 * PATIENCE)
        deadline = time.monotonic() + 30 * PATIENCE
        while (state := line.ask("pvt-get-freeze"))["phase"] != "thawed":
            check(time.monotonic() < deadline, "not thawed")
            time.sleep(0.2)
        equal(state["ended-by"], "deadline", "end")
        held = (state["thawed-at"] - report["started"]) / 1e9
        note(f"held for {held:.2f} s of {2 * PATIENCE} s")
        check(held < 10 * PATIENCE, held)
        sh(line, "echo x > /t/lvm/after-deadline; sync", timeout=30)


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if guest:
            guest["vm"].__exit__(ValueError, None, None)
