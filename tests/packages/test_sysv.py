#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""install.sh and the SysV script in a system of nothing but busybox: links, exit codes of
the Linux Standard Base, programs of the host's that outlive a restart, what is undone.

In a whole guest with sysvinit: tests/guest/test_packages_sysv.py.
"""

import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import tap
import tarball
from container import Container
from tap import Skip, check, equal, note
from wire import Line

WORK = pathlib.Path(tempfile.mkdtemp(prefix="pvt-sysv-"))
SCRIPT = "/etc/init.d/pvtools-agent"
SETTINGS = 'PVT_ARGS="-m unix-listen -p /run/agent.sock"\n'
# update-rc.d, chkconfig and insserv write down how they were called, and make a link.
RECORDER = ('#!/bin/sh\necho "${0##*/} $*" >> /root/called\ncase "$*" in *--del*|*remove*|-r*) rm -f /etc/rc3.d/S42pvtools-agent ;;\n'
            '*) ln -sf ../init.d/pvtools-agent /etc/rc3.d/S42pvtools-agent ;; esac\n')


def make_root(name):
    root = WORK / name
    for directory in ("bin", "sbin", "dev", "proc", "run", "tmp", "root", "var/log", "usr/sbin", "etc/init.d",
                      "etc/default", *(f"etc/rc{level}.d" for level in range(7))):
        (root / directory).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    program(root, "sbin/init", "#!/bin/sh\n")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc/default/pvtools-agent").write_text(SETTINGS)
    shutil.copytree(tarball.static(), root / "root/archive", ignore=shutil.ignore_patterns("*.tar.gz"))
    return root


def program(root, path, text):
    (root / path).write_text(text)
    (root / path).chmod(0o755)


def enter(root):
    if os.geteuid() != 0:
        raise Skip("a container needs root")
    container = Container(root)
    container.run("busybox --install -s /bin; rm -f /bin/start-stop-daemon /bin/init")
    return container


def links(root):
    return sorted(str(path.relative_to(root / "etc")) for path in root.glob("etc/rc?.d/*"))


def files(root):
    """All but what an agent leaves where it runs."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*")
                  if not path.is_dir() and path.relative_to(root).parts[0] in ("etc", "usr"))


def pid_of(container):
    return container.run("cat /run/pvtools-agent.pid").strip()


def ask(root, *words, **keywords):
    deadline = time.monotonic() + 60
    while True:
        try:
            with Line(root / "run/agent.sock", timeout=60) as line:
                line.sync()
                return line.ask(*words, **keywords)
        except OSError:
            check(time.monotonic() < deadline, "nobody listens")
            time.sleep(0.05)


def test_the_life_of_an_agent():
    root = make_root("life")
    with enter(root) as container:
        before = files(root)
        check("would create /etc/init.d/pvtools-agent" in container.run("/root/archive/install.sh --dry-run"), "dry run")
        equal(files(root), before, "nothing is touched")
        text = container.run("/root/archive/install.sh")
        check("installed, and the agent runs" in text, text)
        equal(links(root), [f"rc{level}.d/{'K10' if level in (0, 1, 6) else 'S90'}pvtools-agent" for level in range(7)],
              "links")
        check(ask(root, "guest-info")["version"], "it answers")
        pid = pid_of(container)
        container.run(f"{SCRIPT} start")
        equal(pid_of(container), pid, "no second one")
        limits(container, pid)
        survives(container, root, pid)
        container.run(f"{SCRIPT} stop")
        container.run(f"{SCRIPT} stop")
        container.run("pidof pvtools-agent", code=1)
        container.run(f"{SCRIPT} start")
        container.run("/root/archive/install.sh")
        check(ask(root, "guest-info")["version"], "installed twice")
        container.run("/usr/local/lib/pvtools-agent/install.sh --uninstall")
        container.run("pidof pvtools-agent", code=1)
        equal(files(root), before, "files")


def limits(container, pid):
    """CAP_SYS_RESOURCE, capability 24, is what not everybody has who is root in a container."""
    mine = re.search(r"^CapEff:\s*(\w+)", pathlib.Path("/proc/self/status").read_text(), re.M).group(1)
    equal(container.run(f"cat /proc/{pid}/oom_score_adj").strip(), "-900" if int(mine, 16) >> 24 & 1 else "0", "OOM score")
    text = container.run(f"cat /proc/{pid}/limits")
    check("Max data size             536870912" in text and "Max core file size        0 " in text, text)
    names = {entry.split("=")[0] for entry in container.run(f"tr '\\0' '\\n' < /proc/{pid}/environ").split()}
    equal(names, {"PATH"}, "environment")


def survives(container, root, pid):
    """What the host started goes on, and has none of the agent's limits."""
    child = ask(root, "guest-exec", path="/bin/sleep", arg=["1000"])["pid"]
    container.run(f"UNRELATED=1 {SCRIPT} restart")
    check(pid_of(container) != pid, "another agent")
    check("sleep" in container.run(f"cat /proc/{child}/cmdline"), "the host's program")
    equal(container.run(f"cat /proc/{child}/oom_score_adj").strip(), "0", "OOM score")
    container.run(f"kill {child}")


def test_exit_codes():
    root = make_root("codes")
    with enter(root) as container:
        container.run("/root/archive/install.sh")
        container.run(f"{SCRIPT} stop")
        container.run(f"{SCRIPT} status", code=3)
        container.run("echo 999999 > /run/pvtools-agent.pid")
        container.run(f"{SCRIPT} status", code=1)
        # The number is another program's by now: it is neither running nor killed.
        container.run("sleep 1000 & echo $! > /run/pvtools-agent.pid; echo $! > /root/other")
        container.run(f"{SCRIPT} status", code=1)
        container.run(f"{SCRIPT} stop")
        container.run("kill -0 $(cat /root/other)")
        container.run(f"{SCRIPT} try-restart")
        container.run("pidof pvtools-agent", code=1)
        container.run(f"{SCRIPT} start; {SCRIPT} status")
        container.run(f"{SCRIPT} force-reload; {SCRIPT} try-restart; {SCRIPT} status")
        container.run(f"su nobody -c '{SCRIPT} status'", code=4)
        container.run(f"su nobody -c '{SCRIPT} stop'", code=4)
        container.run(f"{SCRIPT} reload", code=3)
        container.run(f"{SCRIPT} nonsense", code=2)
        container.run(SCRIPT, code=2)
        container.run(f"{SCRIPT} stop; mv /usr/local/sbin/pvtools-agent /root/away")
        container.run(f"{SCRIPT} start", code=5)
        container.run(f"mv /root/away /usr/local/sbin/pvtools-agent; mkdir -p /var/lock/subsys; {SCRIPT} start")
        check((root / "var/lock/subsys/pvtools-agent").exists(), "Red Hat's lock file")
        container.run(f"echo nonsense > /etc/pvtools/agent.conf; {SCRIPT} restart", code=1)
        container.run(f"{SCRIPT} status", code=3)


def test_an_agent_that_does_not_start_is_undone():
    root = make_root("undone")
    with enter(root) as container:
        (root / "etc/pvtools").mkdir()
        (root / "etc/pvtools/agent.conf").write_text("nonsense\n")
        before = files(root)
        text = container.run("/root/archive/install.sh", code=1)
        check("undoing" in text, text)
        equal(files(root), before, "files and links")
        (root / "etc/pvtools/agent.conf").unlink()
        container.run("/root/archive/install.sh")
        equal(len(links(root)), 7, "links")
        # Of a later one only the program is new: the links are not its own to remove.
        container.run("rm /etc/rc3.d/S90pvtools-agent; echo nonsense > /etc/pvtools/agent.conf; /root/archive/install.sh",
                      code=1)
        equal(len(links(root)), 6, "somebody's choice stays")


def test_killed_between_journal_and_links():
    root = make_root("killed")
    program(root, "usr/sbin/update-rc.d", "#!/bin/sh\nln -s ../init.d/pvtools-agent /etc/rc2.d/S20pvtools-agent\nkill -9 $PPID\n")
    with enter(root) as container:
        container.run("/root/archive/install.sh", code=137)
        equal(links(root), ["rc2.d/S20pvtools-agent"], "cut off")
        (root / "usr/sbin/update-rc.d").unlink()
        text = container.run("/root/archive/install.sh")
        check("was cut off; undoing it first" in text, text)
        equal(len(links(root)), 7, "links")


def test_the_systems_own_tools_make_the_links():
    for path, made, removed in (
            ("usr/sbin/update-rc.d", "update-rc.d pvtools-agent defaults", "update-rc.d -f pvtools-agent remove"),
            ("sbin/chkconfig", "chkconfig --add pvtools-agent", "chkconfig --del pvtools-agent"),
            ("sbin/insserv", "insserv pvtools-agent", "insserv -r pvtools-agent")):
        root = make_root(path.replace("/", "-"))
        program(root, path, RECORDER)
        with enter(root) as container:
            container.run("/root/archive/install.sh")
            equal(links(root), ["rc3.d/S42pvtools-agent"], "links")
            container.run("/root/archive/install.sh")
            container.run("/usr/local/lib/pvtools-agent/install.sh --uninstall")
            equal(links(root), [], "links")
        equal((root / "root/called").read_text().splitlines(), [made, removed], "calls")


def test_into_an_image():
    """Without anything running: what install.sh of the host does to a directory."""
    root = make_root("image")
    before = files(root)
    install = root / "root/archive/install.sh"
    done = subprocess.run(["sh", install, "--destdir", root], capture_output=True, text=True, check=True)
    note(done.stdout)
    equal(len(links(root)), 7, "links")
    check("${PVT_AGENT:-/usr/local/sbin/pvtools-agent}" in (root / SCRIPT[1:]).read_text(), "the program's place")
    subprocess.run(["sh", install, "--destdir", root, "--uninstall"], capture_output=True, text=True, check=True)
    equal(files(root), before, "files")


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        shutil.rmtree(WORK)
