#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the README shows as typed is typed, and prints what is shown, figures apart.

packaging/quickstart has the guest, as for everybody: its own function prints the tour, and
before it shuts the guest down the README's other commands for such a guest are typed in a
shell. tests/lint/test_readme.py knows which test types what is not here.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import base
import cli
import readme
import tap
from agent import Agent, find_agent
from readme import compare, shapes, shown, unlike
from tap import check, equal
from test_health import erst
from watched import machine

STOCK = "/usr/sbin/qemu-ga"
BEHIND = 27_930_289  # seconds that a clock is, as in the README
# What is typed of a section, besides the tour; of the databases' guest it is in test_torture.py.
SNAPSHOTS = ["pvtools snapshot", "pvtools quiesce", "pvtools status"]
FILES = ["pvtools exec -e", "echo", "pvtools cp"]


class Seen:
    """What was printed in quickstart's guest: by itself, and by what was typed besides."""
    tour = error = None
    typed = {}


def environment():
    return dict(os.environ, PATH=f"{pathlib.Path(cli.find_cli()).parent}:{os.environ['PATH']}", LC_ALL="C.UTF-8")


def here(command, pairs):
    """@pairs: what is here, and what the README has for it."""
    for ours, theirs in pairs:
        command = command.replace(theirs, str(ours))
    return command


def there(text, pairs):
    for ours, theirs in pairs:
        text = text.replace(str(ours), theirs)
    return text


def follow(beginnings, pairs, timeout=300):
    """What those commands of the README print, all typed in one shell. Of what goes to standard
    error the README may leave lines out; those that it has are in what was printed."""
    script = "status=0\n" + "".join(
        f"(exit $status)\n{here(shown(beginning)[0], pairs)}\nstatus=$?\nprintf '\\001'\n" for beginning in beginnings)
    done = subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout, env=environment(), check=False)
    printed = there(done.stdout, pairs).split("\1")[:-1]
    equal(len(printed), len(beginnings), f"the shell's end: {done.stderr}\ncommands")
    for beginning, text in zip(beginnings, printed):
        Seen.typed[beginning] = text + expected(beginning, there(done.stderr, pairs))


def expected(beginning, errors):
    lines = shapes(shown(beginning)[1])
    return "".join(line for line in errors.splitlines(keepends=True) if not unlike([readme.shape(line)], lines))


def follow_patiently(beginning, pairs):
    """A command that only asks, for a second: a guest may once be too busy for that."""
    deadline = time.monotonic() + 120
    while True:
        follow([beginning], pairs)
        try:
            compare(beginning, Seen.typed[beginning])
            return
        except AssertionError:
            if time.monotonic() > deadline:
                return  # its test says so
            time.sleep(1)


class Running:
    """A command that goes on; a context manager."""

    def __init__(self, command, directory):
        self.path = pathlib.Path(directory) / "printed"
        with self.path.open("w") as file:
            self.process = subprocess.Popen(["sh", "-c", f"exec {command}"], stdin=subprocess.DEVNULL, stdout=file,
                                            stderr=subprocess.STDOUT, env=environment(), cwd=directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def wait_for(self, lines, pairs, timeout=240):
        """What it printed, with the README's words, when each of these lines is in it."""
        deadline = time.monotonic() + timeout
        while True:
            text = there(self.path.read_text(errors="replace"), pairs)
            absent = unlike(lines, shapes(text))
            if not absent:
                return text
            check(time.monotonic() < deadline and self.process.poll() is None, f"{absent} never came:\n{text}")
            time.sleep(0.2)


@contextlib.contextmanager
def guests_beside(address):
    """The directory of `pvtools list`: a guest, one that says nothing, one with a qemu-ga."""
    with tempfile.TemporaryDirectory(prefix="pvt-list-") as name, Agent(binary=STOCK) as old, \
            socket.socket(socket.AF_UNIX) as mail:
        place = pathlib.Path(name)
        (place / "db1.sock").symlink_to(address)
        (place / "old.sock").symlink_to(old.socket)
        mail.bind(str(place / "mail.sock"))
        mail.listen(8)
        yield place


def system():
    """This machine's, which the qemu-ga beside the guest tells."""
    return re.search(r'^PRETTY_NAME="?(.*?)"?$', pathlib.Path("/etc/os-release").read_text(), re.M).group(1)


def type_of_many(directory):
    """With guests beside it."""
    with guests_beside(directory / "agent.sock") as place:
        beside = [(place, "/tmp/vm"), (system(), "Debian GNU/Linux 12 (bookworm)")]
        follow_patiently("pvtools list", beside)
        follow_patiently("pvtools doctor", beside)
        for name, target in (("a/extended", directory / "extended"), ("b/agent", directory / "agent"),
                             ("c/agent", place / "old")):
            (place / name).parent.mkdir()
            (place / f"{name}.sock").symlink_to(f"{target}.sock")
        follow_patiently("pvtools top", [(place / name, f"/run/{name}") for name in "abc"])


def type_others(directory):
    """All that the README shows of a guest that lives; each is judged in a test of its own."""
    pairs = [(directory / "second.sock", "/tmp/guest/qmp.sock"), (directory, "/tmp/guest")]
    (directory / "overlays").mkdir()
    follow(FILES, pairs)
    follow(SNAPSHOTS, pairs)
    type_of_many(directory)
    command, printed = shown("pvtools watch")
    with Running(here(command, [(directory, "/run/guest")]), directory) as watch:
        Seen.typed["pvtools watch"] = watch.wait_for(shapes(printed), [])
    for verb, *words in (("checkup",), ("seal",), ("raw", "guest-sync", "id=77")):
        Seen.typed[verb] = cli.expect(0, verb, f"unix:{directory}/agent.sock", *words, timeout=300)
    cli.expect(0, "exec", f"unix:{directory}/extended.sock", "--", "date", "-s", f"@{int(time.time()) - BEHIND}")
    follow(["pvtools time"], pairs)


def load(path):
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(path.name, loader))
    loader.exec_module(module)
    return module


@contextlib.contextmanager
def printed_into(path):
    """What this process and its children print goes to a file."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def tour():
    """What quickstart printed, in the README's words."""
    quickstart = load(readme.TREE / "packaging/quickstart")
    show, directories = quickstart.show, []

    def show_and_type(command, verb, address, *words):
        directories.append(address.removeprefix("unix:").removesuffix("/agent.sock"))
        if verb == "shutdown":
            try:
                type_others(pathlib.Path(directories[0]))
            except Exception as error:  # the tests of what is absent say so
                Seen.error = error
        return show(command, verb, address, *words)

    quickstart.show = show_and_type
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "printed"
        try:
            with printed_into(path):
                quickstart.tour(pathlib.Path(find_agent()).resolve().parents[1])
        except Exception as error:
            raise AssertionError(f"quickstart ended after: {path.read_text()}") from error
        return there(path.read_text(), [(directories[0], "/tmp/guest")])


def take_tour():
    """Once: a test that is run alone has it, too."""
    if Seen.tour is None:
        Seen.tour = tour()
    return Seen.tour


def commands(text):
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M)


def of_debian_12(output, printed):
    """The guest of another host is what that is, and has its kernel."""
    if base.host_release() == ("debian", "bookworm"):
        return output
    return re.sub(r"(?m)^(System|Kernel) .*", lambda found: re.search(rf"(?m)^{found[1]} .*", printed)[0], output)


def test_quickstart_prints_the_tour():
    got, wanted = commands(take_tour()), commands(readme.blocks("A tour")[0][1])
    equal([command for command, _ in got], [command for command, _ in wanted], "commands")
    for command, output in got:
        compare(command, of_debian_12(output, shown(command)[1]))


def typed(beginning):
    """What came of it."""
    take_tour()
    if beginning not in Seen.typed:
        raise AssertionError(f"{beginning} was not typed") from Seen.error
    return Seen.typed[beginning]


def test_programs_and_files():
    for beginning in FILES:
        compare(beginning, typed(beginning))
    equal(typed("echo"), shown("echo")[1], "the program's exit code")


def test_a_quiesced_snapshot():
    for beginning in SNAPSHOTS:
        compare(beginning, typed(beginning))


def test_many_guests():
    for beginning in ("pvtools list", "pvtools doctor", "pvtools top"):
        compare(beginning, typed(beginning))


def test_what_a_guest_tells_by_itself():
    """Other events of a young guest may come between."""
    equal(unlike(shapes(shown("pvtools watch")[1]), shapes(typed("pvtools watch"))), [], "lines that did not come")


def test_a_clock_that_is_behind():
    text = typed("pvtools time")
    # What the processor offers.
    compare("pvtools time", re.sub(r"(?m)^(Clock source) .*", r"\1 hpet", text))


def test_checkup_seal_and_raw():
    lines = "".join(block for _, block in readme.blocks("Many guests"))
    for verb in ("checkup", "seal", "upgrade"):
        check(f"\npvtools {verb} GUEST " in lines, f"the README has {verb}")
    count = int(re.search(r"pvtools checkup GUEST +# (\d+) checks", lines).group(1))
    told = re.findall(r"^(?!STATE)\w+ +[\w-]+ ", typed("checkup"), re.M)
    equal(len(told), count, typed("checkup"))
    check("would go" in typed("seal"), typed("seal"))
    equal(typed("raw").strip(), "77", "raw")


def test_a_crash_is_kept_and_shown():
    """Word for word, too; the guest is a small one that starts again in seconds."""
    health, crash = shown("pvtools health"), shown("pvtools crash show")
    script = re.search(r"arg=-c,(.*) capture-output", crash[1]).group(1)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        with machine(*erst(directory), append="panic=0") as vm:
            vm.wait_agent()
            (directory / "console.log").symlink_to(vm.console)
            pairs = [(vm.second, "/run/vm/second.sock")]
            with Running(here(health[0], pairs), directory) as watch:
                watch.wait_for(shapes(health[1])[:1], pairs)
                with vm.line() as line:
                    line.sync()
                    line.ask("guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": "merged"})
                text = watch.wait_for(lines_without_names(health[1]), pairs)
            kept = re.search(r"kept as crash (\S+)", text).group(1)
            compare_crash(crash, kept, directory)


def lines_without_names(text):
    """The name of a crash has the guest's in it."""
    return [line for line in shapes(text) if "kept" not in line or "pstore" in line]


def compare_crash(crash, kept, directory):
    command, printed = crash
    told = cli.expect(0, "crash", "show", kept, *command.split()[4:], cwd=directory)
    # What is left out is there as dots.
    wanted = [line for line in shapes(printed) if line != ("...",)]
    equal(unlike(wanted, shapes(told)), [], f"only in the README: {told}\nlines")


def test_the_librarys_lines_are_c():
    build = pathlib.Path(find_agent()).resolve().parents[1]
    language, lines = readme.blocks("The library")[0]
    equal(language, "c", "language")
    flags = subprocess.run(["pkg-config", "--cflags", "gio-2.0", "json-glib-1.0"], check=True, capture_output=True,
                           text=True).stdout.split()
    for place in ("host-side/client", "protocol", "protocol/message"):
        flags += ["-I", str(readme.TREE / place), "-I", str(build / place)]
    program = f"#include <pvtools.h>\nint main (void)\n{{\n  g_autoptr (GError) error = NULL;\n{lines}  return !os;\n}}\n"
    done = subprocess.run(["cc", "-fsyntax-only", "-Wall", "-Werror", "-x", "c", "-", *flags], input=program,
                          capture_output=True, text=True, check=False)
    equal(done.returncode, 0, f"{program}{done.stderr}")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
