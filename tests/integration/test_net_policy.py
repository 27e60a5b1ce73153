#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools net-policy render: its script on a real tap, whose other end is this test.

A namespace of its own has the tap. What a guest would send is written into it, and a
second hook behind the script's counts what got so far; what the host sends is read
from it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from cli import find_cli
from tap import Skip, check, equal, note

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
TYPE_USER = 0x88B5  # for experiments (IEEE 802): the stack does nothing with it
MAC, OTHER = bytes.fromhex("525400123456"), bytes.fromhex("525400999999")
HOST = bytes.fromhex("02000000000a")
BROADCAST = b"\xff" * 6
SEEN = """table netdev seen {
  chain both { type filter hook ingress device "tap0" priority 0; policy accept; counter; }
}"""
IP, SPOOFED = "10.9.0.2", "10.9.0.7"
IP6, SPOOFED6 = "fd09::2", "fd09::7"
LINK_LOCAL = "fe80::5054:ff:fe12:3456"


def ether(payload, kind, source=MAC, target=HOST):
    return (target + source + struct.pack(">H", kind) + payload).ljust(60, b"\0")


def arp(sender_ip=IP, sender_mac=MAC, target="10.9.0.1", operation=1, source=MAC, to=BROADCAST, hardware=1):
    body = struct.pack(">HHBBH", hardware, 0x800, 6, 4, operation) + sender_mac + socket.inet_aton(sender_ip)
    return ether(body + bytes(6) + socket.inet_aton(target), 0x806, source, to)


def udp(source, target, body=b"x" * 8):
    return struct.pack(">4H", source, target, 8 + len(body), 0) + body


def ip4(payload, source=IP, fragment=0, proto=17):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, proto, 0)
    head += socket.inet_aton(source) + socket.inet_aton("10.9.0.1")
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return ether(head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:] + payload, 0x800)


def ip6(payload, proto=58, source=IP6):
    return ether(struct.pack(">IHBB", 6 << 28, len(payload), proto, 255)
                 + socket.inet_pton(socket.AF_INET6, source)
                 + socket.inet_pton(socket.AF_INET6, "ff02::1") + payload, 0x86DD)


def advert(target=IP6, mac=MAC):
    return ip6(bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, target)
               + bytes([2, 1]) + mac)


def tagged(frame, tags=1):
    return frame[:12] + b"\x81\x00\x00\x05" * tags + frame[12:]


def render(*words):
    done = subprocess.run([find_cli(), "net-policy", "render", *words], capture_output=True, text=True,
                          timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


class Lab:
    """The tap, and a packet socket of the host's side."""

    def __init__(self):
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI))
        # No addresses of its own: nothing but the test is on the wire.
        pathlib.Path("/proc/sys/net/ipv6/conf/tap0/disable_ipv6").write_text("1")
        subprocess.run(["ip", "link", "set", "tap0", "address", HOST.hex(":"), "up"], check=True)
        subprocess.run(["nft", "-f", "-"], input=SEEN, text=True, check=True)

    def close(self):
        os.close(self.tun)

    def apply(self, policy):
        code, script, said = render("--mac", MAC.hex(":"), "tap0", policy)
        equal(code, 0, said)
        for _ in range(2):  # it may be run again
            done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60,
                                  check=False)
            equal((done.returncode, done.stderr), (0, ""), script)
        return script

    def sent_by_guest(self, *frames):
        """How many of them came through: a write returns behind the hooks."""
        before = seen()
        for frame in frames:
            os.write(self.tun, frame)
        return seen() - before

    def sent_by_host(self, *frames, pause=0):
        """Those of them that reach the guest before a marker, which is sent later by @pause seconds."""
        marker = ether(b"marker", TYPE_USER)
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with sender:
            sender.bind(("tap0", 0))
            for frame in frames:
                with contextlib.suppress(OSError):  # ENOBUFS: a hook took it
                    sender.send(frame)
            time.sleep(pause)
            sender.send(marker)
        got, deadline = [], time.monotonic() + 60
        while marker not in got:
            check(select.select([self.tun], [], [], deadline - time.monotonic())[0], "the marker did not come")
            got.append(os.read(self.tun, 65536))
        return got[:-1]


def seen():
    """Frames that came as far as the hook behind the script's."""
    text = subprocess.run(["nft", "-j", "list", "table", "netdev", "seen"], capture_output=True, text=True,
                          timeout=30, check=True).stdout
    rules = [entry["rule"]["expr"] for entry in json.loads(text)["nftables"] if "rule" in entry]
    return sum(part["counter"]["packets"] for rule in rules for part in rule if "counter" in part)


@contextlib.contextmanager
def lab():
    """In a network of its own; the program has one thread."""
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise Skip("taps need root")
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) < 0:
            raise Skip("no network of its own here")
        made = Lab()
        try:
            yield made
        finally:
            made.close()
    finally:
        libc.setns(home, CLONE_NEWNET)
        os.close(home)


def verdicts(one, passes, stops):
    for name, frame in passes.items():
        equal(one.sent_by_guest(frame), 1, f"{name} should pass")
    for name, frame in stops.items():
        equal(one.sent_by_guest(frame), 0, f"{name} should not pass")
    note(f"{len(passes)} frames passed, {len(stops)} did not")


def test_words():
    for words, said in ((["tap0"], "a tap and a policy"), (["a;b", "tx-bits=1"], "no name of a tap"),
                        (["tap0", "bind-mac=on"], "needs --mac"), (["tap0", "colour=red"], "no such key"),
                        (["--mac", "1:2", "tap0", "tx-bits=1"], "a MAC is")):
        code, out, error = render(*words)
        equal((code, out), (2, ""), words)
        check(said in error, f"{words}: {error}")


def test_addresses_of_a_guest():
    with lab() as one:
        one.apply(f"bind-mac=on;ip={IP}+{IP6}")
        verdicts(one, {
            "IPv4": ip4(udp(1, 2)), "ARP": arp(), "an ARP probe": arp("0.0.0.0"),
            "ARP's answer": arp(operation=2), "a tag": tagged(ip4(udp(1, 2))), "IPv6": ip6(udp(1, 2), 17),
            "asking for an address": ip4(udp(68, 67), "0.0.0.0"), "an advertisement": advert(),
            "the link-local address": advert(LINK_LOCAL),
            "the same as source": ip6(udp(1, 2), 17, LINK_LOCAL),
            "a solicitation without an address": ip6(bytes([135, 0] + [0] * 22), source="::"),
        }, {
            "another MAC": ether(bytes(46), TYPE_USER, OTHER), "another IPv4": ip4(udp(1, 2), SPOOFED),
            "no IPv4": ip4(udp(1, 2), "0.0.0.0"), "ARP for another": arp(SPOOFED),
            "ARP with another MAC": arp(sender_mac=OTHER), "ARP of another kind": arp(hardware=6),
            "another IPv4 behind a tag": tagged(ip4(udp(1, 2), SPOOFED)), "two tags": tagged(ip4(udp(1, 2)), 2),
            "another IPv6 in a later fragment": ip6(bytes([17, 0, 0, 16] + [0] * 20), 44, SPOOFED6),
            "another IPv6": ip6(udp(1, 2), 17, SPOOFED6), "an advertisement of another": advert(SPOOFED6),
            "an advertisement with another MAC": advert(mac=OTHER), "no IPv6": ip6(udp(1, 2), 17, "::"),
            "headers that do not end": ip6(bytes([0, 255] + [0] * 6), 0),
        })


def test_servers():
    with lab() as one:
        one.apply("no-dhcp-server=on;no-ra=on")
        verdicts(one, {
            "a DHCP client": ip4(udp(68, 67)), "another's address": ip4(udp(1, 2), SPOOFED),
            "a DHCPv6 client": ip6(udp(546, 547), 17), "a router solicitation": ip6(bytes([133] + [0] * 7)),
            "a later fragment": ip4(udp(67, 68), fragment=2),
            "one of IPv6": ip6(bytes([58, 0, 0, 16, 0, 0, 0, 1, 134] + [0] * 15), 44), "TCP": ip4(struct.pack(">HH16x", 67, 1), proto=6),
        }, {
            "a DHCP server": ip4(udp(67, 68)), "the same behind a tag": tagged(ip4(udp(67, 68))),
            "a DHCPv6 server": ip6(udp(547, 546), 17), "a router": ip6(bytes([134] + [0] * 15)),
            "a router in a first fragment": ip6(bytes([58, 0, 0, 1, 0, 0, 0, 1, 134] + [0] * 15), 44),
            "a router behind a header": ip6(bytes([58, 0, 1, 4, 0, 0, 0, 0, 134] + [0] * 15), 0),
            "a fragment over the ports": ip4(udp(67, 68), fragment=1),
            "a fragment before the ports": ip4(b"\0\x43", fragment=0x2000),
        })


def test_arp_to_the_guest():
    with lab() as one:
        one.apply(f"ip={IP};arp-suppress=on")
        asks = {"us": arp("10.9.0.1", HOST, IP, source=HOST), "others": arp("10.9.0.1", HOST, SPOOFED, source=HOST),
                "others, not to all": arp("10.9.0.1", HOST, SPOOFED, source=HOST, to=MAC)}
        got = one.sent_by_host(*asks.values())
        equal([name for name, frame in asks.items() if frame in got], ["us", "others, not to all"], "what came")


def test_rates():
    with lab() as one:
        script = one.apply("tx-packets=1;burst-ms=5000;arp-rate=1")
        check("limit rate over 1/second burst 5 packets" in script, script)
        began = time.monotonic()
        passed = one.sent_by_guest(*[ether(bytes(46), TYPE_USER)] * 40)
        took = time.monotonic() - began
        # The burst and what came meanwhile; a refill more for a tick's rounding.
        check(5 <= passed <= 6 + took, f"{passed} of 40 in {took:.2f} s")
        one.apply("tx-bits=8K;burst-ms=1")
        began = time.monotonic()
        passed = one.sent_by_guest(*[ether(bytes(1486), TYPE_USER)] * 200)
        took = time.monotonic() - began
        check(44 <= passed <= 46 + took, f"{passed} of 200 frames of 1500 bytes: a burst is 66000")
        one.apply("arp-rate=1;burst-ms=3000")
        began = time.monotonic()
        passed = one.sent_by_guest(*[arp()] * 30)
        check(3 <= passed <= 4 + time.monotonic() - began, f"{passed} ARP requests of 30")
        equal(one.sent_by_guest(*[arp(operation=2)] * 30), 30, "ARP's answers have no rate")


def test_rates_to_the_guest():
    with lab() as one:
        one.apply("rx-packets=1;burst-ms=5000")
        began = time.monotonic()
        # Numbered, and the marker only once the bucket has a frame again.
        got = one.sent_by_host(*[ether(bytes([i]) * 46, TYPE_USER) for i in range(40)], pause=3)
        took = time.monotonic() - began
        check(5 <= len(got) <= 6 + took, f"{len(got)} of 40 came in {took:.2f} s")
        one.apply("rx-bits=16K;burst-ms=1")
        shown = subprocess.run(["tc", "qdisc", "show", "dev", "tap0"], capture_output=True, text=True,
                               check=True).stdout
        check("tbf" in shown and "rate 16Kbit" in shown, shown)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
