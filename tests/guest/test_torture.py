#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of a guest whose databases are under write load, while agent, guardian
and host tool are killed or stopped at random: what is called consistent must be,
and no write may wait past the deadline.

PVT_LONG=1 runs it for minutes; PVT_SEED repeats a run.
"""

import collections
import ctypes
import json
import os
import pathlib
import random
import shlex
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import debian
import mariadb
import postgres
import readme
import tap
from agent import find_agent
from shell import PATIENCE, sh
from tap import check, equal, note
from test_snapshot import SlowMonitor
from vm import ON_VMM, VM

LONG = bool(os.environ.get("PVT_LONG"))
SEED = int(os.environ.get("PVT_SEED") or random.randrange(1 << 30))
DEADLINE = 60
CLONE_NEWNS = 0x20000
DISKS = {"ext4": 512, "xfs": 512, "btrfs": 256}
SCRIPT = "/root/test-torture"
# Of a guest in an emulated guest the other one is all it can do.
LOAD = "5 1 5" if ON_VMM else "100 0.1"

# What is done to a trial; chaos first so that a bounded run has all of it.
PLANS = ["none", "kill-agent", "kill-tool", "none", "stop-tool", "kill-guardian", "none", "kill-agent"]


class Guest(VM):
    def __init__(self):
        # What our VMM makes of a disk is a copy, which its guest must not wait for.
        copies = {"copies": True} if ON_VMM else {}
        super().__init__(*debian.image(find_agent(), full_kernel=True, database=True), memory=1536, **copies,
                         disks=[(f"virtio-blk-pci,drive={{drive}},serial={name}", size << 20)
                                for name, size in DISKS.items()])

    def script(self, *words, timeout=300):
        with self.line(timeout=timeout) as line:
            line.sync()
            return sh(line, f"bash {SCRIPT} {' '.join(words)}", timeout=timeout)

    def make_room(self, name):
        """A directory for a snapshot, which is there until the guest's end."""
        to = (self.store if ON_VMM else self.directory) / name
        to.mkdir()
        if ON_VMM:
            self.place.sh(f"mkdir -p {to}")
        return to

    def clear_room(self, to):
        """QEMU's guest goes on with what is in it, and what is made next lies on that."""
        if ON_VMM:
            self.place.sh(f"rm -rf {to}")

    def raw_copies(self, snapshots):
        """Of a snapshot's disks, {name: path}, for ourselves: {name: path}."""
        raw = {name: self.directory / f"{name}.raw" for name in snapshots}
        if ON_VMM:
            self.place.get_of_store({path.relative_to(self.store): raw[name] for name, path in snapshots.items()},
                                    self.store)
        else:
            for name, path in snapshots.items():
                run("qemu-img", "convert", "-U", "-O", "raw", path, raw[name])
        return raw

    def background(self, script):
        with self.line(timeout=120) as line:
            line.sync()
            line.ask("guest-exec", path="/bin/bash", arg=["-c", script])


def boot():
    vm = Guest()
    vm.__enter__()
    vm.wait_agent(300)
    with vm.line(timeout=300) as line:
        handle = line.ask("guest-file-open", path=SCRIPT, mode="w")
        import base64
        data = (HERE / "files/test-torture").read_bytes()
        line.ask("guest-file-write", handle=handle, **{"buf-b64": base64.b64encode(data).decode()})
        line.ask("guest-file-close", handle=handle)
    vm.script("prepare", timeout=600)
    return vm


machine = {}


def guest():
    """One for all tests of this file."""
    if not machine:
        machine["vm"] = boot()
    return machine["vm"]


def close():
    if machine:
        machine.pop("vm").__exit__(*sys.exc_info())


NFS = """mkdir -p /srv/nfs /t/nfs
echo '/srv/nfs 127.0.0.1(rw,no_root_squash,fsid=0,no_subtree_check)' > /etc/exports
modprobe -a nfsd nfsv4
systemctl start nfs-server
mount -t nfs4 -o hard 127.0.0.1:/ /t/nfs
echo here > /t/nfs/file
"""


def test_an_nfs_server_that_is_gone():
    """A hard mount waits for ever: everything else is frozen, reported and snapshotted."""
    vm = guest()
    to = vm.make_room("beside-nfs")
    with vm.line(timeout=120) as line:
        line.sync()
        sh(line, NFS + "systemctl stop nfs-server", timeout=600)
        sh(line, "timeout -s KILL 5 stat -f /t/nfs && exit 1 || true")
        filesystems = {fs["mountpoint"]: fs for fs in line.ask("pvt-get-filesystems")}
        check("did not answer" in filesystems["/t/nfs"]["error"], filesystems["/t/nfs"])
        check(filesystems["/"]["total-bytes"] > 0, filesystems["/"])
        equal(line.ask("pvt-get-status")["hung-mounts"], ["/t/nfs"], "hung-mounts")
        info = {fs["mountpoint"]: fs for fs in line.ask("guest-get-fsinfo")}
        check(info["/"]["used-bytes"] > 0, info["/"])
        check("/t/nfs" not in info or "used-bytes" not in info["/t/nfs"], info.get("/t/nfs"))
        frozen = line.ask("guest-fsfreeze-freeze")
        check(frozen >= 1 + len(DISKS), f"{frozen} filesystems frozen")
        equal(line.ask("guest-fsfreeze-thaw"), frozen, "thawed")
    process = cli.start("snapshot", vm.address, "--to", to, "-o", "json")
    out, _ = process.communicate(timeout=300 * PATIENCE)
    equal((process.returncode, json.loads(out)["verdict"]), (0, "consistent"), out)
    with vm.line(timeout=120) as line:
        line.sync()
        sh(line, "systemctl start nfs-server; timeout -s KILL 100 cat /t/nfs/file; umount /t/nfs",
           timeout=300)


def disturb(vm, plan, delay, process):
    """What happens @delay seconds after the snapshot was begun."""
    def later():
        time.sleep(delay)
        if plan == "kill-tool":
            process.kill()
        elif plan == "stop-tool":
            process.send_signal(signal.SIGSTOP)
            time.sleep(13)
            process.send_signal(signal.SIGCONT)
    thread = threading.Thread(target=later)
    if plan in ("kill-tool", "stop-tool"):
        thread.start()
    return thread


def await_thaw(vm):
    deadline = time.monotonic() + DEADLINE + 30 * PATIENCE
    while True:
        try:
            with vm.line(timeout=30) as line:
                line.sync()
                state = line.ask("pvt-get-freeze")
                if state["phase"] == "thawed":
                    return
        except (TimeoutError, EOFError, OSError):
            state = "no answer"
        check(time.monotonic() < deadline, f"still {state}")
        time.sleep(0.3)


def trial(vm, plan, to, chance):
    """(exit code, report or None, rows committed before to PostgreSQL and to MariaDB)."""
    committed = [int(word) for word in vm.script("committed").split()]
    # The monitor takes its time: what is done to a trial hits all of it.
    slow = SlowMonitor(vm, lambda client, pause=PATIENCE * chance.uniform(0, 3): time.sleep(pause))
    delay = PATIENCE * chance.uniform(0.3, 4)
    if plan.startswith("kill-") and plan != "kill-tool":
        target = "pvtools-agent" if plan == "kill-agent" else "pvt-guardian"
        # Everything it needs is in memory when the root is frozen.
        vm.background(f"pidof sleep > /dev/null; exec -c /bin/bash --norc -c 'PATH=/bin:/usr/bin; "
                      f"read -t {delay:.2f} < <(sleep 60); for p in /proc/[0-9]*; do read -r name < $p/comm; "
                      f"[ $name = {target[:15]} ] && kill -9 ${{p#/proc/}}; done'")
    process = cli.start("snapshot", slow.address, "--to", to, "--deadline", DEADLINE, "-o",
                        "json", "--timeout", "20")
    thread = disturb(vm, plan, delay, process)
    out, err = process.communicate(timeout=300 * PATIENCE)
    if process.returncode > 0 and err:
        note(err.strip())
    if thread.ident:
        thread.join()
    slow.close()
    await_thaw(vm)
    return process.returncode, json.loads(out) if out.strip().startswith("{") else None, committed


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{words}: {done.stdout[-600:]}{done.stderr[-600:]}")
    return done.stdout


def mounts_of_our_own():
    """A namespace that another test makes beside us copies the mounts there are, and keeps
    a filesystem in use after our umount: nobody sees ours."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")


class Mounted:
    def __init__(self, image, place):
        self.image, self.place = image, place
        place.mkdir(exist_ok=True)

    def __enter__(self):
        run("mount", "-o", "loop", self.image, self.place)
        return self.place

    def __exit__(self, *_):
        run("umount", self.place)


def verify_postgres(data, committed):
    with postgres.Database(data) as database:
        count, first, last = map(int, database.ask(
            "SELECT count(*), coalesce(min(n), 1), coalesce(max(n), 0) FROM log").split("|"))
        equal((count, first), (last, 1), "rows are numbered without a gap")
        check(last >= committed, f"row {committed} was committed before the snapshot, the last is {last}")
        sums = database.ask("SELECT (SELECT sum(abalance) FROM pgbench_accounts), "
                            "(SELECT sum(tbalance) FROM pgbench_tellers), "
                            "(SELECT sum(bbalance) FROM pgbench_branches), "
                            "(SELECT coalesce(sum(delta), 0) FROM pgbench_history)").split("|")
        equal(len(set(sums)), 1, f"balances {sums}")
        for word in ("PANIC", "invalid page", "could not read"):
            check(word not in database.log(), database.log()[-1500:])
        return last


def verify_mariadb(data, committed):
    """Its hook kept still both the tables with transactions and those without."""
    with mariadb.Database(data) as database:
        for table in ("log", "plain"):
            count, first, last = map(int, database.ask(
                f"SELECT count(*), coalesce(min(n), 1), coalesce(max(n), 0) FROM d.{table}").split())
            equal((count, first), (last, 1), f"rows of {table} are numbered without a gap")
            equal(database.ask(f"CHECK TABLE d.{table}").split("\n"), [f"d.{table}\tcheck\tstatus\tOK"], table)
            check(table == "plain" or last >= committed,
                  f"row {committed} was committed before the snapshot, the last is {last}")
        return last


def verify(vm, report, committed):
    """Every disk of a snapshot that was called consistent; rows in PostgreSQL and MariaDB."""
    _, *disks = report["guests"][0]["disks"]  # the first is the root
    check(all(disk["inside-the-freeze"] for disk in disks), disks)
    raw = vm.raw_copies({name: pathlib.Path(disk["snapshot"]) for name, disk in zip(DISKS, disks)})
    run("e2fsck", "-fn", raw["ext4"])
    run("btrfs", "check", "--readonly", raw["btrfs"])
    place = vm.directory / "mnt"
    with Mounted(raw["xfs"], place) as mounted:
        lines = (mounted / "log").read_text().split("\n")[:-1]
        equal(lines, [f"line {n + 1}" for n in range(len(lines))], "the writer's lines on xfs")
        rows = verify_mariadb(mounted / "mysql", committed[1])
    run("xfs_repair", "-n", raw["xfs"])
    with Mounted(raw["ext4"], place) as mounted:
        data = next(mounted.glob("[0-9]*/main"))
        rows = [verify_postgres(data, committed[0]), rows]
    for path in raw.values():
        path.unlink()
    return rows


def longest_write(vm):
    with vm.line(timeout=60) as line:
        line.sync()
        text = sh(line, "cat /run/longest-*", timeout=60)
    return max(int(word) for word in text.split()) / 1e6


def count_as_the_readme_does(vm):
    """Word for word, and what psql prints of it."""
    command, _ = readme.shown("pvtools exec unix:/tmp/guest/extended.sock -- runuser")
    words = shlex.split(command.replace("/tmp/guest", str(vm.directory)))[1:]
    done = cli.run(*words, timeout=300)
    for _ in range(4):  # the load goes on
        if done.returncode:
            note(done.stderr)
            done = cli.run(*words, timeout=300)
    return done.stdout


def test_snapshots_under_load_and_chaos():
    mounts_of_our_own()
    chance = random.Random(SEED)
    # In a nested guest each takes minutes; the first of the plans have all kinds.
    trials = 6 if ON_VMM else 40 if LONG else len(PLANS)
    outcomes = collections.Counter()
    note(f"seed {SEED}, {trials} trials")
    vm = guest()
    vm.background(f"bash {SCRIPT} load {LOAD}")
    for number in range(trials):
        plan = PLANS[number % len(PLANS)] if number < len(PLANS) else chance.choice(PLANS)
        to = vm.make_room(f"to{number}")
        code, report, committed = trial(vm, plan, to, chance)
        verdict = report["verdict"] if report else "no report"
        outcomes[f"{plan}: {verdict} ({code})"] += 1
        if code == 0:
            rows = verify(vm, report, committed)
            freeze = report["guests"][0]
            held = (freeze["thaw-began"] - freeze["frozen-at"]) / 1e9
            note(f"trial {number + 1} {plan}: consistent, held {held:.2f} s, rows {rows} "
                 f"({committed} before)")
        else:
            check(report is None or verdict != "consistent" or code in (13, 14, 15), (code, report))
            note(f"trial {number + 1} {plan}: {verdict}, exit code {code}")
        vm.clear_room(to)
    longest = longest_write(vm)
    readme.compare("pvtools exec unix:/tmp/guest/extended.sock -- runuser", count_as_the_readme_does(vm))
    for outcome, count in sorted(outcomes.items()):
        note(f"{count:3d} x {outcome}")
    note(f"the longest write took {longest:.1f} s; the deadline is {DEADLINE} s")
    check(longest < DEADLINE + 10 * PATIENCE, f"a write waited {longest:.1f} s")
    check(any("(0)" in outcome for outcome in outcomes), "not one consistent snapshot")


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        close()
