# SPDX-License-Identifier: LGPL-2.1-or-later
"""An agent with an extended channel, and that channel's bare protocol."""

import json
import pathlib
import socket
import struct
import tempfile

from agent import Agent
from tap import equal

HELLO, REQUEST, REPLY, CANCEL, DATA, WINDOW, CONTROL, END = range(1, 9)
SYNC = b"\xff" * 8


class Extended(Agent):
    """An agent with an extended channel beside its plain one."""

    def __init__(self, *options, **keywords):
        self.scratch = tempfile.TemporaryDirectory(prefix="pvt-ext-")
        self.here = pathlib.Path(self.scratch.name)
        self.extended = self.here / "extended.sock"
        config = self.here / "agent.conf"
        config.write_text(f"[channel extended]\nmethod=unix-listen\npath={self.extended}\n"
                          "dialect=extended\n")
        super().__init__("-c", str(config), *options, **keywords)

    @property
    def address(self):
        return f"unix:{self.extended}"

    def __exit__(self, *words):
        try:
            super().__exit__(*words)
        finally:
            self.scratch.cleanup()


class Packets:
    """The bare protocol."""

    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, kind, number, data=b"", channel=0):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        self.sock.sendall(struct.pack("<BBHII", kind, channel, 0, number, len(data)) + data)

    def take(self, count):
        while len(self.buffer) < count:
            chunk = self.sock.recv(1 << 20)
            if not chunk:
                raise EOFError("the agent hung up")
            self.buffer += chunk
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read(self):
        while True:
            first = self.take(1)
            if first != b"\xff":
                break
        kind, channel, zero, number, length = struct.unpack("<BBHII", first + self.take(11))
        equal(zero, 0, "header")
        return kind, channel, number, self.take(length)

    def read_until(self, kind, number=None):
        while True:
            got = self.read()
            if got[0] == kind and number in (None, got[2]):
                return got

    def hello(self, nonce="n1"):
        self.sock.sendall(SYNC)
        self.send(HELLO, 1, {"execute": "pvt-hello", "arguments": {"protocol": 1, "nonce": nonce}})
        reply = json.loads(self.read_until(HELLO)[3])["return"]
        equal((reply["nonce"], reply["protocol"]), (nonce, 1), "greeting")
        return reply

    def ask(self, number, name, **arguments):
        self.send(REQUEST, number, {"execute": name, "arguments": {
            key.replace("_", "-"): value for key, value in arguments.items()}})

    def reply(self, number):
        return json.loads(self.read_until(REPLY, number)[3])
