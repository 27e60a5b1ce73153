#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Line coverage of the virtio drivers by their unit tests.

  tests/support/coverage.py [BUILD-DIRECTORY]     (made when it is not there)
"""

import pathlib
import re
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = [f"tests/unit/test-virtio-{name}"
            for name in ("ring", "barrier", "breach", "device", "drivers", "console", "balloon", "reset",
                         "transport", "vsock", "vsock-breach")]


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else TREE / "build" / "coverage").resolve()
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, "--buildtype=debug", "-Db_coverage=true",
                        "-Dintrospection=disabled"], cwd=TREE, **quiet)
    subprocess.run(["ninja", "-C", build, *PROGRAMS], **quiet)
    for old in build.rglob("*.gcda"):
        old.unlink()
    for program in PROGRAMS:
        subprocess.run([build / program], stderr=subprocess.DEVNULL, **quiet)
    data = sorted((build / "drivers" / "libpvt-virtio.a.p").glob("*.gcda"))
    text = subprocess.run(["gcov", "-n", *data], cwd=build, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True).stdout
    lines = hit = 0
    for name, percent, count in re.findall(r"File '(.*)'\nLines executed:([\d.]+)% of (\d+)", text):
        if name.endswith(".c"):
            lines += int(count)
            hit += round(float(percent) * int(count) / 100)
            print(f"{name.split('drivers/')[-1]:28} {percent:>6} % of {count:>4} lines")
    print(f"{'all':28} {100 * hit / lines:6.2f} % of {lines:>4} lines")


if __name__ == "__main__":
    main()
