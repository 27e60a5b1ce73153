# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in a guest, reached from here by payload/relay.c: its unix sockets, files that
grow, and programs that run there."""

import contextlib
import pathlib
import shlex
import socket
import threading

PORT = 9000


class Relay:
    """The relay at a TCP port of this machine's loopback."""

    def __init__(self, port):
        self.port = port

    def dial(self, line):
        """A connection that has said what it is for, in one line."""
        if "\n" in line:
            raise ValueError(f"not one line: {line}")
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(line.encode() + b"\n")
        return sock

    def put(self, source, target):
        data = pathlib.Path(source).read_bytes()
        with self.dial(f"put {len(data)} {target}") as sock:
            sock.sendall(data)
            if sock.makefile("rb").readline() != b"done\n":
                raise RuntimeError(f"{target} could not be written in the guest")

    def get(self, source, target, size):
        """The first @size bytes of a file of the guest."""
        with self.dial(f"tail {source}") as sock, open(target, "wb") as file:
            while size > 0:
                data = sock.recv(min(size, 1 << 16))
                if not data:
                    raise RuntimeError(f"{source} could not be read in the guest")
                file.write(data)
                size -= len(data)


def carry(source, target):
    """Bytes until the end of them. Who does not listen any more is talked to in vain, so
    that whoever speaks is not held up."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            with contextlib.suppress(OSError):
                target.sendall(data)


class Bridge:
    """A unix socket here for one of the guest's. Each client has a connection of its own,
    and hang-ups are carried over."""

    def __init__(self, relay, path, target):
        self.relay, self.path, self.target = relay, path, target
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, contextlib.suppress(OSError), self.relay.dial(f"unix {self.target}") as far:
            back = threading.Thread(target=self._back, args=(far, client), daemon=True)
            back.start()
            carry(client, far)
            with contextlib.suppress(OSError):
                far.shutdown(socket.SHUT_WR)
            back.join()

    @staticmethod
    def _back(far, client):
        carry(far, client)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def close(self):
        """From now on who connects is refused; who has, is hung up on by the other end."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Follower:
    """A file here that grows as one of the guest's does."""

    def __init__(self, relay, path, target):
        self.file = path.open("wb", buffering=0)
        self.sock = relay.dial(f"tail {target}")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while data := self.sock.recv(1 << 16):
                self.file.write(data)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.sock.close()
        self.file.close()


class Process:
    """A program of the guest, as subprocess.Popen has it; @ended is called at its end."""

    def __init__(self, relay, words, ended, output="/dev/null"):
        self.returncode = None
        self.over = threading.Event()
        self.sock = relay.dial(f"run exec {shlex.join(map(str, words))} < /dev/null > {output} 2>&1")
        self.thread = threading.Thread(target=self._read, args=(ended,), daemon=True)
        self.thread.start()

    def _read(self, ended):
        text = b""
        with contextlib.suppress(OSError):
            text = self.sock.makefile("rb").readline()
        self.returncode = int(text) if text else -9
        ended()
        self.over.set()

    def poll(self):
        return self.returncode if self.over.is_set() else None

    def wait(self, timeout=None):
        if not self.over.wait(timeout):
            raise TimeoutError(f"it still runs after {timeout} s")
        return self.returncode

    def kill(self):
        """And waits until it is gone: its status tells."""
        if self.poll() is None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
