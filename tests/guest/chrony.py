# SPDX-License-Identifier: LGPL-2.1-or-later
"""chronyd for a test: from its package, but not installed, as an installed one
would take this machine's clock over. One is a server here that leaves the clock
alone, another runs in the guest."""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import time

import cache
import micro
import unpacked
from unpacked import Missing

START = """mkdir -p /run/chrony /var/lib/chrony
chmod 750 /run/chrony
ln -sfn /run /var/run
echo root:x:0:0:root:/:/bin/sh > /etc/passwd
printf 'server 10.0.2.2 port {port} iburst minpoll 4 maxpoll 5\\nmakestep 1 1\\nrtcsync\\nuser root\\n\
bindcmdaddress /run/chrony/chronyd.sock\\ndriftfile /run/chrony/drift\\n' > /run/chrony.conf
chronyd -f /run/chrony.conf -d > /run/chrony.log 2>&1 < /dev/null &
sleep 1
"""


def files():
    """(chronyd, chronyc), runnable here."""
    root = unpacked.files("chrony")
    found = root / "usr/sbin/chronyd", root / "usr/bin/chronyc"
    for program in found:
        text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        if "not found" in text:
            raise Missing(f"a library of {program.name} is not installed: {text.strip()}")
    return found


def initrd(plain, programs):
    """The micro guest's with both programs: the kernel takes archives one behind the other."""
    def build(target):
        with tempfile.TemporaryDirectory(prefix="pvt-chrony-") as name:
            tree = pathlib.Path(name)
            for program in programs:
                micro.copy(program, tree / "sbin" / program.name)
                for library in micro.libraries(program):
                    micro.copy(os.path.realpath(library), tree / library.lstrip("/"))
            names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
            archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree,
                                     input="\n".join(names).encode(), capture_output=True, check=True)
            packed = subprocess.run(["gzip", "-1"], input=archive.stdout, capture_output=True, check=True)
            data = plain.read_bytes()
            target.write_bytes(data + b"\0" * (-len(data) % 4) + packed.stdout)

    return cache.make("micro+chrony", cache.key(plain.name, *programs, pathlib.Path(__file__)), build)


@contextlib.contextmanager
def server(programs):
    """Serves this machine's time on a port of the loopback; yields the port."""
    with tempfile.TemporaryDirectory(prefix="pvt-chronyd-") as name, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        config = pathlib.Path(name) / "chrony.conf"
        config.write_text(f"local stratum 5\nallow 127.0.0.1\nbindaddress 127.0.0.1\nport {port}\n"
                          f"cmdport 0\nbindcmdaddress {name}/chronyd.sock\npidfile {name}/pid\nuser root\n")
        with open(pathlib.Path(name) / "log", "w", encoding="utf-8") as log:
            process = subprocess.Popen([programs[0], "-x", "-d", "-f", config], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        try:
            time.sleep(0.5)
            if process.poll() is not None:
                raise RuntimeError("chronyd ended: " + (pathlib.Path(name) / "log").read_text())
            yield port
        finally:
            process.terminate()
            process.wait()
