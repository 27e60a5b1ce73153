#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host upgrades an agent that install.sh installed: what is refused, done, undone.

One guest, one story: the tests build on each other and run in their order. What is
common to this and to Debian packages is in test_packages_upgrade.py.
"""

import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debs
import signed
import stock
import tap
import tarball
from agent import find_agent
from signed import Signer
from tap import check, equal, note
from upgrades import BROKEN, SHORT, SILENT, Upgrades

WORK = signed.WORK
OLD = subprocess.run([find_agent(), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def later(version):
    """The version with another last digit: it takes as many bytes in the program."""
    return re.sub(r"\d$", lambda digit: str(int(digit[0]) + 1), version)


def seal(place):
    """SHA256SUMS of what is in an unpacked archive."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
             for path in sorted(place.iterdir()) if path.name != "SHA256SUMS"]
    (place / "SHA256SUMS").write_text("".join(lines))


def archive(name, change=lambda place: None, sums=seal):
    """The archive's path, changed by a function."""
    place, target = WORK / f"tree-{name}", WORK / f"pvtools-agent-{name}.tar.gz"
    made = tarball.make(find_agent(), WORK / f"made-{name}")
    place.mkdir()
    subprocess.run(["tar", "-xzf", made, "-C", place, "--strip-components=1"], check=True)
    change(place)
    sums(place)
    with tarfile.open(target, "w:gz") as tar:
        tar.add(place, f"pvtools-agent-{name}")
    shutil.rmtree(place)
    return target


def renumbered(version):
    def change(place):
        path = place / "pvtools-agent"
        data = path.read_bytes()
        check(OLD.encode() in data, "the program has its version")
        path.write_bytes(data.replace(OLD.encode(), version.encode()))
    return change


def replaced(text, version):
    return lambda place: (place / "pvtools-agent").write_text(text.format(version))


ours, theirs = Signer("ours"), Signer("theirs")
NEW = later(OLD)
GOOD = archive(NEW, renumbered(NEW))


def folders():
    return {"first": [archive(OLD)], "keys": [ours.public]}


guest = stock.Guest(folders)


def version():
    return guest.patiently("/usr/local/sbin/pvtools-agent --version").split()[1]


def state_of_the_files():
    """A sum of all that install.sh installed, and of what lies beside it."""
    return guest.patiently("cd /; cat /usr/local/lib/pvtools-agent/manifest; find /usr/local /etc/systemd/system "
                           "/etc/udev -type f | sort | xargs sha256sum")


def installed():
    return version(), state_of_the_files()


upgrades = Upgrades(guest, installed)
upgrade, refused = upgrades.run, upgrades.refused


def test_installed():
    guest.job("dpkg -P qemu-guest-agent; mkdir /root/first; cd /root/first\n"
              "tar -xzf /debs/first/*.tar.gz --strip-components=1; ./install.sh")
    equal((guest.agent()[0], version()), ("pvtools-agent", OLD), "who answers")


def test_without_a_good_signature_nothing_is_installed():
    refused(ours.sign(GOOD), "no keys are installed")
    guest.run("mkdir -p /etc/pvtools/keys.d; cp /debs/keys/ours.gpg /etc/pvtools/keys.d/")
    foreign = WORK / "foreign.tar.gz"
    shutil.copy(GOOD, foreign)
    refused(theirs.sign(foreign), "the signature is not good")
    tampered = WORK / "tampered.tar.gz"
    tampered.write_bytes(GOOD.read_bytes()[:-1] + b"X")
    refused(tampered, "the signature is not good", words=("--signature", f"{GOOD}.sig"))


def test_what_does_not_fit_is_refused():
    refused(ours.sign(archive("same")), "not newer")
    refused(ours.sign(archive("older", replaced(BROKEN, "0.0.1"))), "not newer")
    refused(ours.sign(archive("damaged", renumbered(NEW), lambda place: None)), "do not have the sums")
    refused(ours.sign(archive("foreign", lambda place: (place / "pvtools-agent").write_bytes(b"\x7fELF\x02\x01\x01"))),
            "the program does not run here")
    other = WORK / "other.tar.gz"
    with tarfile.open(other, "w:gz") as tar:
        tar.add(HERE / "README.md", "somewhere/README.md")
    refused(ours.sign(other), "this is no archive of pvtools-agent")
    nonsense = WORK / "nonsense"
    nonsense.write_text("neither nor")
    refused(ours.sign(nonsense), "neither a Debian package, an RPM nor the archive")
    package = WORK / "agent.deb"
    shutil.copy(debs.deb("pvtools-agent"), package)
    refused(ours.sign(package), "did not come by a .deb")


def test_conflicts_and_room_are_looked_at():
    guest.run("printf '#!/bin/sh\\n' > /usr/bin/qemu-ga; chmod 755 /usr/bin/qemu-ga")
    refused(GOOD, "qemu-ga is installed")
    guest.run("rm /usr/bin/qemu-ga; mkdir -p /var/lib/pvtools/upgrade\n"
              "mount -t tmpfs -o size=1m,mode=700 full /var/lib/pvtools/upgrade")
    refused(GOOD, "/var/lib/pvtools/upgrade has")
    guest.run("umount /var/lib/pvtools/upgrade")


def test_check_alone_changes_nothing():
    before = state_of_the_files()
    text = upgrade(0, GOOD, "--check")
    check("checked" in text and NEW in text, text)
    equal(state_of_the_files(), before, "the installation")


def test_done():
    before = guest.agent()
    report = json.loads(upgrade(0, GOOD, "--wait", "600", "-o", "json", timeout=1500))
    equal((report["state"], report["from"], report["to"]), ("done", OLD, NEW), report)
    equal(version(), NEW, "the new version")
    check(guest.agent() != before, "the new agent runs")
    equal(guest.run("find / -xdev -name '*.pvt-*'; ls /etc/systemd/system | grep resume || true").split(), [],
          "leftovers")


def test_install_sh_that_fails_is_rolled_back():
    before = state_of_the_files()
    text = upgrade(32, ours.sign(archive("broken", replaced(BROKEN, "8.1"))), timeout=900)
    check("install.sh failed" in text and f"{NEW} is back" in text, text)
    note(text.strip().splitlines()[-1])
    equal((version(), state_of_the_files()), (NEW, before), "the installation before")
    equal(guest.agent()[0], "pvtools-agent", "who answers")


def test_an_agent_that_does_not_report_is_rolled_back():
    """With all that the new one brought; one that only it has is gone."""
    def change(place):
        replaced(SILENT, "8.2")(place)
        (place / "62-pvtools-new.rules").write_text("# only the new one has it\n")
    before = state_of_the_files()
    text = upgrade(32, ours.sign(archive("silent", change)), "--wait", "8", timeout=900)
    check("did not report" in text and f"{NEW} is back" in text, text)
    note(text.strip().splitlines()[-1])
    equal((version(), state_of_the_files()), (NEW, before), "the installation before")
    equal(guest.agent()[0], "pvtools-agent", "who answers")


def test_a_guest_that_stops_while_it_waits_has_the_old_one_after_its_boot():
    upgrades.stopped(ours.sign(archive("stopped", replaced(SHORT, "8.3"))))


def test_uninstalled():
    log = guest.job("/usr/local/lib/pvtools-agent/install.sh --uninstall\n"
                    "echo left: $(find / -xdev -name '*pvtools*' -not -path '/root/*' -not -path '/proc/*' -not -path '/sys/*' "
                    "-not -path '/run/*')\ndpkg -i /debs/stock/*.deb; systemctl start qemu-guest-agent")
    equal([line for line in log.splitlines() if line.startswith("left:")], ["left: /etc/pvtools"],
          "all but the keys, which somebody put there")


if __name__ == "__main__":
    tap.story(globals(), guest, ours, theirs, signed)
