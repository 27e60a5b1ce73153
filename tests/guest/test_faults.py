#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Linux's drivers on devices that misbehave: the guest lives on, and what became of
each disk is noted (host-side/vmm/fault/README.md has the table)."""

import contextlib
import os
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import micro
import shell
import tap
import vhostuser
from agent import find_agent
from tap import Skip, check, equal, note
from vm import VM

KiB = 1 << 10
READS = 30
# Behind the requests of the partition scan, which the kernel waits for.
DISKS = ["features-unknown", "used-id-foreign@15", "used-id-huge@15", "used-twice@15", "used-lost@15",
         "used-len-zero@15+", "used-len-short@15+", "used-len-long@15+", "used-len-max@15+",
         "index-jump@15", "index-back@15", "scribble@15", "stall@15", "irq-lost@15",
         "irq-spurious@0+", "needs-reset@15", "status-unknown@15", "status-missing@15",
         "status-error@15"]
# Linux's split ring follows the device's descriptors when a buffer comes back: scribbled on,
# it goes round in the interrupt for ever, and with it the processor and every disk whose
# interrupts are there. So that one has a boot of its own.
CIRCLE = "scribble@15"
WHOLE = ["features-unknown", "used-len-zero@15+", "used-len-short@15+", "used-len-long@15+",
         "used-len-max@15+", "irq-spurious@0+"]
ANSWERED = ["status-unknown@15", "status-missing@15", "status-error@15"]
RNGS = ["used-len-zero@3+", "used-len-long@3", "used-len-max@3", "used-id-foreign@3", "stall@3"]

# Page after page from all disks at the same time, with nothing read ahead. Ends when
# all are through or have a request under way and nobody got on while another disk read
# twelve times 200 pages: what is lost is waited for by Linux without end.
WORK = f"""
set +e
for d in /sys/block/vd*; do
  serial=$(cat $d/serial)
  echo "serial ${{d##*/}} $serial"
  [ $serial = f0 ] && control=/dev/${{d##*/}}
done
for d in /sys/block/vd*; do
  n=${{d##*/}}
  echo 0 > $d/queue/read_ahead_kb
  (dd if=/dev/$n of=/tmp/$n.data bs=4096 count={READS} skip=100 conv=noerror; : > /tmp/$n.end) \\
    < /dev/null > /dev/null 2>&1 &
done
last=; same=0
disks=$(ls -d /sys/block/vd* | wc -l)
for round in $(seq 200); do
  dd if=$control of=/dev/null bs=4096 count=200 iflag=direct 2> /dev/null
  sleep 0.1
  now=$(ls -l /tmp/*.data /tmp/*.end 2>/dev/null); idle=0
  for d in /sys/block/vd*; do
    read reads writes < $d/inflight
    [ -e /tmp/${{d##*/}}.end ] || [ $reads -gt 0 ] || idle=1
  done
  [ "$now" = "$last" ] && [ $idle = 0 ] && same=$((same + 1)) || same=0
  last=$now
  [ $same = 12 ] && break
  [ "$(ls /tmp/*.end 2>/dev/null | wc -l)" = $disks ] && break
done
for d in /sys/block/vd*; do
  n=${{d##*/}}
  touch /tmp/$n.data
  echo "$n $(wc -c < /tmp/$n.data) $(tr -d Z < /tmp/$n.data | wc -c) $([ -e /tmp/$n.end ] && echo end)"
done
"""
RNG_WORK = """
for r in $(cat /sys/class/misc/hw_random/rng_available); do
  echo $r > /sys/class/misc/hw_random/rng_current
  n=$(timeout 4 dd if=/dev/hwrng bs=64 count=8 iflag=fullblock 2>/dev/null | wc -c)
  echo "$r $n"
done
"""


def survived(vm):
    """The kernel's own words; none of them of a crash."""
    with vm.line(timeout=60) as line:
        line.sync()
        log = shell.sh(line, "dmesg", 60)
    bad = re.findall(r"^.*\b(?:BUG|Oops|KASAN|general protection|unable to handle|list_del corruption)\b.*$",
                     log, re.M)
    equal(bad, [], "what the kernel said")
    return log


def boot(stack, kind, faults, packed):
    """A machine with a device of ours for each fault."""
    directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pvt-fault-")))
    image = directory / "disk.img"
    image.write_bytes(b"Z" * (4 * KiB * 256))
    devices = vhostuser.memory(384)
    for number, fault in enumerate(faults):
        options = {"file": image, "readonly": "on", "serial": f"f{number}"} if kind == "blk" else {}
        backend = vhostuser.Backend(directory / f"{kind}{number}.sock", kind, fault=fault, seed=1, **options)
        stack.enter_context(backend)
        devices += vhostuser.device(backend.path, kind,
                                    f"{',num-queues=1' if kind == 'blk' else ''}{packed}")
    vm = stack.enter_context(VM(*micro.image(find_agent()), memory=384, network=False, devices=devices))
    vm.wait_agent(300)
    return vm


def deaf(vm):
    """Processors that run with interrupts off, twenty times in a row."""
    found = None
    for _ in range(20):
        text = vm.monitor.command("human-monitor-command", **{"command-line": "info registers -a"})
        now = {number for number, (flags, halted) in enumerate(re.findall(r"RFL=(\w+).*?HLT=(\d)", text, re.S))
               if halted == "0" and not int(flags, 16) & 0x200}
        found = now if found is None else found & now
        time.sleep(0.1)
    return found


def disks(packed, faults):
    with contextlib.ExitStack() as stack:
        vm = boot(stack, "blk", faults, packed)
        with vm.line(timeout=300) as line:
            line.sync()
            text = shell.sh(line, WORK, 300)
        log = survived(vm)
    rows = [line.split() for line in text.splitlines()]
    results = {row[0]: row[1:] for row in rows if row[0] != "serial"}
    name_of = {int(row[2][1:]): row[1] for row in rows if row[0] == "serial"}
    equal(len(name_of), len(faults), f"disks:\n{text}")
    whole = str(4 * KiB * READS)
    for number, fault in enumerate(faults):
        got, wrong, *end = results[name_of[number]]
        said = re.findall(rf"(?:virtio{number + 1}|{name_of[number]})\b.*$", log, re.M)
        note(f"{fault:17s} {int(got) // 4096:>2} of {READS} pages, {wrong} bytes wrong, "
             f"{'done' if end else 'waits for ever'}; {said[-1] if said else ''}")
    for fault in WHOLE:
        equal(results[name_of[faults.index(fault)]], [whole, "0", "end"], fault)
    for fault in ANSWERED:
        equal(results[name_of[faults.index(fault)]][1:], ["0", "end"], fault)


def long_only():
    if not os.environ.get("PVT_LONG"):
        raise Skip("PVT_LONG=1 has it")


def test_disks_split():
    long_only()
    disks("", [fault for fault in DISKS if fault != CIRCLE])


def test_scribbled_split_ring():
    """What becomes of the processor: noted, for it is Linux's."""
    long_only()
    with contextlib.ExitStack() as stack:
        vm = boot(stack, "blk", ["features-unknown", CIRCLE], "")
        with vm.line(timeout=300) as line:
            line.sync()
            shell.sh(line, "(sleep 1; for d in /dev/vd*; do dd if=$d of=/dev/null bs=4096 count=100 iflag=direct & "
                           "done) < /dev/null > /dev/null 2>&1 &", 300)
        lost = next(filter(None, (deaf(vm) for _ in range(20))), set())
    note(f"processors that are lost: {sorted(lost)}")


def test_disks_packed():
    long_only()
    disks(",packed=on", DISKS)


def test_entropy():
    long_only()
    with contextlib.ExitStack() as stack:
        vm = boot(stack, "rng", RNGS, "")
        with vm.line(timeout=300) as line:
            line.sync()
            for row in shell.sh(line, RNG_WORK, 300).splitlines():
                note(row)
        survived(vm)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
