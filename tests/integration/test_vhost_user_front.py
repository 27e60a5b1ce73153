#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A vhost-user front-end that lies to pvtools-vmm device: whatever it sends, the next one is served."""

import array
import contextlib
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "guest")]

import tap
from tap import check, equal
from vhostuser import find_vmm

LIMIT = 60  # seconds until the back-end must have answered
GET_FEATURES, SET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR = 1, 2, 5, 8, 9
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR, GET_PROTOCOL_FEATURES = 12, 13, 14, 15
SET_PROTOCOL_FEATURES = 16
NEED_REPLY = 8
REPLY_ACK = 1 << 3


class Front:
    """One connection."""

    def __init__(self, path):
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.line.connect(path)
        self.line.settimeout(LIMIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.line.close()

    def send(self, request, payload=b"", fds=(), flags=0):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.line.sendmsg([struct.pack("<III", request, 1 | flags, len(payload))], control)
        if payload:
            self.line.sendall(payload)

    def receive(self, size):
        data = b""
        while len(data) < size:
            more = self.line.recv(size - len(data))
            check(more, "the back-end let us go")
            data += more
        return data

    def answer(self):
        size = struct.unpack("<III", self.receive(12))[2]
        return struct.unpack("<Q", self.receive(size))[0]

    def ask(self, request):
        self.send(request)
        return self.answer()


@contextlib.contextmanager
def device():
    with tempfile.TemporaryDirectory(prefix="pvt-front-") as directory:
        path = f"{directory}/s"
        process = subprocess.Popen([find_vmm(), "device", "rng", "--socket", path],
                                   stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + LIMIT
            while not os.path.exists(path):
                check(process.poll() is None and time.monotonic() < deadline, "no socket")
                time.sleep(0.02)
            yield path
            check(process.poll() is None, "the back-end has ended")
        finally:
            process.kill()
            process.wait()


def serves(path):
    with Front(path) as front:
        check(front.ask(GET_FEATURES) >> 32 & 1, "VIRTIO_F_VERSION_1")


def full_pipe():
    """Its writing end, which would block, and the reading end."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, bytes(4096))
    os.set_blocking(into, True)
    return into, out


def test_a_call_that_nobody_reads():
    """What takes no more words must not keep the back-end waiting."""
    with device() as path:
        into, out = full_pipe()
        with Front(path) as front:
            front.send(SET_VRING_CALL, struct.pack("<Q", 0), [into])
            check(front.ask(GET_FEATURES), "it goes on")
        serves(path)
        os.close(into)
        os.close(out)


def test_a_call_that_is_broken():
    """A pipe whose other end is closed is answered with SIGPIPE."""
    with device() as path:
        for kind in (os.pipe, lambda: [end.detach() for end in socket.socketpair()]):
            out, into = kind()
            os.close(out)
            with Front(path) as front:
                front.send(SET_VRING_CALL, struct.pack("<Q", 0), [into])
                check(front.ask(GET_FEATURES), "it goes on")
            os.close(into)
        serves(path)


def test_memory_that_is_askew():
    """Guest addresses at a multiple of 4096 lie at one here, too: rings are read in place."""
    with device() as path, Front(path) as front:
        memory = os.memfd_create("memory")
        os.ftruncate(memory, 1 << 20)
        front.send(SET_PROTOCOL_FEATURES, struct.pack("<Q", REPLY_ACK))
        for gpa, offset, refused in ((0, 0, 0), (4096, 8192, 0), (1, 0, 1), (0, 8, 1), (8, 8, 0)):
            table = struct.pack("<IIQQQQ", 1, 0, gpa, 0x10000, 0x7f0000000000, offset)
            front.send(SET_MEM_TABLE, table, [memory], NEED_REPLY)
            equal(front.answer(), refused, f"at {gpa}, offset {offset}")
        os.close(memory)


def test_descriptors_that_are_missing_or_too_many():
    with device() as path:
        for request, payload, n in ((SET_VRING_CALL, 0, 0), (SET_VRING_KICK, 0, 2),
                                    (SET_VRING_ERR, 0x100, 8), (SET_MEM_TABLE, 3, 1),
                                    (GET_FEATURES, 0, 8)):
            fds = [os.eventfd(0) for _ in range(n)]
            for _ in range(50):  # more than it may have open at a time
                with Front(path) as front:
                    front.send(request, struct.pack("<Q", payload), fds)
            for fd in fds:
                os.close(fd)
        serves(path)


def test_memory_that_goes_away():
    """Its file is shortened while a ring is in it: what is read there then is zero."""
    with device() as path:
        memory = os.memfd_create("memory")
        os.ftruncate(memory, 1 << 20)
        kick = os.eventfd(0)
        user = 0x7F0000000000
        with Front(path) as front:
            front.send(SET_FEATURES, struct.pack("<Q", 1 << 32))
            front.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, 1 << 20, user, 0), [memory])
            front.send(SET_VRING_NUM, struct.pack("<II", 0, 8))
            front.send(SET_VRING_ADDR, struct.pack("<IIQQQQ", 0, 0, user, user + 0x2000, user + 0x1000, 0))
            front.send(SET_VRING_KICK, struct.pack("<Q", 0), [kick])
            check(front.ask(GET_FEATURES), "it runs")
            os.ftruncate(memory, 0)
            for _ in range(20):
                os.eventfd_write(kick, 1)
                check(front.ask(GET_FEATURES), "it goes on")
                time.sleep(0.01)
        serves(path)
        os.close(memory)
        os.close(kick)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
