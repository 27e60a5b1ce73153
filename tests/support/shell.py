# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shell scripts in a guest, by its own agent's guest-exec."""

import base64
import os
import time

# A guest in a guest that is emulated is slow (tests/guest/vm.py).
PATIENCE = 4 if os.environ.get("PVT_MACHINE") == "vmm" else 1


def finish(line, pid, timeout=120):
    """Waits for a program; (exit code or None, what it wrote)."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        status = line.ask("guest-exec-status", pid=pid)
        if status["exited"]:
            return status.get("exitcode"), base64.b64decode(status.get("out-data", "")).decode()
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} still runs")
        time.sleep(0.05 * PATIENCE)


def start(line, script):
    return line.ask("guest-exec", path="/bin/sh", arg=["-c", script],
                    **{"capture-output": "merged"})["pid"]


def sh(line, script, timeout=120, code=0):
    """Output of a script, which must end with that code."""
    got, text = finish(line, start(line, "set -e\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + script),
                       timeout)
    if got != code:
        raise AssertionError(f"ended with {got}:\n{script}\n{text}")
    return text
