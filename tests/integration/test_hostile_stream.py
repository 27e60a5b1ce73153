#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cp and exec against a guest on the extended channel that means harm, hangs or floods; and
what becomes of them when this side's own disk, pipe or signals fail them."""

import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from agent import Agent
from liar import Liar
from packets import CONTROL, DATA, END, HELLO, REPLY, REQUEST, SYNC
from peer import Peer
from tap import check, equal

LONG = 60
FACTOR, MASK = 0x9e3779b97f4a7c15, (1 << 64) - 1


def mix(lane, word):
    lane = (lane ^ word) * FACTOR & MASK
    return (lane << 29 | lane >> 35) & MASK


def checksum(data):
    """Of less than 32 bytes."""
    words = struct.unpack("<4Q", data.ljust(32, b"\0"))
    end = len(data) * FACTOR & MASK
    for lane, word in enumerate(words):
        end = mix(end, mix(FACTOR * (lane + 1) & MASK, word))
    return f"{end ^ end >> 31:016x}"


class Guest(Peer):
    """Calls answer(self, number, name, arguments) for every request."""

    def __init__(self, answer):
        super().__init__("stream", 4)
        self.answer, self.controls, self.requests, self.heard = answer, [], [], threading.Condition()

    def send(self, kind, number, data=b"", channel=0):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.client.sendall(struct.pack("<BBHII", kind, channel, 0, number, len(data)) + data)

    def returns(self, number, value):
        self.send(REPLY, number, {"return": value})

    def serve(self):
        while True:
            try:
                self.client = self.server.accept()[0]
                self._one(self.client.makefile("rb"))
            except (OSError, ValueError, struct.error):
                if self.server.fileno() < 0:
                    return

    def _one(self, stream):
        while True:
            first = stream.read(1)
            if first == b"\xff":
                continue
            kind, _, _, number, length = struct.unpack("<BBHII", first + stream.read(11))
            data = stream.read(length)
            if kind == HELLO:
                self.client.sendall(SYNC)
                self.send(HELLO, number, {"return": {"protocol": 1, "version": "9", "window": 1 << 19, "features": [],
                                                     "nonce": json.loads(data)["arguments"]["nonce"]}})
            elif kind == REQUEST:
                request = json.loads(data)
                with self.heard:
                    self.requests.append(request["execute"])
                    self.heard.notify_all()
                self.answer(self, number, request["execute"], request.get("arguments", {}))
            elif kind == CONTROL:
                with self.heard:
                    self.controls.append(json.loads(data))
                    self.heard.notify_all()


def entry(name, kind, **more):
    return {"name": name, "type": kind, "size": 4, "mode": 0o6777, "uid": os.geteuid(), "gid": os.getegid(),
            "mtime": 0, **more}


def files(directories, data=b"evil"):
    """A guest with these listings; each file in them has @data."""
    def answer(guest, number, name, arguments):
        if name == "pvt-list-directory":
            guest.returns(number, directories(arguments["path"]))
        elif name == "pvt-read-file":
            guest.returns(number, {key: value for key, value in entry("", "regular").items()
                                   if key not in ("name", "type")})
            guest.send(DATA, number, data, 1)
            guest.send(DATA, number, b"", 1)
            guest.send(END, number, {"bytes": len(data), "sum": checksum(data)})
        else:
            guest.send(REPLY, number, {"error": {"class": "CommandNotFound", "desc": "no"}})
    return answer


def fetch(guest, code):
    done = cli.run("cp", "-r", guest.address, ":/tree", guest.here / "in", "-q")
    equal(done.returncode, code, done.stdout + done.stderr)
    check("Sanitizer" not in done.stderr, done.stderr)
    equal(sorted(os.listdir(guest.here / "out")), [], "outside of the tree")
    return done.stderr


def harmless(directories, *codes):
    with Guest(files(directories)) as guest:
        (guest.here / "in").mkdir()
        (guest.here / "out").mkdir()
        for code in codes:
            fetch(guest, code)
        equal([name for name in os.listdir(guest.here / "in") if name != "tree"], [], "beside the tree")
        for path in (guest.here / "in").rglob("*"):
            check(path.is_symlink() or not path.lstat().st_mode & 0o7000, f"{path} has rights of its own")


def test_names_that_lead_out():
    for name in ("../evil", "/evil", "..", ".", "a/b", "a/../../evil"):
        for kind in ("regular", "directory", "link", "other"):
            harmless(lambda path, name=name, kind=kind: [entry("first", "other"), entry(name, kind, target="/")]
                     if path == "/tree" else [entry("file", "regular")], 5)


def test_links_are_not_gone_through():
    # A link that takes a directory's name, in one listing, and in that of the next copy.
    harmless(lambda path: [entry("d", "link", target="../../out"), entry("d", "directory")]
             if path == "/tree" else [entry("file", "regular")], 0, 0)
    turns = iter((0, 1))
    harmless(lambda path: [entry("d", "directory" if next(turns) else "link", target="../../out")]
             if path == "/tree" else [entry("file", "regular")], 0, 1)
    # A directory that is listed twice: what was a link the first time is one the second.
    seen = []

    def twice(path):
        seen.append(path)
        if path == "/tree":
            return [entry("d", "directory"), entry("d", "directory")]
        if path == "/tree/d":
            return [entry("l", "directory" if seen.count(path) > 1 else "link", target="../../../out")]
        return [entry("file", "regular")]
    harmless(twice, 1)


def test_only_files_directories_and_links():
    harmless(lambda path: [entry("device", "other"), entry("new", "no-such-type"), entry("file", "regular")]
             if path == "/tree" else [], 0)


def endless(guest, number, name, _):
    if name != "pvt-read-file":
        guest.send(REPLY, number, {"error": {"class": "CommandNotFound", "desc": "no"}})
        return
    guest.returns(number, {"size": 1, "mode": 0o644, "uid": 0, "gid": 0, "mtime": 0})
    while True:
        guest.send(DATA, number, b"x" * (1 << 17), 1)


def limit():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def test_a_file_without_end_ends_with_the_disk():
    with Guest(endless) as guest:
        done = cli.run("cp", guest.address, ":/f", guest.here / "f", preexec_fn=limit, timeout=LONG)
        equal(done.returncode, 1, done.stdout + done.stderr)
        check("cannot write" in done.stderr and not (guest.here / "f").exists(), done.stderr)


def test_a_source_that_cannot_be_read_is_no_short_file():
    with Liar("most", answers={"guest-file-open": {"return": 7}, "guest-file-close": {"return": {}}}) as guest:
        done = cli.run("cp", guest.address, "/proc/self/mem", ":/x")
        equal(done.returncode, 1, done.stdout + done.stderr)
        check("cannot read" in done.stderr and "guest-file-close" in guest.asked, done.stderr + f"{guest.asked}")


def silent(guest, number, name, _):
    if name == "pvt-exec":
        guest.returns(number, {"pid": 1})


def started(guest, *words, **keywords):
    process = subprocess.Popen([cli.find_cli(), "exec", *words, guest.address, "--", "cat"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, **keywords)
    return process


def number_in(process, file, name):
    return int(pathlib.Path(f"/proc/{process.pid}/{file}").read_text().split(f"{name}:")[1].split()[0])


def test_a_hung_guest_costs_no_processor():
    over = threading.Event()

    def deaf(guest, number, name, arguments):
        silent(guest, number, name, arguments)
        over.wait(LONG)
    with Guest(deaf) as guest, tempfile.TemporaryFile() as zeros:
        zeros.truncate(4 << 20)
        process = started(guest, "-i", stdin=zeros)
        deadline, before, now = time.monotonic() + LONG, 0, 0
        while before != now or now == 0:  # until it has read what the guest would take
            check(time.monotonic() < deadline, "its input was not read")
            time.sleep(0.3)
            before, now = now, number_in(process, "fdinfo/0", "pos")
        before = number_in(process, "io", "syscr")
        time.sleep(2)
        grown = number_in(process, "io", "syscr") - before
        process.kill()
        process.communicate()
        over.set()
        check(grown < 1000, f"{grown} reads while nothing moved")


def test_a_hung_guest_is_left_at_the_third_signal():
    with Guest(silent) as guest:
        process = started(guest, stdin=subprocess.DEVNULL)
        with guest.heard:
            check(guest.heard.wait_for(lambda: guest.requests, LONG), "it asked nothing")
            for count in (1, 2):
                process.send_signal(signal.SIGTERM)
                check(guest.heard.wait_for(lambda: len(guest.controls) >= count, LONG), "no signal came")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LONG)
        equal(process.returncode, 128 + signal.SIGTERM, "how it ended")


def test_output_that_cannot_be_written_is_told():
    with Agent() as agent, open("/dev/full", "w", encoding="ascii") as full:
        address = f"unix:{agent.socket}"
        for words, code in ((["ping", address], 1), (["info", "-o", "json", address], 1),
                            (["exec", address, "--", "echo", "x"], 255)):
            done = subprocess.run([cli.find_cli(), *words], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=LONG, check=False)
            equal(done.returncode, code, f"{words}: {done.stderr}")
            check("No space left" in done.stderr, f"{words}: {done.stderr}")


def test_input_is_not_cut_silently():
    with Agent() as agent:
        mark = pathlib.Path(agent.directory) / "ran"
        done = subprocess.run([cli.find_cli(), "exec", "-i", f"unix:{agent.socket}", "--", "touch", mark],
                              input=b"x" * (17 << 20), capture_output=True, timeout=LONG, check=False)
        equal(done.returncode, 255, done.stderr)
        check(b"16 MiB" in done.stderr and not mark.exists(), done.stderr)


def test_output_is_not_cut_silently():
    with Liar("least", answers={"guest-exec": {"return": {"pid": 1}}, "guest-exec-status": {"return": {
            "exited": True, "exitcode": 0, "out-data": "eA==", "out-truncated": True}}}) as guest:
        done = cli.run("exec", guest.address, "--", "cat")
        equal((done.returncode, done.stdout), (0, "x"), done.stderr)
        check("only a part" in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
