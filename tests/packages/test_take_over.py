#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What /etc/sysconfig/qemu-ga of Fedora and RHEL told qemu-ga holds for the agent in its place."""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "support")]

import tap
from agent import Agent, find_agent
from tap import check, equal

# As they come with the distributions.
RHEL8 = """# Comma-separated blacklist of RPCs to disable, or empty list to enable all.
BLACKLIST_RPC=guest-file-open,guest-file-close,guest-file-read,guest-exec,guest-exec-status

# Fsfreeze hook script specification.
FSFREEZE_HOOK_PATHNAME=/etc/qemu-ga/fsfreeze-hook
"""
RHEL9 = """# FILTER_RPC_ARGS="--block-rpcs=guest-exec"
FILTER_RPC_ARGS="--allow-rpcs=guest-sync-delimited,guest-sync,guest-ping,guest-get-time,guest-info"
FSFREEZE_HOOK_PATHNAME=/etc/qemu-ga/fsfreeze-hook
"""
FEDORA = '#BLACKLIST_RPC=guest-exec\nFSFREEZE_HOOK_PATHNAME=/etc/qemu-ga/fsfreeze-hook\n'


class Root:
    def __init__(self, files):
        self.place = tempfile.TemporaryDirectory(prefix="pvt-take-over-")
        self.path = pathlib.Path(self.place.name)
        (self.path / "etc/pvtools").mkdir(parents=True)
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.place.cleanup()

    def keys(self):
        """What became of it, without comments; None: nothing was written."""
        subprocess.run([TREE / "packaging/rpm/take-over", self.path], check=True, capture_output=True)
        made = self.path / "etc/pvtools/agent.conf"
        equal([path.name for path in made.parent.iterdir()], ["agent.conf"] if made.exists() else [], "leftovers")
        if not made.exists():
            return None
        dump = subprocess.run([find_agent(), "-c", made, "-D"], capture_output=True, text=True, check=False)
        equal((dump.returncode, dump.stderr), (0, ""), "the agent reads it")
        return [line for line in made.read_text().splitlines() if line[:1] not in "#["]


def taken(text, **files):
    with Root({"etc/sysconfig/qemu-ga": text, **files}) as root:
        return root.keys()


def test_the_lists_of_rhel():
    equal(taken(RHEL8), ["block-rpcs=guest-file-open,guest-file-close,guest-file-read,guest-exec,guest-exec-status"], "RHEL 8")
    equal(taken(RHEL9), ["allow-rpcs=guest-sync-delimited,guest-sync,guest-ping,guest-get-time,guest-info"], "RHEL 9")


def test_they_hold():
    with Root({"etc/sysconfig/qemu-ga": RHEL8}) as root:
        root.keys()
        with Agent("-c", str(root.path / "etc/pvtools/agent.conf")) as agent, agent.line() as line:
            error = line.ask_raw('{"execute":"guest-exec","arguments":{"path":"/bin/true"}}\n')["error"]
            check("has been disabled" in error["desc"], error)
            line.ask("guest-get-osinfo")


def test_nothing_told_nothing_written():
    equal(taken(FEDORA), None, "Fedora")
    with Root({}) as root:
        equal(root.keys(), None, "no file")


def test_words_of_all_kinds():
    equal(taken("QEMU_GA_ARGS='-m isa-serial -p /dev/ttyS1 -b guest-exec -v --fsfreeze-hook=/etc/my-hook'\n"),
          ["block-rpcs=guest-exec", "verbose=true", "fsfreeze-hook=/etc/my-hook"], "options")
    equal(taken("FILTER_RPC_ARGS=-bguest-exec\nBLACKLIST_RPC=guest-shutdown\n"), ["block-rpcs=guest-exec"], "options first")
    equal(taken('FILTER_RPC_ARGS="--allow-rpcs=* $(touch /tmp/never) `id`"\n'), ["allow-rpcs=*"], "nothing is run")
    check(not pathlib.Path("/tmp/never").exists(), "something was run")


def test_hooks():
    with Root({"etc/sysconfig/qemu-ga": RHEL8, "etc/qemu-ga/fsfreeze-hook.d/10-db": "#!/bin/sh\n"}) as root:
        (root.path / "etc/qemu-ga/fsfreeze-hook.d/10-db").chmod(0o755)
        check("hooks-dir=/etc/qemu-ga/fsfreeze-hook.d" in root.keys(), "the folder of hooks")
    equal(taken("FSFREEZE_HOOK_PATHNAME=/opt/hook\n"), ["fsfreeze-hook=/opt/hook"], "a hook of one's own")


def test_qemu_gas_own_file_is_kept_in_force():
    conf = {"etc/qemu/qemu-ga.conf": "[general]\nverbose = 1\nblacklist=guest-exec\nof-a-later-version=1\n"}
    equal(taken("BLACKLIST_RPC=guest-shutdown\n", **conf), ["block-rpcs=guest-shutdown", "verbose = 1"], "both")
    equal(taken(FEDORA, **conf), None, "the agent reads that by itself")


def test_what_is_there_stays():
    with Root({"etc/sysconfig/qemu-ga": RHEL8, "etc/pvtools/agent.conf": "[general]\nverbose=true\n"}) as root:
        equal(root.keys(), ["verbose=true"], "the administrator's")
    with Root({"etc/sysconfig/qemu-ga.rpmsave": RHEL8}) as root:
        check(root.keys(), "where rpm had put it aside")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
