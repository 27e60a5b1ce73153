# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian guest with the distribution's qemu-guest-agent, and a disk of packages.

qemu-guest-agent is installed by dpkg in the guest itself at its first boot. The
disk with the packages is read-only and mounted at /debs.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import base
import cache
import debian
import shell
from vm import VM
from wire import AgentError

FILES = debian.FILES
# What it needs and the base root has not.
STOCK = ["qemu-guest-agent", "libnuma1", "liburing2"]


def apt_get(place, *words):
    done = subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *words], cwd=place,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"apt-get {words[-1]}: {done.stderr[-2000:]}")


def download(target):
    target.mkdir()
    if not base.is_other():
        apt_get(target, "download", *STOCK)
        return
    with tempfile.TemporaryDirectory(prefix="pvt-apt-") as name:
        place = pathlib.Path(name)
        for folder in ("lists/partial", "cache/archives/partial", "parts"):
            (place / folder).mkdir(parents=True)
        for source in base.sources():
            shutil.copy(source, place / "parts")
        options = [word for setting in (f"Dir::State::Lists={place}/lists", f"Dir::Cache={place}/cache",
                                        "Dir::Etc::SourceList=/dev/null", f"Dir::Etc::SourceParts={place}/parts",
                                        "Acquire::Languages=none")
                   for word in ("-o", setting)]
        apt_get(target, *options, "update")
        apt_get(target, *options, "download", *STOCK)


def stock_debs():
    return sorted(cache.make(base.kind("stockdebs"), cache.key(*STOCK, base.root().name), download).glob("*.deb"))


def image():
    """The disk of debian.py without an agent, with the unit of the first boot."""
    files = {"/usr/local/sbin/pvt-test-debs": (FILES / "test-debs", 0o755),
             "/etc/systemd/system/pvt-test-debs.service": (FILES / "test-debs.service", 0o644)}
    disk = cache.make(base.kind("disk"), cache.key(base.root().name, debian.SIZE), debian.make_disk)
    name = cache.key(disk.name, *(source for source, _ in files.values()))

    def build(target):
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(disk), str(target)], check=True)
        lines = []
        for path, (source, mode) in files.items():
            lines += [f"write {source} {path}", f"set_inode_field {path} mode 0{0o100000 | mode:o}"]
        wants = "/etc/systemd/system/multi-user.target.wants"
        lines.append(f"symlink {wants}/pvt-test-debs.service /etc/systemd/system/pvt-test-debs.service")
        with tempfile.NamedTemporaryFile("w", suffix=".debugfs") as script:
            script.write("\n".join(lines) + "\n")
            script.flush()
            done = subprocess.run(["debugfs", "-w", "-f", script.name, str(target)],
                                  capture_output=True, text=True, check=True)
        bad = [line for line in done.stderr.splitlines() if not re.match(r"debugfs 1", line)]
        if bad:
            raise RuntimeError("debugfs: " + "; ".join(bad))

    return cache.make(base.kind("stock"), name, build)


def package_disk(target, folders):
    """An ext4 image; @folders: {folder: files that go there}."""
    with tempfile.TemporaryDirectory(prefix="pvt-debs-") as name:
        place = pathlib.Path(name)
        for folder, files in folders.items():
            (place / folder).mkdir()
            for path in files:
                shutil.copy(path, place / folder)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", "-d", str(place), str(target), "64M"],
                       check=True, capture_output=True)


def add_packages(vm, folders):
    """package_disk() as a disk of a machine that has not begun."""
    path = vm.directory / "debs.img"
    package_disk(path, folders)
    vm.arguments += ["-drive", f"file={path},if=none,id=debs,format=raw,readonly=on",
                     "-device", "virtio-blk-pci,drive=debs,serial=debs"]


def machine(folders, overlay=None, **keywords):
    """A VM; the packages of @folders are in it at /debs/FOLDER. With an @overlay, a qcow2
    file, what it writes stays there."""
    kernel, initrd, _ = base.kernel()
    if overlay:
        vm = VM(kernel, initrd, append="root=/dev/vda rw", **keywords)
        vm.arguments += ["-drive", f"file={overlay},if=none,id=root,format=qcow2",
                         "-device", "virtio-blk-pci,drive=root,serial=pvtroot"]
    else:
        vm = VM(kernel, initrd, image(), **keywords)
    add_packages(vm, {"stock": stock_debs(), **folders})
    return vm


def start(line, script):
    """A shell script, begun by any agent: qemu-ga 7.2 cannot merge outputs itself."""
    return line.ask("guest-exec", path="/bin/sh", arg=["-c", "exec 2>&1\n" + script],
                    **{"capture-output": True})["pid"]


def sh(line, script, timeout=120, code=0):
    """Output of a script, which must end with that code."""
    got, text = shell.finish(line, start(line, "set -e\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + script),
                             timeout)
    if got != code:
        raise AssertionError(f"ended with {got}:\n{script}\n{text}")
    return text


class Guest:
    """One guest of a whole test program, driven through whichever agent answers."""

    patience = 420  # seconds that a boot may take

    def __init__(self, folders):
        """@folders(): what goes to /debs, see machine()."""
        self.folders, self.machine, self.jobs = folders, None, 0

    def vm(self):
        if not self.machine:
            vm = machine(self.folders(), devices=["-device", "pcie-root-port,id=rp1,chassis=1"])
            self.machine = vm.__enter__()
            vm.wait_agent(self.patience)
        return self.machine

    def close(self):
        """At the end of the program: shows the console when a test has failed."""
        failed = getattr(sys.exc_info()[1], "code", 1)
        if self.machine:
            self.machine.__exit__(ValueError if failed else None, None, None)

    def line(self, timeout=60):
        """A connection behind whatever a former one left."""
        line = self.vm().line(timeout=timeout)
        line.sync(int(time.monotonic() * 1e6) | 1)
        return line

    def run(self, script, timeout=180, code=0):
        with self.line(timeout) as line:
            return sh(line, script, timeout, code)

    def patiently(self, script, timeout=300):
        """The output of a script that may be run twice, through agents that come and go."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.run(script, timeout=30)
            except (TimeoutError, EOFError, OSError, AgentError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    def launch(self, name):
        """What begins a job: as a unit of its own."""
        return f"systemd-run --quiet --collect --no-block --unit={name} /bin/sh /root/{name}"

    def start_job(self, script):
        """Begins a script, which outlives the agent that was asked; its name."""
        self.jobs += 1
        name = f"pvt-job-{self.jobs}"
        body = ("export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
                f"(set -e\n{script}\n) > /root/{name}.log 2>&1; echo $? > /root/{name}.rc")
        self.run(f"cat > /root/{name} <<'END'\n{body}\nEND\n{self.launch(name)}")
        return name

    def wait_job(self, name, timeout=600):
        """Asks until it has ended, through agents that come and go; what it printed."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                with self.line(10) as line:
                    code = sh(line, f"cat /root/{name}.rc 2>/dev/null || true", 20).strip()
                    if code:
                        log = sh(line, f"cat /root/{name}.log")
                        break
            except (TimeoutError, EOFError, OSError, AgentError):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} did not end")
            time.sleep(0.3)
        if code != "0":
            raise AssertionError(f"{name} ended with {code}: {log}")
        return log

    def job(self, script):
        return self.wait_job(self.start_job(script))

    def agent(self):
        """Which agent answers: (its program's name, its process id)."""
        pid = self.run("pidof pvtools-agent qemu-ga | tr ' ' '\\n' | sort -n | head -1").strip()
        return pathlib.Path(self.run(f"readlink /proc/{pid}/exe").strip()).name, pid

    def reboot(self):
        vm = self.vm()
        boot = self.run("cat /proc/sys/kernel/random/boot_id")
        with self.line() as line:
            line.send(line.request("guest-shutdown", mode="reboot"))
            vm.monitor.wait_event("RESET", 120)
        vm.wait_agent(self.patience)
        if self.run("cat /proc/sys/kernel/random/boot_id") == boot:
            raise AssertionError("it is the same boot")
