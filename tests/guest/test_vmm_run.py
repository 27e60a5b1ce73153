#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools-vmm run before there is a guest: options from a file, what it says when
something is missing, and its line about the agent. Everything runs on any machine; a
/dev of the test's own stands in for one without KVM."""

import os
import pathlib
import pty
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import base
import micro
import nested
import readme
import tap
import vhostuser
from tap import Skip, check, equal

SLOT = "--rng=transport=mmio"
NOBODY = 65534


def vmm(*words, timeout=60, **keywords):
    return subprocess.run([vhostuser.find_vmm(), *map(str, words)], capture_output=True, text=True,
                          timeout=timeout, check=False, **keywords)


def needs_kvm():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")


class Place:
    """A directory with the payload."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="pvt-run-"))
        self.path.chmod(0o755)
        self.payload = nested.build_payload(self.path / "board.elf")
        return self

    def __exit__(self, *_words):
        shutil.rmtree(self.path)

    def file(self, name, text):
        (self.path / name).write_text(text)
        return self.path / name


def test_config_file():
    needs_kvm()
    with Place() as place:
        config = place.file("vm.conf", f"# the board\n\nkernel = {place.payload}\n  append=check  \n"
                                       "memory = 16\nrng = transport=mmio\n")
        done = vmm("run", "--config", config)
        equal((done.returncode, done.stdout), (0, "ABCDEFGH\n"), "from the file")
        done = vmm("run", "--no-reboot", f"--config={config}", "--append", "wrong")
        equal((done.returncode, done.stdout), (3, "a\n"), "the command line wins")
        done = vmm("run", "--no-reboot", "--append", "wrong", "--config", config)
        equal((done.returncode, done.stdout), (3, "a\n"), "also when it comes first")
        serial = place.file("other.conf", f"serial = {place.path}/log\n")
        done = vmm("run", "--config", config, "--config", serial)
        equal((done.stdout, (place.path / "log").read_text()), ("", "ABCDEFGH\n"), "two files")


def test_the_readmes_file():
    """The payload is its kernel, and says that its command line is not the test's."""
    needs_kvm()
    with Place() as place:
        shutil.copy(place.payload, place.path / "vmlinuz")
        (place.path / "initrd.img").write_bytes(bytes(4096))
        (place.path / "root.img").write_bytes(bytes(1 << 20))
        place.file("vm.conf", readme.shown("cat vm.conf")[1])
        done = vmm(*readme.shown("pvtools-vmm run")[0].split()[1:], "--no-reboot", cwd=place.path)
        equal((done.returncode, (place.path / "vm.log").read_text()), (3, "a\n"), done.stdout + done.stderr)


def test_config_file_errors():
    with Place() as place:
        for text, said in (("memory = 16\ncolour = red\n", "vm.conf:2: colour: there is no such option"),
                           ("config = other\n", "vm.conf:1: config: there is no such option"),
                           ("\nkernel\n", "vm.conf:2: kernel: it needs a value"),
                           ("paused = on\n", "vm.conf:1: paused: it takes no value"),
                           ("append = " + "x" * 5000 + "\n", "vm.conf:1: a line has at most"),
                           ("rng\n" * 300, "too many options"),
                           ("memory = lots\n", "memory=lots: a number"),
                           ("memory = 16\n", "--kernel is needed")):
            done = vmm("run", "--config", place.file("vm.conf", text))
            equal(done.returncode, 2, f"{text[:40]!r}: {done.stderr}")
            check(said in done.stderr, f"{text[:40]!r}: {done.stderr}")
        done = vmm("run", "--config", place.path / "nothing")
        check(done.returncode == 2 and "No such file" in done.stderr, done.stderr)
        done = vmm("run", "--conf", place.path / "nothing")
        check(done.returncode == 2 and "written in full" in done.stderr, done.stderr)


def test_options_of_qemu_and_kvmtool():
    needs_kvm()
    with Place() as place:
        disk = place.file("disk", "x" * 4096)
        for words in (("-kernel", place.payload, "-append", "check", "-m", "16", "-smp", "2"),
                      ("-k", place.payload, "-p", "check", "-m16", "-c", "2"),
                      ("--kernel", place.payload, "--params", "check", "--mem", "16M"),
                      ("-k", place.payload, "--append=check", "--memory", "1G")):
            for image in (disk, f"{disk},readonly=on", f"file={disk}"):
                done = vmm("run", *words, SLOT, "-d", image)
                equal((done.returncode, done.stdout), (0, "ABCDEFGH\n"), f"{words}: {done.stderr}")
        config = place.file("vm.conf", f"params = check\nmem = 16M\nsmp = 1\ndisk = {disk}\nrng = transport=mmio\n")
        done = vmm("run", "-config", config, "-k", place.payload)
        equal((done.returncode, done.stdout), (0, "ABCDEFGH\n"), done.stderr)
        for words, said in ((("-device", "virtio-rng-pci"), "there is no option '-device'"),
                            (("-nographic",), "there is no option '-nographic'"),
                            (("-m", "2K"), "memory=2K: a number"), (("-m", "M"), "memory=M: a number"),
                            (("-m", "3M"), "a number from 4"), (("-m", "0G"), "memory=0: a number from 1"),
                            (("-m", "99999G"), "memory=99999: a number"),
                            (("-d", f"{disk},colour=red"), "no option 'colour'"),
                            (("-d", f"{place.path}/none"), "No such file")):
            done = vmm("run", "-k", place.payload, *words)
            equal(done.returncode, 2, f"{words}: {done.stderr}")
            check(said in done.stderr, f"{words}: {done.stderr}")


SWAP = bytes.maketrans(bytes(range(64, 128)), bytes(i ^ 32 for i in range(64, 128)))


def echo_words(place, *words):
    payload = nested.build_payload(place.path / "echo.elf")
    return [vhostuser.find_vmm(), "run", "--kernel", str(payload), "--memory", "16", *map(str, words)]


def test_serial_input_of_a_pipe_and_a_file():
    """More than is read at a time; the guest is slow, and nothing is lost."""
    needs_kvm()
    text = b"abcXYZ" * 300
    with Place() as place:
        words = echo_words(place, "--serial", "stdio")
        done = subprocess.run(words, input=text + b"\n", capture_output=True, timeout=120, check=False)
        equal((done.returncode, done.stdout), (0, b">" + text.translate(SWAP) + b"\n"), done.stderr)
        place.file("typed", (text + b"\n").decode())
        with open(place.path / "typed", "rb") as file:
            done = subprocess.run(words, stdin=file, capture_output=True, timeout=120, check=False)
        equal((done.returncode, done.stdout), (0, b">" + text.translate(SWAP) + b"\n"), done.stderr)
        # A pipe is not read unasked: it may be somebody else's.
        ours, theirs = os.pipe()
        os.write(theirs, b"\n")
        process = subprocess.Popen(words[:-2], stdin=ours, stdout=subprocess.PIPE)
        equal(process.stdout.read(1), b">", "it runs")
        process.terminate()
        equal(process.wait(60), 0, "the end")
        equal(os.read(ours, 10), b"\n", "what is left in the pipe")
        done = vmm("run", "--kernel", place.payload, "--append", "check", "--memory", 16, SLOT, "--serial", "none")
        equal((done.returncode, done.stdout), (0, ""), "no serial port")


def read_until(fd, end, got=b""):
    deadline = time.monotonic() + 60
    while end not in got:
        check(select.select([fd], [], [], max(0, deadline - time.monotonic()))[0], got)
        got += os.read(fd, 4096)
    return got


def test_serial_input_of_a_terminal():
    needs_kvm()
    with Place() as place:
        pid, ours = pty.fork()
        if pid == 0:
            words = echo_words(place)
            os.execv(words[0], words)
        try:
            before = termios.tcgetattr(ours)
            got = read_until(ours, b">")
            check(b"Ctrl-A x ends the machine" in got, got)
            os.write(ours, b"a\x03\x01\x01\x01?")  # ^C and Ctrl-A are keys; Ctrl-A ? is nothing
            got = read_until(ours, b"!", got[got.index(b">"):])
            equal(got, b">A#!", "what the guest heard, and no echo of ours")
            check(not termios.tcgetattr(ours)[3] & (termios.ECHO | termios.ICANON | termios.ISIG), "raw")
            os.write(ours, b"\x01x")
            equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "the end")
            pid = 0
            equal(termios.tcgetattr(ours), before, "the terminal afterwards")
        finally:
            if pid:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            os.close(ours)


def test_no_room_for_processors():
    """A machine that cannot start says why: here memory ends with the threads' stacks."""
    needs_kvm()
    with Place() as place:
        done = vmm("run", "--kernel", place.payload, "--append", "check", "--memory", 16, "--cpus", 64,
                   preexec_fn=lambda: (resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20)),
                                       resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))))
        equal(done.returncode, 1, done.stderr)
        check("the processors do not start: Resource temporarily unavailable" in done.stderr, done.stderr)


def test_help_has_examples():
    done = vmm("run", "--help")
    equal(done.returncode, 0, done.stderr)
    check(done.stdout.count("\n  pvtools-vmm run ") >= 4, done.stdout)


def in_another_dev(place, nodes, cpu_flags, user=0):
    """Runs the VMM with a /dev that has only what the shell text @nodes makes."""
    if os.geteuid() != 0:
        raise Skip("a /dev of one's own needs root")
    binary = place.path / "vmm"  # where everybody may read
    shutil.copy(vhostuser.find_vmm(), binary)
    for library in micro.libraries(vhostuser.find_vmm()):
        if not library.startswith(("/lib", "/usr")):
            shutil.copy(library, place.path)
    cpuinfo = place.file("cpuinfo", f"processor : 0\nflags\t\t: fpu {cpu_flags} tsc\n")
    script = (f"mount -t tmpfs none /dev && {nodes} && mount --bind {cpuinfo} /proc/cpuinfo && "
              f"exec env LD_LIBRARY_PATH={place.path} setpriv --reuid {user} --clear-groups {binary} run --kernel {place.payload} --memory 16")
    return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60,
                          check=False)


def test_without_kvm():
    absent, dead, closed = "true", "mknod /dev/kvm c 10 251", "mknod -m 600 /dev/kvm c 10 232"
    with Place() as place:
        for nodes, flags, user, said in (
                (absent, "vmx", 0, "No such file or directory: modprobe kvm-intel?"),
                (absent, "svm", 0, "No such file or directory: modprobe kvm-amd?"),
                (absent, "sse", 0, "the processor shows no virtualisation: it is off in the firmware"),
                (dead, "sse", 0, "allows no nesting"),
                (closed, "svm", NOBODY, "Permission denied: you may not use it"),
                ("ln -s /proc/self/mounts /dev/kvm", "svm", 0, "/dev/kvm")):
            done = in_another_dev(place, nodes, flags, user)
            equal(done.returncode, 1, f"{nodes}, {flags}: {done.stdout}{done.stderr}")
            check(said in done.stderr, f"{nodes}, {flags}: {done.stderr}")


def test_disk_that_is_locked_or_small():
    needs_kvm()
    with Place() as place:
        disk = place.file("disk", "x" * 4096)
        small = place.file("small", "x" * 511)
        for path, said in ((small, "the image is too small"), (place.path, "directory"),
                           ("/dev/null", "neither a file nor a block device")):
            done = vmm("run", "--kernel", place.payload, "--disk", f"file={path}")
            equal(done.returncode, 2, done.stderr)
            check(said in done.stderr.lower(), done.stderr)
        first = subprocess.Popen([vhostuser.find_vmm(), "run", "--kernel", place.payload, "--memory", "16",
                                  "--paused", "--qmp", place.path / "qmp", "--disk", f"file={disk}"])
        try:
            wait_for(lambda: (place.path / "qmp").exists(), "the first machine")
            done = vmm("run", "--kernel", place.payload, "--disk", f"file={disk}")
            equal(done.returncode, 2, done.stderr)
            check("locked" in done.stderr and "another machine has this disk" in done.stderr, done.stderr)
        finally:
            first.kill()
            first.wait()


def test_memory_that_is_too_small():
    needs_kvm()
    done = vmm("run", "--kernel", base.kernel()[0], "--memory", 16)
    equal(done.returncode, 1, done.stderr)
    check("this kernel needs" in done.stderr and "MiB of memory" in done.stderr, done.stderr)


def wait_for(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        check(time.monotonic() < deadline, f"{what} did not come")
        time.sleep(0.02)


def agent_words(place, *words):
    return [vhostuser.find_vmm(), "run", "--kernel", str(place.payload), "--memory", "16", "--paused",
            "--agent", "--qmp", str(place.path / "qmp"), *map(str, words)]


def test_agent_line_without_a_terminal():
    needs_kvm()
    with Place() as place:
        process = subprocess.Popen(agent_words(place), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=dict(os.environ, XDG_RUNTIME_DIR=str(place.path)))
        try:
            # Nobody in the guest answers: it says so once, and nothing moves a cursor.
            equal(process.stderr.readline(), "agent: not connected\n", "the line")
            check(list(place.path.glob("pvtools-vmm-*.agent")), "a port of its own")
            process.terminate()
            out, error = process.communicate(timeout=60)
            equal((process.returncode, out, error), (0, "", ""), "the end")
            equal(list(place.path.glob("*.agent")), [], "sockets that are left")
        finally:
            process.kill()


def test_agent_line_on_a_terminal():
    needs_kvm()
    with Place() as place:
        ours, theirs = pty.openpty()
        port = place.path / "named"
        process = subprocess.Popen(agent_words(place, "--port", f"org.qemu.guest_agent.0={port}"),
                                   stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        got = b""
        try:
            deadline = time.monotonic() + 60
            while b"agent: not connected" not in got:
                check(select.select([ours], [], [], deadline - time.monotonic())[0], got)
                got += os.read(ours, 4096)
            check(port.exists(), "the port that was named")
            process.terminate()
            equal(process.wait(60), 0, "the end")
            while select.select([ours], [], [], 1)[0]:
                try:
                    got += os.read(ours, 4096)
                except OSError:  # nobody has the other end
                    break
            check(got.startswith(b"\r\x1b[Kagent:") and got.endswith(b"\r\x1b[K"), got)
            check(b"\n" not in got, got)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
