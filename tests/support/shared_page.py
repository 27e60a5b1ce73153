# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a shared page as a guest may, good and bad: protocol/page/layout.h."""

import struct
import threading
import time

HEADER = "<16sIIIIIIIIQQQQII40s32s"
FROZEN, ENDED = 1, 2
U64, I64, F64, TEXT = 1, 2, 3, 4
SEQUENCE = 24  # offset of the header's field
BOOT = "11111111-2222-3333-4444-555555555555"


def bits(value, names, base):
    """(type, eight bytes) of a number or a text."""
    if isinstance(value, str):
        text = value.encode()
        names += text
        return TEXT, struct.pack("<II", base + len(names) - len(text), len(text))
    if isinstance(value, float):
        return F64, struct.pack("<d", value)
    return (U64, struct.pack("<Q", value)) if value >= 0 else (I64, struct.pack("<q", value))


def page(figures, *, updates=1, period=15000, flags=0, boot=BOOT, realtime=None, monotonic=None, omitted=0,
         sequence=None, version=1):
    """The bytes of a page with @figures: name -> number or text. With the period it is not
    taken for stale because this machine is slow."""
    table, values, names = b"", b"", bytearray()
    base = 160 + 24 * len(figures)
    for number, (name, value) in enumerate(figures.items()):
        kind, eight = bits(value, names, base)
        at = base + len(names)
        names += name.encode()
        table += struct.pack("<IHBBII", at, len(name.encode()), kind, 0, 160 + 16 * len(figures) + 8 * number, 0)
        values += eight
    used = base + len(names)
    head = struct.pack(HEADER, b"pvtools-page", version, 160, 2 * updates if sequence is None else sequence, flags, used,
                       len(figures), 160, 16, updates, time.monotonic_ns() if monotonic is None else monotonic,
                       time.time_ns() if realtime is None else realtime, omitted, period, 0, boot.encode(), b"9.9")
    return head + table + values + bytes(names)


class Writer(threading.Thread):
    """A guest that writes its page again and again, as @make says: updates -> bytes. Ends with
    the context; what it wrote last stays."""

    def __init__(self, path, make, pause=0.05):
        super().__init__(daemon=True)
        self.path, self.make, self.pause = path, make, pause
        self.over = threading.Event()
        self.updates = 0

    def write(self):
        self.updates += 1
        data = self.make(self.updates)
        with open(self.path, "r+b") as file:
            if len(data) > SEQUENCE + 4:
                file.seek(SEQUENCE)
                file.write(struct.pack("<I", 2 * self.updates - 1))
                file.flush()
                file.seek(0)
                file.write(data[:SEQUENCE] + struct.pack("<I", 2 * self.updates - 1) + data[SEQUENCE + 4:])
                file.flush()
                file.seek(SEQUENCE)
                file.write(data[SEQUENCE:SEQUENCE + 4])
            else:
                file.write(data)

    def run(self):
        while not self.over.wait(self.pause):
            self.write()

    def __enter__(self):
        with open(self.path, "ab") as file:
            file.truncate(65536)
        self.write()
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
