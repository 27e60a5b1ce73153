#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules of the compat channel, as libvirt's and Proxmox VE's clients rely on them."""

import json
import os
import pathlib
import re
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent
from packets import DATA, HELLO, Extended, Packets
from tap import check, equal, note
from wire import LibvirtLike, ProxmoxLike

QUERIES = ["guest-ping", "guest-info", "guest-get-time", "guest-get-host-name", "guest-get-osinfo",
           "guest-get-timezone", "guest-get-users", "guest-get-load", "guest-get-vcpus",
           "guest-get-cpustats", "guest-network-get-interfaces", "guest-network-get-route",
           "guest-get-fsinfo", "guest-get-disks", "guest-get-diskstats", "guest-get-memory-blocks",
           "pvt-get-memory", "pvt-get-filesystems", "pvt-get-network", "pvt-get-uptime",
           "pvt-get-status", "pvt-get-cpu-usage", "pvt-get-rates"]


def test_one_compact_line_each_request():
    with Agent() as agent, agent.line() as line:
        for name in QUERIES:
            line.send(line.request(name))
            reply = line.read_line()
            check(reply.endswith(b"}"), f"{name}: the line does not end with a brace")
            check(b"\r" not in reply and not reply.startswith(b" "), f"{name}: {reply[:40]!r}")
            equal(list(json.loads(reply)), ["return"], f"{name}: top-level keys")
        equal(line.buffer, b"", "bytes behind the last reply")


def test_nothing_unsolicited():
    with Agent() as agent, agent.line() as line:
        line.ask("guest-ping")
        line.sock.settimeout(1)
        try:
            equal(line.sock.recv(1), None, "unsolicited byte")
        except TimeoutError:
            pass


def test_an_error_is_one_compact_line_too():
    with Agent() as agent, agent.line() as line:
        for bad in (b'{"execute":"guest-nope"}', b"garbage", b'{"execute":"guest-sync"}',
                    b'\xef\xbb\xbf{"execute":"guest-ping"}', b'{"execute":"guest-exec","arguments":{"input-data":"eA=="}}'):
            line.send(bad + b"\n")
            reply = line.read_line()
            check(re.fullmatch(rb'\{"error": \{"class": "\w+", "desc": "(?:[^"\\]|\\.)*"\}\}', reply), reply)
        line.ask("guest-ping")
        equal(line.buffer, b"", "bytes behind the last reply")


def test_extras_stay_on_a_channel_of_their_own():
    """Events and streams are begun on the extended one only, and never come here."""
    with Extended() as agent, agent.line() as line, Packets(agent.extended) as host:
        for name in ("pvt-subscribe", "pvt-exec"):
            error = line.ask_raw(json.dumps({"execute": name}) + "\n")["error"]
            equal(error["class"], "CommandNotFound", f"{name}: {error}")
        host.hello()
        host.ask(2, "pvt-subscribe", heartbeat_ms=100, events=["all"])
        host.reply(2)
        beats = 0
        while beats < 5:
            beats += host.read()[0] == DATA
        # A greeting of the other dialect is one bad line.
        line.send(struct.pack("<BBHII", HELLO, 0, 0, 0, 2) + b"{}\n")
        check("error" in json.loads(line.read_line()), "a packet")
        line.ask("guest-ping")
        equal(line.buffer, b"", "unsolicited bytes")


# What is there on every Linux, with nothing in it.
BARE = {"proc/self/mountinfo": "", "proc/diskstats": "", "proc/loadavg": "0.00 0.00 0.00 1/1 1\n",
        "proc/stat": "cpu 0 0\n", "proc/net/route": "", "sys/block": None, "sys/class/net": None,
        "sys/devices/system/cpu/present": "0\n", "sys/devices/system/cpu/online": "0\n",
        "sys/devices/system/cpu/cpu0": None}


def test_what_there_is_none_of_is_no_error():
    """One error among several questions ends guestinfo of virsh and the poll of KubeVirt."""
    with tempfile.TemporaryDirectory(prefix="pvt-bare-") as root:
        for name, text in BARE.items():
            path = pathlib.Path(root) / name
            (path if text is None else path.parent).mkdir(parents=True, exist_ok=True)
            if text is not None:
                path.write_text(text)
        with Agent("--root", root) as agent, agent.line() as line:
            for name in ("guest-get-users", "guest-get-fsinfo", "guest-get-disks", "guest-get-diskstats",
                         "guest-get-memory-blocks", "pvt-get-filesystems"):
                equal(line.ask(name), [], name)
            check("id" not in line.ask("guest-get-osinfo"), "no os-release")
            for name in ("guest-get-host-name", "guest-get-timezone", "guest-get-load", "guest-get-vcpus",
                         "guest-network-get-interfaces"):
                line.ask(name)


def test_what_kubevirt_and_ansible_send():
    """Their requests, word for word, and what they look for in the replies."""
    with Agent() as agent, agent.line() as line:
        supported = line.ask("guest-info")["supported_commands"]
        for name in ("guest-exec", "guest-file-read", "guest-set-user-password", "guest-ssh-get-authorized-keys",
                     "guest-get-load", "guest-get-cpustats", "guest-get-diskstats", "guest-network-get-route"):
            check({"enabled": True, "name": name, "success-response": True} in supported, name)
        handle = line.ask_raw('{"execute":"guest-file-open", "arguments": { "path": "/dev/zero", "mode":"r" } }\n')["return"]
        read = line.ask_raw(f'{{"execute":"guest-file-read", "arguments": {{ "handle": {handle} }} }}\n')["return"]
        equal((read["count"], len(read["buf-b64"])), (4096, 5464), "without a count")
        line.ask("guest-file-close", handle=handle)
        pid = line.ask_raw('{"execute": "guest-exec", "arguments": { "path": "true", "arg": [ ], '
                           '"capture-output":true } }\n')["return"]["pid"]
        check(pid > 0, pid)
        deadline = time.monotonic() + 60
        while not (status := line.ask("guest-exec-status", pid=pid))["exited"]:
            check(time.monotonic() < deadline, status)
            time.sleep(0.01)
        equal(status["exitcode"], 0, status)
        # CloudStack compares this text.
        equal(line.ask_raw('{"execute":"guest-fsfreeze-status"}\n'), {"return": "thawed"}, "status")


def test_delimiter_only_before_a_delimited_sync():
    with Agent() as agent, agent.line() as line:
        line.send('{"execute":"guest-sync-delimited","arguments":{"id":7}}\n')
        equal(line.read_line(), b'\xff{"return": 7}', "delimited reply")
        line.send('{"execute":"guest-sync","arguments":{"id":8}}\n')
        equal(line.read_line(), b'{"return": 8}', "plain reply")


def test_reset_byte_anywhere():
    with Agent() as agent, agent.line() as line:
        line.send(b'{"execute":"guest-pi\xff\xff{"execute":"guest-ping"}\n\xff{"exec\xff')
        equal(line.read_line(), b'{"return": {}}', "reply after a reset")
        line.send('{"execute":"guest-ping"}\n')
        equal(line.read_line(), b'{"return": {}}', "reply after a second reset")


def test_integers_are_plain():
    with Agent() as agent, agent.line() as line:
        for number in (0, 1, -1, 2**62, 2**63 - 1, -2**63, 1763700000123):
            line.send(json.dumps({"execute": "guest-sync", "arguments": {"id": number}}) + "\n")
            equal(line.read_line(), f'{{"return": {number}}}'.encode(), "echo")
        for name in QUERIES:
            text = json.dumps(line.ask(name))
            check(not re.search(r"[:\[ ]-?\d+(\.\d+)?[eE]", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)),
                  f"{name} has a number with an exponent")


def test_empty_or_missing_arguments():
    with Agent() as agent, agent.line() as line:
        for name in QUERIES:
            reply = line.ask_raw(json.dumps({"execute": name, "arguments": {}}) + "\n")
            check("return" in reply, f"{name} with empty arguments: {reply}")


def test_supported_commands_have_three_keys():
    with Agent() as agent, agent.line() as line:
        for entry in line.ask("guest-info")["supported_commands"]:
            equal(set(entry), {"name", "enabled", "success-response"}, "entry")
            check(entry["enabled"] is True, f"{entry['name']} is disabled")


def test_requests_without_newline():
    with Agent() as agent, agent.line() as line:
        line.send('{"execute":"guest-ping"}{"execute":"guest-ping"}')
        equal(line.read_line(), b'{"return": {}}', "first")
        equal(line.read_line(), b'{"return": {}}', "second")


def test_strict_order():
    with Agent() as agent, agent.line() as line:
        batch = []
        for number in range(300):
            batch.append(line.request("guest-sync", id=number))
            if number % 10 == 0:
                batch.append(line.request("guest-get-fsinfo"))
        line.send("".join(batch))
        for number in range(300):
            equal(json.loads(line.read_line())["return"], number, "order")
            if number % 10 == 0:
                check(isinstance(json.loads(line.read_line())["return"], list), "fsinfo in its place")


def test_id_is_echoed():
    with Agent() as agent, agent.line() as line:
        for value in (1, "x\"y", None, [1, {"a": "b\nc"}], {"k": 1.5}, True):
            reply = line.ask_raw(json.dumps({"execute": "guest-ping", "id": value}, indent=1) + "\n")
            equal(reply, {"return": {}, "id": value}, "reply")
        reply = line.ask_raw('{"id": 9, "execute": "guest-nope"}\n')
        equal(reply["id"], 9, "id of an error")


def test_base64_with_newlines():
    with Agent() as agent, agent.line() as line:
        path = str(agent.directory / "file")
        handle = line.ask("guest-file-open", path=path, mode="wb")
        line.ask("guest-file-write", {"handle": handle, "buf-b64": "aGVs\nbG8g\r\nd29y\nbGQ=\n"})
        line.ask("guest-file-close", handle=handle)
        equal(pathlib.Path(path).read_text(), "hello world", "file")


def test_disabled_command_says_so():
    with Agent("-b", "guest-get-time,guest-file-open") as agent, agent.line() as line:
        error = line.ask_raw('{"execute":"guest-get-time"}\n')["error"]
        equal(error["class"], "CommandNotFound", "class")
        equal(error["desc"],
              "Command guest-get-time has been disabled: the command is not allowed", "desc")
        names = {c["name"]: c["enabled"] for c in line.ask("guest-info")["supported_commands"]}
        equal((names["guest-get-time"], names["guest-ping"]), (False, True), "enabled")


def test_allow_list_and_profiles():
    with Agent("-a", "guest-get-time") as agent, agent.line() as line:
        line.ask("guest-get-time")
        line.ask("guest-ping")
        check("error" in line.ask_raw('{"execute":"guest-get-osinfo"}\n'), "not on the list")
    with Agent("--profile", "monitor") as agent, agent.line() as line:
        line.ask("guest-get-osinfo")
        check("error" in line.ask_raw('{"execute":"guest-shutdown"}\n'), "monitor may not shut down")


def test_libvirt_like_client():
    with Agent() as agent, agent.line(LibvirtLike) as line:
        line.sync()
        interfaces = line.command("guest-network-get-interfaces")["return"]
        for interface in interfaces:
            check(isinstance(interface["name"], str), "name")
            for address in interface.get("ip-addresses", []):
                check(address["ip-address-type"] in ("ipv4", "ipv6"), "type")
                check(address["prefix"] >= 0, "prefix")
        for fs in line.command("guest-get-fsinfo")["return"]:
            check(all(isinstance(fs[key], str) for key in ("mountpoint", "name", "type")), "fsinfo")
            for disk in fs["disk"]:
                check({"bus", "target", "unit", "pci-controller"} <= set(disk), "disk")
                check({"domain", "bus", "slot", "function"} <= set(disk["pci-controller"]), "pci")
        for disk in line.command("guest-get-disks")["return"]:
            check(isinstance(disk["partition"], bool) and isinstance(disk["name"], str), "disk")
        for cpu in line.command("guest-get-vcpus")["return"]:
            check(cpu["online"] or cpu["can-offline"], "offline and cannot be")
        check(line.command("guest-get-time")["return"] > 0, "time")
        check(isinstance(line.command("guest-get-timezone")["return"]["offset"], int), "offset")
        # A reply of two commands before is skipped by the next sync.
        line.send('{"execute":"guest-get-time"}\n')
        line.sync()
        equal(line.command("guest-ping"), {"return": {}}, "after a resync")


def test_libvirt_survives_what_it_sends_wrong():
    with Agent() as agent, agent.line(LibvirtLike) as line:
        line.sync()
        for bad in (b"\n", b"   \n", b"garbage\n", b"{\"execute\":\n", b"[1]\n"):
            line.send(bad)
        line.sync()


def test_proxmox_like_client():
    with Agent() as agent:
        client = ProxmoxLike(agent.socket)
        for name in QUERIES:
            reply = client.command(name)
            check("return" in reply, f"{name}: {reply}")
        equal(client.command("guest-nope")["error"]["class"], "CommandNotFound", "class")
        handle = client.command("guest-file-open", {"path": "/proc/self/status"})["return"]
        data = client.command("guest-file-read", {"handle": handle, "count": 1 << 20})["return"]
        check(data["eof"] and data["count"] > 100, "a file of /proc is read to its end")
        seek = client.command("guest-file-seek", {"handle": handle, "offset": 0, "whence": "set"})
        equal(seek["return"]["position"], 0, "position")
        equal(client.command("guest-file-close", {"handle": handle}), {"return": {}}, "close")


def test_several_clients_at_once():
    with Agent() as agent:
        lines = [agent.line() for _ in range(16)]
        for line in lines:
            line.send(line.request("guest-get-fsinfo"))
        for line in lines:
            check(isinstance(json.loads(line.read_line())["return"], list), "answer")
        # One more waits in the backlog until somebody leaves.
        late = agent.line()
        late.send(late.request("guest-ping"))
        lines.pop().close()
        equal(json.loads(late.read_line()), {"return": {}}, "the latecomer")
        for line in (late, *lines):
            line.close()


def test_half_closed_client_gets_its_answer():
    with Agent() as agent, agent.line() as line:
        line.send('{"execute":"guest-get-fsinfo"}\n{"execute":"guest-ping"}\n')
        line.sock.shutdown(socket.SHUT_WR)
        check(b"return" in line.read_line(), "fsinfo")
        equal(line.read_line(), b'{"return": {}}', "ping")


def test_a_days_polling_leaves_nothing_behind():
    """A collector that connects, greets and asks for everything every ten seconds."""
    rounds = 8640 if os.environ.get("PVT_LONG") else 200
    polled = [name for name in QUERIES if name not in ("pvt-get-cpu-usage", "pvt-get-rates")]
    with Agent() as agent:
        for number in range(rounds + 20):
            if number == 20:
                before = agent.descriptors(), len(agent.children()), agent.memory()
            with agent.line(LibvirtLike) as line:
                line.sync()
                for name in polled:
                    check("return" in line.command(name), name)
        after = agent.descriptors(), len(agent.children()), agent.memory()
        note(f"{rounds} rounds of {len(polled)} queries: {before} -> {after}")
        equal(after[1], 0, "children")
        check(after[0] <= before[0] + 1, "descriptors")
        check(agent.sanitized or after[2] < before[2] + 512, "memory")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
