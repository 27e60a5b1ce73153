# SPDX-License-Identifier: LGPL-2.1-or-later
"""The RPMs of this tree, and packages of its agent under other versions.

A Debian has no RPMs that these could need: what they name is provided by one more.
"""

import functools
import re
import shutil
import subprocess

import cache
import debs
import stock
from signed import WORK, run

TREE = debs.TREE
SECTION = re.compile(r"^(?=%(?:description|package|prep|build|install|pre|post|preun|postun|files|changelog)\b)", re.M)
# What rpmbuild would do to the files besides packing them.
PLAIN = ["--define", "debug_package %{nil}", "--define", "__os_install_post %{nil}"]

# rpm, without what only rpmbuild needs of it, and what the guests' root has not.
RPM = ["rpm", "rpm-common", "librpm9", "librpmio9", "liblua5.3-0"]
# In a Debian guest: Debian's database is a user's.
PREPARE_DATABASE = """dpkg --force-depends -i /debs/rpm/*.deb
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' > /etc/rpm/macros
rpm --initdb"""


def debs_of_rpm():
    """Debian's packages of rpm, for a guest's folder of that name."""
    def download(target):
        target.mkdir()
        stock.apt_get(target, "download", *RPM)
    return cache.make("rpmdebs", cache.key(*RPM), download).glob("*.deb")


def in_spec(old, new):
    """A function that changes a spec's text."""
    return lambda spec: spec.replace(old, new, 1)


def build(target):
    run(TREE / "packaging/build-rpm", target, "--nodeps", timeout=1200)


@functools.cache
def built():
    """The agent's, as packaging/build-rpm makes it; kept in the cache."""
    place = cache.make("rpms", cache.key(*debs.sources()), build)
    return next(path for path in place.glob("pvtools-agent-*.rpm") if "drivers" not in path.name)


def built_copy():
    """Where a signature can be beside it."""
    return shutil.copy(built(), WORK / "built.rpm")


def pack(name, spec):
    """The package that rpmbuild makes of a spec file's text."""
    place = WORK / f"rpm-{name}"
    place.mkdir()
    (place / "it.spec").write_text(spec)
    run("rpmbuild", "-bb", "--nodeps", "--define", f"_topdir {place}", *PLAIN, place / "it.spec")
    made = list(place.glob("RPMS/*/*.rpm"))
    if len(made) != 1:
        raise RuntimeError(f"{name}: {made}")
    target = WORK / f"{name}.rpm"
    shutil.move(made[0], target)
    shutil.rmtree(place)
    return target


def spec_of(version, tree):
    """The tree's own spec, of which only the agent is left, with the files of @tree."""
    parts = SECTION.split((TREE / "packaging/rpm/pvtools.spec").read_text())
    head = re.sub(r"^(BuildRequires|Source0):.*\n", "", parts[0], flags=re.M)
    kept = [part for part in parts[1:] if re.match(r"%(?:description\n|changelog|\w+ agent\n)", part)]
    return (re.sub(r"^Version:.*", f"Version: {version}", head, count=1, flags=re.M) + "".join(kept[:-1]) +
            f"%build\ncp {TREE}/COPYING .\n%install\ncp -a {tree}/. %{{buildroot}}\n" + kept[-1])


def package(version, change=lambda tree: None, edit=lambda spec: spec):
    """The agent's under another version; its files are changed by one function, its spec by another."""
    tree = WORK / f"tree-{version}"
    tree.mkdir()
    cpio = subprocess.run(["rpm2cpio", str(built())], check=True, capture_output=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet"], cwd=tree, input=cpio, check=True)
    change(tree)
    made = pack(f"pvtools-agent-{version}", edit(spec_of(version, tree)))
    shutil.rmtree(tree)
    return made


def system():
    """Provides what the agent's needs."""
    needs = {line for line in run("rpm", "-qpR", built()).stdout.splitlines() if not line.startswith("rpmlib(")}
    return pack("system", "Name: system\nVersion: 1\nRelease: 1\nSummary: A stand-in\nLicense: LGPL-2.1-or-later\n" +
                "".join(f"Provides: {need}\n" for need in sorted(needs)) + "%description\nWhat dpkg installed.\n%files\n")
