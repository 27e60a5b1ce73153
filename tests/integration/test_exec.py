#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""guest-exec as its clients use it: every capture mode, stdin, ends, bounds."""

import base64
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent
from tap import check, equal, note
from wire import AgentError

BOTH = "echo out; echo err >&2"


def text(data):
    return base64.b64decode(data).decode()


def wait(line, pid, timeout=30):
    deadline = time.monotonic() + timeout
    while True:
        status = line.ask("guest-exec-status", pid=pid)
        if status["exited"]:
            return status
        check(time.monotonic() < deadline, f"process {pid} never ended")
        time.sleep(0.005)


def run(line, *words, **keywords):
    return wait(line, line.ask("guest-exec", path=words[0], arg=list(words[1:]), **keywords)["pid"])


def refused(line, *fragments, name="guest-exec", **keywords):
    try:
        line.ask(name, **keywords)
    except AgentError as error:
        for fragment in fragments:
            check(fragment in error.desc, error.desc)
        return
    raise AssertionError(f"{name} {keywords} was accepted")


def test_capture_modes():
    wanted = {False: {}, "none": {}, True: {"out-data": "out\n", "err-data": "err\n"},
              "separated": {"out-data": "out\n", "err-data": "err\n"},
              "stdout": {"out-data": "out\n"}, "stderr": {"err-data": "err\n"},
              "merged": {"out-data": "out\nerr\n"}}
    with Agent() as agent, agent.line() as line:
        for mode, data in wanted.items():
            status = run(line, "/bin/sh", "-c", BOTH, **{"capture-output": mode})
            equal((status.pop("exited"), status.pop("exitcode")), (True, 0), mode)
            equal({key: text(value) for key, value in status.items()}, data, f"mode {mode}")


def test_what_is_on_record():
    secret = base64.b64encode(b"pa55word").decode()
    with Agent() as agent, agent.line() as line:
        run(line, "sh", "-c", "exit 3", env=["TOKEN=pa55word"], input_data=secret)
        refused(line, "nobody-here", name="guest-set-user-password", username="nobody-here",
                password=secret, crypted=False)
        refused(line, "nobody-here", name="guest-ssh-add-authorized-keys", username="nobody-here",
                keys=["ssh-ed25519 pa55word"])
        text = agent.log.read_text()
        for fragment in ("general: guest-exec path=sh arg=-c,exit 3 env=*** input-data=(8 bytes) ok in ",
                         "exited with code 3", "guest-set-user-password username=nobody-here "
                         "password=*** crypted=false failed after ", "keys=***"):
            check(fragment in text, f"{fragment!r} is not in {text}")
        check("pa55word" not in text and secret not in text, f"a secret is on record: {text}")


def test_path_lookup_environment_and_input():
    with Agent() as agent, agent.line() as line:
        status = run(line, "sh", "-c", "cat; echo $NAME$HOME", env=["NAME=value"],
                     capture_output=True, input_data=base64.encodebytes(b"x" * 200000).decode())
        out = text(status["out-data"])
        equal(out, "x" * 200000 + "value\n", "stdin and env")
        inherited = run(line, "sh", "-c", "echo $PATH", capture_output=True)
        check("bin" in text(inherited["out-data"]), inherited)


def test_children_are_clean():
    script = ("ls /proc/self/fd | wc -l; grep -c '^SigIgn:.0000000000000000' /proc/self/status; "
              "cat /proc/self/oom_score_adj; ps -o sid= -p $$ | tr -d ' '; echo $$")
    with Agent() as agent, agent.line() as line:
        out = text(run(line, "sh", "-c", script, capture_output=True)["out-data"]).split()
        check(int(out[0]) <= 4, f"descriptors: {out}")  # 0 1 2 and the directory
        equal((out[1], out[2]), ("1", "0"), "ignored signals and OOM score")
        equal(out[3], out[4], "session")


def test_ends():
    with Agent() as agent, agent.line() as line:
        equal(run(line, "sh", "-c", "exit 7"), {"exited": True, "exitcode": 7}, "exit code")
        equal(run(line, "sh", "-c", "kill -9 $$"), {"exited": True, "signal": 9}, "signal")
        pid = line.ask("guest-exec", path="sleep", arg=["60"])["pid"]
        equal(line.ask("guest-exec-status", pid=pid), {"exited": False}, "running")
        os.kill(pid, signal.SIGTERM)
        equal(wait(line, pid), {"exited": True, "signal": 15}, "terminated")
        refused(line, str(pid), "told", name="guest-exec-status", pid=pid)


def test_what_cannot_run_says_why():
    with Agent() as agent, agent.line() as line:
        refused(line, "no-such-program", "PATH", path="no-such-program")
        refused(line, "/etc/passwd", "ermission denied", path="/etc/passwd")
        refused(line, "/nowhere/x", "No such file", path="/nowhere/x")
        refused(line, "path", arg=["a"])
        refused(line, "capture-output", "loud", path="true", **{"capture-output": "loud"})
        equal(run(line, "true")["exitcode"], 0, "the next one")


def test_output_is_cut_at_its_bound():
    with Agent() as agent, agent.line() as line:
        status = run(line, "sh", "-c", "head -c 20000000 /dev/zero; echo e >&2", capture_output=True)
        equal(len(base64.b64decode(status["out-data"])), 16 << 20, "kept")
        equal((status["out-truncated"], status.get("err-truncated"), text(status["err-data"])),
              (True, None, "e\n"), "flags")


def test_many_at_once_and_a_bound():
    with Agent() as agent, agent.line() as line:
        pids = [line.ask("guest-exec", path="sleep", arg=["300"])["pid"] for _ in range(256)]
        refused(line, "256", path="true")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            wait(line, pid)
        equal(run(line, "true")["exitcode"], 0, "room again")


def leftovers(agent):
    return agent.descriptors(), len(agent.children())


def test_thousands_leave_nothing_behind():
    count = 10000 if "--long" in sys.argv or os.environ.get("PVT_LONG") else 1500
    with Agent() as agent, agent.line() as line:
        for _ in range(200):
            run(line, "true", capture_output=True)
        before, memory = leftovers(agent), agent.memory()
        for number in range(count):
            pid = line.ask("guest-exec", path="echo", arg=["hi"], capture_output=True)["pid"]
            if number % 3:  # every third is never asked about
                wait(line, pid)
        deadline = time.monotonic() + 20
        while leftovers(agent)[1] and time.monotonic() < deadline:
            time.sleep(0.05)
        descriptors, children = leftovers(agent)
        note(f"{count} programs: {before} -> {(descriptors, children)}, {memory} -> {agent.memory()} kB")
        equal(children, 0, "children")
        check(descriptors <= before[0] + 2, f"descriptors {before[0]} -> {descriptors}")
        if not agent.sanitized:
            check(agent.memory() < memory + 1024, f"memory {memory} -> {agent.memory()} kB")


if __name__ == "__main__":
    tap.main(globals(), [word for word in sys.argv[1:] if not word.startswith("-")])
