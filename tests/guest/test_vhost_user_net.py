#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Linux's virtio-net on our network device, which QEMU reaches over vhost-user."""

import contextlib
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import netlab
import tap
import vhostuser
from netlab import GUEST, GUEST6, HOST, HOST6
from tap import check, equal, note
from vm import VM

LONG = bool(os.environ.get("PVT_LONG"))
MAC = "52:54:00:99:00:02"
MiB = 1 << 20

SETUP = f"""
ip addr flush dev eth0
echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad
ip addr add {GUEST}/24 dev eth0
ip addr add {GUEST6}/64 dev eth0
ip link set eth0 up
"""


@contextlib.contextmanager
def machine(queues=1, mtu=1500, options="", smp="2", **backend_options):
    """A guest with a NIC of ours on a tap: (vm, backend, namespace)."""
    with netlab.scratch() as directory, netlab.Namespace(queues, mtu) as namespace:
        backend = netlab.Backend(directory / "net.sock", namespace, tap="t0", queues=queues,
                                 **backend_options)
        devices = [*vhostuser.memory(256), *netlab.device(backend.path, "n0", MAC, queues, options)]
        with backend, VM(*netlab.image(), memory=256, smp=smp, network=False, devices=devices) as vm:
            vm.wait_agent()
            netlab.sh(vm, SETUP + (f"ip link set eth0 mtu {mtu}\n" if mtu != 1500 else ""))
            yield vm, backend, namespace
            check(backend.alive(), "the back-end ended")


def tcp_both_ways(vm, namespace, size, host=HOST, guest=GUEST):
    with namespace.peer("tcp-serve", 7001, 1):
        netlab.sh(vm, f"netpeer tcp-send {host} 7001 {size}")
    from_host(vm, namespace, "tcp-serve 7002 1", "tcp-send", guest, 7002, size)


def udp_both_ways(vm, namespace, count, size, host=HOST, guest=GUEST):
    with namespace.peer("udp-serve", 7003, count, size):
        netlab.sh(vm, f"netpeer udp-send {host} 7003 {count} {size}")
    from_host(vm, namespace, f"udp-serve 7004 {count} {size}", "udp-send", guest, 7004, count, size)


def from_host(vm, namespace, server, *client):
    """The server in the guest, its client in the namespace."""
    netlab.sh(vm, f"rm -f /tmp/server; (netpeer {server}; echo ended $?) > /tmp/server 2>&1 < /dev/null &\n"
                  "for i in $(seq 600); do grep -q ready /tmp/server && exit 0; sleep 0.1; done; exit 1")
    namespace.exec(netlab.peer(), *client)
    equal(netlab.sh(vm, "for i in $(seq 600); do grep -q ended /tmp/server && break; sleep 0.1; done\n"
                        "cat /tmp/server"), "ready\nok\nended 0\n", f"netpeer {server} in the guest")


def features(vm, device="eth0"):
    text = netlab.sh(vm, f"cat /sys/class/net/{device}/device/features").strip()
    return {bit for bit, value in enumerate(text) if value == "1"}


def everything(vm, namespace):
    tcp_both_ways(vm, namespace, 8 * MiB)
    tcp_both_ways(vm, namespace, 2 * MiB, HOST6, GUEST6)
    udp_both_ways(vm, namespace, 2000, 1200)
    udp_both_ways(vm, namespace, 200, 40000)  # fragments
    udp_both_ways(vm, namespace, 500, 900, HOST6, GUEST6)


def test_tcp_and_udp_with_offloads():
    with machine() as (vm, _, namespace):
        have = features(vm)
        for bit, name in ((0, "CSUM"), (1, "GUEST_CSUM"), (7, "GUEST_TSO4"), (8, "GUEST_TSO6"),
                          (11, "HOST_TSO4"), (12, "HOST_TSO6"), (15, "MRG_RXBUF"), (29, "EVENT_IDX")):
            check(bit in have, f"{name} was negotiated: {sorted(have)}")
        tcp_both_ways(vm, namespace, 8 * MiB)
        for name in ("tx", "rx"):
            packets = int(netlab.sh(vm, f"cat /sys/class/net/eth0/statistics/{name}_packets"))
            note(f"{packets} {name} packets for 8 MiB each way")
            check(packets < 8 * MiB // 1448, f"{packets} {name} packets: segments were put together")
        everything(vm, namespace)
        # What Linux itself can switch off while it runs.
        netlab.sh(vm, "ethtool -K eth0 tx off tso off gso off")
        tcp_both_ways(vm, namespace, 2 * MiB)
        namespace.exec(netlab.tool("ethtool"), "-K", "t0", "tx", "off", "tso", "off", "gso", "off")
        tcp_both_ways(vm, namespace, 2 * MiB)


def test_without_offloads_and_mergeable_buffers():
    with machine(offload="off", mergeable="off") as (vm, _, namespace):
        have = features(vm)
        check(not have & {0, 1, 7, 8, 11, 12, 15}, f"features {sorted(have)}")
        everything(vm, namespace)


def test_big_packets_without_mergeable_buffers():
    """64 KiB in one chain of pages."""
    with machine(mergeable="off") as (vm, _, namespace):
        have = features(vm)
        check({1, 7, 11} <= have and 15 not in have, f"features {sorted(have)}")
        everything(vm, namespace)


def test_packed_ring():
    with machine(options=",packed=on") as (vm, _, namespace):
        check(34 in features(vm), "the packed ring")
        everything(vm, namespace)


def test_largest_frames_of_a_jumbo_link():
    with machine(mtu=9000, offload="off") as (vm, _, namespace):
        for size in (1, 1460, 1472, 8972):
            vm_ping = f"ping -c 1 -W 60 -s {size} {HOST}"
            check("1 packets received" in netlab.sh(vm, vm_ping), f"a ping of {size} bytes")
        udp_both_ways(vm, namespace, 300, 8972)
        tcp_both_ways(vm, namespace, 2 * MiB)


def test_queues_link_and_a_backend_that_starts_again():
    with machine(queues=2, options="") as (vm, backend, namespace):
        check(22 in features(vm), "MQ was negotiated")
        # QEMU 7.2 tells a back-end nothing of a queue's reset: so none is offered.
        check(40 not in features(vm), "RING_RESET over vhost-user")
        equal(netlab.sh(vm, "ethtool -G eth0 rx 64 > /dev/null 2>&1 && echo resized || echo refused").strip(),
              "refused", "rings resized behind the back-end")
        netlab.sh(vm, "ethtool -L eth0 combined 2")
        equal(len(netlab.sh(vm, "ls -d /sys/class/net/eth0/queues/rx-*").split()), 2, "queues in use")
        for port in range(4):  # flows by their ports
            with namespace.peer("tcp-serve", 7100 + port, 1):
                netlab.sh(vm, f"netpeer tcp-send {HOST} {7100 + port} {MiB}")
        udp_both_ways(vm, namespace, 2000, 600)
        netlab.sh(vm, "ethtool -L eth0 combined 1")
        udp_both_ways(vm, namespace, 500, 600)
        # The cable.
        vm.monitor.command("set_link", name="devn0", up=False)
        wait_for(vm, "cat /sys/class/net/eth0/carrier", "0")
        vm.monitor.command("set_link", name="devn0", up=True)
        wait_for(vm, "cat /sys/class/net/eth0/carrier", "1")
        udp_both_ways(vm, namespace, 500, 600)
        # Nothing says goodbye, and the next one goes on.
        backend.kill()
        wait_for(vm, "cat /sys/class/net/eth0/carrier", "0")
        backend.start()
        wait_for(vm, "cat /sys/class/net/eth0/carrier", "1")
        wait_for(vm, f"ping -c 1 -W 2 {HOST} > /dev/null && echo yes || echo no", "yes")
        udp_both_ways(vm, namespace, 500, 600)
        tcp_both_ways(vm, namespace, MiB)


def wait_for(vm, script, want, timeout=90):
    deadline = time.monotonic() + timeout
    while (have := netlab.sh(vm, script).strip()) != want:
        if time.monotonic() > deadline:
            raise AssertionError(f"{script} says {have}, not {want}")
        time.sleep(0.1)


def test_two_nics_back_to_back_lose_nothing():
    count = 1000000 if LONG else 50000
    with netlab.scratch() as directory:
        ends = [netlab.Backend(directory / f"{name}.sock", local=directory / name, peer=directory / other,
                               offload="on") for name, other in (("a", "b"), ("b", "a"))]
        devices = [*vhostuser.memory(256),
                   *netlab.device(ends[0].path, "n0", MAC),
                   *netlab.device(ends[1].path, "n1", "52:54:00:99:00:03")]
        with ends[0], ends[1], VM(*netlab.image(), memory=256, network=False, devices=devices) as vm:
            vm.wait_agent()
            netlab.sh(vm, f"""
                mkdir -p /run/netns
                /sbin/ip netns add other
                /sbin/ip link set eth1 netns other
                ip addr flush dev eth0; ip addr add {GUEST}/24 dev eth0; ip link set eth0 up
                /sbin/ip -n other addr add {HOST}/24 dev eth1; /sbin/ip -n other link set eth1 up
                (/sbin/ip netns exec other netpeer udp-serve 7001 {count} 64; echo ended $?) \
                  > /tmp/server 2>&1 < /dev/null &
                for i in $(seq 600); do grep -q ready /tmp/server && exit 0; sleep 0.1; done; exit 1""")
            netlab.sh(vm, f"netpeer udp-send {HOST} 7001 {count} 64", 1800)
            wait_for(vm, "cat /tmp/server | tr '\\n' ' '", "ready ok ended 0")
            sent = int(netlab.sh(vm, "cat /sys/class/net/eth0/statistics/tx_packets"))
            got = int(netlab.sh(vm, "/sbin/ip netns exec other cat /sys/class/net/eth1/statistics/rx_packets"))
            check(got >= count and sent >= count, f"{sent} sent, {got} received")
            note(f"{sent} frames sent, {got} arrived, {count} datagrams compared")


def test_policy_of_a_nic():
    """Rules on real frames; each is checked to bite and to let pass what it may."""
    policy = f"bind-mac=on;ip={GUEST}+{GUEST6};no-dhcp-server=on;no-ra=on;tx-bits=8M;rx-bits=8M"
    with machine(policy=policy, mac=MAC) as (vm, _, namespace):
        began = time.monotonic()
        tcp_both_ways(vm, namespace, 2 * MiB)
        took = time.monotonic() - began
        # 2 MiB each way at 8 Mbit/s cannot take less, however fast the machine is.
        check(took > 2 * (2 * MiB * 8 / 8e6) - 1, f"{took:.1f} s for 2 MiB each way at 8 Mbit/s")
        note(f"{took:.1f} s for 2 MiB each way at 8 Mbit/s")
        tcp_both_ways(vm, namespace, 65536, HOST6, GUEST6)  # finds the neighbour first
        udp_both_ways(vm, namespace, 200, 900, HOST6, GUEST6)
        # Another address, and the own one again.
        netlab.sh(vm, "ip addr add 10.99.0.77/24 dev eth0")
        refused = "(ping -c 1 -W 2 -I 10.99.0.77 10.99.0.1 > /dev/null && echo yes) || echo no"
        equal(netlab.sh(vm, refused).strip(), "no", "a ping from an address that is not bound")
        check("1 packets received" in netlab.sh(vm, f"ping -c 1 -W 60 -I {GUEST} {HOST}"), "from the bound one")
        # Another MAC is not heard.
        netlab.sh(vm, "ip link set eth0 down; ip link set eth0 address 52:54:00:99:00:44; ip link set eth0 up")
        equal(netlab.sh(vm, f"(ping -c 1 -W 2 {HOST} > /dev/null && echo yes) || echo no").strip(), "no",
              "a ping with another MAC")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
