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


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
