#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host upgrades the agent of a Debian guest: what is refused, what is done, what is undone.

One guest, one story: the tests build on each other and run in their order.
"""

import json
import pathlib
import shutil
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debs
import signed
import tap
from signed import Signer, package
from stock import Guest
from tap import check, equal, note
from upgrades import Upgrades

WORK = signed.WORK
BROKEN = "#!/bin/sh\nexit 7\n"


def break_agent(tree):
    (tree / "usr/sbin/pvtools-agent").write_text(BROKEN)


def replace(line, by):
    def change(tree):
        path = tree / "DEBIAN/control"
        path.write_text(path.read_text().replace(line, by))
    return change


ours, theirs = Signer("ours"), Signer("theirs")


def folders():
    return {"old": [debs.deb("pvtools-agent")], "keys": [ours.public]}


guest = Guest(folders)
OLD = debs.field(debs.deb("pvtools-agent"), "Version")
ARCH = debs.field(debs.deb("pvtools-agent"), "Architecture")


def version():
    return guest.patiently("dpkg-query -W -f '${Version} ${Status}' pvtools-agent").strip()


upgrades = Upgrades(guest, version)
upgrade, refused = upgrades.run, upgrades.refused


def test_installed():
    guest.job("dpkg -i /debs/old/pvtools-agent_*.deb")
    equal(guest.agent()[0], "pvtools-agent", "who answers")
    check("gpgv" in guest.run("command -v gpgv"), "a minimal Debian has gpgv")


def test_without_keys_nothing_is_installed():
    refused(ours.sign(package("0.2")), "no keys are installed")
    guest.run("mkdir -p /etc/pvtools/keys.d; cp /debs/keys/ours.gpg /etc/pvtools/keys.d/")


def test_a_key_that_others_may_write_is_none():
    guest.run("chmod 666 /etc/pvtools/keys.d/ours.gpg")
    refused(WORK / "pvtools-agent_0.2.deb", "can be written by others")
    guest.run("chmod 644 /etc/pvtools/keys.d/ours.gpg")


def test_what_is_not_signed_is_refused():
    good = WORK / "pvtools-agent_0.2.deb"
    foreign = WORK / "foreign.deb"
    shutil.copy(good, foreign)
    refused(theirs.sign(foreign), "the signature is not good")
    for name, data in (("tampered", good.read_bytes()[:-1] + b"X"), ("truncated", good.read_bytes()[:-100])):
        path = WORK / f"{name}.deb"
        path.write_bytes(data)
        refused(path, "the signature is not good", words=("--signature", f"{good}.sig"))
    (WORK / "nonsense").write_text("no signature")
    refused(good, "the signature is not good", words=("--signature", WORK / "nonsense"))


def test_a_package_that_does_not_fit_is_refused():
    refused(ours.sign(package(OLD)), "not newer")
    refused(ours.sign(package("0.0.1")), "not newer")
    refused(ours.sign(package("0.3", replace("Package: pvtools-agent\n", "Package: other\n"))), "no package of pvtools-agent")
    refused(ours.sign(package("0.4", replace(f"Architecture: {ARCH}", "Architecture: other-arch"))), "for other-arch")
    refused(ours.sign(package("0.5", replace("Installed-Size: ", "Installed-Size: 999999999"))),
            "are needed")
    archive = WORK / "agent.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(HERE / "README.md", "agent/README.md")
    refused(ours.sign(archive), "did not come by a .tar")
    refused(ours.sign(package("0.6", replace("Depends: ", "Depends: no-such-package, "))), "no-such-package", "it cannot be installed")


def test_check_alone_changes_nothing():
    text = upgrade(0, WORK / "pvtools-agent_0.2.deb", "--check")
    check("checked" in text and "0.2" in text, text)
    equal(version(), f"{OLD} install ok installed", "still installed")


def test_done():
    before = guest.agent()
    report = json.loads(upgrade(0, WORK / "pvtools-agent_0.2.deb", "-o", "json"))
    equal((report["state"], report["from"], report["to"]), ("done", OLD, "0.2"), report)
    equal(version(), "0.2 install ok installed", "the new version")
    check(guest.agent() != before, "the new agent runs")


def test_an_agent_that_does_not_report_is_rolled_back():
    text = upgrade(32, ours.sign(package("0.7", break_agent)), "--wait", "8", timeout=900)
    check("did not report" in text and "0.2 is back" in text, text)
    note(text.strip())
    equal(version(), "0.2 install ok installed", "the version before")
    guest.run("test -s /lib/systemd/system/pvtools-agent.service && test -s /lib/udev/rules.d/60-pvtools-agent.rules")
    equal(guest.agent()[0], "pvtools-agent", "who answers")
    guest.run("n=0; until systemctl --quiet is-active pvtools-agent; do n=$((n+1)); [ $n -lt 60 ]; sleep 1; done")


def test_dpkg_that_fails_is_rolled_back():
    def fail(tree):
        (tree / "DEBIAN/postinst").write_text("#!/bin/sh\nexit 3\n")
    text = upgrade(32, ours.sign(package("0.8", fail)), timeout=900)
    check("dpkg failed" in text, text)
    equal(version(), "0.2 install ok installed", "the version before")


def test_a_reboot_is_told_of():
    guest.run("touch /run/reboot-required")
    text = upgrade(31, ours.sign(package("0.9")))
    check("reboot" in text, text)
    equal(version(), "0.9 install ok installed", "the new version")


if __name__ == "__main__":
    tap.story(globals(), guest, ours, theirs, signed)
