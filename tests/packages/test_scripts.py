#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shell scripts that packages are made with and that they bring: shellcheck, and sh's own eyes."""

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGING = HERE.parents[1] / "packaging"
sys.path.insert(0, str(HERE.parent / "support"))

import tap
from tap import check, equal

SCRIPTS = ["install.sh", "build-deb", "build-rpm", "build-tar", "rpm/take-over", "debian/pvtools-agent.postinst",
           "debian/pvtools-agent.prerm", "debian/pvtools-agent.postrm", "debian/pvtools-agent-drivers.postinst",
           "debian/pvtools-agent-drivers.prerm", "debian/pvtools-agent-drivers.postrm", "man/fill-help", "sysv/pvtools-agent",
           "../agent/upgrade/upgrade-agent", "../agent/upgrade/upgrade-deb", "../agent/upgrade/upgrade-rpm",
           "../agent/upgrade/upgrade-tar",
           "../agent/hooks/ssh-host-keys", "../drivers/linux/chrony-refclock", "../drivers/linux/initramfs-hook",
           "../tests/guest/files/system-rpm"]


def test_shellcheck():
    done = subprocess.run(["shellcheck", "-s", "sh", *(PACKAGING / name for name in SCRIPTS)],
                          capture_output=True, text=True, check=False)
    equal(done.stdout, "", "shellcheck")


def test_openrc_script():
    # Its shebang is OpenRC's; the functions and variables are what OpenRC calls.
    done = subprocess.run(["shellcheck", "-s", "sh", "-e", "SC2034", PACKAGING / "openrc/pvtools-agent.initd"],
                          capture_output=True, text=True, check=False)
    equal(done.stdout, "", "shellcheck")


def test_who_asks_for_a_reboot():
    """After an upgrade: marks of Debian and SUSE, the program of dnf; and nobody."""
    script = (PACKAGING / "../agent/upgrade/upgrade-agent").read_text()
    function = re.search(r"^wants_reboot\(\) \{.*?^\}$", script, re.M | re.S).group()
    for mark, code, wanted in ((None, None, 1), ("reboot-required", None, 0), ("reboot-needed", 0, 0), (None, 1, 0),
                               (None, 0, 1), (None, 3, 1), ("reboot-needlessly", None, 1)):
        with tempfile.TemporaryDirectory() as name:
            place = pathlib.Path(name)
            if mark:
                (place / mark).touch()
            if code is not None:
                (place / "needs-restarting").write_text(f"#!/bin/sh\n[ \"$1\" = -r ] && exit {code}\nexit 9\n")
                (place / "needs-restarting").chmod(0o755)
            done = subprocess.run(["/bin/sh", "-c", f"set -eu\n{function}\nwants_reboot"], check=False,
                                  env={"PATH": name, "PVT_MARKS": name}, capture_output=True, text=True)
        equal((done.returncode, done.stderr), (wanted, ""), (mark, code))


def test_help_of_the_scripts():
    for name in ("install.sh", "build-deb", "build-rpm", "build-tar"):
        done = subprocess.run([PACKAGING / name, "--help"], capture_output=True, text=True, check=True)
        check(name in done.stdout and "set -" not in done.stdout, done.stdout)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
