#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian packages as files: built twice, looked into, unpacked, used."""

import hashlib
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import debs
import tap
from tap import check, equal, note

PACKAGES = ["gir1.2-pvtools-1", "libpvtools-dev", "libpvtools0", "pvtools", "pvtools-agent",
            "pvtools-agent-drivers", "pvtools-doc", "pvtools-exporter", "pvtools-vmm"]


def run(*words, code=0, **keywords):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False,
                          timeout=600, **keywords)
    equal(done.returncode, code, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def contents(package):
    return {line.split(None, 5)[5].split(" -> ")[0].removeprefix("."): line.split()[0]
            for line in run("dpkg-deb", "-c", debs.deb(package)).splitlines()}


def names(depends):
    return {re.split(r"[ (]", part.strip())[0] for part in depends.split(",")}


def test_every_package_is_built():
    built = {path.name.split("_")[0] for path in debs.directory().glob("*.deb")}
    equal(sorted(name for name in built if not name.endswith("-dbgsym")), PACKAGES, "packages")


def test_another_path_gives_the_same_bytes():
    with tempfile.TemporaryDirectory(prefix="another-place-to-build-in-") as place:
        work, output = pathlib.Path(place) / "deeper/work", pathlib.Path(place) / "output"
        work.mkdir(parents=True)
        old = os.umask(0o077)
        try:
            debs.build(output, TMPDIR=str(work), TZ="Asia/Kathmandu", LC_ALL="C.UTF-8", HOME=str(work))
        finally:
            os.umask(old)
        first = {path.name: path for path in debs.directory().glob("*.deb")}
        second = {path.name: path for path in output.glob("*.deb")}
        equal(sorted(first), sorted(second), "packages")
        for name, path in sorted(first.items()):
            got = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, second[name])]
            equal(got[0], got[1], name)
            note(f"{got[0][:16]} {name}")


def test_lintian_is_content():
    changes = next(debs.directory().glob("*.changes"))
    text = run("lintian", "--pedantic", "--fail-on", "error,warning,info,pedantic", "--allow-root", changes)
    check(not re.search(r"^[EWIPN]:", text, re.M), text)


def test_overrides_are_explained():
    for path in (debs.TREE / "packaging/debian").glob("*.lintian-overrides"):
        lines = path.read_text().splitlines()
        for above, line in zip(["", *lines], lines):
            check(line.startswith("#") or above.startswith("#"), f"{path.name}: {line}")


def test_the_agent_costs_no_more_than_qemu_ga():
    agent = debs.deb("pvtools-agent")
    other = run("dpkg-query", "-W", "-f", "${Installed-Size}\n${Depends}\n${Conffiles}", "qemu-guest-agent")
    size, depends = other.splitlines()[:2]
    ours = int(debs.field(agent, "Installed-Size"))
    note(f"installed size {ours} kB, qemu-guest-agent {size} kB")
    note(f"depends on {debs.field(agent, 'Depends')}; qemu-guest-agent on {depends}")
    check(ours <= int(size), (ours, size))
    check(names(debs.field(agent, "Depends")) <= names(depends), debs.field(agent, "Depends"))
    for field in ("Provides", "Conflicts", "Replaces"):
        equal(debs.field(agent, field), "qemu-guest-agent", field)


def test_the_agents_files_are_where_they_are_looked_for():
    files = contents("pvtools-agent")
    unit = [name for name in files if name.endswith("/systemd/system/pvtools-agent.service")]
    rules = [name for name in files if name.endswith("/udev/rules.d/60-pvtools-agent.rules")]
    check(len(unit) == len(rules) == 1, files)
    check(unit[0].startswith(("/lib/", "/usr/lib/")), unit)
    for name in ("hooks/mariadb", "hooks/postgresql", "hooks/README.md", "systemd/monitor.conf"):
        check(f"/usr/share/doc/pvtools-agent/examples/{name}" in files, name)
    check("x" in files["/usr/share/doc/pvtools-agent/examples/hooks/mariadb"], "an executable hook")
    check("/etc/pvtools/hooks.d/" in files, "hooks.d")
    check("/etc/pvtools/agent.conf" not in files, "it would hide an existing /etc/qemu/qemu-ga.conf")


def test_the_example_configuration_is_one():
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        unpack(place, "pvtools-agent")
        example = (place / "usr/share/doc/pvtools-agent/examples/agent.conf").read_text()
        keys = re.findall(r"^#([a-z-]+)=", example, re.M)
        (place / "agent.conf").write_text(re.sub(r"^#(?=[a-z-]+=|\[)", "", example, flags=re.M))
        dump = run(place / "usr/sbin/pvtools-agent", "-c", place / "agent.conf", "-D")
        for key in keys:
            check(key == "blacklist" or re.search(rf"^{key}=", dump, re.M), f"{key} is not in {dump}")
        check("[channel vsock]" in dump, dump)


def test_the_pages_are_sound():
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        unpack(place, "pvtools-agent", "pvtools", "pvtools-agent-drivers", "pvtools-exporter", "pvtools-vmm")
        pages = sorted(place.glob("usr/share/man/man?/*.gz"))
        equal([page.name for page in pages], ["pvtools-exporter.1.gz", "pvtools-vmm.1.gz", "pvtools.1.gz",
                                              "pvtools-agent.conf.5.gz", "pvtools-agent-drivers.7.gz",
                                              "pvtools-hooks.7.gz", "pvtools-agent.8.gz"], "pages")
        for page in pages:
            run("mandoc", "-T", "lint", "-W", "warning", page)
        text = run("sh", "-c", f"mandoc -T ascii {pages[2]} | col -bx")
        for verb in ("ping", "info", "snapshot"):
            check(re.search(rf"^ +{verb} GUEST", text, re.M), verb)
        check(re.search(r"^ +4 +timed out$", text, re.M), "exit codes")


def test_the_exporter_has_a_user_and_a_service():
    files = contents("pvtools-exporter")
    check("/etc/default/pvtools-exporter" in files and "/usr/lib/sysusers.d/pvtools-exporter.conf" in files, files)
    check("/usr/share/doc/pvtools-exporter/examples/prometheus.yml" in files, files)
    with tempfile.TemporaryDirectory() as place:
        run("dpkg-deb", "-e", debs.deb("pvtools-exporter"), place)
        script = (pathlib.Path(place) / "postinst").read_text()
        check("systemd-sysusers" in script and "deb-systemd-invoke" in script, script)
        check(script.index("systemd-sysusers") < script.index("deb-systemd-invoke"), "the user comes first")


def test_the_drivers_are_made_part_of_the_next_boot():
    files = contents("pvtools-agent-drivers")
    check("x" in files["/usr/share/initramfs-tools/hooks/pvtools"], "the hook can be run")
    with tempfile.TemporaryDirectory() as place:
        run("dpkg-deb", "-e", debs.deb("pvtools-agent-drivers"), place)
        check("update-initramfs" in (pathlib.Path(place) / "triggers").read_text(), "the image is made anew")
        script = (pathlib.Path(place) / "postinst").read_text()
        # Enabled again on an upgrade where it was before; never by the package.
        enables = re.findall(r"deb-systemd-helper (?:--quiet )?(\S+) 'pvtools-grow-root", script)
        check(enables and enables.index("was-enabled") < enables.index("enable"), script)
        check("debian-installed" in script, "the root grows only where somebody wants it")


def test_maintainer_scripts_start_and_stop_the_service():
    with tempfile.TemporaryDirectory() as place:
        run("dpkg-deb", "-e", debs.deb("pvtools-agent"), place)
        for name, word in (("postinst", "restart"), ("prerm", "stop")):
            script = pathlib.Path(place) / name
            check(f"deb-systemd-invoke {word} pvtools-agent.service" in script.read_text(), name)
            run("sh", "-n", script)


def test_the_api_can_be_read():
    """Every class and function of the introspection data has a page, and devhelp finds them."""
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        unpack(place, "pvtools-doc", "libpvtools-dev")
        pages = place / "usr/share/doc/pvtools-1"
        gir = (place / "usr/share/gir-1.0/Pvt-1.gir").read_text()
        for kind in ("class", "record"):
            for found in re.findall(rf'<{kind} name="(\w+)"', gir):
                if not found.endswith("Class"):
                    check((pages / f"{'struct' if kind == 'record' else kind}.{found}.html").exists(), found)
        text = (pages / "method.Client.guest_get_osinfo.html").read_text()
        for word in ("pvt_client_guest_get_osinfo", "guest-get-osinfo", "illiseconds"):
            check(word in text, word)
        check("pkg-config" in (pages / "getting-started.html").read_text(), "getting started")
        check('name="pvt_client_guest_get_osinfo"' in (pages / "pvtools-1.devhelp2").read_text(), "devhelp")
        check("guest_get_osinfo" in (pages / "index.json").read_text(), "what is searched in")
        check((place / "usr/share/devhelp/books/pvtools-1").is_symlink(), "where devhelp looks")


def unpack(place, *packages):
    for package in packages:
        run("dpkg-deb", "-x", debs.deb(package), place)


def test_a_program_builds_and_runs_with_the_dev_package():
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        unpack(place, "libpvtools-dev", "libpvtools0", "pvtools-doc", "pvtools")
        libraries = next(place.glob("usr/lib/*/libpvtools.so")).parent
        env = dict(os.environ, PKG_CONFIG_PATH=str(libraries / "pkgconfig"), LD_LIBRARY_PATH=str(libraries))
        pc = libraries / "pkgconfig/pvtools-1.pc"
        pc.write_text(pc.read_text().replace("prefix=/usr", f"prefix={place}/usr"))
        flags = run("pkg-config", "--cflags", "--libs", "pvtools-1", env=env)
        example = place / "usr/share/doc/pvtools/examples/example.c"
        run("gcc", "-Wall", "-Werror", "-o", place / "example", example, *shlex.split(flags))
        check("pvtools" in run(place / "usr/bin/pvtools", "--version", env=env), "version")
        done = subprocess.run([place / "example", "unix:/nonexistent"], env=env, capture_output=True,
                              text=True, check=False)
        check(done.returncode == 1 and "nonexistent" in done.stderr, done)


def test_python_reads_the_typelib():
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        unpack(place, "gir1.2-pvtools-1", "libpvtools0")
        libraries = next(place.glob("usr/lib/*/libpvtools.so.0")).parent
        env = dict(os.environ, LD_LIBRARY_PATH=str(libraries),
                   GI_TYPELIB_PATH=str(libraries / "girepository-1.0"))
        program = ("import gi; gi.require_version('Pvt', '1'); from gi.repository import Pvt, GLib\n"
                   "try: Pvt.Client.connect('unix:/nonexistent', 100, None)\n"
                   "except GLib.Error as error: print(error.message)")
        check("nonexistent" in run("/usr/bin/python3", "-c", program, env=env), "an error from Python")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
