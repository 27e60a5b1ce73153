#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RPM packages as files: built twice, looked into."""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import tap
from tap import check, equal, note

WORK = tempfile.TemporaryDirectory(prefix="pvt-rpm-test-")
PACKAGES = ["libpvtools-devel", "libpvtools0", "pvtools", "pvtools-agent", "pvtools-agent-drivers", "pvtools-agent-selinux",
            "pvtools-doc", "pvtools-exporter", "pvtools-vmm"]


def run(*words, code=0, **keywords):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False,
                          timeout=900, **keywords)
    equal(done.returncode, code, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def build(name, **environment):
    """{package: file}; a Debian has no RPMs to depend on."""
    place = pathlib.Path(WORK.name) / name
    if not place.exists():
        (place / "deeper/tmp").mkdir(parents=True)
        run(TREE / "packaging/build-rpm", place, "--nodeps",
            env=dict(os.environ, TMPDIR=str(place / "deeper/tmp"), **environment))
    return {path.name.rsplit("-", 2)[0]: path for path in place.glob("*.rpm")}


def test_every_package_is_built():
    equal(sorted(build("one")), PACKAGES, "packages")


def test_rpmlint_is_content():
    text = run("rpmlint", "-c", TREE / "packaging/rpm/rpmlint.toml", *build("one").values(),
               TREE / "packaging/rpm/pvtools.spec")
    check("0 errors, 0 warnings" in text, text)


def test_the_agents_package():
    files = run("rpm", "-qlp", build("one")["pvtools-agent"]).split()
    for name in ("/usr/sbin/pvtools-agent", "/usr/lib/systemd/system/pvtools-agent.service",
                 "/usr/lib/udev/rules.d/60-pvtools-agent.rules", "/etc/pvtools/hooks.d",
                 "/usr/lib/pvtools/upgrade-agent", "/usr/lib/pvtools/upgrade-rpm"):
        check(name in files, f"{name} is not in {files}")
    check("qemu-guest-agent" in run("rpm", "-qp", "--conflicts", build("one")["pvtools-agent"]), "conflicts")
    scripts = run("rpm", "-qp", "--scripts", build("one")["pvtools-agent"])
    check("systemctl --quiet restart pvtools-agent.service" in scripts, scripts)


def test_the_policys_package():
    package = build("one")["pvtools-agent-selinux"]
    files = run("rpm", "-qlp", package).split()
    for name in ("/usr/share/selinux/packages/targeted/pvtools.pp.bz2",
                 "/usr/share/selinux/devel/include/distributed/pvtools.if"):
        check(name in files, f"{name} is not in {files}")
    scripts = run("rpm", "-qp", "--scripts", package)
    check("-X 200" in scripts and "restorecon" in scripts, scripts)
    check("pvtools-agent-selinux" in run("rpm", "-qp", "--recommends", build("one")["pvtools-agent"]), "recommended")


def test_what_is_in_them_is_the_same_from_another_path():
    sums = []
    for packages in (build("one"), build("another-and-longer", TZ="Asia/Kathmandu")):
        sums.append({name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in packages.items()})
    for name in sums[0]:
        note(f"{sums[0][name][:16]} {name}")
    equal(sums[0], sums[1], "packages")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
