#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a hostile or unlucky client, host or mount can do to the agent: nothing that lasts."""

import base64
import contextlib
import json
import os
import pathlib
import pty
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent, find_agent
from deadmount import DeadMount
from disks import Disks
from packets import CANCEL, DATA, END, REPLY, REQUEST, Extended, Packets
from tap import Skip, check, equal
from wire import AgentError

LIMIT = 30  # seconds until a condition must hold


def until(condition, what):
    deadline = time.monotonic() + LIMIT
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.02)


def threads(agent):
    return len(list(pathlib.Path(f"/proc/{agent.process.pid}/task").iterdir()))


def alive(agent):
    with agent.line() as line:
        equal(line.ask("guest-ping"), {}, "ping")


def test_a_client_that_hears_nothing_any_more():
    """Its end of the line takes no byte, and does not count as hung up: the agent learns of
    it while it sends a stream's last packets."""
    with Extended() as agent:
        before = agent.descriptors()
        place = agent.here / "file"
        place.write_bytes(b"x" * 4096)
        for name, arguments in (("pvt-exec", {"argv": ["sleep", "0.3"]}),
                                ("pvt-exec", {"argv": ["sh", "-c", "sleep 0.3; echo x"]}),
                                ("pvt-subscribe", {"heartbeat_ms": 100})):
            with Packets(agent.extended) as line:
                line.hello()
                line.ask(5, name, **arguments)
                check("return" in line.reply(5), name)
                line.sock.shutdown(socket.SHUT_RD)
                until(lambda: agent.descriptors() <= before, f"{name}: still connected")
            alive(agent)
        with Packets(agent.extended) as line:
            line.hello()
            line.ask(5, "pvt-write-file", path=str(place))
            check("return" in line.reply(5), "write")
            line.sock.shutdown(socket.SHUT_RD)
            line.send(DATA, 5, b"y" * 65536)
            line.send(DATA, 5)
            until(lambda: agent.descriptors() <= before, "write: still connected")
        alive(agent)


def test_a_transfer_cancelled_while_it_begins():
    with Extended() as agent:
        place = agent.here / "file"
        with place.open("wb") as file:
            file.truncate(64 << 20)
        with Packets(agent.extended) as line:
            line.hello()
            line.ask(1, "pvt-get-uptime")
            line.reply(1)
            descriptors = agent.descriptors()
            for number in range(10, 210):
                line.ask(number, "pvt-read-file", path=str(place))
                line.send(CANCEL, number)
                line.reply(number)
            until(lambda: agent.descriptors() <= descriptors, f"{agent.descriptors() - descriptors} descriptors stay open")
            until(lambda: threads(agent) < 30, f"{threads(agent)} threads stay")


def test_a_thaw_waits_for_no_other_command():
    with Disks() as disks, Extended() as agent, Packets(agent.extended) as line:
        place = disks.make()
        line.hello()
        line.ask(2, "pvt-freeze", mountpoints=[str(place)])
        check("return" in line.reply(2), "freeze")
        for number in range(10, 30):
            line.ask(number, "pvt-get-cpu-usage", interval_ms=5000)
        line.ask(3, "guest-fsfreeze-thaw")
        equal(json.loads(line.read_until(REPLY)[3]), {"return": 1}, "the first answer")


def test_threads_that_hang_are_made_up_for():
    # The leak checker stops every thread at exit, and these cannot be stopped.
    with DeadMount() as dead, Extended(env={"ASAN_OPTIONS": "detect_leaks=0"}) as agent, \
            Packets(agent.extended, timeout=60) as line:
        line.hello()
        for number in range(10, 30):
            line.send(REQUEST, number, {"execute": "guest-file-open", "deadline-ms": 100,
                                        "arguments": {"path": f"{dead.path}/file"}})
        for number in range(10, 30):
            check("given up" in json.loads(line.read_until(REPLY)[3])["error"]["desc"], "the dead")
        line.ask(40, "guest-file-open", path="/etc/passwd")
        check("return" in line.reply(40), "the living")
        before = threads(agent)
        dead.revive()
        until(lambda: threads(agent) < before, "threads stay")


def answers(line, numbers):
    """Of requests that are answered in any order."""
    found = {}
    while len(found) < len(numbers):
        _, _, number, text = line.read_until(REPLY)
        found[number] = json.loads(text)
    return found


@contextlib.contextmanager
def limited():
    """An agent as its unit limits it; not one with a sanitizer, which maps more than that."""
    release = os.environ.get("PVT_RELEASE")
    with Extended(binary=release and f"{release}/agent/pvtools-agent") as agent:
        if agent.sanitized:
            raise Skip("the sanitizer's own memory is beyond the limit: $PVT_RELEASE tells of another build")
        resource.prlimit(agent.process.pid, resource.RLIMIT_DATA, (512 << 20, resource.RLIM_INFINITY))
        yield agent


def sparse(agent, size):
    place = agent.here / "file"
    with place.open("wb") as file:
        file.truncate(size)
    return str(place)


def test_many_transfers_at_a_time():
    with limited() as agent:
        place = sparse(agent, 64 << 20)
        lines = [Packets(agent.extended) for _ in range(4)]
        for line in lines:
            line.hello()
            for number in range(10, 70):
                line.ask(number, "pvt-read-file", path=place)
        refused = sum("error" in answer for line in lines for answer in answers(line, range(10, 70)).values())
        for line in lines:
            line.sock.close()
        equal(refused, 4 * 60 - 128, "refused")
        until(lambda: threads(agent) < 20, "threads stay")
        with Packets(agent.extended) as line:
            line.hello()
            line.ask(2, "pvt-read-file", path=place)
            check("return" in line.reply(2), "all is as before")


def test_answers_that_nobody_takes():
    with limited() as agent:
        place = sparse(agent, 48 << 20)
        with Packets(agent.extended, timeout=60) as line:
            line.hello()
            for number in range(10, 70):
                line.ask(number, "guest-file-open", path=place)
            handles = [answer["return"] for answer in answers(line, range(10, 70)).values()]
            for number, handle in enumerate(handles, 100):
                line.ask(number, "guest-file-read", handle=handle, count=48 << 20)
            with agent.line() as other:
                until(lambda: "not taken yet" in json.dumps(
                    other.ask_raw(other.request("guest-file-read", handle=handles[0], count=48 << 20))), "no bound")
        alive(agent)
        check(agent.peak_kb() < 400 << 10, f"{agent.peak_kb()} kB")


def test_messages_that_nobody_ends():
    """They have a bound together, not only each; who is alone has the whole of its own."""
    start, part = b'{"execute": "guest-ping", "arguments": {"x": "', b"y" * (60 << 20)
    with limited() as agent:
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(agent.line(timeout=60)) for _ in range(14)]
            for line in lines:
                line.send(start + part)
            alive(agent)
            check(agent.peak_kb() < 400 << 10, f"{agent.peak_kb()} kB")
            answers = []
            for line in lines:
                line.send(b'"}}\n')
                answers.append(json.loads(line.read_line())["error"]["desc"])
            refused = sum("beside the unfinished ones of other clients" in answer for answer in answers)
            check(8 <= refused < 14, f"{refused} of 14 refused: {answers}")
        with agent.line(timeout=60) as line:
            line.send(start + part + b'"}}\n')
            check("larger than" not in line.read_line().decode(), "alone")
        alive(agent)


class Logging(Agent):
    """An agent that logs all to @end, one end of a pipe or socket."""

    def __init__(self, end, *options):
        self.script = tempfile.NamedTemporaryFile("w", prefix="pvt-agent-", suffix=".sh", delete=False)
        self.script.write(f"#!/bin/sh\nexec {os.environ.get('PVT_AGENT') or find_agent()} -v \"$@\" 2>&{end}\n")
        self.script.close()
        os.chmod(self.script.name, 0o700)
        os.set_inheritable(end, True)
        super().__init__(*options, binary=self.script.name, pass_fds=[end])

    def __exit__(self, *words):
        os.unlink(self.script.name)
        super().__exit__(*words)


def test_a_log_that_nobody_reads():
    pair = socket.socketpair()
    for reads, writes in (os.pipe(), (pair[0].detach(), pair[1].detach())):
        with Logging(writes) as agent:
            with agent.line() as line:
                for number in range(4000):
                    equal(line.ask("guest-sync", id=number), number, "while nobody reads")
                os.set_blocking(reads, False)
                text = b""
                deadline = time.monotonic() + LIMIT
                while b"lines of the log were not taken" not in text:
                    check(time.monotonic() < deadline, f"never said: {text[-200:]}")
                    line.ask("guest-ping")
                    try:
                        text += os.read(reads, 1 << 20)
                    except BlockingIOError:
                        pass
        os.close(reads)
        os.close(writes)


def test_no_order_to_a_terminal_in_the_log():
    with Agent() as agent, agent.line() as line:
        line.ask("guest-ping")
        try:
            line.ask("guest-exec", path="no-such-thing\u009b31m\x7f\x1b[2J\nforged")
        except AgentError:
            pass
        until(lambda: b"no-such-thing" in agent.log.read_bytes(), "no record")
        text = agent.log.read_bytes()
        check(not any(bad in text for bad in (b"\xc2\x9b", b"\x7f", b"\x1b", b"\nforged")), text)


def test_out_of_descriptors():
    """A port whose host goes, and clients that come, while there is no descriptor left."""
    master, slave = pty.openpty()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write(f"[channel port]\nmethod=isa-serial\npath={os.ttyname(slave)}\n")
        config.flush()
        with Agent("-c", config.name) as agent:
            with agent.line() as line:
                resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (agent.descriptors() + 3,) * 2)
                handles = []
                while True:
                    try:
                        handles.append(line.ask("guest-file-open", path="/dev/null"))
                    except AgentError as error:
                        check("Too many open files" in error.desc, error.desc)
                        break
                with agent.line() as other:
                    other.send(other.request("guest-ping"))
                    os.write(master, b'{"execute":"guest-ping"}\n')
                    equal(os.read(master, 100), b'{"return": {}}\r\n'.replace(b"\r", b""), "port")
                    os.close(slave)
                    os.close(master)
                    for number in range(200):
                        equal(line.ask("guest-sync", id=number), number, "goes on")
                    for handle in handles:
                        line.ask("guest-file-close", handle=handle)
                    equal(json.loads(other.read_line()), {"return": {}}, "the one that had to wait")
            check(agent.log.read_text().count("cannot accept") < 100, "the log is flooded")


def test_a_system_bus_that_hangs():
    """It takes the connection and says nothing."""
    with tempfile.TemporaryDirectory(prefix="pvt-bus-") as name, socket.socket(socket.AF_UNIX) as bus:
        root = pathlib.Path(name)
        (root / "run/systemd/system").mkdir(parents=True)
        (root / "run/dbus").mkdir()
        bus.bind(str(root / "run/dbus/system_bus_socket"))
        bus.listen(8)
        with Extended("--root", name, env={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={root}/run/dbus/system_bus_socket"}) as agent:
            with Packets(agent.extended) as line:
                line.hello()
                line.ask(5, "pvt-subscribe", events=["unit"])
                reply = line.reply(5)["return"]
                if reply["events"] != ["unit"]:
                    raise Skip(str(reply["unavailable"]))
                silent = bus.accept()[0]
                line.send(CANCEL, 5)
                line.reply(5)
                line.ask(6, "guest-ping")
                equal(line.reply(6), {"return": {}}, "ping")
                silent.close()


def test_a_program_that_cannot_be_loaded():
    """Its child is killed, and is no zombie then."""
    with DeadMount() as dead, Agent(env={"ASAN_OPTIONS": "detect_leaks=0"}) as agent, agent.line() as line:
        line.ask("guest-exec", path="true")
        until(lambda: not agent.children(), "true")
        before = agent.descriptors()
        try:
            line.ask("guest-exec", path=f"{dead.path}/program", timeout=60)
            raise AssertionError("it runs")
        except AgentError as error:
            check("given up" in error.desc or "could not be loaded" in error.desc, error.desc)
        until(lambda: not agent.children(), "a child stays")
        until(lambda: agent.descriptors() <= before, "descriptors stay")


def test_keys_added_side_by_side():
    """Eight clients at a time, each with keys of its own: none is lost."""
    if os.geteuid() != 0:
        raise Skip("needs root to make a user")
    user = f"pvt-{os.getpid()}"
    subprocess.run(["useradd", "-m", user], check=True, capture_output=True)
    try:
        with Agent() as agent:
            wanted = {f"ssh-ed25519 AAAA{client}x{number} me" for client in range(8) for number in range(10)}
            failures = []

            def add(client):
                try:
                    with agent.line() as line:
                        for number in range(10):
                            line.ask("guest-ssh-add-authorized-keys", username=user,
                                     keys=[f"ssh-ed25519 AAAA{client}x{number} me"])
                except Exception as error:
                    failures.append(error)

            clients = [threading.Thread(target=add, args=(client,)) for client in range(8)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            equal(failures, [], "failures")
            with agent.line() as line:
                equal(set(line.ask("guest-ssh-get-authorized-keys", username=user)["keys"]), wanted, "keys")
    finally:
        subprocess.run(["userdel", "-r", user], check=True, capture_output=True)


def write_file(line, number, path, data, finish=True, **more):
    line.ask(number, "pvt-write-file", path=str(path), **more)
    answer = line.reply(number)
    if "error" in answer or not finish:
        return answer
    line.send(DATA, number, data)
    line.send(DATA, number)
    return json.loads(line.read_until(END, number)[3])


def test_a_user_lays_traps_in_his_directory():
    """Who copies into it as root changes nothing elsewhere."""
    with Extended() as agent, Packets(agent.extended) as line:
        line.hello()
        home, victim, other = agent.here / "home", agent.here / "victim", agent.here / "other"
        home.mkdir()
        other.mkdir(mode=0o755)
        victim.write_text("secret")
        victim.chmod(0o600)
        os.link(victim, home / ".file.pvtools-part")
        check("error" not in write_file(line, 5, home / "file", b"new", mode=0o644), "write")
        equal((home / "file").read_bytes(), b"new", "file")
        equal((victim.read_text(), victim.stat().st_mode & 0o777), ("secret", 0o600), "another name of a file")
        mine = home / ".two.pvtools-part"
        mine.write_text("")
        os.chown(mine, 65534, 65534)
        with mine.open() as spy:
            check("error" not in write_file(line, 6, home / "two", b"new"), "write")
            equal((spy.read(), (home / "two").read_bytes()), ("", b"new"), "read along")
        (home / "link").symlink_to(other)
        line.ask(7, "pvt-make-directory", path=str(home / "link"), mode=0o777, uid=65534, gid=65534)
        equal(line.reply(7), {"return": {}}, "a link to a directory serves as one")
        equal((other.stat().st_uid, other.stat().st_mode & 0o777), (os.geteuid(), 0o755), "where it leads")
        line.ask(8, "pvt-make-directory", path=str(home / "new"), mode=0o700, uid=65534, gid=65534)
        line.reply(8)
        equal(((home / "new").stat().st_uid, (home / "new").stat().st_mode & 0o777), (65534, 0o700), "a new one")


def test_two_who_write_the_same_file():
    with Extended() as agent, Packets(agent.extended) as one, Packets(agent.extended) as two:
        place = agent.here / "file"
        for line in (one, two):
            line.hello()
        check("return" in write_file(one, 5, place, b"", finish=False), "the first")
        one.send(DATA, 5, b"one" * 1000)
        check("error" in write_file(two, 5, place, b"two"), "the second")
        one.send(DATA, 5)
        check("error" not in json.loads(one.read_until(END, 5)[3]), "the first's end")
        equal(place.read_bytes(), b"one" * 1000, "file")
        check("error" not in write_file(two, 6, place, b"two"), "the second's turn")
        equal(place.read_bytes(), b"two", "file")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
