#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the pictures of the documentation from real guests:

  tests/bench/pictures.py [--minutes N] [DIRECTORY]

A Debian and two micro guests run side by side under QEMU with something to do, the
exporter asks them, Prometheus scrapes it for some minutes, and packaging/dashboards/
render draws the shipped dashboard; meanwhile pvtools top runs on a terminal, whose
last screen is drawn. Not a test: nothing is checked but that there are pictures.
"""

import argparse
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from xml.sax.saxutils import escape

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests" / "guest"), str(TREE / "tests" / "support")]

import cli
import debian
import micro
from agent import find_agent
from exporter import Exporter
from vm import VM

# Something to do for each, in the guest's shell; it comes and goes.
WORK = {
    "db1": "while :; do dd if=/dev/zero of=/var/tmp/x bs=64k count=300 conv=fsync; "
           "dd if=/dev/vda of=/dev/null bs=64k count=400; sleep 2; done",
    "web1": "while :; do wget -q -O /dev/null http://10.0.2.2:%(port)d/x; sleep 1; done",
    "build1": "while :; do timeout 25 sh -c 'while :; do :; done' & head -c 90m /dev/zero | tail | sleep 20; wait; sleep 15; done",
}
CONFIG = """global: {{scrape_interval: 5s, scrape_timeout: 5s}}
scrape_configs:
  - job_name: guests
    http_sd_configs: [{{url: "http://{host}/sd", refresh_interval: 5s}}]
"""


def work(vm, command):
    with vm.line() as line:
        line.ask("guest-exec", path="/bin/sh", arg=["-c", command])


def machines(stack):
    """{name: VM}, all of them up."""
    agent = find_agent()
    found = {}
    for name, (image, memory, smp) in {"db1": (debian.image(agent), 768, "2"), "web1": (micro.image(agent), 256, "1"),
                                       "build1": (micro.image(agent), 320, "2")}.items():
        vm = found[name] = stack.enter_context(VM(*image, memory=memory, smp=smp))
        vm.wait_agent()
    return found


def names_for(found, directory, attribute):
    """A directory where each guest's socket has the guest's name."""
    directory.mkdir()
    for name, vm in found.items():
        (directory / f"{name}.sock").symlink_to(getattr(vm, attribute))
    return directory


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def process(*words, **keywords):
    one = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, **keywords)
    try:
        yield one
    finally:
        one.terminate()
        one.wait(30)


def screen_of(words, seconds, columns=104, lines=12):
    """What a program shows on a terminal after so long; it is ended with q."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(words[0], [str(word) for word in words])
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([master], [], [], 0.5)[0]:
            seen += os.read(master, 65536)
    os.write(master, b"q")
    with contextlib.suppress(OSError):
        while os.read(master, 65536):
            pass
    os.waitpid(pid, 0)
    os.close(master)
    whole = seen.decode(errors="replace").split("\x1b[H\x1b[J")[-2]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole).replace("\r", "").rstrip("\n").split("\n")


def draw_screen(command, lines):
    """A terminal as SVG."""
    width = max(map(len, lines)) * 8 + 32
    rows = [f"$ {command}", *lines]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {len(rows) * 19 + 24}" '
           'font-family="monospace" font-size="13.3">', f'<rect width="100%" height="100%" rx="6" fill="#181b1f"/>']
    for number, row in enumerate(rows):
        colour = "#73bf69" if number == 0 else "#8ab8ff" if row.startswith("GUEST") else "#d8d9da"
        out.append(f'<text x="16" y="{24 + number * 19}" fill="{colour}" xml:space="preserve" '
                   f'textLength="{len(row) * 8}">{escape(row)}</text>')
    return "\n".join([*out, "</svg>\n"])


def pictures(target, seconds):
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pvt-pictures-")))
        found = machines(stack)
        (directory / "www").mkdir()
        (directory / "www/x").write_bytes(os.urandom(400000))
        port = free_port()
        stack.enter_context(process(sys.executable, "-m", "http.server", port, "--directory", directory / "www"))
        for name, vm in found.items():
            work(vm, WORK[name] % {"port": port})
        exporter = stack.enter_context(Exporter("--sockets", names_for(found, directory / "plain", "agent_socket"),
                                                "--refresh", 5))
        (directory / "prometheus.yml").write_text(CONFIG.format(host=exporter.host))
        port = free_port()
        stack.enter_context(process("prometheus", f"--config.file={directory}/prometheus.yml",
                                    f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}"))
        began = time.monotonic()
        extended = names_for(found, directory / "extended", "extended_socket")
        lines = screen_of([cli.find_cli(), "top", "--sockets", extended], 45)
        (target / "top.svg").write_text(draw_screen("pvtools top --sockets /run/vm", lines), encoding="utf-8")
        print("\n".join(lines), flush=True)
        time.sleep(max(began + seconds - time.monotonic(), 0))
        with (target / "dashboard.svg").open("w", encoding="utf-8") as file:
            subprocess.run([TREE / "packaging/dashboards/render", "--prometheus", f"http://127.0.0.1:{port}", "--range",
                            str(int(seconds) - 15), "--rate", "30"], stdout=file, check=True)
    for path in sorted(target.glob("*.svg")):
        print(f"{path}: {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":", 1)[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("directory", nargs="?", type=pathlib.Path, default=TREE / "packaging/doc/pictures")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    pictures(options.directory, options.minutes * 60)


if __name__ == "__main__":
    main()
