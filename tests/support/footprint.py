# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a program's processes keep in memory, in kB.

What they share among themselves is theirs as much as what one has alone, and
smaps(5) calls it shared: private here is each page that nobody else maps, by
/proc/PID/pagemap and /proc/kpagecount (the kernel's admin-guide/mm/pagemap.rst).
"""

import collections
import pathlib
import re
import struct

PAGE = 4096
PRESENT, FRAME = 1 << 63, (1 << 55) - 1


def family(pid):
    """@pid and what it has started."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    return [pid] + [child for child, parent in parents.items() if parent == pid]


def frames(pid):
    """How often the process maps each page frame, and which of them are no file's."""
    mapped, anonymous = collections.Counter(), set()
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap, open(f"/proc/{pid}/smaps") as areas:
        for line in areas:
            area = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
            if area:
                first, last = (int(word, 16) for word in area.groups())
            elif line.startswith("Rss:") and line.split()[1] != "0" and first < 1 << 63:
                pagemap.seek(first // PAGE * 8)
                entries = pagemap.read((last - first) // PAGE * 8)
                for (entry,) in struct.iter_unpack("<Q", entries):
                    if entry & PRESENT and entry & FRAME:
                        mapped[entry & FRAME] += 1
                        if not entry >> 61 & 1:  # no page of a file, nor of shared memory
                            anonymous.add(entry & FRAME)
    return mapped, anonymous


def of_processes(pids):
    """rss, pss, private and dirty (private and no file's) of all @pids together."""
    total, anonymous = collections.Counter(), set()
    for pid in pids:
        mapped, its = frames(pid)
        total += mapped
        anonymous |= its
    pss = private = dirty = 0
    with open("/proc/kpagecount", "rb") as counts:
        for frame, times in total.items():
            counts.seek(frame * 8)
            count = struct.unpack("<Q", counts.read(8))[0]
            pss += times / max(count, times)
            private += count <= times
            dirty += count <= times and frame in anonymous
    kb = PAGE // 1024
    return {"rss": len(total) * kb, "pss": round(pss * kb), "private": private * kb, "dirty": dirty * kb}
