# SPDX-License-Identifier: LGPL-2.1-or-later
"""A monitor that says what a test wants: QMP without a QEMU."""

import json
import pathlib
import socket
import tempfile
import threading

PORT = "org.qemu.guest_agent.0"
IDLE = "CPU#0\r\nRIP=ffffffff81c1a4bd RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
BUSY = IDLE.replace("HLT=1", "HLT=0")
DEAD = IDLE.replace("00000246", "00000046")


class Monitor:
    """A context manager; `agent` is the socket behind the agent's port."""

    def __init__(self, agent):
        self.directory = tempfile.TemporaryDirectory(prefix="pvt-monitor-")
        self.path = pathlib.Path(self.directory.name) / "qmp.sock"
        self.agent, self.status, self.registers, self.migration = agent, "running", BUSY, "none"
        self.open, self.connected = True, False
        self.commands, self.connection = [], None
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(1)

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.hang_up()
        self.directory.cleanup()

    def hang_up(self):
        if self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def event(self, name, **data):
        self.send({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 0}})

    def send(self, message):
        with self.lock:
            self.connection.sendall(message if isinstance(message, bytes)
                                    else json.dumps(message).encode() + b"\r\n")

    def _serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connection = connection
            try:
                self.send({"QMP": {"version": {}, "capabilities": []}})
                for line in connection.makefile("rb"):
                    request = json.loads(line)
                    self.commands.append(request["execute"])
                    self.send(self._answer(request["execute"], request.get("arguments", {})))
            except (OSError, ValueError):
                pass
            connection.close()

    def _answer(self, name, arguments):
        values = {"query-status": {"status": self.status, "running": self.status == "running"},
                  "query-migrate": {"status": self.migration},
                  "human-monitor-command": self.registers,
                  "query-chardev": [{"label": "ch", "frontend-open": self.open,
                                     "filename": f"{'' if self.connected else 'disconnected:'}unix:{self.agent},server=on"}],
                  "qom-list": [{"name": "port", "type": "child<virtserialport>"}],
                  "qom-get": {"name": PORT, "chardev": "ch"}.get(arguments.get("property"), "")}
        if name == "qom-list" and not arguments["path"].endswith("peripheral"):
            return {"return": []}
        return {"return": values.get(name, {})}
