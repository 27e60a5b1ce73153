#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NICs of pvtools-vmm's own machine by its control socket, on this machine's KVM."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import nested
import tap
import vhostuser
from qmp import Qmp
from tap import Skip, check, equal, note
from test_testguest import GUEST


@contextlib.contextmanager
def machine(*nics):
    """A machine that waits, with these NICs: its control socket."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory(prefix="pvt-net-") as name:
        directory = pathlib.Path(name)
        payload = nested.build_payload(directory / "board.elf")
        words = [word for nic in nics for word in ("--net", nic.format(directory=directory))]
        process = subprocess.Popen([vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", payload, "--memory",
                                    "16",
                                    "--paused", "--qmp", directory / "qmp", *words],
                                   stdout=subprocess.DEVNULL)
        try:
            monitor = connect(directory / "qmp", process)
            yield monitor
            monitor.command("quit")
            equal(process.wait(60), 0, "its end")
            monitor.close()
        finally:
            process.kill()
            process.wait()


def connect(path, process):
    deadline = time.monotonic() + 60
    while True:
        try:
            return Qmp(path)
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the machine did not start") from None
            time.sleep(0.02)


def refused(monitor, word, command, /, **arguments):
    try:
        monitor.command(command, **arguments)
    except Exception as error:  # pylint: disable=broad-except
        check(word in str(error), f"{command} {arguments}: {error}")
        return
    raise AssertionError(f"{command} {arguments} was accepted")


def test_nics_on_the_control_socket():
    with machine("local={directory}/a,peer={directory}/b,mac=52:54:00:00:00:0a",
                 "local={directory}/b,peer={directory}/a,policy=tx-bits=1M;no-ra=on") as monitor:
        first, second = monitor.command("x-query-net")
        equal((first["name"], first["mac"], first["backend"], first["link"]),
              ("net0", "52:54:00:00:00:0a", "peer", True), "the first")
        equal(second["mac"][:8], "52:54:00", "an address for the second")
        check(all(value == 0 for value in first["counters"].values()), first["counters"])
        check({"spoofed-arp", "rogue-dhcp"} <= set(first["dropped-by-policy"]), first)
        monitor.command("set_link", name="net0", up=False)
        equal([nic["link"] for nic in monitor.command("x-query-net")], [False, True], "links")
        monitor.command("set_link", name="net0", up=True)
        monitor.command("announce-self")
        monitor.command("x-net-policy", name="net0", policy="bind-mac=on,ip=10.0.0.1,rx-bits=5M")
        monitor.command("x-net-policy", name="net0", policy="")
        refused(monitor, "on' or 'off", "x-net-policy", name="net0", policy="bind-mac=5")
        refused(monitor, "not found", "set_link", name="net9", up=True)
        refused(monitor, "'up'", "set_link", name="net0")
        refused(monitor, "'name'", "set_link", up=True)


def own_drivers(*words, append=""):
    """Our bare-metal driver on two of our NICs, back to back: what passed."""
    if not GUEST or not os.path.exists(GUEST):
        raise Skip("this compiler does not build the test guest")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory(prefix="pvt-net-") as name:
        done = subprocess.run(
            [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", GUEST, "--memory", "64", "--append", append,
             "--net", f"local={name}/a,peer={name}/b", "--net", f"local={name}/b,peer={name}/a", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=300, check=False)
    good = re.findall(r"^ok \d+ - (net .*)$", done.stdout, re.M)
    check(done.returncode == 0 and good and "not ok" not in done.stdout,
          f"status {done.returncode}:\n{done.stdout[-3000:]}")
    planned = re.search(r"^1\.\.(\d+)", done.stdout, re.M)
    check(planned is not None, f"it did not come to its end:\n{done.stdout[-3000:]}")
    return good


def test_our_drivers_back_to_back():
    good = own_drivers()
    rings = {name.split(":")[0] for name in good}
    equal(len(rings), 8, f"kinds of ring: {sorted(rings)}")
    note(f"{len(good)} cases on {len(rings)} kinds of ring")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
