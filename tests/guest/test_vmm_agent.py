#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent's guest suite with pvtools-vmm for QEMU: the same programs, by PVT_MACHINE=vmm.

Some of it here, all of it with PVT_LONG=1; all of one or some programs:

  PVT_LONG=1 tests/guest/test_vmm_agent.py test_micro test_grow

One program by hand:

  PVT_MACHINE=vmm tests/guest/test_micro.py
"""

import contextlib
import importlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

os.environ["PVT_MACHINE"] = "vmm"  # before anybody asks for a machine

import nested
import places
import relay
import tap
from tap import Skip, check, equal, note
from vm import VM

# The programs, and which of their tests are not left to PVT_LONG.
PROGRAMS = {
    "test_extended": ["exec", "the_plain_port_beside_it"],
    "test_micro": ["disk_by_address_and_serial"],
    "test_power": ["shutdown_is_waited_for_by_its_event"],
    "test_clock": [],
    "test_health": [],
    "test_exporter_guest": [],
    "test_debian": [],  # its boot takes a minute; test_vmm_debian has one in every run
    "test_telemetry": [],
    "test_freeze": [],
    "test_disks": [],
    "test_grow": [],
    "test_page": [],
    "test_exporter_page_guest": [],
    "test_snapshot": [],
    "test_hotplug": [],
    "test_torture": [],
    "test_enablement": [],
    "test_hibernate": [],
}
# Those that are about something of QEMU's.
QEMUS = {
    "test_audit": "our devices in QEMU, by vhost-user",
    "test_faults": "our devices in QEMU, by vhost-user",
    "test_vhost_user": "our devices in QEMU, by vhost-user",
    "test_vhost_user_net": "our devices in QEMU, by vhost-user",
    "test_readme": "quickstart's guest, which is QEMU's",
}
LONG = bool(os.environ.get("PVT_LONG"))


def uses_machines(path):
    text = path.read_text()
    return "from watched import" in text or ("from vm import" in text and re.search(r"\bVM\(|\(VM\)", text))


def test_every_program_is_in_one_list():
    """Who writes another says whether our VMM can run it."""
    found = {path.stem for path in HERE.glob("test_*.py")
             if uses_machines(path) and not path.name.startswith("test_vmm")}
    equal(found, set(PROGRAMS) | set(QEMUS), "programs with machines")
    equal(set(PROGRAMS) & set(QEMUS), set(), "programs in both")


def test_directly_on_this_machines_kvm():
    """No Linux, which a KVM that only interprets does not run; the machine's handling is the same."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory() as name:
        payload = nested.build_payload(pathlib.Path(name) / "board.elf")
        machine = VM(payload, payload, memory=16, smp="1", network=False, paused=True, place=places.Here())
        with machine as vm:
            equal(vm.monitor.command("query-status")["status"], "paused", "status")
            check(all(path.is_socket() for path in (vm.agent_socket, vm.extended_socket, vm.second)), "sockets")
            vm.monitor.command("cont")
            deadline = time.monotonic() + 60
            while not vm.console.read_text():
                check(time.monotonic() < deadline, "it says nothing")
                time.sleep(0.05)
        check(vm.process.poll() is not None and not vm.directory.exists(), "it is still there")


def read_all(sock):
    data = b""
    while more := sock.recv(1 << 16):
        data += more
    return data


@contextlib.contextmanager
def relay_of_this_machine(directory):
    """The relay's program, with nothing between it and us."""
    tool = nested.build_tool(directory / "relay")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = subprocess.Popen([tool, str(port)])
    try:
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            check(process.poll() is None and time.monotonic() < deadline, "the relay does not start")
            time.sleep(0.02)
        yield relay.Relay(port)
    finally:
        process.kill()
        process.wait()


def hang_ups(directory, near, far, carried):
    """Both ways: what was said before arrives, then the end does."""
    data = bytes(range(256)) * 8192
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(near))
    server = far.accept()[0]
    server.settimeout(60)
    client.sendall(b"hello")
    equal(server.recv(100), b"hello", "there")
    server.sendall(b"welcome")
    equal(client.recv(100), b"welcome", "and back")
    threading.Thread(target=lambda: (client.sendall(data), client.close())).start()
    equal(read_all(server) == data, True, "what was said before the client's end")
    server.close()
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(near))
    server = far.accept()[0]
    threading.Thread(target=lambda: (server.sendall(data), server.close())).start()
    equal(read_all(client) == data, True, "what was said before the server's end")
    client.close()
    far.close()
    (directory / "far").unlink()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(near))
        equal(read_all(client), b"", "nobody is there")
    carried.close()
    with socket.socket(socket.AF_UNIX) as client:
        check(client.connect_ex(str(near)) != 0, "a bridge that is closed")


def test_connections_are_carried_with_their_end():
    with tempfile.TemporaryDirectory() as name, relay_of_this_machine(pathlib.Path(name)) as to:
        directory = pathlib.Path(name)
        far = socket.socket(socket.AF_UNIX)
        far.bind(f"{name}/far")
        far.listen()
        hang_ups(directory, directory / "near", far, relay.Bridge(to, directory / "near", directory / "far"))


def test_programs_and_files_of_the_relay():
    with tempfile.TemporaryDirectory() as name, relay_of_this_machine(pathlib.Path(name)) as to:
        directory = pathlib.Path(name)
        ended = []
        equal(relay.Process(to, ["sh", "-c", "exit 7"], lambda: ended.append(1)).wait(60), 7, "status")
        equal(ended, [1], "told at the end")
        process = relay.Process(to, ["sh", "-c", "echo $$; exec sleep 1000"], lambda: ended.append(2),
                                directory / "log")
        follower = relay.Follower(to, directory / "copy", directory / "log")
        deadline = time.monotonic() + 60
        while not (directory / "copy").read_text().endswith("\n"):
            check(time.monotonic() < deadline, "nothing follows")
            time.sleep(0.02)
        follower.close()
        pid = int((directory / "copy").read_text())
        equal((process.poll(), os.path.exists(f"/proc/{pid}")), (None, True), "it runs")
        process.kill()
        check(process.wait(60) != 0 and not os.path.exists(f"/proc/{pid}"), "killed")
        try:
            relay.Process(to, ["echo", "two\nlines"], None)
            raise AssertionError("what is not one line was sent")
        except ValueError as error:
            check("two\nlines" in str(error), error)
        to.put(__file__, directory / "put")
        to.get(directory / "put", directory / "got", 1000)
        equal((directory / "got").read_bytes(), pathlib.Path(__file__).read_bytes()[:1000], "and back")
        equal((directory / "put").read_bytes(), pathlib.Path(__file__).read_bytes(), "a file")


def close(module):
    """What a program keeps for all its tests."""
    if hasattr(module, "close"):
        module.close()
        return
    guest = getattr(module, "guest", {})
    if "watch" in guest:
        guest.pop("watch").process.kill()
    if "vm" in guest:
        guest.pop("vm").__exit__(None, None, None)


def make(module, name):
    """The test; before it what another program has left is ended: one machine is there at a time."""
    def test():
        for program in PROGRAMS:
            if program != module.__name__ and program in sys.modules:
                close(sys.modules[program])
        getattr(module, f"test_{name}")()
    return test


def tests(programs):
    """{name: function} of what is to run of them."""
    found = {}
    for program in programs:
        module = importlib.import_module(program)
        names = [name[5:] for name in vars(module) if name.startswith("test_") and callable(getattr(module, name))]
        check(set(PROGRAMS[program]) <= set(names), f"{program} has not got all of {PROGRAMS[program]}")
        for name in names if LONG else PROGRAMS[program]:
            found[f"{program}_{name}"] = make(module, name)
    return found


def main():
    """Words that are programs' names choose among them, the others among the tests."""
    words = [word for word in sys.argv[1:] if word not in PROGRAMS]
    programs = [word for word in sys.argv[1:] if word in PROGRAMS]
    own = {} if programs else {name: value for name, value in globals().items() if name.startswith("test_")}
    note(f"Linux runs in {'this machine' if places.has_kvm() else 'a nested guest'}")
    try:
        tap.main({**own, **tests(programs or PROGRAMS)}, words)
    finally:
        for program in PROGRAMS:
            if program in sys.modules:
                close(sys.modules[program])


if __name__ == "__main__":
    main()
