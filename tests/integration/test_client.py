#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's library and command: against stock qemu-ga, and against hostile guests."""

import json
import os
import pathlib
import re
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
from liar import Liar
from tap import Skip, check, equal

BUILD = pathlib.Path(find_agent()).resolve().parents[1]
CLI = os.environ.get("PVT_CLI") or str(BUILD / "host-side/cli/pvtools")
EXAMPLE = os.environ.get("PVT_EXAMPLE") or str(BUILD / "host-side/client/pvtools-example")
STOCK = "/usr/sbin/qemu-ga"


def run(*words, timeout=60, env=None):
    return subprocess.run([CLI, *map(str, words)], capture_output=True, text=True, timeout=timeout,
                          env=dict(os.environ, **(env or {})))


class Guest:
    """A scripted guest: calls answer(connection, first bytes) for every client."""

    def __init__(self, answer):
        self.directory = tempfile.TemporaryDirectory(prefix="pvt-hostile-")
        self.path = pathlib.Path(self.directory.name) / "s"
        self.address = f"unix:{self.path}"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen(8)
        self.answer = answer
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def one(self, client):
        try:
            self.answer(client)
        except OSError:
            pass
        client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.directory.cleanup()


def sync_then(client, data):
    """Answers the sync as an agent would, then sends @data for the request."""
    got = b""
    while b"\n" not in got:
        got += client.recv(65536)
    number = json.loads(got[1:].split(b"\n")[0])["arguments"]["id"]
    client.sendall(b"\xff" + json.dumps({"return": number}).encode() + b"\n")
    got = b""
    while b"\n" not in got:
        got += client.recv(65536)
    for chunk in data if isinstance(data, (list, tuple)) else [data]:
        client.sendall(chunk)


def hostile(data, verb=("raw", "guest-get-users"), code=5, part="", timeout="3"):
    with Guest(lambda client: (sync_then(client, data), time.sleep(5))) as guest:
        done = run(verb[0], guest.address, *verb[1:], "--timeout", timeout)
    equal(done.returncode, code, f"{str(data)[:60]}: {done.stdout[:200]}{done.stderr[:300]}")
    check(part in done.stderr, done.stderr)
    check("Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr)
    return done


def test_garbage_and_broken_json():
    for data in (b"garbage\n", b'{"return": [01]}\n', b'{"what": 1}\n', b'{"return": "\xe9"}\n',
                 b'{"return": "\\u0000"}\n', b'{"return": ' + b"[" * 100000 + b"\n"):
        hostile(data, part="does not speak the protocol")


def test_wrong_types():
    hostile(b'{"return": 5}\n', verb=("users",), part="not as it should be")
    hostile(b'{"return": [{"user": 1, "login-time": 0}]}\n', verb=("users",), part="[0].user")
    hostile(b'{"return": [{"login-time": 0}]}\n', verb=("users",), part="missing")


def test_amplification_is_bounded():
    """Twenty bytes an element must not become hundreds without end."""
    body = b'{"return": [' + b",".join([b'{"user":"","login-time":0}'] * 300000) + b"]}\n"
    hostile(body, verb=("users",), part="elements", timeout="30")
    hostile(body, part="values", timeout="30")


def test_endless_line():
    def answer(client):
        sync_then(client, b'{"return": "')
        while True:
            client.sendall(b"x" * (1 << 20))
    with Guest(answer) as guest:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        done = run("raw", guest.address, "guest-ping", "--timeout", "60", timeout=120)
        grown = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    equal(done.returncode, 5, done.stderr)
    check("larger than" in done.stderr, done.stderr)
    check(grown < max(before, 1 << 20), f"peak {grown} kB")


def test_flood_before_the_sync():
    def answer(client):
        while True:
            client.sendall(b'{"return": {}}\n' * 1000)
    with Guest(answer) as guest:
        done = run("ping", guest.address, "--timeout", "30")
    equal(done.returncode, 5, done.stderr)
    check("never answers a sync" in done.stderr, done.stderr)


def test_wrong_sync_ids_and_resets():
    def answer(client):
        client.recv(65536)
        client.sendall(b'\xff{"return": 1}\n\xff\xff\xff{"return": 2}\n')
        time.sleep(5)
    with Guest(answer) as guest:
        done = run("ping", guest.address, "--timeout", "1")
    equal(done.returncode, 4, done.stderr)
    check("was not sent" in done.stderr, done.stderr)


def test_silence_before_and_after():
    with Guest(lambda client: time.sleep(5)) as guest:
        done = run("ping", guest.address, "--timeout", "0.5")
        equal(done.returncode, 4, done.stderr)
        check("the command was not sent" in done.stderr, done.stderr)
    done = hostile(b"", code=4, part="it may still run", timeout="0.5")
    check("got the command" in done.stderr, done.stderr)


def test_hang_up_at_every_step():
    with Guest(lambda client: None) as guest:
        equal(run("ping", guest.address).returncode, 3, "at once")
    with Guest(lambda client: client.recv(65536)) as guest:
        equal(run("ping", guest.address).returncode, 3, "after the sync")
    with Guest(lambda client: sync_then(client, b'{"retu')) as guest:
        equal(run("ping", guest.address).returncode, 3, "in the reply")


def test_terminal_escapes_are_shown_not_obeyed():
    name = "\x1b]0;owned\x07\x1b[2J\u202eevil\u009b"
    reply = json.dumps({"return": [{"user": name, "login-time": 0}]}).encode() + b"\n"
    for words in (("users",), ("raw", "guest-get-users"), ("users", "-o", "json")):
        done = hostile(reply, verb=words, code=0)
        check(not re.search(r"[\x1b\x07\u009b]", done.stdout), repr(done.stdout))
    error = json.dumps({"error": {"class": "GenericError", "desc": name}}).encode() + b"\n"
    done = hostile(error, code=1)
    check("\x1b" not in done.stderr, repr(done.stderr))


def test_newer_peers_are_understood():
    reply = b'{"return": [{"user": "a", "login-time": 1.5, "new": {"x": [1]}}], "id": 4, "extra": 1}\n'
    check("a" in hostile(reply, verb=("users",), code=0).stdout, "users")


def stock():
    if not os.path.exists(STOCK):
        raise Skip("qemu-ga is not installed")
    return Agent(binary=STOCK)


def test_stock_qemu_ga():
    with stock() as agent:
        address = f"unix:{agent.socket}"
        check("answers" in run("ping", address).stdout, "ping")
        info = run("info", address)
        check("qemu-ga" in info.stdout and "cannot tell" in info.stdout, info.stdout + info.stderr)
        df = run("df", address)
        check("cannot tell inodes" in df.stdout, df.stdout + df.stderr)
        stat = run("stat", address)
        equal(stat.returncode, 6, stat.stderr)
        check("it is not pvtools-agent" in stat.stderr, stat.stderr)
        both = json.loads(run("info", address, "-o", "json").stdout)
        check("os" in both and "memory" in both["unavailable"], both)
        check("lo" in run("ip", address).stdout, "ip")
        equal(json.loads(run("raw", address, "guest-sync", "id=5").stdout), 5, "raw")


def test_our_agent():
    with Agent() as agent:
        address = f"unix:{agent.socket}"
        for verb in ("ping", "info", "ip", "stat", "df", "disks", "net", "users"):
            done = run(verb, address)
            equal(done.returncode, 0, f"{verb}: {done.stderr}")
            done = run(verb, address, "-o", "json")
            json.loads(done.stdout)
        done = run("ping", env={"PVT_CONNECT": address})
        equal(done.returncode, 0, done.stderr)
        done = subprocess.run([EXAMPLE, address], capture_output=True, text=True, timeout=60)
        check("ping: answered" in done.stdout and "interface lo" in done.stdout,
              done.stdout + done.stderr)


def test_example_is_short():
    path = pathlib.Path(__file__).resolve().parents[2] / "host-side/client/example.c"
    check(len(path.read_text().splitlines()) <= 150, "the example is too long")


PYTHON = """
import gi
gi.require_version("Pvt", "1")
from gi.repository import Pvt
import sys
client = Pvt.Client.connect(sys.argv[1], 5000, None)
print(client.guest_get_host_name(-1, None).host_name)
print(client.execute("guest-get-osinfo", None, -1, None).get_object().get_string_member("id"))
print(len(client.get_agent_version(-1, None)) > 0)
"""


def test_from_python():
    build = os.environ.get("PVT_RELEASE") or str(BUILD)
    library = pathlib.Path(build) / "host-side/client"
    python = "/usr/bin/python3"
    if not (library / "Pvt-1.typelib").exists():
        raise Skip("built without introspection")
    if subprocess.run([python, "-c", "import gi"], capture_output=True).returncode:
        raise Skip("python3-gi is not installed")
    with Agent() as agent:
        done = subprocess.run(
            [python, "-c", PYTHON, f"unix:{agent.socket}"], capture_output=True, text=True, timeout=60,
            env=dict(os.environ, GI_TYPELIB_PATH=str(library), LD_LIBRARY_PATH=str(library)))
    equal(done.returncode, 0, done.stderr)
    equal(done.stdout.splitlines()[0], socket.gethostname(), "host name")


def test_what_is_declared_is_exported():
    """Every function of the public headers, with the version; and nothing that is not ours."""
    build = pathlib.Path(os.environ.get("PVT_RELEASE") or BUILD)
    tree = pathlib.Path(__file__).resolve().parents[2]
    library = build / "host-side/client/libpvtools.so.0"
    headers = [*(tree / "host-side/client" / f"pvt-{name}.h" for name in ("client", "page", "watch", "error")),
               build / "host-side/client/pvt-client-commands.h", build / "host-side/client/pvt-boxed.h"]
    declared = set()
    for header in headers:
        declared |= set(re.findall(r"\b(pvt_\w+) \(", re.sub(r"/\*.*?\*/|^#.*?[^\\]$", "", header.read_text(), flags=re.S | re.M)))
    done = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    exported = {line.split()[2] for line in done.stdout.splitlines()}
    check(len(declared) > 200, f"{len(declared)} functions were found in the headers")
    equal(declared - {name.split("@@")[0] for name in exported}, set(), "declared, but not there")
    equal({name for name in exported if not name.startswith("pvt_") and name != "LIBPVTOOLS_1.0"}, set(), "not ours")
    equal({name for name in exported if name.startswith("pvt_") and not name.endswith("@@LIBPVTOOLS_1.0")}, set(),
          "without a version")


def members_of_the_page():
    """{verb: members that pvtools(1) promises}."""
    page = (pathlib.Path(__file__).resolve().parents[2] / "packaging/man/pvtools.1.in").read_text().replace("\\-", "-")
    section = page.split(".Sh JSON\n")[1].split(".Sh ")[0]
    return {verb: set(members.split(" , ")) for verb, members in
            re.findall(r"^\.It Cm (\w+)\n\.Li (.*)$", section, re.M)}


def test_json_is_as_the_page_says():
    """Programs read it: no member may go, and what the page names is there."""
    promised = members_of_the_page()
    check(len(promised) > 12, promised)
    where = {"list": lambda agent: ["--sockets", str(agent.directory)], "top": lambda agent: [f"unix:{agent.socket}", "--once"],
             "wait": lambda agent: [f"unix:{agent.socket}", "--for", "agent"]}
    with Agent() as agent:
        for verb, members in promised.items():
            words = where.get(verb, lambda agent: [f"unix:{agent.socket}"])(agent)
            done = run(verb, *words, "-o", "json")
            check(done.returncode in (0, 30), f"{verb}: {done.stderr}")
            value = json.loads(done.stdout)
            check(value, f"{verb}: nothing")
            for each in value if isinstance(value, list) else [value]:
                missing = members - set(each)
                # An empty list of what is not available may be left out.
                equal(missing - {"unavailable"}, set(), f"{verb}: what is not there")
        done = run("wait", f"unix:{agent.socket}", "--for", "ip", "-o", "json")
        if done.returncode == 0:
            check(json.loads(done.stdout)["address"] in run("ip", f"unix:{agent.socket}").stdout, done.stdout)
        else:
            equal((done.returncode, json.loads(done.stderr)["exit-code"]), (4, 4), "a machine without an address")


def test_usage_errors():
    for words in ((), ("nope",), ("ping",), ("ping", "unix:/x", "more"), ("-o", "xml", "ping", "/x"),
                  ("--timeout", "-1", "ping", "/x"), ("raw", "unix:/nonexistent"), ("ping", "bad")):
        done = run(*words)
        check(done.returncode in (2, 3), f"{words}: {done.returncode} {done.stderr}")
    check("Exit codes" in run("--help").stdout, "help")
    error = json.loads(run("-o", "json", "ping", "unix:/nonexistent").stderr)
    equal(error["exit-code"], 3, "exit code")


def test_usage_errors_say_what_is_wrong():
    for words, part in (((), "pvtools: a verb is missing"), (("disk",), "'disk grow'"), (("crash",), "'crash list'"),
                        (("ip", "-4", "unix:/x"), "which guest?"), (("crash", "show"), "crash show: which crash?"),
                        (("--timeout", "0", "ping", "/x"), "pvtools: --timeout takes")):
        done = run(*words)
        equal(done.returncode, 2, f"{words}: {done.stderr}")
        check(part in done.stderr, f"{words}: {done.stderr}")
    # A guest stands behind the verb or behind the verb's options.
    equal(run("shutdown", "--wait", "unix:/nonexistent").returncode, 3, "shutdown --wait GUEST")


def test_a_timeout_that_is_the_usual_one_is_kept():
    with Liar("least", answers={"guest-ping": {"return": {}}}) as guest:
        done = run("shutdown", guest.address, "--wait", "--timeout", "5")
        equal(done.returncode, 4, done.stdout + done.stderr)
        check("after 5.0 s" in done.stderr, done.stderr)


def test_each_verb_has_a_help_of_its_own():
    listed = run("--help").stdout.split("Verbs:\n")[1].split("\n\n")[0].splitlines()
    for line in listed:
        verb = re.match(r"  ([a-z-]+( [a-z]+)?)( GUEST| \[| TAP|$)", line).group(1).split()
        done = run(*verb, "--help")
        equal(done.returncode, 0, f"{verb}: {done.stderr}")
        check(f"  pvtools {' '.join(verb)}" in done.stdout and "Verbs:" not in done.stdout, done.stdout)
        check(max(map(len, done.stdout.splitlines())) <= 80, f"wider than a terminal: {done.stdout}")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
