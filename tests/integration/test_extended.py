#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The extended channel: exec, shell and cp against a real agent, and bad bytes."""

import hashlib
import json
import os
import pathlib
import pty
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from agent import Agent
from packets import CANCEL, CONTROL, DATA, END, REQUEST, WINDOW, Extended, Packets
from tap import Skip, check, equal, note


def execute(agent, *words, code=0, stdin=None, options=()):
    done = subprocess.run([cli.find_cli(), "exec", *options, agent.address, "--", *words], input=stdin,
                          capture_output=True, timeout=120, check=False)
    equal(done.returncode, code, f"{words}: {done.stdout[-300:]}{done.stderr[-300:]}")
    return done.stdout, done.stderr


def test_exit_codes_and_streams():
    with Extended() as agent:
        equal(execute(agent, "sh", "-c", "echo out; echo err >&2"), (b"out\n", b"err\n"), "streams")
        execute(agent, "sh", "-c", "exit 7", code=7)
        execute(agent, "sh", "-c", "kill -9 $$", code=137)
        check(b"no such program" in execute(agent, "no-such-thing", code=127)[1], "why")
        execute(agent, "/etc/passwd", code=127)
        equal(execute(agent, "cat")[0], b"", "no input without -i")
        equal(execute(agent, "printf", "%s|", "a b", "", "*", "c")[0], b"a b||*|c|", "arguments")


def test_input_environment_directory_user():
    with Extended() as agent:
        equal(execute(agent, "cat", stdin=b"hello", options=["-i"])[0], b"hello", "stdin")
        out = execute(agent, "sh", "-c", "echo $A$PATH; pwd; id -un",
                      options=["-e", "A=x:", "-C", "/usr", "-u", "nobody"])[0].decode().split("\n")
        check(out[0].startswith("x:") and "bin" in out[0], out)
        equal(out[1:3], ["/usr", "nobody"], "directory and user")
        execute(agent, "true", options=["-u", "nobody-here"], code=127)
        execute(agent, "true", options=["-C", "/nowhere"], code=127)


def test_megabytes_through_both_ways():
    data = random.Random(1).randbytes(30 << 20)
    with Extended() as agent:
        before = agent.memory()
        out = execute(agent, "cat", stdin=data, options=["-i"])[0]
        equal(hashlib.sha256(out).digest(), hashlib.sha256(data).digest(), "through cat")
        peak = agent.peak_kb()
        note(f"private {before} kB before, peak resident {peak} kB")
        check(agent.sanitized or peak < 32 << 10, f"{peak} kB")
        # A program that reads nothing and one that writes for ever bind no memory.
        execute(agent, "true", stdin=data, options=["-i"])
        done = subprocess.run(f"{cli.find_cli()} exec {agent.address} -- yes | head -c 5000000 | wc -c",
                              shell=True, capture_output=True, text=True, timeout=120, check=False)
        equal(done.stdout.strip(), "5000000", "an endless one")


def test_a_slow_reader_holds_up_nobody():
    with Extended() as agent, Packets(agent.extended) as line:
        line.hello()
        line.ask(5, "pvt-exec", argv=["yes"])
        line.reply(5)
        line.ask(6, "guest-ping")
        equal(line.reply(6), {"return": {}}, "ping beside an endless stream")
        line.ask(7, "pvt-exec", argv=["echo", "other"])
        kinds = []
        while True:
            kind, channel, number, data = line.read()
            kinds.append((kind, number))
            if kind == END and number == 7:
                equal(json.loads(data), {"exitcode": 0}, "end")
                break
        with agent.line() as plain:
            plain.sync()
        line.send(CANCEL, 5)
        check("cancelled" in line.reply(5)["error"]["desc"], "cancel")


def test_signals_end_it():
    with Extended() as agent:
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            process = cli.start("exec", agent.address, "--", "sh", "-c", "echo $$; exec sleep 100")
            process.stdout.readline()
            process.send_signal(number)
            process.communicate(timeout=30)
            equal(process.returncode, code, f"signal {number}")


def test_a_cut_line_leaves_nothing_behind():
    with Extended() as agent:
        before = agent.descriptors()
        for words in (["cat"], ["sleep", "1000"], ["yes"]):
            process = cli.start("exec", "-t", agent.address, "--", *words)
            deadline = time.monotonic() + 20
            while not agent.children() and time.monotonic() < deadline:
                time.sleep(0.02)
            process.kill()
            process.communicate()
        deadline = time.monotonic() + 20
        while agent.children() and time.monotonic() < deadline:
            time.sleep(0.05)
        equal(agent.children(), [], "programs")
        while agent.descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.05)
        check(agent.descriptors() <= before, "descriptors")


def test_a_program_that_leaves_others_behind():
    with Extended() as agent:
        began = time.monotonic()
        out = execute(agent, "sh", "-c", "sleep 1000 & echo $!; echo done")[0].split()
        note(f"ended after {time.monotonic() - began:.1f} s")
        equal(out[1], b"done", "its output")
        os.kill(int(out[0]), signal.SIGKILL)


def terminal(agent, words, typed, wanted, code=0):
    """Runs pvtools in a terminal of its own and types into it."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.execv(cli.find_cli(), [cli.find_cli(), *words])
    got, deadline = b"", time.monotonic() + 30
    sent = False
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.2)
        if ready:
            try:
                chunk = os.read(master, 4096)
            except OSError:
                break
            if not chunk:
                break
            got += chunk
        if not sent and got:
            os.write(master, typed)
            sent = True
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(master)
    check(wanted in got, f"{wanted} is not in {got!r}")
    equal(status, code, got)


def test_a_terminal():
    with Extended() as agent:
        terminal(agent, ["exec", "-i", "-t", agent.address, "--", "sh", "-c",
                         "tty; stty size; read x; echo got-$x; exit 3"], b"typed\n", b"got-typed", 3)
        terminal(agent, ["shell", agent.address], b"echo $((40+2)); exit 5\n", b"42", 5)


def test_cp_both_ways():
    data = random.Random(2).randbytes((9 << 20) + 12345)
    with Extended() as agent:
        here = agent.here
        source = here / "source"
        source.write_bytes(data)
        source.chmod(0o640)
        os.chown(source, 1234, 4321)
        os.utime(source, (1, 1600000000))
        text = cli.expect(0, "cp", agent.address, source, f":{here}/sent")
        check("checksums agree" in text, text)
        cli.expect(0, "cp", agent.address, f":{here}/sent", here / "back")
        for name in ("sent", "back"):
            stat = (here / name).stat()
            equal((here / name).read_bytes() == data, True, name)
            equal((stat.st_mode & 0o777, stat.st_uid, stat.st_gid, int(stat.st_mtime)),
                  (0o640, 1234, 4321, 1600000000), f"attributes of {name}")
        (here / "empty").touch()
        cli.expect(0, "cp", agent.address, here / "empty", f":{here}/empty2")
        equal((here / "empty2").stat().st_size, 0, "empty")
        (here / "dir").mkdir()
        cli.expect(0, "cp", agent.address, f":{here}/sent", f":{here}/empty", here / "dir")
        equal(sorted(path.name for path in (here / "dir").iterdir()), ["empty", "sent"], "two at once")
        cli.expect(0, "cp", agent.address, source, here / "empty", f":{here}/dir")
        check((here / "dir/source").read_bytes() == data, "into a directory of the guest")
        cli.expect(1, "cp", agent.address, f":{here}/nothing", here / "x")
        cli.expect(1, "cp", agent.address, source, ":/nowhere/x")
        cli.expect(2, "cp", agent.address, source)
        cli.expect(2, "cp", agent.address, source, here / "y")


def test_cp_keeps_the_label_of_what_it_replaces():
    with Extended() as agent:
        source, old = agent.here / "source", agent.here / "old"
        source.write_text("new")
        old.write_text("old")
        label = b"system_u:object_r:shadow_t:s0\0"
        try:
            os.setxattr(old, "security.selinux", label)
        except OSError as error:
            raise Skip(f"no file here can be labelled: {error}") from None
        cli.expect(0, "cp", agent.address, source, f":{old}")
        equal((old.read_text(), os.getxattr(old, "security.selinux")), ("new", label), "the file")
        cli.expect(0, "cp", agent.address, source, f":{agent.here}/fresh")
        equal((agent.here / "fresh").read_text(), "new", "a fresh one")


def test_cp_of_trees():
    with Extended() as agent:
        here = agent.here
        tree = here / "tree"
        (tree / "a/b").mkdir(parents=True)
        (tree / "a/b/file").write_text("deep")
        (tree / "a/file").write_text("x" * 100000)
        (tree / "link").symlink_to("a/file")
        (tree / "with space\tand tab").write_text("odd")
        (tree / "a").chmod(0o750)
        cli.expect(0, "cp", "-r", agent.address, tree, f":{here}/there")
        cli.expect(0, "cp", "-r", agent.address, f":{here}/there", here / "again")
        for name in ("there", "again"):
            done = subprocess.run(["diff", "-r", "--no-dereference", tree, here / name],
                                  capture_output=True, text=True, check=False)
            equal((done.returncode, done.stdout), (0, ""), name)
            equal((here / name / "link").readlink(), pathlib.Path("a/file"), "link")
            equal((here / name / "a").stat().st_mode & 0o777, 0o750, "mode")


def test_cp_resumes():
    data = random.Random(3).randbytes(20 << 20)
    with Extended() as agent:
        here = agent.here
        (here / "source").write_bytes(data)
        for words, partial, final in (
                ([here / "source", f":{here}/sent"], here / ".sent.pvtools-part", here / "sent"),
                ([f":{here}/source", here / "got"], here / ".got.pvtools-part", here / "got")):
            partial.write_bytes(data[:7 << 20])
            text = cli.expect(0, "cp", "--resume", "-o", "json", agent.address, *words)
            check(final.read_bytes() == data, final)
            equal(json.loads(text)["bytes"], len(data) - (7 << 20), "moved")
        # What an earlier attempt at another file has left is not what this one begins with.
        for words, partial, final in (
                ([here / "source", f":{here}/sent"], here / ".sent.pvtools-part", here / "sent"),
                ([f":{here}/source", here / "got"], here / ".got.pvtools-part", here / "got")):
            partial.write_bytes(b"another" * (1 << 20))
            text = cli.expect(0, "cp", "--resume", "-o", "json", agent.address, *words)
            check(final.read_bytes() == data, f"{final} begins with another file")
            equal(json.loads(text)["bytes"], len(data), "moved behind another file's begin")
        # Cut in the middle: what has come is kept and nothing is in its place.
        fifo = here / "slow"
        process = subprocess.Popen([cli.find_cli(), "cp", agent.address, here / "source", f":{here}/cut"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.02)
        process.kill()
        process.wait()
        check(not (here / "cut").exists() or (here / "cut").read_bytes() == data, "half a file in place")
        check(not fifo.exists(), "fifo")
        cli.expect(0, "cp", "--resume", agent.address, here / "source", f":{here}/cut")
        check((here / "cut").read_bytes() == data, "after the cut")


def test_the_plain_channel_serves_too():
    with Extended() as agent:
        plain = f"unix:{agent.socket}"
        done = subprocess.run([cli.find_cli(), "exec", "-i", plain, "--", "sh", "-c", "cat; exit 4"],
                              input=b"by polling", capture_output=True, timeout=60, check=False)
        equal((done.returncode, done.stdout), (4, b"by polling"), "exec")
        check("extended channel" in cli.run("exec", "-u", "nobody", plain, "--", "true").stderr, "why")
        (agent.here / "s").write_bytes(b"z" * 3000000)
        cli.expect(0, "cp", plain, agent.here / "s", f":{agent.here}/t")
        cli.expect(0, "cp", plain, f":{agent.here}/t", agent.here / "u")
        check((agent.here / "u").read_bytes() == b"z" * 3000000, "cp")
        with agent.line() as line:
            try:
                line.ask("pvt-exec", argv=["true"])
                raise AssertionError("a stream on the plain channel")
            except Exception as error:
                check("extended" in str(error), error)


def test_stock_qemu_ga_serves_too():
    stock = shutil.which("qemu-ga") or "/usr/sbin/qemu-ga"
    if not os.path.exists(stock):
        raise Skip("qemu-guest-agent is not installed")
    with Agent(binary=stock) as agent:
        address = f"unix:{agent.socket}"
        done = subprocess.run([cli.find_cli(), "exec", address, "--", "sh", "-c", "echo hi; exit 6"],
                              capture_output=True, timeout=60, check=False)
        equal((done.returncode, done.stdout, done.stderr), (6, b"hi\n", b""), "exec")
        with tempfile.TemporaryDirectory() as name:
            cli.expect(0, "cp", address, ":/etc/hostname", f"{name}/h")
            equal(pathlib.Path(f"{name}/h").read_text(), pathlib.Path("/etc/hostname").read_text(), "cp")


def test_a_new_greeting_ends_what_was():
    with Extended() as agent, Packets(agent.extended) as line:
        line.hello()
        line.ask(3, "pvt-exec", argv=["sleep", "1000"], terminal=True)
        line.reply(3)
        line.hello("n2")
        deadline = time.monotonic() + 20
        while agent.children():
            check(time.monotonic() < deadline, "the old client's program")
            time.sleep(0.05)
        line.ask(3, "guest-ping")
        equal(line.reply(3), {"return": {}}, "the same id again")


def test_bad_bytes():
    chance = random.Random(4)
    with Extended() as agent:
        with Packets(agent.extended) as line:
            line.send(REQUEST, 1, {"execute": "guest-ping"})  # before the greeting: no answer
            line.hello()
            line.send(REQUEST, 2, b"{\"execute\": ")
            check("error" in line.reply(2), "half a request")
            line.send(REQUEST, 3, b"[1]")
            check("error" in line.reply(3), "no object")
            line.send(REQUEST, 4, b"{\"execute\": \"guest-ping\"}x")
            check("error" in line.reply(4), "something behind it")
            line.send(DATA, 99, b"for nobody")
            line.send(WINDOW, 99, b"\1\0\0\0", 1)
            line.send(CONTROL, 99, b"junk")
            line.ask(6, "pvt-exec", argv=["sleep", "100"])
            line.reply(6)
            line.ask(6, "guest-ping")
            check("under way" in json.dumps(line.reply(6)), "an id twice")
            line.send(CONTROL, 6, b"junk")
            line.send(CONTROL, 6, {"signal": 4000000000})
            line.send(CONTROL, 6, {"signal": 9})
            equal(json.loads(line.read_until(END, 6)[3]), {"signal": 9}, "end")
            line.ask(7, "guest-ping")
            equal(line.reply(7), {"return": {}}, "and on it goes")
        for _ in range(40):
            with Packets(agent.extended) as line:
                line.sock.sendall(chance.randbytes(chance.randrange(1, 3000)))
                # Whatever that left unfinished is ended by padding.
                line.sock.sendall(b"\xff" * ((256 << 10) + 64))
                line.hello("after")
        with Packets(agent.extended) as line:
            line.hello()
            line.sock.sendall(struct.pack("<BBHII", DATA, 0, 0, 1, 1 << 30))
            line.hello("again")


def test_too_much_input_is_cut_off():
    with Extended() as agent, Packets(agent.extended) as line:
        line.hello()
        line.ask(2, "pvt-exec", argv=["sleep", "1000"], input=True)
        line.reply(2)
        for _ in range(40):
            line.send(DATA, 2, b"x" * (256 << 10))
        line.ask(3, "guest-ping")
        equal(line.reply(3), {"return": {}}, "ping")
        check(agent.sanitized or agent.peak_kb() < 32 << 10, f"{agent.peak_kb()} kB")
        line.send(CANCEL, 2)


def test_a_request_ends_at_its_deadline():
    with Extended() as agent, Packets(agent.extended) as line:
        check("deadline" in line.hello()["features"], "feature")
        slow = {"execute": "pvt-get-cpu-usage", "arguments": {"interval-ms": 8000}}
        line.send(REQUEST, 5, dict(slow, **{"deadline-ms": 50}))
        line.send(REQUEST, 6, dict(slow, **{"deadline-ms": 0}))
        check("from 1 to" in line.reply(6)["error"]["desc"], "no deadline")
        check("within 50 ms" in line.reply(5)["error"]["desc"], "deadline")
        line.ask(7, "guest-ping")
        equal(line.reply(7), {"return": {}}, "ping")
        with agent.line() as plain:
            reply = plain.ask_raw('{"execute": "guest-ping", "deadline-ms": 50}\n')
            check("Unexpected member 'deadline-ms'" in reply["error"]["desc"], reply)


def test_policy_and_record():
    with Extended("--profile", "monitor") as agent:
        check("disabled" in execute(agent, "true", code=127)[1].decode(), "profile")
    with Extended() as agent:
        execute(agent, "sh", "-c", "exit 3", code=3)
        text = agent.log.read_text()
        check("extended: exec of sh is process" in text and "pvt-exec argv=sh,-c,exit 3" in text, text)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
