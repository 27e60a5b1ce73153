#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shells themselves complete pvtools' words; virsh is a stand-in with two guests."""

import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import tap
from tap import check, equal

COMPLETIONS = TREE / "packaging/completions"
PLACE = pathlib.Path(tempfile.mkdtemp(prefix="pvt-completion-"))

BASH = r"""
source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
COMPREPLY=(); _pvtools; printf '%s\n' "${COMPREPLY[@]}"
"""


def environment():
    cli = os.environ.get("PVT_CLI")
    check(cli, "PVT_CLI names the command")
    directory = PLACE / "bin"
    if not directory.exists():
        directory.mkdir()
        (directory / "pvtools").symlink_to(cli)
        (directory / "virsh").write_text("#!/bin/sh\n[ \"$*\" = '--readonly --quiet list --name' ] && "
                                         "printf 'db1\\nweb-2\\n\\n'\n")
        (directory / "virsh").chmod(0o755)
        (PLACE / "vm.sock").touch()
    return dict(os.environ, PATH=f"{directory}:{os.environ['PATH']}", HOME=str(PLACE), LC_ALL="C.UTF-8",
                XDG_CONFIG_HOME=str(PLACE), XDG_DATA_HOME=str(PLACE))


def bash(line):
    done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", str(COMPLETIONS / "pvtools.bash"), line],
                          capture_output=True, text=True, env=environment(), timeout=60, check=True)
    equal(done.stderr, "", f"bash complains about {line!r}")
    return done.stdout.split()


def fish(line):
    script = f"source {COMPLETIONS}/pvtools.fish; complete -C {line!r}"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True,
                          env=environment(), timeout=60, check=True)
    equal(done.stderr, "", f"fish complains about {line!r}")
    return [word.split("\t")[0] for word in done.stdout.splitlines()]


def zsh(line):
    """zsh completes only at a terminal: it gets one, and lists what matches."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], dict(environment(), TERM="dumb", PS1="READY"))
    try:
        setup = (f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -d {PLACE}/dump; "
                 ""
                 "unsetopt zle_bracketed_paste; LISTMAX=1000; stty cols 500; "
                 "print SET-''UP\r")
        os.write(fd, setup.encode())
        # The prompt behind it: what is typed before is not edited.
        read_until(fd, rb"SET-UP.*READY")
        os.write(fd, line.encode() + b"\x04")  # Ctrl-D lists
        return read_quiet(fd)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(fd)


def read_until(fd, pattern):
    got, deadline = b"", time.monotonic() + 60
    while not re.search(pattern, got, re.S):
        check(time.monotonic() < deadline, f"no {pattern!r}: {got!r}")
        if select.select([fd], [], [], 1)[0]:
            got += os.read(fd, 65536)


def read_quiet(fd):
    """Words until nothing comes for a while."""
    got, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline and select.select([fd], [], [], 3 if got.count(b"\n") else 15)[0]:
        got += os.read(fd, 65536)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", got.decode(errors="replace")).split()


def verbs():
    text = subprocess.run(["pvtools", "--help"], env=environment(), capture_output=True, text=True,
                          check=True).stdout
    block = text.split("\nVerbs:\n")[1].split("\n\n")[0]
    found = re.findall(r"^  ([a-z-]+)", block, re.M)
    check(len(found) > 10, text)
    return sorted(set(found))


def has(words, *expected):
    for word in expected:
        check(word in words, f"{word!r} is not in {words}")


def test_bash():
    equal(sorted(bash("pvtools ")), verbs(), "all verbs")
    equal(bash("pvtools sn"), ["snapshot"], "one verb")
    has(bash("pvtools info "), "libvirt:db1", "libvirt:web-2", "unix:", "vsock:")
    equal(bash("pvtools info libvirt:d"), ["db1"], "behind the colon, as readline has it")
    equal(bash(f"pvtools info unix:{PLACE}/v"), [f"{PLACE}/vm.sock"], "a socket")
    equal(bash("pvtools -o "), ["table", "json"], "a value")
    equal(bash("pvtools wait libvirt:db1 --for "), ["agent", "ip"], "a verb's value")
    has(bash("pvtools snapshot --"), "--to", "--deadline", "--connect")
    check("--to" not in bash("pvtools freeze --"), "another verb's option")
    has(bash("pvtools disk "), "grow")
    has(bash("pvtools disk grow "), "libvirt:db1")
    equal(bash("pvtools info libvirt:db1 "), [], "no second guest")
    has(bash("pvtools quiesce libvirt:db1 "), "libvirt:web-2")
    has(bash("pvtools exec -t "), "libvirt:db1")
    equal(bash("pvtools exec libvirt:db1 -u "), [], "nobody knows the guest's users")
    has(bash("pvtools list --"), "--sockets", "--libvirt")
    equal(bash("pvtools list "), [], "all guests are meant")
    has(bash("pvtools top --"), "--sort", "--pages")
    has(bash("pvtools top libvirt:db1 "), "libvirt:web-2")
    has(bash("pvtools time "), "get", "sync", "libvirt:db1")
    equal(bash("pvtools time sy"), ["sync"], "a second word")
    has(bash("pvtools time sync --"), "--allow-backward")
    has(bash("pvtools time sync "), "libvirt:db1")
    equal(bash("pvtools crash "), ["list", "show"], "second words")
    equal(bash("pvtools top --sort m"), ["memory"], "a value")
    equal(bash("pvtools ping 'x\"$(touch /nonexistent)` "), [], "nothing is run")


def test_fish():
    equal(sorted(fish("pvtools ")), verbs(), "all verbs")
    has(fish("pvtools sn"), "snapshot")
    has(fish("pvtools info "), "libvirt:db1", "libvirt:web-2", "unix:")
    has(fish("pvtools info libvirt:d"), "libvirt:db1")
    has(fish(f"pvtools info unix:{PLACE}/v"), f"unix:{PLACE}/vm.sock")
    equal(sorted(fish("pvtools -o ")), ["json", "table"], "a value")
    equal(sorted(fish("pvtools wait libvirt:db1 --for ")), ["agent", "ip"], "a verb's value")
    has(fish("pvtools snapshot --"), "--to", "--deadline", "--connect")
    has(fish("pvtools disk "), "grow")
    has(fish("pvtools list --"), "--sockets", "--libvirt")
    check("libvirt:db1" not in fish("pvtools list "), "all guests are meant")
    has(fish("pvtools top --"), "--sort", "--pages")
    has(fish("pvtools time "), "get", "sync", "libvirt:db1")
    has(fish("pvtools time sync --"), "--allow-backward")
    has(fish("pvtools time sync "), "libvirt:db1")
    has(fish("pvtools disk grow "), "libvirt:db1")
    equal(fish("pvtools info libvirt:db1 "), [], "no second guest")
    has(fish("pvtools exec -t "), "libvirt:db1")


def test_zsh():
    has(zsh("pvtools "), *verbs())
    has(zsh("pvtools info "), "libvirt:db1", "libvirt:web-2", "unix:")
    has(zsh("pvtools -o "), "json", "table")
    has(zsh("pvtools snapshot --"), "--to", "--deadline")
    has(zsh("pvtools disk grow "), "libvirt:db1")
    has(zsh("pvtools list --"), "--sockets", "--libvirt")
    has(zsh("pvtools time "), "get", "sync", "libvirt:db1")
    has(zsh("pvtools time sync --"), "--allow-backward")
    has(zsh("pvtools time sync "), "libvirt:db1")
    has(zsh("pvtools wait libvirt:db1 --for "), "agent", "ip")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
