# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running exporter, scripted guests for it, and a strict reader of its text."""

import collections
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import urllib.parse

from agent import find_agent
from tap import check

BUILD = pathlib.Path(find_agent()).resolve().parents[1]
EXPORTER = os.environ.get("PVT_EXPORTER") or str(BUILD / "host-side/exporter/pvtools-exporter")
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


def run(*words, timeout=60):
    return subprocess.run([EXPORTER, *map(str, words)], capture_output=True, text=True,
                          timeout=timeout)


class Samples(dict):
    """{(name, ((label, value), ...)): number} of a text that keeps all rules."""

    def get_one(self, name, **labels):
        """The number of the only sample with that name and at least those labels."""
        found = self.find(name, **labels)
        check(len(found) == 1, f"{len(found)} samples of {name} {labels}")
        return next(iter(found.values()))

    def find(self, name, **labels):
        return {key: value for key, value in self.items()
                if key[0] == name and set(labels.items()) <= set(key[1])}

    def names(self):
        return {name for name, _ in self}


def parse(text):
    """Reads the text as Prometheus does, and what promtool lets pass is an error
    as well: a series twice, a family in two pieces, a negative counter, NaN."""
    samples, types, seen_families, current = Samples(), {}, set(), None
    check(text == "" or text.endswith("\n"), "no newline at the end")
    check("\r" not in text, "a carriage return")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            current = line.split()[2]
            check(current not in seen_families, f"{current} is split")
            seen_families.add(current)
        elif line.startswith("# TYPE "):
            check(line.split()[2] == current, f"TYPE without HELP: {line}")
            types[current] = line.split()[3]
        else:
            match = SAMPLE.match(line)
            check(match, f"not a sample: {line!r}")
            name, labels, value = match.group(1), match.group(2) or "", float(match.group(3))
            family = name
            if types.get(current) == "histogram":
                family = re.sub(r"_(bucket|sum|count)$", "", name)
            check(family == current and current in types, f"{name} stands under {current}")
            key = (name, tuple(sorted(LABEL.findall(labels))))
            check(len(dict(key[1])) == len(key[1]), f"a label twice: {line}")
            check(key not in samples, f"twice: {line}")
            check(value == value and abs(value) != float("inf"), f"not a number: {line}")
            check(value >= 0 or types[current] == "gauge", f"a negative counter: {line}")
            samples[key] = value
    return samples


class Exporter:
    """Serves on a free port; a context manager."""

    def __init__(self, *options):
        self.process = subprocess.Popen([EXPORTER, "--listen", "127.0.0.1:0", *map(str, options)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.warnings, line = "", self.process.stderr.readline()
        while line and "listening on" not in line:
            self.warnings += line
            line = self.process.stderr.readline()
        check("listening on" in line, self.warnings)
        self.port = int(line.rsplit(":", 1)[1])
        self.host = f"127.0.0.1:{self.port}"

    def request(self, path, method="GET", headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def page(self, path, **keywords):
        status, text, _ = self.request(path, **keywords)
        check(status == 200, f"{path}: {status} {text[:200]}")
        return text

    def guest(self, target, **keywords):
        return parse(self.page("/guest?target=" + urllib.parse.quote(target, safe=""), **keywords))

    def stop(self):
        self.process.terminate()
        _, text = self.process.communicate(timeout=60)
        return self.process.returncode, text

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code, text = self.stop()
        if kind is None and (code != 0 or "Sanitizer" in text or "runtime error" in text):
            raise AssertionError(f"the exporter ended with {code}:\n{text[-4000:]}")


def answer_of(value):
    return json.dumps({"return": value}).encode() + b"\n"


UNKNOWN = object()
SILENCE = object()


class Guest:
    """A scripted agent: a table from command to what it returns, bytes for a line
    of its own, a function of the arguments, SILENCE, or UNKNOWN, which every
    other command is."""

    def __init__(self, replies, directory=None, name="s"):
        self.own = None if directory else tempfile.TemporaryDirectory(prefix="pvt-scripted-")
        self.path = pathlib.Path(directory or self.own.name) / name
        self.address = f"unix:{self.path}"
        self.replies = replies
        self.connections = 0
        self.asked = collections.Counter()
        self.clients = []
        self.gone = threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while not self.gone.is_set():
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            self.clients.append(client)
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        try:
            lines = client.makefile("rb")
            for line in lines:
                request = json.loads(line.lstrip(b"\xff"))
                if not self.reply(client, request["execute"], request.get("arguments", {})):
                    break
            lines.close()
            client.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass
        client.close()

    def reply(self, client, command, arguments):
        if command == "guest-sync-delimited" and command not in self.replies:
            client.sendall(b"\xff" + answer_of(arguments["id"]))
            return True
        self.asked[command] += 1
        value = self.replies.get(command, UNKNOWN)
        if callable(value):
            value = value(arguments)
        if value is SILENCE:
            self.gone.wait()
            return False
        if value is UNKNOWN:
            value = json.dumps({"error": {"class": "CommandNotFound", "desc":
                                f"The command {command} has not been found"}}).encode() + b"\n"
        client.sendall(value if isinstance(value, bytes) else answer_of(value))
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gone.set()
        for end in [self.server, *self.clients]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        self.path.unlink(missing_ok=True)
        if self.own:
            self.own.cleanup()


def status(**changes):
    """What pvt-get-status returns."""
    return dict({"version": "0", "profile": "full", "uptime-ms": 1, "requests": 1, "errors": 0,
                 "channels": [], "hung-mounts": [], "frozen": False}, **changes)
