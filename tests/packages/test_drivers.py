#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What pvtools-agent-drivers brings, by itself: scripts, rules, and what their readers say of them."""

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
LINUX = TREE / "drivers/linux"
sys.path[:0] = [str(HERE.parent / "support"), str(TREE / "tests/guest")]

import chrony
import tap
from tap import Skip, check, equal

LINE = "refclock PHC /dev/ptp_kvm poll 2 dpoll -2 offset 0 stratum 2"


class Root:
    """A root with chrony's configuration; a context manager."""

    def __init__(self, config="confdir /etc/chrony/conf.d\n", name="etc/chrony/chrony.conf"):
        self.config, self.name = config, name

    def __enter__(self):
        self.place = tempfile.TemporaryDirectory(prefix="pvt-root-")
        self.path = pathlib.Path(self.place.name)
        (self.path / self.name).parent.mkdir(parents=True)
        (self.path / self.name).write_text(self.config)
        (self.path / "etc/chrony/conf.d").mkdir(parents=True, exist_ok=True)
        (self.path / "dev").mkdir()
        self.file = self.path / "etc/chrony/conf.d/pvtools-refclock.conf"
        return self

    def __exit__(self, *_):
        self.place.cleanup()

    def clock(self, there):
        path = self.path / "dev/ptp_kvm"
        if there:
            path.touch()
        else:
            path.unlink()

    def run(self, *words):
        subprocess.run([LINUX / "chrony-refclock", *words], check=True, env={"PVT_ROOT": str(self.path),
                       "PATH": "/usr/bin:/bin"}, capture_output=True)


def test_the_source_comes_and_goes_with_the_device():
    with Root() as root:
        root.run()
        check(not root.file.exists(), "a source without a device: chronyd would not start")
        root.clock(True)
        root.run()
        equal(root.file.read_text().splitlines()[1], LINE, "the source")
        root.run()
        equal(sorted(path.name for path in root.file.parent.iterdir()), [root.file.name], "once more")
        root.clock(False)
        root.run()
        check(not root.file.exists(), "on a host without it")


def test_it_goes_with_the_package():
    with Root() as root:
        root.clock(True)
        root.run()
        root.run("remove")
        check(not root.file.exists(), "removed")


def test_what_somebody_else_wrote_stays():
    with Root() as root:
        root.file.write_text("refclock PHC /dev/ptp7\n")
        for words in ((), ("remove",)):
            root.run(*words)
            equal(root.file.read_text(), "refclock PHC /dev/ptp7\n", "the file")


def test_without_a_directory_nothing_is_done():
    for config in ("", "# confdir /etc/chrony/conf.d\n", "confdir /tmp/elsewhere\n"):
        with Root(config, "etc/chrony.conf") as root:
            root.clock(True)
            root.run()
            check(not root.file.exists(), config)


def test_chronyd_takes_the_line():
    try:
        chronyd = chrony.files()[0]
    except chrony.Missing as missing:
        raise Skip(str(missing)) from None
    with Root() as root:
        root.clock(True)
        root.run()
        done = subprocess.run([chronyd, "-p", "-f", root.file], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)
    check(LINE in done.stdout, done.stdout)


def test_rules_name_what_they_change():
    """Every assignment is to an attribute of a disk's queue, or loads a module."""
    text = (LINUX / "62-pvtools-virtio.rules").read_text().replace("\\\n", "")
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    equal(len(rules), 2, rules)
    for rule in rules:
        keys = re.findall(r"([A-Z]+(?:\{[^}]*\})?)\+?=\"[^\"]*\"", re.sub(r"[A-Z]+(?:\{[^}]*\})?[=!]=\"[^\"]*\"", "", rule))
        check(keys, rule)
        for key in keys:
            check(key.startswith("ATTR{queue/") or key == "RUN{builtin}", key)
        check('ACTION=="add"' in rule, rule)


def test_dracut_takes_the_file():
    """It is bash, and dracut wants blanks around what is added."""
    done = subprocess.run(["bash", "-euc", f"add_drivers=' x '; . {LINUX}/dracut.conf; echo \"[$add_drivers]\""],
                          capture_output=True, text=True, check=True)
    check(done.stdout.startswith("[ x  virtio_pci virtio_mmio ") and done.stdout.endswith(" ]\n"), done.stdout)


def test_the_unit_is_sound():
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", LINUX / "pvtools-grow-root.service"],
                          capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if "pvtools-grow-root" in line
             and "not executable" not in line]
    equal(lines, [], "systemd-analyze")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
