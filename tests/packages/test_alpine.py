#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The APKBUILD: it is good shell, names what the tree is, and every file that meson
installs is in one package or left out on purpose. abuild itself is Alpine's; here are
stand-ins for what it calls."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "support")]

import tap
from agent import find_agent
from tap import check, equal

APKBUILD = TREE / "packaging/alpine/APKBUILD"
# abuild's functions, as far as they are called: amove and the default ones for parts.
STAND_INS = """set -e
startdir=$PWD pkgdir=$1/pkg files=$1/files
cd "$2"
meson() { if [ "$1" = install ]; then mkdir -p "$DESTDIR"; cp -r "$files"/. "$DESTDIR"; fi; }
amove() {
  for what; do
    for found in $(cd "$pkgdir"; ls -d $what); do
      mkdir -p "$subpkgdir/$(dirname "$found")"
      mv "$pkgdir/$found" "$subpkgdir/$found"
    done
  done
}
default_libs() { amove 'usr/lib/lib*.so.*'; }
default_dev() { amove 'usr/lib/lib*.so' usr/lib/pkgconfig usr/include 'usr/share/gir-1.0'; }
default_doc() { amove usr/share/man usr/share/doc; }
default_bash_completion() { amove usr/share/bash-completion; }
default_zsh_completion() { amove usr/share/zsh; }
default_fish_completion() { amove usr/share/fish; }
. packaging/alpine/APKBUILD
package
for part in $subpackages; do
  name=${part%%:*} function=${part#*:}
  function=${function%%:*}
  if [ "$function" = "$part" ]; then function=$(echo "${part#"$pkgname"-}" | tr - _); fi
  subpkgdir=$1/sub/$name
  if [ "$(command -v "$function")" != "$function" ]; then function=default_$function; fi
  "$function"
done
"""


def variable(name):
    """What the file's assignment gives in a shell."""
    return subprocess.run(["sh", "-c", f". {APKBUILD}; echo ${name}"], check=True, capture_output=True,
                          text=True).stdout.strip()


def installed():
    """Where Alpine's prefixes put what this build installs."""
    places = {"bindir": "usr/bin", "sbindir": "usr/sbin", "libdir": "usr/lib", "libdir_shared": "usr/lib",
              "includedir": "usr/include", "datadir": "usr/share", "mandir": "usr/share/man", "prefix": "usr",
              "systemdunitdir": "usr/lib/systemd/system", "udevdir": "usr/lib/udev"}
    build = pathlib.Path(find_agent()).resolve().parents[1]
    plan = json.loads(subprocess.run(["meson", "introspect", "--install-plan", str(build)], check=True,
                                     capture_output=True, text=True).stdout)
    names = {re.sub(r"^\{(\w+)\}", lambda place: places[place.group(1)], file["destination"]).lstrip("/")
             for kind in plan.values() for file in kind.values()}
    names = {re.sub(r"^usr/(?:local/)?lib/[^/]+-linux-gnu/", "usr/lib/", name).replace("usr/local/", "usr/")
             for name in names if not name.startswith("{")}
    # Alpine's build has these always; the links are made by meson at the installation.
    return names | {"usr/lib/girepository-1.0/Pvt-1.typelib", "usr/share/gir-1.0/Pvt-1.gir",
                    "usr/bin/pvtools-exporter", "usr/lib/libpvtools.so", "usr/lib/libpvtools.so.0",
                    "usr/lib/sysusers.d/pvtools-exporter.conf"}


def files_below(place):
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def split():
    """{package: its files}, as the functions of the APKBUILD divide them."""
    with tempfile.TemporaryDirectory(prefix="pvt-alpine-") as name:
        place = pathlib.Path(name)
        for path in installed():
            (place / "files" / path).parent.mkdir(parents=True, exist_ok=True)
            (place / "files" / path).touch()
        done = subprocess.run(["sh", "-c", STAND_INS, "sh", str(place), str(TREE)], capture_output=True, text=True,
                              check=False)
        equal(done.returncode, 0, done.stdout + done.stderr)
        found = {path.name: files_below(path) for path in (place / "sub").iterdir()}
        return found | {"pvtools": files_below(place / "pkg")}


def test_shellcheck():
    done = subprocess.run(["shellcheck", "-s", "sh", "-e", "SC2034,SC2154", str(APKBUILD)], capture_output=True,
                          text=True, check=False)
    equal(done.stdout, "", "shellcheck")


def test_it_names_this_tree():
    project = (TREE / "meson.build").read_text()
    equal(variable("pkgver"), re.search(r"version: '([^']+)'", project).group(1), "version")
    equal(variable("license"), re.search(r"license: '([^']+)'", project).group(1), "license")
    options = set(re.findall(r"^option\('(\w+)'", (TREE / "meson_options.txt").read_text(), re.M))
    used = set(re.findall(r"-D(\w+)=", APKBUILD.read_text()))
    check(used and used <= options, used - options)


def test_every_file_is_in_one_package():
    packages = split()
    equal(packages["pvtools"], {"usr/bin/pvtools"}, "pvtools")
    equal(packages["pvtools-agent"], {"usr/sbin/pvtools-agent", "usr/lib/udev/rules.d/61-pvtools-hotplug.rules",
                                      "usr/lib/udev/rules.d/62-pvtools-virtio.rules"}, "agent")
    equal(packages["pvtools-agent-openrc"], {"etc/init.d/pvtools-agent", "etc/conf.d/pvtools-agent"}, "OpenRC")
    equal(packages["pvtools-exporter"], {"usr/bin/pvtools-exporter"}, "exporter")
    check("usr/lib/libpvtools.so.0" in packages["pvtools-libs"], packages["pvtools-libs"])
    check("usr/lib/libpvtools.so" in packages["pvtools-dev"], packages["pvtools-dev"])
    all_files = [name for names in packages.values() for name in names]
    equal(len(all_files), len(set(all_files)), "files that are in two packages")
    left_out = installed() - set(all_files)
    equal({name for name in left_out if not re.search(
        r"systemd|sysusers|dracut|initramfs|usr/lib/pvtools/|60-pvtools-agent|agent-drivers", name)}, set(),
          "left out for no reason")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
