# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that speak to an agent's socket as the field's clients do.

Line is the bare protocol. LibvirtLike and ProxmoxLike keep those clients' own
rules and fail where they would.
"""

import json
import re
import socket
import time


class Line:
    """Sends bytes, reads lines, everything with a deadline."""

    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(path))  # blocking: a full backlog is waited for
        self.sock.settimeout(timeout)
        self.timeout = timeout
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def read_line(self, timeout=None):
        """One line without its newline; raises TimeoutError or EOFError."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no line; so far {self.buffer[:80]!r}")
            self.sock.settimeout(left)
            chunk = self.sock.recv(1 << 20)
            if not chunk:
                raise EOFError("the peer closed")
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def ask_raw(self, data, timeout=None):
        self.send(data)
        return json.loads(self.read_line(timeout))

    def request(self, name, arguments=None, **keywords):
        body = {"execute": name}
        given = dict(arguments or {}, **{k.replace("_", "-"): v for k, v in keywords.items()})
        if given:
            body["arguments"] = given
        return json.dumps(body) + "\n"

    def ask(self, name, arguments=None, timeout=None, **keywords):
        """The return value; raises AgentError for an error reply."""
        reply = self.ask_raw(self.request(name, arguments, **keywords), timeout)
        if "error" in reply:
            raise AgentError(reply["error"])
        return reply["return"]

    def sync(self, number=None):
        """Drops whatever is under way on both sides, late answers to others too."""
        number = number or time.monotonic_ns()
        self.send(b"\xff" + self.request("guest-sync-delimited", id=number).encode())
        while True:
            line = self.read_line()
            if line.startswith(b"\xff") and json.loads(line[1:]) == {"return": number}:
                return


class AgentError(Exception):
    """An error reply."""

    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.error_class, self.desc = error["class"], error["desc"]


class Poisoned(Exception):
    """libvirt would not talk to this agent any more."""


class LibvirtLike(Line):
    """libvirt's rules: plain guest-sync, any line that is no object is fatal."""

    MAX_LINE = 10 * 1024 * 1024

    def read_object(self):
        line = self.read_line()
        if len(line) > self.MAX_LINE:
            raise Poisoned("line of more than 10 MiB")
        try:
            reply = json.loads(line.decode("utf-8"))
        except ValueError as error:
            raise Poisoned(f"unparsable line {line[:80]!r}: {error}") from error
        if not isinstance(reply, dict) or not reply.keys() & {"QMP", "event", "error", "return"}:
            raise Poisoned(f"unknown reply {line[:80]!r}")
        return reply

    def sync(self, number=None):
        number = number or int(time.time() * 1000)
        self.send(json.dumps({"execute": "guest-sync", "arguments": {"id": number}}) + "\n")
        while True:
            reply = self.read_object()
            if type(reply.get("return")) is int and reply["return"] == number:
                return

    def command(self, name, arguments=None):
        body = {"execute": name}
        if arguments is not None:
            body["arguments"] = arguments
        self.send(json.dumps(body, separators=(",", ":")) + "\n")
        return self.read_object()


class ProxmoxLike:
    """Proxmox VE's rules: a connection a command, sync and command in one write,
    the answer found by one regular expression."""

    REPLY = re.compile(rb"^.*\xff([^\n]+}\r?\n[^\n]+})\r?\n", re.S)

    def __init__(self, path):
        self.path, self.sequence = path, 0

    def command(self, name, arguments=None, timeout=10):
        self.sequence += 1
        number = int(f"1230{self.sequence}")
        data = (json.dumps({"arguments": {"id": number}, "execute": "guest-sync-delimited"}) + "\n"
                + json.dumps({"arguments": arguments or {}, "execute": name}) + "\n")
        deadline = time.monotonic() + timeout
        with Line(self.path, timeout) as line:
            line.send(data)
            got = b""
            while not self.REPLY.match(got):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the reply pattern never matched: {got[:200]!r}")
                got += line.sock.recv(65536)
            sync, reply = self.REPLY.match(got).group(1).splitlines()
            if json.loads(sync)["return"] != number:
                raise AssertionError(f"sync id {sync!r} is not {number}")
            return json.loads(reply)
