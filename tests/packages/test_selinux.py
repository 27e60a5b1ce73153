#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The SELinux module: compiled twice to the same bytes; its labels, transitions and booleans,
as the tools of SELinux read them in the compiled module. tests/guest/test_packages_selinux.py
lets it enforce."""

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import semodule
import tap
from tap import check, equal

PLACE = tempfile.TemporaryDirectory(prefix="pvt-selinux-")
WORK = pathlib.Path(PLACE.name)
# What turns a module's package into the language that semodule compiles.
TO_CIL = "/usr/libexec/selinux/hll/pp"


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def package(name="one"):
    place = WORK / name
    return place / "pvtools.pp" if place.exists() else semodule.compile_in(place)


def cil():
    return run(TO_CIL, package())


def label(path):
    """Which type the module's own patterns give a path."""
    contexts = WORK / "contexts"
    if not contexts.exists():
        run("semodule_unpackage", package(), WORK / "module", contexts)
    return run("matchpathcon", "-n", "-f", contexts, path).strip()


def booleans():
    return dict(re.findall(r"^\(boolean (\w+) (\w+)\)", cil(), re.M))


def test_compiles_to_the_same_bytes():
    equal(package("one").read_bytes(), package("another/and-longer").read_bytes(), "module")


def test_labels():
    for path, kind in (("/usr/sbin/pvtools-agent", "exec"), ("/usr/bin/pvtools-agent", "exec"),
                       ("/usr/lib/pvtools/upgrade-agent", "unconfined_exec"),
                       ("/etc/pvtools", "conf"), ("/etc/pvtools/agent.conf", "conf"),
                       ("/etc/pvtools/keys.d/ours.gpg", "conf"),
                       ("/etc/pvtools/hooks.d/postgresql", "unconfined_exec"),
                       ("/etc/pvtools/resumed.d/mine", "unconfined_exec"),
                       ("/etc/qemu/fsfreeze-hook", "unconfined_exec"),
                       ("/etc/qemu/fsfreeze-hook.d/10-mine", "unconfined_exec"),
                       ("/run/pvtools/freeze", "runtime"), ("/run/pvtools-agent.pid", "runtime"),
                       ("/var/lib/pvtools/machine", "var_lib"), ("/var/log/pvtools-agent.log", "log")):
        equal(label(path), f"system_u:object_r:pvtools_agent_{kind}_t:s0", path)


def test_domains_and_what_leads_into_them():
    text = cil()
    for rule in ("(typetransition init_t pvtools_agent_exec_t process pvtools_agent_t)",
                 "(typetransition pvtools_agent_t pvtools_agent_unconfined_exec_t process pvtools_agent_unconfined_t)",
                 "(allow init_t pvtools_agent_t (process2 (nnp_transition nosuid_transition)))"):
        check(rule in text, f"{rule} is not in the module")
    conditional = text.split("(booleanif (pvtools_agent_run_unconfined)")[1].split("(booleanif")[0]
    check("process pvtools_agent_unconfined_t)" in conditional.split("(false")[0], "programs leave the domain")
    check("execute_no_trans" in conditional.split("(false")[1], "and stay when the boolean is off")


def test_booleans_are_documented():
    found = booleans()
    equal(set(found.values()), {"true"}, "everything works by default")
    for name in ("packaging/doc/security.md", "packaging/selinux/README.md"):
        text = (TREE / name).read_text()
        equal(set(re.findall(r"pvtools_agent_\w+", text)) - set(re.findall(r"pvtools_agent_\w+_t\b|pvtools_agent_t", text)),
              set(found), f"booleans in {name}")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
