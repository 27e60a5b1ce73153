#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host upgrades an agent that came as an RPM: what is refused, done, undone.

It is no Fedora: a Debian guest gets Debian's rpm, and a package that provides what ours
needs. One guest, one story: the tests build on each other and run in their order. What is
common to this and to Debian packages is in test_packages_upgrade.py.
"""

import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debs
import rpms
import signed
import stock
import tap
from rpms import in_spec
from signed import WORK, Signer
from tap import check, equal, note
from upgrades import SHORT, SILENT, Upgrades

PREPARE = f"""dpkg -P qemu-guest-agent
{rpms.PREPARE_DATABASE}
rpm --install /debs/first/system.rpm /debs/first/pvtools-agent-[0-9]*.rpm
"""
ours, theirs = Signer("ours"), Signer("theirs")


def folders():
    return {"rpm": rpms.debs_of_rpm(), "first": [rpms.system(), rpms.built()], "keys": [ours.public]}


guest = stock.Guest(folders)


def version():
    return guest.patiently("rpm -q --queryformat '%{VERSION} ' pvtools-agent").strip()


def installed():
    """rpm's record and a sum of each file, of what may lie beside it, too."""
    return guest.patiently("rpm -q --queryformat '%{NEVRA} %{SIGMD5} %{INSTALLTIME}\\n' pvtools-agent; rpm -V pvtools-agent || true\n"
                           "find /usr/sbin/pvtools* /usr/lib/pvtools /usr/lib/systemd/system/pvtools* /usr/lib/udev/rules.d "
                           "/usr/share/doc/pvtools-agent -type f | sort | xargs sha256sum")


upgrades = Upgrades(guest, installed)


def replaced(text, number):
    return lambda tree: (tree / "usr/sbin/pvtools-agent").write_text(text.format(number))


def test_installed():
    guest.job(PREPARE)
    equal((guest.agent()[0], version()), ("pvtools-agent", debs.field(debs.deb("pvtools-agent"), "Version")), "who answers")


def test_without_a_good_signature_nothing_is_installed():
    good = ours.sign(rpms.package("0.2"))
    upgrades.refused(good, "no keys are installed")
    guest.run("mkdir -p /etc/pvtools/keys.d; cp /debs/keys/ours.gpg /etc/pvtools/keys.d/")
    foreign = WORK / "foreign.rpm"
    shutil.copy(good, foreign)
    upgrades.refused(theirs.sign(foreign), "the signature is not good")
    tampered = WORK / "tampered.rpm"
    tampered.write_bytes(good.read_bytes()[:-1] + b"X")
    upgrades.refused(tampered, "the signature is not good", words=("--signature", f"{good}.sig"))
    # Who has the key may sign what is damaged; rpm's own sums say so.
    upgrades.refused(ours.sign(tampered), "it cannot be installed")


def test_what_does_not_fit_is_refused():
    upgrades.refused(ours.sign(rpms.built_copy()), "is already installed")
    upgrades.refused(ours.sign(rpms.package("0.0.1")), "which is newer than")
    upgrades.refused(ours.sign(rpms.system()), "no package of pvtools-agent")
    upgrades.refused(ours.sign(rpms.package("0.3", edit=in_spec("Conflicts:", "Requires: no-such-package\nConflicts:"))),
                     "no-such-package", "it cannot be installed")
    upgrades.refused(ours.sign(rpms.package("0.4", edit=in_spec("Conflicts:", "Obsoletes: system\nConflicts:"))),
                     "other packages would change, too: system")
    package = WORK / "agent.deb"
    shutil.copy(debs.deb("pvtools-agent"), package)
    upgrades.refused(ours.sign(package), "did not come by a .deb")


def test_check_alone_changes_nothing():
    before = installed()
    text = upgrades.run(0, WORK / "pvtools-agent-0.2.rpm", "--check")
    check("checked" in text and "0.2-1" in text, text)
    equal(installed(), before, "what is installed")


def test_done():
    before = guest.agent()
    report = json.loads(upgrades.run(0, WORK / "pvtools-agent-0.2.rpm", "--wait", "600", "-o", "json", timeout=1500))
    equal((report["state"], report["to"]), ("done", "0.2-1"), report)
    equal(version(), "0.2", "the new version")
    check(guest.agent() != before, "the new agent runs")


def rolled_back(path, *reasons, words=()):
    before = installed()
    text = upgrades.run(32, ours.sign(path), *words, timeout=900)
    for reason in reasons:
        check(reason in text, f"{reason!r} is not in: {text}")
    note(text.strip().splitlines()[-1])
    equal(installed(), before, "what is installed")
    equal(guest.agent()[0], "pvtools-agent", "who answers")


def test_rpm_that_fails_is_rolled_back():
    rolled_back(rpms.package("0.5", edit=in_spec("%post agent", "%pre agent\nexit 3\n%post agent")), "rpm failed", "0.2-1 is back")


def test_an_agent_that_does_not_report_is_rolled_back():
    """With all that the new one brought; one that only it has is gone."""
    def change(tree):
        replaced(SILENT, "0.6")(tree)
        (tree / "usr/lib/udev/rules.d/62-new.rules").write_text("# only the new one has it\n")
    path = rpms.package("0.6", change, in_spec("%files agent\n", "%files agent\n%{_udevrulesdir}/62-new.rules\n"))
    rolled_back(path, "did not report", "0.2-1 is back", words=("--wait", "8"))


def test_what_somebody_changed_is_back_as_it_was():
    guest.run("echo '# mine' >> /usr/lib/udev/rules.d/60-pvtools-agent.rules")
    check("60-pvtools-agent.rules" in installed(), "rpm knows")
    rolled_back(rpms.package("0.7", replaced(SILENT, "0.7")), "did not report", words=("--wait", "8"))


def test_a_guest_that_stops_while_it_waits_has_the_old_one_after_its_boot():
    upgrades.stopped(ours.sign(rpms.package("0.8", replaced(SHORT, "0.8"))))


def test_so_has_one_that_stops_while_rpm_knows_both():
    """Between the new record and the end of the old one, in the new one's script."""
    path = rpms.package("0.9", edit=in_spec("%post agent\n", "%post agent\necho PVT-AT-WORK > /dev/console\nsleep 1000\n"))
    upgrades.stopped(ours.sign(path), "PVT-AT-WORK")
    equal(guest.agent()[0], "pvtools-agent", "who answers")


def test_removed_by_rpm():
    log = guest.job("rpm --erase pvtools-agent\necho left: $(find /usr /etc -xdev -name '*pvtools*' -not -path '/usr/local/*')\n"
                    "dpkg -i /debs/stock/*.deb; systemctl start qemu-guest-agent")
    equal([line for line in log.splitlines() if line.startswith("left:")], ["left: /etc/pvtools"],
          "all but the keys, which somebody put there")


if __name__ == "__main__":
    tap.story(globals(), guest, ours, theirs, signed)
