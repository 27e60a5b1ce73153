#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a process of pvtools-vmm has: descriptors, limits, filters of its threads; and a
guest's memory in huge pages. The devices' own tests show that the filters let pass what
they need, and tests/unit/test-vmm-sandbox.c what they do not."""

import contextlib
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import nested
import tap
import vhostuser
from tap import Skip, check, equal, note
from test_vmm import connect_qmp

NOBODY = 65534
CAP_SYS_PTRACE = 19
MIB = 1 << 20
POOL = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def needs(kvm=False):
    capable = int(status("self")["CapEff"], 16) >> CAP_SYS_PTRACE & 1
    if os.geteuid() != 0 or not capable or platform.machine() != "x86_64":
        raise Skip("to look into the process takes root with CAP_SYS_PTRACE, and x86-64")
    if kvm and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")


def wait_for(condition, what):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        check(time.monotonic() < deadline, f"{what} did not come")
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def running(*words, **keywords):
    process = subprocess.Popen([str(word) for word in words], **keywords)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def status(pid, thread=None):
    path = f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status"
    return dict(re.findall(r"^(\w+):\s*(.*)$", pathlib.Path(path).read_text(), re.M))


def limit(pid, name):
    """Soft and hard."""
    text = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return tuple(re.search(rf"^{name} +(\S+) +(\S+)", text, re.M).groups())


def descriptors(pid):
    return [os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]


def filtered(pid):
    """The main thread: the last one to get one."""
    return status(pid)["Seccomp"] == "2"


def test_what_a_device_has():
    """It comes with a pipe that nobody names and a socket that somebody does."""
    needs()
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "net.sock"
        theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        end, given = os.pipe()
        with running(vhostuser.find_vmm(), "device", "net", "--socket", path, "--socket-fd", theirs.fileno(),
                     pass_fds=(given, theirs.fileno())) as process:
            os.close(given)
            wait_for(path.exists, "the socket")
            equal(os.read(end, 1), b"", "the pipe, when nobody has it any more")
            check(f"socket:[{os.fstat(theirs.fileno()).st_ino}]" in descriptors(process.pid),
                  descriptors(process.pid))
            wait_for(lambda: filtered(process.pid), "the filter")
            equal(status(process.pid)["NoNewPrivs"], "1", "no new privileges")
            soft, hard = limit(process.pid, "Max open files")
            equal(soft, hard, "descriptors")
            check(256 < int(hard) < 1024, hard)
            note(f"{hard} descriptors")
            soft, hard = limit(process.pid, "Max data size")
            equal(soft, hard, "memory")
            check(128 * MIB <= int(hard) < 512 * MIB, hard)
            note(f"{int(hard) // MIB} MiB of its own")
        os.close(end)
        theirs.close()
        ours.close()


def test_nobody_looks_into_it():
    needs()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        directory.chmod(0o777)
        binary = directory / "vmm"
        shutil.copy(vhostuser.find_vmm(), binary)
        path = directory / "rng.sock"
        with running(binary, "device", "rng", "--socket", path, user=NOBODY, group=NOBODY,
                     extra_groups=[]) as process:
            wait_for(path.exists, "the socket")
            wait_for(lambda: filtered(process.pid), "the filter")
            done = subprocess.run(["cat", f"/proc/{process.pid}/maps"], user=NOBODY, group=NOBODY, extra_groups=[],
                                  capture_output=True, text=True, timeout=60, check=False)
            check(done.returncode != 0 and "Permission denied" in done.stderr, f"{done.stdout}{done.stderr}")


def threads(pid):
    """How many filters each has, also those of the kernel; workers of one device have one name."""
    return {status(pid, task.name)["Name"]: int(status(pid, task.name).get("Seccomp_filters", 0))
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def test_threads_have_filters_of_their_own():
    """One for all and one of its own, once it has done something: here it resets for ever."""
    needs(kvm=True)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        payload = nested.build_payload(directory / "board.elf")
        with running(vhostuser.find_vmm(), "run", "--kernel", payload, "--append", "check", "--memory", "16",
                     "--rng=transport=pci", "--serial", directory / "out", "--qmp", directory / "qmp") as process:
            monitor = connect_qmp(directory / "qmp")
            equal(monitor.command("query-status")["status"], "running", "status")
            monitor.close()
            if "Seccomp_filters" not in status(process.pid):
                raise Skip("this kernel does not count filters")
            around = int(status("self")["Seccomp_filters"])
            wanted = dict.fromkeys(("pvtools-vmm", "vcpu-0", "control", "rng-0"), around + 2)
            wait_for(lambda: threads(process.pid).items() >= wanted.items(), f"{wanted}")
            check(not [link for link in descriptors(process.pid) if link in ("/dev/kvm", "/memfd:guest-ram (deleted)")],
                  descriptors(process.pid))
            process.send_signal(signal.SIGTERM)
            equal(process.wait(60), 0, "the end")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(path, words, family=socket.AF_UNIX):
    """To somebody who may hang up."""
    with socket.socket(family) as peer:
        peer.settimeout(60)
        peer.connect(path if family == socket.AF_INET else str(path))
        with contextlib.suppress(OSError):
            peer.sendall(words)


def command_all(monitor, directory, disk):
    """Each command that makes a thread do something, with and without success."""
    known = {entry["name"] for entry in monitor.command("query-commands")}
    for name in sorted(known):
        if name.startswith(("query-", "x-query-")):
            monitor.command(name)
    path = "/machine/peripheral/balloon0"
    for name, words in (
            ("block_resize", {"device": "drive0", "size": 2 * MIB}),
            ("blockdev-snapshot-sync", {"device": "drive0", "snapshot-file": f"{directory}/copy", "format": "raw"}),
            ("balloon", {"value": 8 * MIB}), ("qom-list", {"path": "/machine/peripheral"}),
            ("qom-set", {"path": path, "property": "guest-stats-polling-interval", "value": 1}),
            ("qom-get", {"path": path, "property": "guest-stats"}),
            ("set_link", {"name": "net0", "up": False}), ("set_link", {"name": "net0", "up": True}),
            ("announce-self", {}), ("x-set-vm-generation-id", {"guid": "auto"}),
            ("x-net-policy", {"name": "net0", "policy": "tx-bits=1M;bind-mac=on"}),
            ("qom-set", {"path": "/machine/peripheral/port0", "property": "name", "value": "another"}),
            ("x-net-policy", {"name": "net1", "policy": ""}), ("inject-nmi", {}), ("stop", {}), ("cont", {}),
            ("system_powerdown", {}), ("system_reset", {})):
        monitor.command(name, **words)
    for name, words in (
            ("block_resize", {"device": "drive1", "size": 64 * MIB}),
            ("block_resize", {"device": "drive0", "size": 1 << 62}),
            ("blockdev-snapshot-sync", {"device": "drive0", "snapshot-file": f"{directory}/no/copy", "format": "raw"}),
            ("blockdev-snapshot-sync", {"device": "drive0", "snapshot-file": str(disk), "format": "raw"}),
            ("x-net-policy", {"name": "net0", "policy": "colour=red"}), ("quit_now", {}), ("transaction", {})):
        try:
            monitor.command(name, **words)
        except RuntimeError:
            continue
        raise AssertionError(f"{name} {words} was not refused")


def test_everything_at_once():
    """Every device and every command, while the machine resets again and again: nothing is
    refused, and all of it is taken apart at the end."""
    needs(kvm=True)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        payload = nested.build_payload(directory / "board.elf")
        for disk in ("one", "two"):
            (directory / disk).write_bytes(bytes(MIB))
        port = free_port()
        process = subprocess.Popen(
            [vhostuser.find_vmm(), "run", "--kernel", payload, "--append", "check", "--memory", "16", "--cpus", "2",
             "--rng=transport=pci", "--disk", f"file={directory}/one,aio=io_uring,queues=2", "--disk",
             f"file={directory}/two,readonly=on,transport=mmio", "--balloon=free-page-reporting=on",
             "--net", f"local={directory}/a,peer={directory}/b,policy=rx-bits=1M",
             *(("--net", f"user,hostfwd=tcp:127.0.0.1:{port}-:7") if user_network() else
               ("--net", f"local={directory}/c,peer={directory}/d")),
             "--vsock", f"cid=9,socket={directory}/v", "--port", f"name={directory}/port",
             "--shared-page", directory / "page", "--vmgenid", "auto", "--pvpanic-pci", "--agent", "--audit=/dev/null",
             "--serial", directory / "out", "--qmp", directory / "qmp"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            monitor = connect_qmp(directory / "qmp")
            command_all(monitor, directory, directory / "one")
            monitor.close()  # who does not read all those resets is let go
            say(directory / "port", b"hello")
            say(directory / "v", b"CONNECT 5\n")
            say(directory / "v", b"nonsense\n")
            if user_network():
                say(("127.0.0.1", port), b"hello", socket.AF_INET)
            before = (directory / "out").read_text().count("\n")
            wait_for(lambda: (directory / "out").read_text().count("\n") > before + 3, "more lives")
            monitor = connect_qmp(directory / "qmp")
            monitor.command("quit")
            monitor.close()
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        equal((process.returncode, out), (0, ""), error)
        check("sandbox" not in error, error)
        equal((directory / "one").stat().st_size, 2 * MIB, "the disk that grew")


def user_network():
    """Whether it was built in."""
    done = subprocess.run([vhostuser.find_vmm(), "device", "net", "--socket", "/", "--user"],
                          capture_output=True, text=True, timeout=60, check=False)
    return "without libslirp" not in done.stderr


@contextlib.contextmanager
def huge_pages(n):
    """As many of 2 MiB in the host's pool, if it has them."""
    pool = POOL / "nr_hugepages"
    before = int(pool.read_text()) if os.access(pool, os.W_OK) else 0
    try:
        try:
            pool.write_text(str(before + n))
        except OSError as error:
            raise Skip(f"no huge pages: {error}") from error
        if int(pool.read_text()) < before + n:
            raise Skip("this host has not so many huge pages")
        yield
    finally:
        with contextlib.suppress(OSError):
            pool.write_text(str(before))


def test_huge_pages():
    needs(kvm=True)
    with tempfile.TemporaryDirectory() as name, huge_pages(8):
        directory = pathlib.Path(name)
        payload = nested.build_payload(directory / "board.elf")
        free = int((POOL / "free_hugepages").read_text()) - int((POOL / "resv_hugepages").read_text())
        done = subprocess.run([vhostuser.find_vmm(), "run", "--kernel", payload, "--memory", str(2 * free + 2),
                               "--hugepages"], capture_output=True, text=True, timeout=60, check=False)
        check(done.returncode == 1 and "hugepages: Cannot allocate memory" in done.stderr, done.stderr)
        done = subprocess.run([vhostuser.find_vmm(), "run", "--kernel", payload, "--memory", "15",
                               "--hugepages=2M"], capture_output=True, text=True, timeout=60, check=False)
        check(done.returncode == 1 and "hugepages: Invalid argument" in done.stderr, done.stderr)
        out = directory / "out"
        with running(vhostuser.find_vmm(), "run", "--kernel", payload, "--append", "check", "--memory", "16",
                     "--hugepages", "--rng=transport=pci", "--serial", out) as process:
            # It resets again and again, and the memory is as in the beginning each time.
            wait_for(lambda: out.exists() and out.read_text().count("\n") >= 5, "lives")
            smaps = pathlib.Path(f"/proc/{process.pid}/smaps").read_text()
            part = smaps[smaps.index("guest-ram"):]
            equal(re.search(r"^KernelPageSize: +(\d+) kB", part, re.M).group(1), "2048", "pages")
            note(re.search(r"^Private_Hugetlb:.*", part, re.M).group(0))
            process.send_signal(signal.SIGTERM)
            equal(process.wait(60), 0, "the end")
        equal(set(out.read_text().split("\n")[:-1]), {"ABCd"}, "what it says each time")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
