#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""install.sh into images: exit codes, manifest, rollback, and being killed at any moment.

The same script in a running guest: tests/guest/test_packages_tarball.py.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import tap
import tarball
from agent import find_agent
from tap import check, equal, note

WORK = pathlib.Path(tempfile.mkdtemp(prefix="pvt-installer-"))


def archive(name="first"):
    """An unpacked archive; what is called otherwise has another program."""
    place = WORK / name
    if place.exists():
        return place
    made = tarball.make(find_agent(), WORK / f"made-{name}", "" if name == "first" else name)
    place.mkdir()
    subprocess.run(["tar", "-xzf", made, "-C", place, "--strip-components=1"], check=True)
    return place


def image(name, init="systemd"):
    root = WORK / "images" / name
    (root / "usr").mkdir(parents=True)
    (root / "etc").mkdir()
    if init == "systemd":
        (root / "usr/lib/systemd").mkdir(parents=True)
        (root / "usr/lib/systemd/systemd").write_text("#!/bin/sh\n")
        (root / "usr/lib/systemd/systemd").chmod(0o755)
    elif init == "openrc":
        (root / "sbin").mkdir()
        (root / "sbin/openrc-run").write_text("#!/bin/sh\n")
        (root / "sbin/openrc-run").chmod(0o755)
    return root


def install(root, *options, code=0, source=None, path=None):
    env = dict(os.environ, LC_ALL="C")
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    done = subprocess.run(["sh", str((source or archive()) / "install.sh"), *options, "--destdir", str(root)],
                          capture_output=True, text=True, check=False, timeout=120, env=env)
    if code is not None:
        equal(done.returncode, code, f"{options}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def tree(root):
    """{path: (mode, sum)} of everything in an image."""
    found = {}
    for path in sorted(root.rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (path.stat().st_mode, hashlib.sha256(data).hexdigest())
    return found


def test_the_archive_is_the_same_every_time():
    sums = []
    for name in ("one", "another"):
        made = tarball.make(find_agent(), WORK / name)
        sums.append(hashlib.sha256(made.read_bytes()).hexdigest())
    equal(sums[0], sums[1], "archive")


def test_dry_run_and_check_touch_nothing():
    root = image("dry")
    before = tree(root)
    text = install(root, "--dry-run")
    check("would create" in text and "/usr/local/sbin/pvtools-agent" in text, text)
    install(root, "--check")
    equal(tree(root), before, "the image")


def test_install_and_uninstall():
    root = image("plain")
    before = tree(root)
    install(root, "--prefix", "/opt/pvt")
    unit = (root / "etc/systemd/system/pvtools-agent.service").read_text()
    check("ExecStart=/opt/pvt/sbin/pvtools-agent\n" in unit, unit)
    program = root / "opt/pvt/sbin/pvtools-agent"
    check("pvtools-agent" in subprocess.run([program, "--version"], capture_output=True, text=True,
                                            check=True).stdout, "the program runs")
    manifest = (root / "opt/pvt/lib/pvtools-agent/manifest").read_text().splitlines()
    listed = {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in manifest}
    files = {"/" + name: value for name, value in tree(root).items()
             if (root / name).is_file() and name not in before and not name.endswith("/manifest")}
    equal({name: value[1] for name, value in files.items()}, listed, "manifest")
    install(root, "--prefix", "/opt/pvt", "--uninstall")
    equal({name for name in tree(root) if (root / name).is_file()},
          {name for name in before if (root / name).is_file()}, "files left")
    install(root, "--prefix", "/opt/pvt", "--uninstall", code=8)


def test_openrc_and_a_changed_setting():
    root = image("openrc", "openrc")
    install(root)
    check("pvtools-agent" in (root / "etc/init.d/pvtools-agent").read_text(), "script")
    check("${PVT_AGENT:-/usr/local/sbin/pvtools-agent}" in (root / "etc/init.d/pvtools-agent").read_text(), "path")
    setting = root / "etc/conf.d/pvtools-agent"
    setting.write_text('PVT_ARGS="--profile monitor"\n')
    check("was changed and stays" in install(root), "told")
    equal(setting.read_text(), 'PVT_ARGS="--profile monitor"\n', "the setting")
    install(root)
    equal(setting.read_text(), 'PVT_ARGS="--profile monitor"\n', "the setting, after two")
    install(root, "--uninstall")
    check(setting.exists() and not (root / "etc/init.d/pvtools-agent").exists(), "uninstalled")


def test_exit_codes():
    install(image("code2"), "--nonsense", code=2)
    install(image("code2b"), "--prefix", "relative", code=2)
    install(WORK / "nowhere", code=2)
    install(image("code4", init=None), code=4)
    install(image("code8"), "--uninstall", code=8)
    for change in ("pvtools-agent", "pvtools-agent.service", "SHA256SUMS"):
        damaged = WORK / f"damaged-{change}"
        shutil.copytree(archive(), damaged)
        if change == "SHA256SUMS":
            lines = (damaged / change).read_text().splitlines(keepends=True)
            (damaged / change).write_text("".join(line for line in lines if "install.sh" not in line))
        else:
            data = bytearray((damaged / change).read_bytes())
            data[len(data) // 2] ^= 1
            (damaged / change).write_bytes(data)
        root = image(f"code7-{change}")
        before = tree(root)
        install(root, code=7, source=damaged)
        equal(tree(root), before, "nothing was touched")
    truncated = WORK / "truncated"
    shutil.copytree(archive(), truncated)
    os.truncate(truncated / "pvtools-agent", 1000)
    install(image("code7t"), code=7, source=truncated)
    tools = WORK / "tools6"
    tools.mkdir()
    (tools / "df").write_text("#!/bin/sh\necho head\necho x 100 98 2 98% /\n")
    (tools / "df").chmod(0o755)
    check("are free" in install(image("code6"), code=6, path=tools), "no room")


def test_a_failure_is_undone():
    root = image("undone")
    # Where a directory has to be there is a file: the third target fails.
    (root / "etc/udev").write_text("in the way\n")
    before = tree(root)
    install(root, code=1)
    after = tree(root)
    equal({name for name in after if (root / name).is_file()}, {name for name in before if (root / name).is_file()},
          "files")


def test_a_failed_upgrade_leaves_the_old_one():
    root = image("upgrade")
    install(root)
    before = tree(root)
    rules = root / "etc/udev/rules.d/60-pvtools-agent.rules"
    tools = failing_mv(WORK / "tools1", 3, "exit 1")
    install(root, code=1, source=archive("second"), path=tools)
    equal(tree(root), before, "the old installation")
    check(rules.exists(), "rules")
    install(root, source=archive("second"))
    check(tree(root) != before, "upgraded")


def failing_mv(directory, number, action):
    """A mv that does something else the @number-th time."""
    directory.mkdir()
    real = shutil.which("mv")
    (directory / "mv").write_text(
        f"#!/bin/sh\nn=$(($(cat {directory}/count 2>/dev/null || echo 0) + 1))\necho $n > {directory}/count\n"
        f"if [ $n -eq {number} ]; then {action}; fi\nexec {real} \"$@\"\n")
    (directory / "mv").chmod(0o755)
    return directory


def test_killed_at_any_moment():
    """After SIGKILL before or after any rename each file is a whole old or new one,
    and the next installation goes through."""
    old, new = image("old"), image("new")
    install(old)
    install(new)
    install(new, source=archive("second"))
    states = [tree(old), tree(new)]
    names = set(states[0])
    moments = 0
    for when in ("kill -9 $PPID; exit 1", f"{shutil.which('mv')} \"$@\"; kill -9 $PPID; exit 1"):
        for number in range(1, 30):
            root = pathlib.Path(tempfile.mkdtemp(prefix="killed-", dir=WORK / "images")) / "root"
            shutil.copytree(old, root, symlinks=True)
            tools = failing_mv(root.parent / "tools", number, when)
            install(root, code=None, source=archive("second"), path=tools)
            if int((tools / "count").read_text()) < number:
                break
            moments += 1
            check_whole(root, states, names)
            install(root, source=archive("second"))
            equal(tree(root), states[1], "after the next installation")
    check(moments >= 20, f"only {moments} moments")
    note(f"killed at {moments} moments")


def check_whole(root, states, names):
    now = tree(root)
    for name in names:
        check(name in now, f"{name} is missing")
        if (root / name).is_file() and not name.endswith("/manifest"):
            check(now[name] in [state[name] for state in states], f"{name} is neither old nor new")
    extra = {name for name in set(now) - names if not re.search(r"\.pvt-(new|old)$|/journal$", name)}
    equal(extra, set(), "what nobody knows")


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        shutil.rmtree(WORK)
