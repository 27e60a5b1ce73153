#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The archive's agent is one static program: where it is built makes no difference, and it
runs where there is no C library, where there is another one, and where the C library has a
name service of its own that must not be loaded.

In a whole guest with an old C library: tests/guest/test_packages_sysv.py.
"""

import base64
import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import tap
import tarball
from agent import Agent, find_agent
from container import Container
from tap import Skip, check, equal, note
from wire import AgentError, Line

WORK = pathlib.Path(tempfile.mkdtemp(prefix="pvt-static-"))
MUSL = "#include <stdio.h>\nint main (void) { return puts (\"says musl\") < 0; }\n"
# Whoever loads it ends at once.
TRAP = "__attribute__ ((constructor)) void trap (void); void trap (void) { __builtin_trap (); }\n"


def run(*words, **keywords):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, **keywords).stdout


def test_it_needs_no_interpreter_and_no_library():
    program = tarball.static_agent()
    text = run("readelf", "-ldW", program)
    check("INTERP" not in text and "NEEDED" not in text, text)
    check("statically linked" in run("ldd", program), "ldd")
    check("PIE" in text, "its addresses differ at each start")
    stripped = WORK / "dynamic"
    run("strip", "-o", stripped, find_agent())
    note(f"static: {program.stat().st_size} bytes, dynamic: {stripped.stat().st_size}; "
         f"archive: {tarball.static_archive().stat().st_size}")


def test_the_same_bytes_wherever_it_is_built():
    tree = WORK / "quite/another/place/for/sources"
    for path in tarball.source_files():
        target = tree / path.relative_to(tarball.TREE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (WORK / "builds").mkdir()
    old = os.umask(0o077)
    try:
        made = run(tree / "packaging/build-tar", WORK / "again",
                   env=dict(os.environ, TMPDIR=str(WORK / "builds"), TZ="Asia/Kathmandu", HOME=str(WORK))).strip()
    finally:
        os.umask(old)
    sums = [hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for path in (tarball.static_archive(), made)]
    equal(sums[1], sums[0], "the archive")
    check(str(WORK).encode() not in tarball.static_agent().read_bytes(), "no path of the build")
    note(sums[0])


def test_the_licences_are_in_the_archive():
    text = (tarball.static() / "LICENSES").read_text()
    check("PCRE2" in text and "GNU LESSER GENERAL PUBLIC" in text.upper() and "-Dagent-static=true" in text, text[:2000])


def test_memory():
    figures = {}
    for name, program in (("dynamic", find_agent()), ("static", tarball.static_agent())):
        with Agent(binary=program) as agent:
            if agent.sanitized:
                raise Skip("sanitizers keep what was freed")
            with agent.line() as line:
                line.sync()
                for command in ("guest-info", "guest-get-osinfo", "guest-network-get-interfaces", "guest-get-fsinfo"):
                    line.ask(command)
            figures[name] = {field: agent.memory(field) for field in ("Private_Dirty", "Pss", "Rss")}
    note(figures)
    check(figures["static"]["Rss"] < figures["dynamic"]["Rss"], "the whole is smaller than with the libraries")


# ---- in a system without libraries, or with strange ones ----

def make_root(name, *files):
    """busybox and the agent; @files are (source, path)."""
    root = WORK / name
    for directory in ("bin", "sbin", "dev", "proc", "sys", "run", "tmp", "etc", "var/log", "root", "lib/x86_64-linux-gnu"):
        (root / directory).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    shutil.copy(tarball.static_agent(), root / "sbin/pvtools-agent")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n+::::::\nseed:x:1000:1000:Seed:/home/seed:/bin/sh\n")
    long_line = ",".join(f"member{number}" for number in range(3000))
    (root / "etc/group").write_text(f"root:x:0:\nmany:x:70:{long_line},seed\nseed:x:1000:\nextra:x:71:seed\n")
    (root / "home/seed/.ssh").mkdir(parents=True)
    (root / "home/seed/.ssh/authorized_keys").write_text("ssh-ed25519 AAAA seed\n")
    for source, path in files:
        shutil.copy(source, root / path)
    return root


def start(container):
    container.run("busybox --install -s /bin; mount -t sysfs sys /sys")
    container.run("/sbin/pvtools-agent --daemonize -m unix-listen -p /run/agent.sock -t /run/pvtools -l /run/log")


def line_to(root):
    deadline = time.monotonic() + 60
    while True:
        try:
            line = Line(root / "run/agent.sock", timeout=60)
            line.sync()
            return line
        except OSError:
            check(time.monotonic() < deadline, "the agent does not listen")
            time.sleep(0.05)


def ask_everything(line):
    """Each question without arguments is answered, or refused with a reason."""
    answered, refused = 0, []
    for command in line.ask("guest-info")["supported_commands"]:
        if not command["name"].startswith(("guest-get-", "guest-network-get-", "pvt-get-")):
            continue
        try:
            line.ask(command["name"])
            answered += 1
        except AgentError as error:
            check(len(str(error)) > 10, f"{command['name']}: {error}")
            refused.append(f"{command['name']}: {error}")
    check(answered >= 20, f"{answered} answers")
    return answered, refused


def output(line, path, *arguments):
    pid = line.ask("guest-exec", path=path, arg=list(arguments), **{"capture-output": True})["pid"]
    deadline = time.monotonic() + 60
    while not (status := line.ask("guest-exec-status", pid=pid))["exited"]:
        check(time.monotonic() < deadline, f"{path} still runs")
        time.sleep(0.02)
    return base64.b64decode(status.get("out-data", "")).decode()


def check_maps(container):
    """The program is all that is in memory of files; /dev/zero is the kernel's name for memory
    that is shared with the guardian."""
    maps = container.run("cat /proc/$(pidof pvtools-agent | tr ' ' '\\n' | sort -n | head -n 1)/maps")
    equal({words[5] for words in map(str.split, maps.splitlines()) if len(words) > 5 and words[5][0] == "/"},
          {"/sbin/pvtools-agent", "/dev/zero"}, "mapped files")


def need_root():
    if os.geteuid() != 0:
        raise Skip("a container needs root")


def check_users(root, line):
    """Without utmp: by the files of logind, of which "ID.ref" is a pipe that nobody must open."""
    sessions = root / "run/systemd/sessions"
    sessions.mkdir(parents=True)
    os.mkfifo(sessions / "c1.ref")
    (sessions / "c1").write_text("UID=1000\nUSER=x\nSTATE=active\nCLASS=user\nREALTIME=1700000000500000\n")
    (sessions / "c2").write_text("UID=0\nUSER=root\nSTATE=active\nCLASS=manager\n")
    (sessions / "c3").write_text("UID=77\nUSER=of-ldap\nSTATE=online\nCLASS=user\n")
    equal(sorted((user["user"], user["login-time"]) for user in line.ask("guest-get-users")),
          [("of-ldap", 0), ("seed", 1700000000.5)], "users")


def test_without_any_library():
    need_root()
    root = make_root("bare")
    with Container(root) as container:
        start(container)
        with line_to(root) as line:
            answered, refused = ask_everything(line)
            note(f"{answered} commands answered; refused:")
            note("\n".join(refused))
            equal(output(line, "/bin/busybox", "echo", "hello"), "hello\n", "a program")
            check_users(root, line)
            equal(line.ask("guest-ssh-get-authorized-keys", username="seed")["keys"], ["ssh-ed25519 AAAA seed"], "keys")
        check_maps(container)


def test_with_another_c_library():
    need_root()
    loader = pathlib.Path("/lib/ld-musl-x86_64.so.1")
    if not loader.exists() or not shutil.which("musl-gcc"):
        raise Skip("musl-tools is not installed")
    (WORK / "musl.c").write_text(MUSL)
    run("musl-gcc", "-o", WORK / "says", WORK / "musl.c")
    root = make_root("musl", (loader, "lib/ld-musl-x86_64.so.1"), (WORK / "says", "bin/says"))
    with Container(root) as container:
        start(container)
        with line_to(root) as line:
            equal(output(line, "/bin/says"), "says musl\n", "a program of this system")
        check_maps(container)


def test_a_name_service_is_not_loaded():
    """What getpwnam(3) of the C library would load ends the program: users of the files are
    found, others are not, and the error says so."""
    need_root()
    (WORK / "trap.c").write_text(TRAP)
    run("gcc", "-shared", "-nostdlib", "-o", WORK / "trap.so", WORK / "trap.c")
    root = make_root("names", *((WORK / "trap.so", f"lib/x86_64-linux-gnu/libnss_{name}.so.2")
                                for name in ("trap", "files", "ldap", "sss")))
    (root / "etc/nsswitch.conf").write_text("passwd: trap sss files\ngroup: trap sss files\n")
    with Container(root) as container:
        start(container)
        with line_to(root) as line:
            equal(line.ask("guest-ssh-get-authorized-keys", username="seed")["keys"], ["ssh-ed25519 AAAA seed"], "keys")
            try:
                line.ask("guest-ssh-get-authorized-keys", username="of-ldap")
                check(False, "a user that is nowhere was found")
            except AgentError as error:
                check("in /etc/passwd, which is all that a static agent asks" in str(error), str(error))
                note(error)
        check_maps(container)
        groups_of_a_program(container, root)


def groups_of_a_program(container, root):
    """As another user, with all the groups, however long the lines of group(5) are."""
    container.run("rm -f /run/extended.sock; /sbin/pvtools-agent --version")
    script = pathlib.Path(root / "etc/agent.conf")
    script.write_text("[general]\nstatedir=/run/second\n[channel extended]\nmethod=unix-listen\n"
                      "path=/run/extended.sock\ndialect=extended\n")
    container.run("/sbin/pvtools-agent --daemonize -c /etc/agent.conf --pidfile /run/second.pid -l /run/second.log")
    deadline = time.monotonic() + 60
    while not (root / "run/extended.sock").exists():
        check(time.monotonic() < deadline, (root / "run/second.log").read_text())
        time.sleep(0.05)
    text = run(os.environ.get("PVT_CLI") or "pvtools", "exec", "--user", "seed", f"unix:{root}/run/extended.sock",
               "--", "/bin/busybox", "id", "-G")
    equal(sorted(text.split()), ["1000", "70", "71"], "groups")


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        shutil.rmtree(WORK)
