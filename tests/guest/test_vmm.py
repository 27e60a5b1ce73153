#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools-vmm: our payload on this machine's KVM, and a stock Linux with our agent in it
on the KVM of a nested guest."""

import atexit
import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import hardship
import nested
import readme
import tap
import usernet
import vhostuser
from qmp import Qmp
from tap import Skip, check, equal, note

PORT = "org.qemu.guest_agent.0"
SLOT = "--rng=transport=mmio"  # the payload knows virtio-mmio
_outer = []


def outer():
    """The nested guest, started once for all tests."""
    if not _outer:
        vm = nested.Outer()
        vm.__enter__()
        atexit.register(vm.__exit__, None, None, None)
        _outer.append(vm)
    return _outer[0]


def vmm(*words, timeout=60):
    return subprocess.run([vhostuser.find_vmm(), *map(str, words)], capture_output=True, text=True,
                          timeout=timeout, check=False)


def test_board_on_this_machine():
    """No Linux: a KVM without hardware behind it only interprets."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory() as name:
        payload = nested.build_payload(pathlib.Path(name) / "board.elf")
        done = vmm("run", "--no-reboot", "--kernel", payload, "--append", "check", "--memory", 16, SLOT)
        equal((done.returncode, done.stdout), (0, "ABCDEFGH\n"), "the payload")
        done = vmm("run", "--no-reboot", "--kernel", payload, "--append", "wrong", "--memory", 16, SLOT)
        equal((done.returncode, done.stdout), (3, "a\n"), "a check that fails")
        done = vmm("run", "--no-reboot", "--kernel", payload, "--append", "check", "--memory", 16)
        equal((done.returncode, done.stdout), (3, "ABCd\n"), "without a device")


def test_errors_are_said():
    with tempfile.TemporaryDirectory() as name:
        text = pathlib.Path(name) / "text"
        text.write_text("no kernel\n" * 1000)
        small = pathlib.Path(name) / "small"
        small.write_bytes(b"x" * 100)
        for words, status, said in (
                (["run"], 2, "--kernel is needed"),
                (["run", "--kernel", text, "--memory", "1"], 2, "from 4 to"),
                (["run", "--kernel", text, "--disk", "file=/nowhere"], 2, "No such file"),
                (["run", "--kernel", text, "--disk", f"file={small}"], 2, "at least one sector"),
                (["run", "--kernel", text, "--disk", f"file={text},colour=red"], 2, "'colour'"),
                (["run", "--kernel", text, "--disk", f"file={text},aio=native"], 2, "'io_uring' or"),
                (["run", "--kernel", text, "--vsock", "cid=2,socket=x"], 2, "from 3 to"),
                (["run", "--kernel", text, "--balloon=deflate-on-oom=perhaps"], 2, "'on' or 'off'"),
                (["run", "--kernel", text, "--transport", "usb"], 2, "'pci' or 'mmio'"),
                (["run", "--kernel", text, "--rng=transport=usb"], 2, "'pci' or 'mmio'"),
                (["device", "blk", "--file", text], 2, "usage"),
                (["device", "nothing", "--socket", "x"], 2, "usage")):
            done = vmm(*words)
            equal(done.returncode, status, f"{words}: {done.stderr}")
            check(said in done.stderr, f"{words}: {done.stderr}")
        if os.access("/dev/kvm", os.R_OK | os.W_OK):
            done = vmm("run", "--kernel", text, "--vmgenid", GUID + "0")
            equal(done.returncode, 1, done.stderr)
            check("a GUID or 'auto'" in done.stderr, done.stderr)
            done = vmm("run", "--kernel", text)
            equal(done.returncode, 1, done.stderr)
            check("cannot be booted" in done.stderr, done.stderr)


# Starts the inner guest in the background and waits for its agent.
START = """
rm -f /run/inner.* /run/vmm.*
(pvtools-vmm run --kernel /inner/vmlinuz --initrd /inner/initrd --append 'console=ttyS0 panic=-1{append}' \
  --memory {memory} --port {port}=/run/inner.sock --serial /run/inner.log {options} \
  2> /run/vmm.err && echo 0 > /run/vmm.status || echo $? > /run/vmm.status) > /dev/null 2>&1 &
for i in $(seq 80); do
  pvtools ping --timeout=2 unix:/run/inner.sock > /dev/null 2>&1 && break
  [ -e /run/vmm.status ] && break
  sleep 0.2
done
cut -d' ' -f1 /proc/uptime
pvtools ping unix:/run/inner.sock || {{ tail -n 30 /run/inner.log; cat /run/vmm.*; false; }}
"""
WAIT = """
for i in $(seq 300); do [ -e /run/vmm.status ] && break; sleep 0.1; done
grep -v '^agent: ' /run/vmm.err || true; dmesg | grep "audit: type=1326" || true; cat /run/vmm.status
"""


def start(vm, options="", memory=256, append=""):
    return vm.sh(START.format(port=PORT, options=options, memory=memory, append=append), timeout=200)


def ask(vm, command, **arguments):
    """A command for the inner agent, by the outer guest's pvtools."""
    text = base64.b64encode(json.dumps({"execute": command, "arguments": arguments}).encode()).decode()
    return json.loads(vm.sh(f"echo {text} | base64 -d > /run/request; "
                            "pvtools raw unix:/run/inner.sock --json - < /run/request"))


def inside(vm, script):
    """What a shell script in the inner guest prints; it must succeed."""
    pid = ask(vm, "guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": "merged"})["pid"]
    while not (status := ask(vm, "guest-exec-status", pid=pid))["exited"]:
        time.sleep(0.2)
    text = base64.b64decode(status.get("out-data", "")).decode()
    equal(status.get("exitcode"), 0, f"{script}: {text}")
    return text


def test_payload_in_the_nested_guest():
    equal(outer().sh("pvtools-vmm run --kernel /inner/board.elf --append check --memory 16 "
                     f"{SLOT} 2>/dev/null"), "ABCDEFGH\n", "the payload")


AUDITED = {"C1", "C10", "C15", "C19", "F1", "P4", "P6", "P11", "PCI3", "PCI8", "PCI11", "PCI16",
           "PCI17", "B4", "R1", "CO2", "BL1", "BL2"}


def look_at_audit(text):
    lines = [json.loads(line) for line in text.splitlines()]
    found = [line for line in lines if "finding" in line]
    # Its balloon offers statistics, and rings for them, before DRIVER_OK: init_vqs() does.
    others = [line for line in found if (line["finding"], line["device"], line["queue"]) != ("C4", "balloon", 2)]
    equal(others, [], "what Linux's drivers do wrong")
    counts = [line["checked"] for line in lines if "checked" in line]
    checked = set().union(*counts)
    note(f"audit: {sum(sum(one.values()) for one in counts)} checks of {len(checked)} clauses")
    equal(AUDITED - checked, set(), "clauses that nothing was held against")


def test_linux_boots_to_its_agent():
    vm = outer()
    vm.sh("dd if=/dev/urandom of=/run/disk bs=1M count=8 2>/dev/null; "
          "dd if=/bin/sockecho of=/run/disk conv=notrunc 2>/dev/null")
    note(start(vm, "--cpus 2 --rng --disk file=/run/disk,serial=inner,queues=2,aio=io_uring --qmp /run/inner.qmp "
                   "--vsock cid=77,socket=/run/inner.vsock --balloon --audit=/run/audit --agent "
                   "--shared-page /run/page"))
    told = vm.sh("pvtools info unix:/run/inner.sock")
    check("6.1" in told and "Debian" in told, told)
    note(told)
    disks = vm.sh("pvtools disks unix:/run/inner.sock")
    check("vda" in disks and "inner" in disks, disks)
    said = vm.sh("for i in $(seq 600); do grep '^agent: connected.*CPU' /run/vmm.err && exit; sleep 0.1; done; "
                 "cat /run/vmm.err; false")
    note(said)
    check(re.match(r"agent: connected, micro, no address, CPU \d+%, memory \d+ of \d+ MiB, up \d+ s\n", said),
          said)
    readme.compare("pvtools-vmm run", said)
    stat = vm.sh("pvtools raw unix:/run/inner.sock guest-get-vcpus")
    equal(stat.count("logical-id"), 2, stat)
    written, back = inside(vm, """
        dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null; sha256sum < /tmp/data
        dd if=/tmp/data of=/dev/vda bs=64k seek=32 conv=fsync,notrunc 2>/dev/null
        echo 3 > /proc/sys/vm/drop_caches
        dd if=/dev/vda bs=64k skip=32 count=64 2>/dev/null | sha256sum""").replace(" -", "").split()
    equal(back, written, "read back")
    equal(vm.sh("dd if=/run/disk bs=64k skip=32 count=64 2>/dev/null | sha256sum").split()[0], written,
          "the image")
    equal(inside(vm, "cat /sys/class/misc/hw_random/rng_current; "
                     "cat /sys/devices/system/clocksource/clocksource0/current_clocksource; "
                     "dd if=/dev/hwrng bs=512 count=4 iflag=fullblock 2>/dev/null | wc -c").split(),
          ["virtio_rng.0", "kvm-clock", "2048"], "generator and clock")
    equal(inside(vm, "ls /sys/block/vda/mq; cat /sys/block/vda/mq/*/cpu_list").split(),
          ["0", "1", "0", "1"], "the disk's queues, and whose they are")
    pci_of_linux(vm)
    sockets_of_linux(vm)
    disk_of_linux(vm)
    page_of_linux(vm)
    balloon_of_linux(vm, 256)
    vm.sh("pvtools shutdown unix:/run/inner.sock")
    equal(vm.sh(WAIT), "0\n", "the VMM's end after the guest's power-off")
    look_at_audit(vm.sh("cat /run/audit"))


# Each line of /proc/interrupts: a number a CPU, the chip, what it is of.
VECTORS = r"^ *\d+:((?: +\d+)+) +PCI-MSI\S* +\S+ +(virtio\d+-\S+)"


def pci_of_linux(vm):
    """Five functions of our vendor, a vector each for every queue and the configuration."""
    text = inside(vm, "cat /proc/interrupts")
    vectors = [(re.sub(r"^virtio\d+-", "", name), sum(map(int, counts.split())))
               for counts, name in re.findall(VECTORS, text, re.M)]
    note(f"vectors: {vectors}")
    names = sorted(name for name, _ in vectors)
    # Input and output: of the console's own port, of ours; input: of the generator.
    equal(names, ["config"] * 5 + ["control-i", "deflate", "event", "inflate"] + ["input"] * 3
          + ["output"] * 2 + ["req.0", "req.1", "rx", "stats", "tx"], text)
    inside(vm, "for cpu in 0 1; do taskset -c $cpu dd if=/dev/vda of=/dev/null bs=64k count=8 "
               "iflag=direct 2>/dev/null; done")
    for queue in ("input", "req.0", "req.1", "control-i"):
        check(any(count > 0 for name, count in vectors if name == queue), f"no interrupt of {queue}: {text}")
    places = inside(vm, "cd /sys/bus/pci/devices; for d in *; do echo $d $(cat $d/vendor $d/device); done")
    equal([line.split()[1:] for line in places.splitlines()],
          [["0x1b36", "0x0008"], ["0x1af4", "0x1044"], ["0x1af4", "0x1042"], ["0x1af4", "0x1053"],
           ["0x1af4", "0x1045"], ["0x1af4", "0x1043"], ["0x1af4", "0x1110"]],
          places)
    said = inside(vm, "dmesg | grep -iE 'pci|ecam|mmconfig' | grep -v 'Kernel command'")
    check("ECAM" in said or "MMCONFIG" in said, said)
    check("root bus resource" in said, said)
    note(said)
    for line in said.splitlines():
        check("can't" not in line and "no space" not in line and "failed to assign" not in line, line)


SOCKETS = """
for i in $(seq 100); do
  pvtools ping --timeout=2 vsock-mux:/run/inner.vsock:7654 > /dev/null 2>&1 && break; sleep 0.2
done
pvtools ping vsock-mux:/run/inner.vsock:7654
pvtools ping vsock-mux:/run/inner.vsock:7655 2>&1 && exit 1
sockecho mux-send /run/inner.vsock 7656 1000003
(sockecho unix-listen /run/inner.vsock_900 > /dev/null 2>&1 &)
"""


def sockets_of_linux(vm):
    """Our agent on vsock by the host's socket, and data both ways in both directions."""
    inside(vm, "dd if=/dev/vda of=/tmp/sockecho bs=1M count=2 2>/dev/null; chmod 755 /tmp/sockecho; "
               "mkdir /run/agent2; /sbin/agent -d -m vsock-listen -p any:7654 -t /run/agent2; "
               "(/tmp/sockecho vsock-listen 7656 > /dev/null 2>&1 &)")
    told = vm.sh(SOCKETS)
    note(told)
    check("nobody in the guest answers on vsock port 7655" in told, told)
    check("1000003 of 1000003 came back" in told, told)
    told = inside(vm, "/tmp/sockecho vsock-send 900 1000003; /tmp/sockecho vsock-send 901 1 2>&1 || true")
    note(told)
    check("1000003 of 1000003 came back" in told, told)
    check("901: Connection reset" in told, told)


SNAPSHOT = """
rm -rf /run/snap; mkdir /run/snap
pvtools snapshot qemu:/run/inner.qmp --to /run/snap
"""
LOOK = """
mount -t ext4 -o ro,loop /run/snap/*.raw /mnt; cat /mnt/file; umount /mnt
cat /run/snap/*.raw | wc -c
"""


def page_of_linux(vm):
    """The inner agent's figures, read from the file."""
    page = json.loads(vm.sh("pvtools page page:/run/page --timeout 60 -o json", timeout=200))
    equal((page["stale"], page["boot-id"]),
          (False, inside(vm, "cat /proc/sys/kernel/random/boot_id").strip()), "the page")
    total = inside(vm, "awk '/^MemTotal/ { print $2 }' /proc/meminfo")
    equal(page["figures"]["memory.total"], int(total) * 1024, "memory in the page")
    note(vm.sh("pvtools stat page:/run/page --timeout 60", timeout=200))


def disk_of_linux(vm):
    """It grows under its driver, and a snapshot of it is what it was in the freeze."""
    said = qmp(vm, {"execute": "block_resize", "arguments": {"device": "drive0", "size": 16 << 20}})
    check(not any("error" in message for message in said), said)
    equal(inside(vm, "for i in $(seq 400); do [ $(cat /sys/block/vda/size) = 32768 ] && break; sleep 0.1; done; "
                     "cat /sys/block/vda/size; grep virtio1-config /proc/interrupts | "
                     "awk '{print ($2 + $3 > 0)}'").split(), ["32768", "1"], "size, and who told it")
    inside(vm, "mke2fs -F /dev/vda > /dev/null 2>&1; mount -t ext4 /dev/vda /mnt; echo before > /mnt/file")
    told = vm.sh(SNAPSHOT)
    note(told)
    check(re.search(r"drive0 +/run/snap/\S+\.raw +/run/disk +consistent", told), told)
    # A command of one's own instead, while it is mounted: what is frozen is that.
    told = vm.sh("pvtools quiesce qemu:/run/inner.qmp -- echo inside 2>&1")
    check("inside" in told and "consistent" in told, told)
    inside(vm, "echo behind > /mnt/file; sync; umount /mnt")
    equal(vm.sh(LOOK).split(), ["before", str(16 << 20)], "the snapshot: its file, its size")


def value_of(vm, name, **arguments):
    """A command's value, as soon as it comes; it must not be an error."""
    lines = "\n".join(json.dumps(line) for line in (
        {"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments, "id": "last"}))
    text = vm.sh(f"unixcat /run/inner.qmp 60 '\"last\"' <<'END'\n{lines}\nEND\n")
    reply = [line for line in map(json.loads, filter(None, text.splitlines())) if line.get("id") == "last"]
    check(len(reply) == 1 and "return" in reply[0], text)
    return reply[0]["return"]


def resident(vm):
    """MiB of guest memory that the VMM holds; its copying process has none."""
    return max(map(int, vm.sh("for p in $(pidof pvtools-vmm); do awk '/RssShmem/ {print $2}' "
                              "/proc/$p/status; done").split())) >> 10


def wait_in(vm, what, condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, f"{what}: {vm.sh('tail -n 20 /run/inner.log; cat /run/vmm.*')}")
        time.sleep(0.2)


FILL = "dd if=/dev/zero of=/tmp/fill bs=1M count=80 2>/dev/null; rm /tmp/fill; "
AVAILABLE = "awk '/MemAvailable/ {print $2}' /proc/meminfo"
BALLOON = {"path": "/machine/peripheral/balloon0"}


def balloon_of_linux(vm, memory):
    """Down to what it needs and a little, and back; what the host holds falls by that."""
    free = int(inside(vm, FILL + AVAILABLE)) >> 10
    full, floor = resident(vm), (memory - free + 40) << 20
    equal(value_of(vm, "query-balloon"), {"actual": memory << 20}, "before")
    value_of(vm, "balloon", value=floor)
    wait_in(vm, "it does not inflate", lambda: value_of(vm, "query-balloon")["actual"] == floor)
    less = resident(vm)
    note(f"{free} of {memory} MiB were available, {full} MiB resident; with a balloon down to "
         f"{floor >> 20} MiB {less} MiB")
    check(less <= floor >> 20 and less < full - 60, "the host has not got the memory")
    value_of(vm, "qom-set", **BALLOON, property="guest-stats-polling-interval", value=1)
    stats = lambda: value_of(vm, "qom-get", **BALLOON, property="guest-stats")
    wait_in(vm, "no statistics", lambda: stats()["last-update"] > 0)
    told = stats()
    note(f"statistics: {told['stats']}")
    check(0 < told["stats"]["stat-free-memory"] < told["stats"]["stat-total-memory"], told)
    wait_in(vm, "no second statistics", lambda: stats()["last-update"] > told["last-update"])
    value_of(vm, "balloon", value=memory << 20)
    wait_in(vm, "it does not deflate", lambda: value_of(vm, "query-balloon")["actual"] == memory << 20)
    check(int(inside(vm, FILL + AVAILABLE)) >> 10 > free - 40, "the guest has not got its memory back")


def test_control_socket_on_this_machine():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        disk = directory / "disk"
        disk.write_bytes(bytes(1 << 20))
        payload = nested.build_payload(directory / "board.elf")
        process = subprocess.Popen(
            [vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", payload, "--append", "check",
             "--memory", "16", SLOT, "--paused", "--qmp", directory / "qmp", "--disk", f"file={disk},readonly=on",
             "--port", f"{PORT}={directory}/agent", "--port", f"other={directory}/other"],
            stdout=subprocess.PIPE, text=True)
        try:
            control_dialogue(directory, disk)
            equal((process.wait(20), process.stdout.read()), (0, "ABCDEFGH\n"), "the end")
            check(not (directory / "qmp").exists(), "the socket is still there")
        finally:
            process.kill()
            process.wait()


def connect_qmp(path):
    deadline = time.monotonic() + 20
    while True:
        try:
            return Qmp(path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def refused(monitor, name, **arguments):
    try:
        monitor.command(name, **arguments)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(f"{name} was not refused")


def control_dialogue(directory, disk):
    monitor = connect_qmp(directory / "qmp")
    second = connect_qmp(directory / "qmp")
    equal(monitor.command("query-status"), {"status": "paused", "running": False, "singlestep": False},
          "status")
    block = monitor.command("query-block")
    equal([(b["device"], b["inserted"]["file"], b["inserted"]["ro"],
            b["inserted"]["image"]["virtual-size"]) for b in block],
          [("drive0", str(disk), True, 1 << 20)], "query-block")
    ports = monitor.command("qom-list", path="/machine/peripheral")
    equal([p["type"] for p in ports], ["child<virtserialport>"] * 2, "ports")
    equal(monitor.command("qom-get", path="/machine/peripheral/port1", property="name"), "other", "name")
    equal(monitor.command("qom-get", path="/machine/peripheral/port0", property="chardev"), "chardev0",
          "chardev")
    equal([c["filename"] for c in monitor.command("query-chardev")],
          [f"disconnected:unix:{directory}/{file},server=on" for file in ("agent", "other")], "chardevs")
    check("no property" in refused(monitor, "qom-get", path="/machine/peripheral/port9",
                                   property="name"), "a port that is not there")
    check("missing" in refused(monitor, "qom-get", path="/x"), "an argument that is not there")
    check("not been found" in refused(monitor, "blockdev-add"), "a command nobody has")
    names = {entry["name"] for entry in monitor.command("query-commands")}
    check({"stop", "cont", "quit", "system_reset", "system_powerdown"} <= names, names)
    monitor.sock.sendall(b"garbage\n")
    check("error" in monitor._read(), "garbage")
    second.command("cont")
    for one in (monitor, second):
        one.wait_event("RESUME")
        equal(one.wait_event("SHUTDOWN")["data"]["reason"], "guest-shutdown", "the event")
        one.close()


def test_control_socket_ends_and_resets():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        payload = nested.build_payload(directory / "board.elf")
        for command, status, event in (("quit", 0, "SHUTDOWN"), ("system_reset", 3, "RESET")):
            process = subprocess.Popen([vhostuser.find_vmm(), "run", "--no-reboot", "--kernel", payload,
                                        "--memory", "16", "--paused", "--qmp", directory / "qmp"])
            try:
                monitor = connect_qmp(directory / "qmp")
                monitor.command(command)
                monitor.wait_event(event)
                equal(process.wait(20), status, command)
            finally:
                process.kill()
                process.wait()


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


def test_it_begins_anew_in_the_same_process():
    """A payload that resets, with its one device: every life of it prints the same."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened here")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        payload = nested.build_payload(directory / "board.elf")
        out = directory / "out"
        process = subprocess.Popen(
            [vhostuser.find_vmm(), "run", "--kernel", payload, "--append", "check", "--memory", "16",
             "--cpus", "2", "--rng=transport=pci", "--paused", "--serial", out, "--qmp", directory / "qmp"])
        try:
            monitor = connect_qmp(directory / "qmp")
            for _ in range(2):  # paused it stays
                monitor.command("system_reset")
                equal(monitor.wait_event("RESET")["data"],
                      {"guest": False, "reason": "host-qmp-system-reset"}, "whose reset")
            equal(monitor.command("query-status")["status"], "paused", "status")
            equal(out.read_text(), "", "nothing ran")
            monitor.command("cont")
            monitor.close()
            wait_until(lambda: out.read_text().count("\n") >= 20, "it did not begin anew")
            process.terminate()
            equal(process.wait(60), 0, "the end")
            lines = out.read_text().split("\n")
            equal(set(lines[:-1]), {"ABCd"}, "what it says each time")
        finally:
            process.kill()
            process.wait()


def qmp(vm, *commands, seconds=2, until=""):
    """Commands for the inner VMM's control socket: all that it says within the time, or @until."""
    lines = "\n".join(json.dumps(name if isinstance(name, dict) else {"execute": name})
                      for name in ("qmp_capabilities", *commands))
    text = vm.sh(f"unixcat /run/inner.qmp {seconds} {until} <<'END'\n{lines}\nEND\n")
    return [json.loads(line) for line in text.splitlines() if line]


def names_of(messages):
    return [message["event"] for message in messages if "event" in message]


BOOT = "cat /proc/sys/kernel/random/boot_id"


def second_life(vm):
    """Free pages are reported; then it boots again in the same process, and says so."""
    inside(vm, FILL)
    wait_in(vm, "free pages stay", lambda: resident(vm) < 256 - 100)
    note(f"resident after 80 MiB were written and deleted: {resident(vm)} MiB")
    first, process = inside(vm, BOOT), vm.sh("pidof pvtools-vmm")
    vm.sh("(echo '{\"execute\":\"qmp_capabilities\"}' | unixcat /run/inner.qmp 100 '\"RESET\"' "
          "> /run/inner.events) > /dev/null 2>&1 &")
    ask(vm, "guest-exec", path="/bin/sh", arg=["-c", "sleep 2; reboot -f"])
    wait_in(vm, "no event", lambda: "guest-reset" in vm.sh("cat /run/inner.events"))
    wait_in(vm, "it does not come again",
            lambda: "up" in vm.sh("pvtools ping --timeout=60 unix:/run/inner.sock > /dev/null 2>&1 && "
                                  "echo up || true"), 300)
    check(inside(vm, BOOT) != first, "it is the same life")
    equal(vm.sh("pidof pvtools-vmm"), process, "the VMM's processes")
    note(f"resident after the reboot: {resident(vm)} MiB")


def test_control_of_linux():
    vm = outer()
    usernet.prepare(vm)
    start(vm, "--qmp /run/inner.qmp --transport mmio --balloon=free-page-reporting=on,deflate-on-oom=on "
              f"--net {usernet.NIC} --net {usernet.SECOND}")
    equal(vm.sh("pvtools ping qemu:/run/inner.qmp > /dev/null && echo found").strip(), "found",
          "the agent by way of the control socket")
    for words in ("pvtools --connect qemu:/run/inner.qmp ping", "PVT_CONNECT=qemu:/run/inner.qmp pvtools info"):
        vm.sh(words)
    watchdog = "/proc/sys/kernel/watchdog_thresh"
    inside(vm, f"echo 2 > {watchdog}; (while :; do :; done) > /dev/null 2>&1 & echo $! > /tmp/busy")
    said = qmp(vm, "stop", "query-status")
    status = [m["return"]["status"] for m in said if "status" in m.get("return", ())]
    equal((names_of(said), status), (["STOP"], ["paused"]), f"stop: {said}")
    vm.sh("pvtools ping --timeout=2 unix:/run/inner.sock > /dev/null 2>&1 && exit 1; true")
    vm.sh("sleep 8")
    equal(names_of(qmp(vm, "cont")), ["RESUME"], "cont")
    vm.sh("pvtools ping unix:/run/inner.sock")
    # Twice its threshold is a lockup to Linux, unless it is told that it did not run.
    inside(vm, f"sleep 2; echo 10 > {watchdog}; kill $(cat /tmp/busy)")
    equal(inside(vm, "dmesg | grep -i lockup || true"), "", "a pause is no lockup")
    usernet.look(vm, lambda script: inside(vm, script), lambda: qmp(vm, "x-query-net"))
    usernet.resize(vm, lambda script: inside(vm, script))
    equal(inside(vm, "awk '/NMI:/ {print $2}' /proc/interrupts").strip(), "0", "NMIs")
    qmp(vm, "inject-nmi")
    equal(inside(vm, "for i in $(seq 400); do n=$(awk '/NMI:/ {print $2}' /proc/interrupts); "
                     "[ $n = 1 ] && break; sleep 0.1; done; echo $n").strip(), "1", "NMIs after one")
    before = inside(vm, "awk '/Ged|ged|GED/ {print $2}' /proc/interrupts").strip()
    inside(vm, "dd if=/dev/input/event0 of=/tmp/key bs=24 count=1 > /dev/null 2>&1 &")
    equal(names_of(qmp(vm, "system_powerdown")), ["POWERDOWN"], "the button")
    after = inside(vm, "awk '/Ged|ged|GED/ {print $2}' /proc/interrupts").strip()
    note(f"interrupts of the event device: {before}, then {after}")
    # struct input_event: EV_KEY, KEY_POWER (116), pressed
    equal(inside(vm, "od -An -tu2 -j16 -N6 /tmp/key").split(), ["1", "116", "1"], "KEY_POWER")
    second_life(vm)
    ask(vm, "guest-exec", path="/bin/sh", arg=["-c", "sleep 2; echo c > /proc/sysrq-trigger"])
    said = qmp(vm, seconds=100, until="GUEST_PANICKED")
    check("GUEST_PANICKED" in names_of(said), f"events at a panic: {said}")
    equal(vm.sh(WAIT), "4\n", "the VMM's end after a panic")


# The kernel that has every driver: that of vmgenid, too.
FULL = "--kernel /inner/vmlinuz-full --initrd /inner/initrd-full"
GUID = "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"


def test_hardship():
    vm = outer()
    start(vm, hardship.prepare(vm))
    within = lambda script: inside(vm, script)
    background = lambda script: ask(vm, "guest-exec", path="/bin/sh", arg=["-c", script])
    began = hardship.clock(vm, within)
    hardship.typed(vm, within, background)
    hardship.ports(vm, within, background, value_of)
    hardship.floor(vm, within, value_of, wait_in, 256)
    hardship.same_pace(began, hardship.clock(vm, within))
    hardship.cut(vm, within, background)


def test_generation_and_pvpanic_of_pci():
    vm = outer()
    start(vm, f"{FULL} --qmp /run/inner.qmp --vmgenid {GUID} --pvpanic-pci", memory=400)
    equal(value_of(vm, "query-vm-generation-id"), {"guid": GUID}, "the first one")
    equal(inside(vm, "dmesg | grep -c 'virtual machine fork' || true").strip(), "0", "no fork yet")
    check("PVTVGEN0" in inside(vm, "ls /sys/bus/acpi/drivers/vmgenid"), "no driver has the device")
    hook = "/etc/pvtools/generation.d/10-test"
    inside(vm, f"mkdir -p /etc/pvtools/generation.d; printf '#!/bin/sh\\necho $1 >> /run/generation\\n' > {hook}; "
               f"chmod 755 {hook}")
    value_of(vm, "x-set-vm-generation-id", guid="auto")
    another = value_of(vm, "query-vm-generation-id")["guid"]
    check(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", another), another)
    wait_in(vm, "Linux does not notice", lambda: "virtual machine fork" in inside(vm, "dmesg | tail -n 50"))
    last = lambda: ask(vm, "pvt-get-clock").get("last-disruption") or {}
    wait_in(vm, "the agent does not notice", lambda: last().get("kind") == "generation")
    note(f"the agent: {last()}")
    wait_in(vm, "no hook was run", lambda: inside(vm, "cat /run/generation || true").split()[-1:] == ["new-generation"])
    # The port's driver goes, the function's is left to tell.
    inside(vm, "rmmod pvpanic_mmio; ls /sys/bus/pci/drivers/pvpanic-pci | grep 0000:")
    ask(vm, "guest-exec", path="/bin/sh", arg=["-c", "sleep 2; echo c > /proc/sysrq-trigger"])
    equal(vm.sh(WAIT), "4\n", "the VMM's end after a panic")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
