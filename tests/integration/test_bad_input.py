#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad input of every kind: exactly one clear error, bounded memory, and on it goes."""

import json
import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent
from tap import check, equal

LIMIT = 65 * 1024 * 1024

# (what is sent, a part of the error's text)
LINES = [
    (b"garbage", "an object was expected"),
    (b"[1, 2]", "an object was expected"),
    (b'"text"', "an object was expected"),
    (b'{"execute": "guest-ping"]', "'}' was expected"),
    (b'{"execute": guest-ping}', "a value was expected"),
    (b"{'execute': 'guest-ping'}", "a member name was expected"),
    (b'{"execute": "guest-ping",}', "a member name was expected"),
    (b'{"execute": "guest\tping"}', "control character"),
    (b'{"execute": "guest-ping\\u0000"}', "\\u0000"),
    (b'{"execute": "\\ud800"}', "surrogate"),
    (b'{"execute": "\\q"}', "escape"),
    (b'{"execute": "\xc3\x28"}', "UTF-8"),
    (b'{"execute": "\xed\xa0\x80"}', "UTF-8"),
    (b'{"execute": "guest-sync", "arguments": {"id": 0123}}', "begin with 0"),
    (b'{"execute": "guest-sync", "arguments": {"id": 0x1f}}', "',' or '}'"),
    (b'{"execute": "guest-sync", "arguments": {"id": .5}}', "a value was expected"),
    (b'{"execute": "guest-sync", "arguments": {"id": 5.}}', "a digit was expected"),
    (b'{"execute": "guest-sync", "arguments": {"id": 18446744073709551615}}', "is not an integer"),
    (b'{"execute": "guest-sync", "arguments": {"id": -9223372036854775809}}', "is not an integer"),
    (b'{"execute": "guest-sync", "arguments": {"id": 1e3}}', "is not an integer"),
    (b'{"execute": "guest-sync", "arguments": {"id": "1"}}', "expected an integer, got string"),
    (b'{"execute": "guest-sync", "arguments": {"id": null}}', "expected an integer, got null"),
    (b'{"execute": "guest-sync", "arguments": {}}', "id: the parameter is missing"),
    (b'{"execute": "guest-sync"}', "id: the parameter is missing"),
    (b'{"execute": "guest-sync", "arguments": {"id": 1, "id": 2}}', "twice"),
    (b'{"execute": "guest-sync", "arguments": {"id": 1, "x": 2}}', "x: unexpected parameter"),
    (b'{"execute": "guest-ping", "arguments": []}', "must be an object"),
    (b'{"execute": "guest-ping", "arguments": null}', "must be an object"),
    (b'{"execute": 5}', "must be a string"),
    (b'{"execute": ""}', "has not been found"),
    (b'{"execute": "guest-ping", "x": 1}', "Unexpected member 'x'"),
    (b'{"exec-oob": "guest-ping"}', "exec-oob"),
    (b"{}", "no 'execute'"),
    (b'{"execute": "no-such-command"}', "no-such-command has not been found"),
    (b'{"execute": "' + b"x" * 5000 + b'"}', "has not been found"),
    (b'{"execute": "guest-file-open", "arguments": {"path": "' + b"p" * 5000 + b'"}}', "more than 4096 bytes"),
    (b'{"execute": "guest-file-write", "arguments": {"handle": 1, "buf-b64": "a"}}', "base64"),
    (b'{"execute": "guest-file-read", "arguments": {"handle": 77}}', "'77' has not been found"),
    (b'{"execute": "guest-file-seek", "arguments": {"handle": 1, "offset": 0, "whence": "up"}}', "'up'"),
    (b'{"execute": "guest-file-seek", "arguments": {"handle": 1, "offset": 0, "whence": []}}', "got array"),
    (b'{"execute": "guest-shutdown", "arguments": {"mode": "explode"}}', "explode"),
    (b"[" * 100000, "an object was expected"),
    (b'{"execute": "guest-ping", "arguments": {"a": ' + b"[" * 100000, "nested deeper than 64"),
    (b'{"a":' * 100000, "nested deeper than 64"),
]


def expect_one_error(line, part):
    reply = json.loads(line.read_line())
    equal(list(reply), ["error"], f"reply to {part}")
    check(part in reply["error"]["desc"], f"{reply['error']['desc']!r} does not say {part!r}")
    line.send('{"execute": "guest-sync", "arguments": {"id": 99}}\n')
    equal(json.loads(line.read_line()), {"return": 99}, f"the command after {part}")


def test_every_bad_line_gets_one_clear_error():
    with Agent() as agent, agent.line() as line:
        for data, part in LINES:
            line.send(data + b"\n")
            expect_one_error(line, part)


def test_half_message_then_a_whole_one():
    with Agent() as agent, agent.line() as line:
        for half in (b'{"execute": "guest-ping"', b'{"execute": "guest-ping", "arguments":', b'{',
                     b'{"execute": "guest-pi'):
            line.send(half + b"\n")
            line.send(b'{"execute": "guest-ping"}\n')
            check("error" in json.loads(line.read_line()), f"no error for {half!r}")
            equal(json.loads(line.read_line()), {"return": {}}, f"the ping after {half!r}")


def test_half_message_then_the_client_leaves():
    with Agent() as agent:
        for _ in range(50):
            with agent.line() as line:
                line.send(b'{"execute": "guest-sync", "arguments": {"id": ')
        with agent.line() as line:
            equal(line.ask("guest-ping"), {}, "ping")


def test_a_gigabyte_without_newline():
    with Agent() as agent, agent.line(timeout=300) as line:
        before = agent.peak_kb()
        line.send(b'{"execute": "')
        chunk = b"x" * (1 << 20)
        for _ in range(1024):
            line.send(chunk)
        line.send(b"\n")
        expect_one_error(line, "larger than")
        grown = agent.peak_kb() - before
        check(agent.sanitized or grown < 4 * LIMIT // 1024, f"memory grew by {grown} kB")
        check(agent.sanitized or agent.memory("Rss") < 64 * 1024, "the buffer was not given back")


def test_a_gigabyte_of_garbage():
    with Agent() as agent, agent.line(timeout=300) as line:
        before = agent.peak_kb()
        for _ in range(1024):
            line.send(b"g" * (1 << 20))
        line.send(b"\n")
        expect_one_error(line, "an object was expected")
        check(agent.sanitized or agent.peak_kb() - before < 8192, "garbage was kept")


def test_client_that_never_reads():
    with Agent() as agent, agent.line() as deaf, agent.line() as other:
        before = agent.memory("Rss")
        deaf.sock.setblocking(False)
        request = deaf.request("guest-info").encode() * 100
        sent = 0
        try:
            while sent < 64 << 20:
                sent += deaf.sock.send(request)
        except BlockingIOError:
            pass
        for number in range(100):
            equal(other.ask("guest-sync", id=number), number, "the other client")
        check(agent.sanitized or agent.memory("Rss") - before < 16384, "replies piled up")


def test_random_bytes():
    generator = random.Random(20261121)
    with Agent() as agent:
        for _ in range(200):
            with agent.line() as line:
                line.send(bytes(generator.randrange(256) for _ in range(generator.randrange(2000))))
                line.sock.settimeout(0)
                try:
                    line.sock.recv(1 << 16)
                except OSError:
                    pass
        with agent.line() as line:
            line.sync()
            equal(line.ask("guest-ping"), {}, "ping")


def test_mutated_requests():
    generator = random.Random(42)
    seeds = [data for data, _ in LINES if len(data) < 200] + [
        b'{"execute":"guest-get-fsinfo"}', b'{"execute":"guest-info","id":[1,2,{"a":"b"}]}']
    with Agent() as agent, agent.line() as line:
        for _ in range(2000):
            data = bytearray(generator.choice(seeds))
            for _ in range(generator.randrange(1, 4)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            line.send(bytes(data).replace(b"\n", b" ").replace(b"\xff", b" ") + b"\n")
        line.sync()
        equal(line.ask("guest-ping"), {}, "ping")


def test_hostile_file_contents():
    """What a file holds is not what the agent believes."""
    with Agent() as agent, agent.line() as line:
        path = agent.directory / "bytes"
        path.write_bytes(os.urandom(100000))
        handle = line.ask("guest-file-open", path=str(path))
        data = line.ask("guest-file-read", handle=handle, count=200000)
        equal((data["count"], data["eof"]), (100000, True), "read")
        line.ask("guest-file-close", handle=handle)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
