# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's monitor: commands, and events that can be waited for."""

import json
import socket
import time


class Qmp:
    def __init__(self, path, timeout=60):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("rb")
        self.events = []
        self._read()  # greeting
        self.command("qmp_capabilities")

    def _read(self):
        line = self.file.readline()
        if not line:
            raise EOFError("QEMU closed its monitor")
        return json.loads(line)

    def command(self, name, /, **arguments):
        body = {"execute": name, "arguments": {k.replace("_", "-"): v for k, v in arguments.items()}}
        self.sock.sendall(json.dumps(body).encode() + b"\n")
        while True:
            reply = self._read()
            if "event" in reply:
                self.events.append(reply)
            elif "error" in reply:
                raise RuntimeError(f"{name}: {reply['error']['desc']}")
            else:
                return reply["return"]

    def wait_event(self, name, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            self.sock.settimeout(max(deadline - time.monotonic(), 0.01))
            self.events.append(self._read())

    def close(self):
        self.sock.close()
