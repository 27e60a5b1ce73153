# SPDX-License-Identifier: LGPL-2.1-or-later
"""VM is the guest under test: QEMU's, or with PVT_MACHINE=vmm in the environment that of
our own VMM, where tests are skipped that need what it has not."""

from machine import MAC, ON_VMM, PORT, needs
from qemuvm import QemuVM

if ON_VMM:
    from vmmvm import VmmVM as VM
else:
    VM = QemuVM

__all__ = ["MAC", "ON_VMM", "PORT", "VM", "needs"]
