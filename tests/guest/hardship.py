# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a stock Linux under pvtools-vmm has to bear: a port whose ends come and go and whose
name changes while data is on its way, a terminal at its serial port, a balloon as large as
its memory, and the power cut in the middle of writes; and that its clock goes as the host's meanwhile."""

import re

from tap import check, equal, note

SOCKET = "/run/inner.load"
# The same kernel as in the other tests, by its other entry: an ELF file's, PVH.
WORDS = (f"--kernel /run/vmlinux --port load.0={SOCKET} --disk file=/run/cut-a --disk file=/run/cut-b,aio=io_uring,queues=2 "
         "--cpus 2 --qmp /run/inner.qmp --balloon=deflate-on-oom=on")
TYPED = 3000  # bytes; less than Linux keeps for a program that reads slowly


def prepare(vm):
    """Before the machine begins: its disks, and somebody who types."""
    vm.sh(f"""
        rm -f /run/cut-* /run/typed; mkfifo /run/typed; gunzip -c /inner/vmlinux.gz > /run/vmlinux
        for d in a b; do dd if=/bin/flushed of=/run/cut-$d bs=1M count=64 2>/dev/null
                         dd if=/dev/zero of=/run/cut-$d bs=1 count=0 seek=64M 2>/dev/null; done
        (sleep 3000 3<> /run/typed > /dev/null 2>&1 &)
        head -c {TYPED} /dev/urandom | tr '\\000-\\037\\177-\\377' 'a-za-z' | head -c {TYPED} > /run/text""")
    return WORDS + " --serial stdio < /run/typed > /run/inner.log"


def typed(vm, inside, background):
    """Every byte at its serial port is heard, however many more there are than a FIFO holds."""
    background(f"stty -F /dev/ttyS0 raw -echo; touch /tmp/hears; head -c {TYPED} /dev/ttyS0 > /tmp/typed; touch /tmp/heard")
    inside("for i in $(seq 300); do [ -e /tmp/hears ] && exit; sleep 0.1; done; exit 1")
    want = vm.sh("cat /run/text > /run/typed; sha256sum < /run/text").split()[0]
    inside("for i in $(seq 600); do [ -e /tmp/heard ] && exit; sleep 0.1; done; wc -c /tmp/typed; exit 1")
    equal(inside("sha256sum < /tmp/typed").split()[0], want, "what was typed")


def clock(vm, inside):
    """The time of day on the host, the guest's, and the host's again."""
    return int(vm.sh("date +%s")), int(inside("date +%s")), int(vm.sh("date +%s"))


def same_pace(begin, end):
    """What went by for the guest went by for the host, as far as that can be asked in order."""
    passed = end[1] - begin[1]
    check(end[0] - begin[2] - 1 <= passed <= end[2] - begin[0] + 1, f"{begin}, then {end}")
    note(f"{passed} s went by for the guest, {end[1] - end[0]} s from the host's clock")


# In the guest: whatever has the port's name now is opened, sends back what it hears, and is
# closed again after a moment, until somebody says so.
ECHO = """
echo 1 > /tmp/load
while [ -e /tmp/load ]; do
  for p in /sys/class/virtio-ports/*; do
    case "$(cat $p/name 2> /dev/null)" in
    load.*) [ -c /dev/${p##*/} ] && timeout $(cat /tmp/load) cat <> /dev/${p##*/} >&0 2> /dev/null;;
    esac
  done
done
"""
# On the host: clients that come, send, and leave without waiting for an end.
CLIENTS = f"""
touch /run/load
(while [ -e /run/load ]; do head -c 65536 /run/text | unixcat {SOCKET} 0.3 > /dev/null 2>&1; done) > /dev/null 2>&1 &
"""


def ports(vm, inside, background, value_of):
    """Opened and closed by both sides, renamed meanwhile; at the end all bytes come back."""
    background(ECHO)
    vm.sh(CLIENTS)
    for turn in range(1, 5):
        value_of(vm, "qom-set", path="/machine/peripheral/port1", property="name", value=f"load.{turn}")
        inside(f"for i in $(seq 300); do grep -qsx load.{turn} /sys/class/virtio-ports/*/name && exit; "
               "sleep 0.1; done; cat /sys/class/virtio-ports/*/name; exit 1")
        vm.sh("pvtools ping unix:/run/inner.sock")  # the other port knows nothing of it
    inside("echo 60 > /tmp/load")
    vm.sh("rm /run/load; sleep 1")
    told = vm.sh(f"""
        for i in $(seq 15); do
          (cat /run/text; echo "end $i") > /run/sent
          unixcat {SOCKET} 8 "end $i" < /run/sent > /run/back
          cmp /run/sent /run/back && echo "after $i" && exit
        done; tail -n 5 /run/inner.log; exit 1""", timeout=300)
    inside("rm /tmp/load")
    note(f"renamed 4 times under load; all {TYPED} bytes came back {told.split(chr(10))[-2]}")


def floor(vm, inside, value_of, wait_in, memory):
    """The balloon takes all there is; who needs memory then gets it from the balloon."""
    actual = lambda: value_of(vm, "query-balloon")["actual"] >> 20
    free = int(inside("awk '/MemAvailable/ {print $2}' /proc/meminfo")) >> 10
    value_of(vm, "balloon", value=4 << 20)
    wait_in(vm, "it does not inflate", lambda: actual() < memory - free // 2)
    lowest = [memory, memory - 1]
    while lowest[-1] < lowest[-2]:
        vm.sh("sleep 1")
        lowest.append(min(lowest[-1], actual()))
    vm.sh("pvtools ping --timeout=60 unix:/run/inner.sock")
    check(lowest[-1] < memory - free // 2, f"{free} of {memory} MiB were available, now {lowest}")
    killed = "dmesg | grep -c 'Out of memory: Killed' || true"
    inside("dd if=/dev/zero of=/tmp/need bs=1M count=48 2>/dev/null && wc -c < /tmp/need")
    grown = actual()
    equal(inside(killed).strip(), "0", "programs that were killed for memory")
    check(grown > lowest[-1] + 20, f"48 MiB were needed, the guest had {lowest[-1]} and has {grown} MiB")
    inside("rm /tmp/need")
    value_of(vm, "balloon", value=memory << 20)
    wait_in(vm, "it does not deflate", lambda: actual() == memory)
    note(f"of {memory} MiB, {free} available, the balloon left {lowest[-1]}, and {grown} when 48 were needed")


def cut(vm, inside, background):
    """SIGKILL while two disks are written: what was flushed is there."""
    inside("dd if=/dev/vda of=/tmp/flushed bs=1M count=2 2>/dev/null; chmod 755 /tmp/flushed")
    for name in "ab":
        background(f"/tmp/flushed write /dev/vd{name} > /dev/ttyS0")
    vm.sh("for i in $(seq 600); do [ $(grep -c 'vda flushed' /run/inner.log) -ge 20 ] && "
          "[ $(grep -c 'vdb flushed' /run/inner.log) -ge 20 ] && break; sleep 0.1; done; "
          "kill -9 $(pidof pvtools-vmm)")
    for name, way in (("a", "threads"), ("b", "io_uring")):
        count = int(re.findall(rf"vd{name} flushed (\d+)\r?\n", vm.sh("cat /run/inner.log"))[-1])
        check(count >= 20 * 8, f"{count} blocks before the cut")
        equal(vm.sh(f"flushed check /run/cut-{name} {count}"), f"{count} are there\n", f"disk {name}")
        note(f"killed when {count} blocks had been flushed by {way}: all are there")
