# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests with what a crash and a hang are told by."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import base
import cache
import micro
from agent import find_agent
from vm import ON_VMM, VM

MODULES = ["i6300esb", "virtio_balloon", "crc32c_generic"]


def image(agent=None, programs=("/usr/bin/chrt",)):
    """The micro guest with every driver there is, and a watchdog."""
    agent = agent or find_agent()
    kernel, _, release = base.kernel(full=True)
    key = cache.key(pathlib.Path(agent), pathlib.Path(micro.__file__), micro.HERE / "files" / "micro-init",
                    micro.HERE / "files" / "micro-shutdown", str(kernel), *MODULES, *programs)
    name = f"health-{pathlib.Path(agent).name}"
    return kernel, cache.make(name, key, lambda target: micro.build(agent, release, target, MODULES, programs))


def machine(*more, agent=None, **keywords):
    """With what a crash and a hang are told by."""
    keywords.setdefault("smp", "1")
    keywords.setdefault("memory", 256)
    watchdog = [] if ON_VMM else ["-device", "i6300esb"]
    return VM(*image(agent), devices=["-device", "pvpanic", *watchdog, "-device", "virtio-balloon-pci", *more],
              **keywords)
