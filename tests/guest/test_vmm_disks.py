#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies and growth of pvtools-vmm's disks by the control socket, on any /dev/kvm:
all of a transaction or none, and while our bare-metal drivers are at work."""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import nested
import tap
import vhostuser
from tap import Skip, check, equal, note
from test_testguest import GUEST, LEFT, OURS, SECTORS, checksum, pattern
from test_vmm import connect_qmp, refused

MIB = 1 << 20


def write_sparse(path, contents):
    """Pages of zeroes are left out."""
    with path.open("wb") as file:
        for at in range(0, len(contents), 4096):
            if any(page := contents[at:at + 4096]):
                file.seek(at)
                file.write(page)
        file.truncate(len(contents))


class Machine:
    """A machine with @disks (name: contents), its files and its monitor."""

    def __init__(self, kernel, disks, *words):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            raise Skip("/dev/kvm cannot be opened here")
        self.temporary = tempfile.TemporaryDirectory()
        self.at = pathlib.Path(self.temporary.name)
        for name, contents in disks.items():
            write_sparse(self.at / name, contents)
        self.process = subprocess.Popen(
            [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel",
             kernel or nested.build_payload(self.at / "board.elf"), "--memory", "64", "--paused", "--qmp", self.at / "qmp", *map(str, words),
             *(word for name in disks for word in ("--disk", f"file={self.at / name}"))],
            stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        try:
            self.monitor = connect_qmp(self.at / "qmp")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.temporary.cleanup()

    def action(self, number, file, **more):
        return {"type": "blockdev-snapshot-sync",
                "data": {"device": f"drive{number}", "snapshot-file": str(self.at / file),
                         "format": "raw", **more}}

    def files(self):
        return sorted(path.name for path in self.at.iterdir() if path.name.startswith("copy"))


def sparse():
    """Data, a hole, data, and a hole at the end."""
    return pattern(64 << 10, 1) + bytes(MIB) + pattern(4096, 2) + bytes(2 * MIB)


def test_copies_all_or_none():
    with Machine(None, {"one": sparse(), "two": pattern(MIB, 3)}) as vm:
        inserted = [entry["inserted"] for entry in vm.monitor.command("query-block")]
        equal([(disk["drv"], disk["__pvtools_snapshot-copy"]) for disk in inserted], [("raw", "raw")] * 2,
              "what is said of snapshots")
        vm.monitor.command("transaction", actions=[vm.action(0, "copy1"), vm.action(1, "copy2")])
        equal((vm.at / "copy1").read_bytes(), sparse(), "the first copy")
        equal((vm.at / "copy2").read_bytes(), pattern(MIB, 3), "the second copy")
        blocks = [(vm.at / name).stat().st_blocks for name in ("one", "copy1")]
        check(blocks[1] <= blocks[0] + 256, f"holes were filled: {blocks}")
        equal((vm.at / "copy1").stat().st_mode & 0o777, 0o600, "who may read it")
        for actions, said in (
                ([vm.action(0, "copy3"), vm.action(1, "copy2")], "File exists"),
                ([vm.action(0, "copy3"), vm.action(1, "nowhere/copy")], "No such file"),
                ([vm.action(0, "copy3"), vm.action(9, "copy4")], "Cannot find device='drive9'"),
                ([vm.action(0, "copy3"), vm.action(0, "copy4")], "named twice"),
                ([vm.action(0, "copy3", format="qcow2")], "must be 'raw'"),
                ([vm.action(0, "copy3", mode="existing")], "must be 'raw'"),
                ([vm.action(0, "copy" + "y" * 2000)], "too long"),
                ([{"type": "drive-backup", "data": {}}], "only actions"),
                (["x"], "only actions"), ([], "missing")):
            text = refused(vm.monitor, "transaction", actions=actions)
            check(said in text, f"{text}: {said}")
            equal(vm.files(), ["copy1", "copy2"], f"left behind by {actions}")
        check("missing" in refused(vm.monitor, "blockdev-snapshot-sync", device="drive0"), "no file")
        vm.monitor.command("blockdev-snapshot-sync", **vm.action(0, "copy5")["data"])
        equal((vm.at / "copy5").read_bytes(), sparse(), "a single copy")
        vm.monitor.command("quit")
        equal(vm.process.wait(60), 0, "the end")


def test_a_disk_grows():
    with Machine(None, {"one": sparse()}) as vm:
        before = (vm.at / "one").stat().st_size
        for size, said in ((before - 512, "grows"), (before + 1, "grows"), (-512, "missing")):
            check(said in refused(vm.monitor, "block_resize", device="drive0", size=size), f"{size}")
        check("drive1" in refused(vm.monitor, "block_resize", device="drive1", size=before), "no disk")
        vm.monitor.command("block_resize", device="drive0", size=8 * MIB)
        equal((vm.at / "one").stat().st_size, 8 * MIB, "the file")
        size = vm.monitor.command("query-block")[0]["inserted"]["image"]["virtual-size"]
        equal(size, 8 * MIB, "what is said")
        equal((vm.at / "one").read_bytes()[:before], sparse(), "what was in it")
        vm.monitor.command("quit")
        equal(vm.process.wait(60), 0, "the end")


def test_copies_of_a_disk_at_work():
    """The drivers notice nothing, and what the guest does not write is in every copy."""
    if not GUEST or not os.path.exists(GUEST):
        raise Skip("this compiler does not build the test guest")
    contents = pattern(SECTORS * 512, 7)
    with Machine(GUEST, {"disk": contents}, "--append", f"blk-sum={checksum(contents[:64 * 512])}") as vm:
        vm.monitor.command("cont")
        copies = 0
        while copies < 50 and vm.process.poll() is None:
            try:
                vm.monitor.command("transaction", actions=[vm.action(0, f"copy{copies}")])
            except (RuntimeError, OSError, EOFError):
                break  # it has ended
            copies += 1
        text = vm.process.stdout.read()
        equal(vm.process.wait(120), 0, text[-2000:])
        check("\nnot ok" not in text and "\n1.." in text, text[-2000:])
        check(copies > 0, "the guest was done before the first copy")
        rest = (OURS + LEFT + 8) * 512
        for number in range(copies):
            copy = (vm.at / f"copy{number}").read_bytes()
            check(copy[:OURS * 512] == contents[:OURS * 512] and copy[rest:] == contents[rest:],
                  f"copy {number} of {copies}")
        equal((vm.at / "disk").read_bytes()[OURS * 512:(OURS + LEFT) * 512], pattern(LEFT * 512, 4711),
              "what the guest left on the disk")
        note(f"{copies} copies while it worked")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
