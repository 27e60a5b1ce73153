#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The agent in the micro guest, over virtio-serial, against what QEMU was told."""

import base64
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import micro
import tap
from agent import find_agent
from tap import check, equal, note
from vm import MAC, VM, needs
from wire import LibvirtLike, ProxmoxLike

DISK = [("virtio-blk-pci,drive={drive},serial=micro1,id=blk", 64 << 20)]


def machine(**keywords):
    return VM(*micro.image(find_agent()), memory=256, **keywords)


def test_network_as_qemu_made_it():
    with machine() as vm:
        vm.wait_agent()
        with vm.line() as line:
            interfaces = {i["name"]: i for i in line.ask("guest-network-get-interfaces")}
            eth0 = interfaces["eth0"]
            equal(eth0["hardware-address"], MAC, "MAC")
            check({"ip-address": "10.0.2.15", "ip-address-type": "ipv4", "prefix": 24}
                  in eth0["ip-addresses"], eth0)
            equal(interfaces["lo"]["ip-addresses"][0]["ip-address"], "127.0.0.1", "lo")
            network = line.ask("pvt-get-network")
            equal((network["primary-interface"], network["primary-address"], network["gateway"],
                   network["mac-address"], network["dns-servers"]),
                  ("eth0", "10.0.2.15", "10.0.2.2", MAC, ["10.0.2.3"]), "network")
            default = [r for r in line.ask("guest-network-get-route")
                       if r["version"] == 4 and r["destination"] == "0.0.0.0"]
            equal([(r["iface"], r["gateway"], r["mask"]) for r in default],
                  [("eth0", "10.0.2.2", "0.0.0.0")], "default route")


def test_processors_and_memory():
    with machine(smp="3") as vm:
        vm.wait_agent()
        with vm.line() as line:
            cpus = line.ask("guest-get-vcpus")
            equal([c["logical-id"] for c in cpus], [0, 1, 2], "CPUs")
            check(all(c["online"] for c in cpus) and not cpus[0]["can-offline"], cpus)
            equal(len(line.ask("guest-get-cpustats")), 3, "cpustats")
            usage = line.ask("pvt-get-cpu-usage", interval_ms=300)
            equal(len(usage["cpus"]), 3, "usage")
            shares = [usage["total"][k] for k in ("user", "nice", "system", "idle", "iowait", "irq",
                                                  "softirq", "steal")]
            check(abs(sum(shares) - 1) < 1e-6, f"shares add up to {sum(shares)}")
            memory = line.ask("pvt-get-memory")
            check(180 << 20 < memory["total"] < 256 << 20, memory)
            check(memory["free"] <= memory["available"] + memory["total"] // 20, memory)


def test_disk_by_address_and_serial():
    with machine(disks=DISK, append="pvt.mount") as vm:
        vm.wait_agent()
        bus, slot, function = vm.pci_slots()["blk"]
        with vm.line() as line:
            disk = next(d for d in line.ask("guest-get-disks") if d["name"] == "/dev/vda")
            address = disk["address"]
            equal(address["pci-controller"],
                  {"domain": 0, "bus": bus, "slot": slot, "function": function}, "PCI")
            equal((address["bus-type"], address["serial"], disk["partition"]),
                  ("virtio", "micro1", False), "disk")
            fs = next(f for f in line.ask("guest-get-fsinfo") if f["mountpoint"] == "/mnt")
            equal((fs["name"], fs["disk"][0]["pci-controller"]["slot"]), ("vda", slot), "fsinfo")
            check(0 < fs["total-bytes"] <= 64 << 20, fs)
            stats = {d["name"]: d["stats"] for d in line.ask("guest-get-diskstats")}
            check(stats["vda"]["write-sectors"] > 0, stats["vda"])


def test_who_is_logged_in():
    with machine(append="pvt.login") as vm:
        vm.wait_agent()
        with vm.line() as line:
            equal(line.ask("guest-get-users"), [{"user": "alice", "login-time": 1000}], "users")


def test_hot_plugged_disk_appears():
    devices = ["-device", "pcie-root-port,id=rp1,chassis=1"]
    with machine(devices=devices) as vm:
        vm.wait_agent()
        path = vm.directory / "hot.img"
        path.write_bytes(bytes(1 << 20))
        with vm.line() as line:
            equal(line.ask("guest-get-disks"), [], "disks before")
            vm.monitor.command("blockdev-add", driver="file", node_name="hot", filename=str(path))
            vm.monitor.command("device_add", driver="virtio-blk-pci", drive="hot", id="hot",
                               serial="hot1", bus="rp1")
            deadline = time.monotonic() + 30
            while not line.ask("guest-get-disks"):
                check(time.monotonic() < deadline, "the disk never came")
                time.sleep(0.1)
            equal(line.ask("guest-get-disks")[0]["address"]["serial"], "hot1", "serial")


def test_host_comes_and_goes():
    """Every connection is a host that opens and closes the port."""
    with machine() as vm:
        vm.wait_agent()
        for number in range(30):
            with vm.line() as line:
                line.sync(number + 1)
                equal(line.ask("guest-ping"), {}, "ping")
        client = ProxmoxLike(vm.agent_socket)
        # News of a connection and its data come on different queues of the
        # port: a thousand quick ones meet every order of the two.
        names = ("guest-ping", "guest-info", "guest-network-get-interfaces", "guest-get-fsinfo")
        for number in range(2000):
            check("return" in client.command(names[number % 4], timeout=30), number)


def test_idle_port_costs_nothing():
    """While the host is away the agent sleeps: nothing wakes it up."""
    with machine(smp="1") as vm:
        vm.wait_agent()
        with vm.line() as line:
            handle = line.ask("guest-file-open", path="/proc/self/status")
        away_wakeups(vm, handle, 0)
        base = away_wakeups(vm, handle, 0)
        away = away_wakeups(vm, handle, 5)
        note(f"{base} wake-ups to come back at once, {away} after five seconds")
        # One that polls the port, as ten times a second, has fifty more.
        check(away - base < 20, f"{away - base} wake-ups while nobody was there")


def away_wakeups(vm, handle, seconds):
    """How often the agent's main thread slept and woke from one host's visit to the next."""
    with vm.line() as line:
        before = wakeups(line, handle)
    time.sleep(seconds)
    with vm.line() as line:
        line.sync()
        return wakeups(line, handle) - before


def wakeups(line, handle):
    """voluntary_ctxt_switches of the agent, proc(5)."""
    line.ask("guest-file-seek", handle=handle, offset=0, whence="set")
    text = base64.b64decode(line.ask("guest-file-read", handle=handle, count=4096)["buf-b64"])
    return int(text.decode().partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def test_libvirt_like_client_over_virtio_serial():
    with machine() as vm:
        vm.wait_agent()
        with vm.line(LibvirtLike) as line:
            line.sync()
            check(line.command("guest-get-time")["return"] > 0, "time")
            equal(line.command("guest-get-host-name")["return"], {"host-name": "micro"}, "name")


def test_large_transfer():
    with machine() as vm:
        vm.wait_agent()
        with vm.line(timeout=120) as line:
            data = bytes(range(256)) * 8192
            handle = line.ask("guest-file-open", path="/tmp/big", mode="w+")
            line.ask("guest-file-write", {"handle": handle,
                                          "buf-b64": base64.b64encode(data).decode()})
            line.ask("guest-file-seek", handle=handle, offset=0, whence=0)
            got = line.ask("guest-file-read", handle=handle, count=len(data) + 1)
            equal((got["count"], got["eof"]), (len(data), True), "size")
            check(base64.b64decode(got["buf-b64"]) == data, "the data came back changed")


def test_bad_input_over_virtio_serial():
    with machine() as vm:
        vm.wait_agent()
        with vm.line() as line:
            line.send(b"garbage\n" + b"[" * 100000 + b"\n")
            for _ in range(2):
                check("error" in json.loads(line.read_line()), "an error was expected")
            equal(line.ask("guest-ping"), {}, "ping")


def test_port_that_is_plugged_later():
    needs("hotplug")
    with machine(port=False, append="pvt.path=/dev/vport0p1") as vm:
        wait_for_text(vm, "cannot open /dev/vport0p1")
        vm.monitor.command("device_add", driver="virtserialport", bus="vser.0", chardev="agent",
                           name="org.qemu.guest_agent.0", id="late", nr=1)
        vm.wait_agent(40)
        # Unplugged and plugged again: the agent finds it again.
        vm.monitor.command("device_del", id="late")
        vm.monitor.wait_event("DEVICE_DELETED", 30)
        wait_for_text(vm, "unplugged")
        vm.monitor.command("device_add", driver="virtserialport", bus="vser.0", chardev="agent",
                           name="org.qemu.guest_agent.0", id="late2", nr=1)
        vm.wait_agent(40)


def test_isa_serial_line():
    with machine(port=False, append="pvt.method=isa-serial pvt.path=/dev/ttyS1",
                 devices=["-device", "isa-serial,chardev=agent,index=1"]) as vm:
        vm.wait_agent()
        with vm.line() as line:
            line.sync()
            equal(line.ask("guest-get-host-name"), {"host-name": "micro"}, "host name")
            check(len(line.ask("guest-info")["supported_commands"]) > 20, "a long reply")


def wait_for_text(vm, text):
    deadline = time.monotonic() + 30
    while text not in vm.console.read_text(errors="replace"):
        check(time.monotonic() < deadline, f"no {text!r} on the console")
        time.sleep(0.1)
    return vm.console.read_text(errors="replace")


def test_shutdown_through_the_agent():
    with machine() as vm:
        vm.wait_agent()
        with vm.line() as line:
            line.send(line.request("guest-shutdown"))
            vm.monitor.wait_event("SHUTDOWN", 30)
            equal(vm.wait_exit(), 0, "QEMU's exit")


def test_reboot_through_the_agent():
    with machine() as vm:
        vm.wait_agent()
        with vm.line() as line:
            first = line.ask("pvt-get-uptime")["boot-id"]
            line.send(line.request("guest-shutdown", mode="reboot"))
            vm.monitor.wait_event("RESET", 30)
        vm.wait_agent()
        with vm.line() as line:
            line.sync()
            check(line.ask("pvt-get-uptime")["boot-id"] != first, "it is another boot")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
