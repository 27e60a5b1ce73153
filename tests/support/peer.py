# SPDX-License-Identifier: LGPL-2.1-or-later
"""What plays a guest's end: a unix socket in a directory of its own."""

import pathlib
import socket
import tempfile
import threading


class Peer:
    """A context manager; serve() runs in a thread, until accept() of `server` fails."""

    def __init__(self, name, backlog):
        self.directory = tempfile.TemporaryDirectory(prefix=f"pvt-{name}-")
        self.here = pathlib.Path(self.directory.name)
        self.path = self.here / "s"
        self.address = f"unix:{self.path}"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen(backlog)

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.close()
        self.directory.cleanup()
