#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian guest that was made for other hardware: it boots with drivers/linux, and
the doctor finds what is still wrong.

One guest, one story: the tests build on each other and run in their order.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import base
import cli
import debian
import images
import tap
import unpacked
from agent import find_agent
from shell import PATIENCE
from stock import sh
from tap import Skip, check, equal, note
from vm import ON_VMM, VM, needs
from wire import AgentError

LINUX = HERE.parents[1] / "drivers/linux"
# What firmware tells of the machine, if there is any, and what the agent writes down when a
# seal is over: that it does not know.
UUID = "" if ON_VMM else "6a1d1a5e-0c1b-4bfa-9a39-1a2b3c4d5e6f"
UNSEALED = UUID or "unknown"
GIVEN_UP = "ALERT!  /dev/vda does not exist"


class Story:
    vm = None
    clones = 0  # that the agent has told its hooks of


def close():
    if Story.vm:
        Story.vm.__exit__(None, None, None)
        Story.vm = None
        Story.place.cleanup()


def disk_with(files, target):
    """A copy of the guest's disk with more files: {path: (source, mode)}."""
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(debian.image(find_agent())[2]),
                    str(target)], check=True)
    lines = []
    for path, (source, mode) in files.items():
        lines += [f"write {source} {path}", f"set_inode_field {path} mode 0{0o100000 | mode:o}"]
    subprocess.run(["debugfs", "-w", "-f", "-", str(target)], input="\n".join(lines) + "\n", text=True,
                   check=True, capture_output=True)


def run(script, patience=120, **keywords):
    with Story.vm.line(timeout=patience) as line:
        line.sync(int(time.monotonic() * 1e6) | 1)
        return sh(line, script, **keywords)


def checkup(code=0):
    """{name: check} by the host's command."""
    report = json.loads(cli.expect(code, "checkup", f"unix:{Story.vm.agent_socket}", "-o", "json",
                                   timeout=240 * PATIENCE))
    return {entry["name"]: entry for entry in report["checks"]}


def state(checks, name):
    return checks[name]["state"]


def test_made_elsewhere_it_does_not_find_its_root():
    kernel, _, disk = debian.image(find_agent())
    with VM(kernel, images.of_other_hardware(hook=False), disk, "rootdelay=5") as vm:
        deadline = time.monotonic() + 240 * PATIENCE
        while GIVEN_UP not in vm.console.read_text(errors="replace"):
            check(vm.process.poll() is None and time.monotonic() < deadline,
                  "neither a root nor a complaint")
            time.sleep(0.3)
    note(GIVEN_UP)


@contextlib.contextmanager
def dracut_image(drop_in):
    """(image, the doctor's words of it)."""
    with tempfile.TemporaryDirectory(prefix="pvt-dracut-") as name:
        try:
            yield said_of(images.by_dracut(pathlib.Path(name) / "image", drop_in, find_agent()))
        except unpacked.Missing as missing:
            raise Skip(str(missing)) from None


def said_of(image):
    report = json.loads(pathlib.Path(f"{image}.doctor").read_text())
    return image, {entry["name"]: entry for entry in report["checks"]}["initrd"]


def test_dracut_leaves_the_drivers_out():
    with dracut_image(drop_in=False) as (image, said):
        equal(said["state"], "fail", said)
        check(f"boot/initramfs-{base.kernel()[2]}.img has no virtio_pci, virtio_blk" in said["finding"], said)
        if os.environ.get("PVT_LONG"):
            it_stays_in(image)


def it_stays_in(image):
    kernel, _, disk = debian.image(find_agent())
    with VM(kernel, image, disk, "rd.retry=5 rd.shell=0 rd.timeout=20") as vm:
        deadline = time.monotonic() + 600 * PATIENCE
        while "Timed out waiting for device" not in (text := vm.console.read_text(errors="replace")):
            check(vm.process.poll() is None and time.monotonic() < deadline, text[-2000:])
            time.sleep(0.3)


def test_with_the_drop_in_dracut_makes_one_that_boots():
    kernel, _, disk = debian.image(find_agent())
    with dracut_image(drop_in=True) as (image, said):
        equal(said["state"], "pass", said)
        with VM(kernel, image, disk) as vm:
            vm.wait_agent(420)
            with vm.line(timeout=120) as line:
                line.sync(1)
                note(sh(line, "journalctl -b -o cat | grep -m 1 dracut"))


def test_made_elsewhere_with_the_hook_it_boots():
    kernel, _, _ = debian.image(find_agent())
    place = tempfile.TemporaryDirectory(prefix="pvt-enablement-")
    Story.place = place
    disk = pathlib.Path(place.name) / "disk.img"
    disk_with({"/root/62-pvtools-virtio.rules": (LINUX / "62-pvtools-virtio.rules", 0o644),
               "/etc/systemd/system/pvtools-grow-root.service": (LINUX / "pvtools-grow-root.service", 0o644),
               "/root/unhooked.img": (images.of_other_hardware(hook=False), 0o600)}, disk)
    vm = VM(kernel, images.of_other_hardware(hook=True), disk, devices=["-uuid", UUID] if UUID else [])
    Story.vm = vm.__enter__()
    vm.wait_agent(420)
    check("ext4" in run("findmnt -n / || grep ' / ' /proc/mounts"), "the root")


def test_checkup_of_a_plain_guest():
    text = cli.expect(0, "checkup", f"unix:{Story.vm.agent_socket}", timeout=240 * PATIENCE)
    note(text)
    lines = text.splitlines()
    check(lines[0].split() == ["STATE", "CHECK", "FINDING"], lines[0])
    got = {line.split()[1]: line for line in lines[1:] if not line.startswith(" ")}
    for name in ("drivers", "status", "virtio-version", "rings", "net-model", "net-link", "disk-flush", "channel",
                 "interrupts", "initrd"):
        check(got[name].startswith("pass "), got[name])
    # The test's fstab has /dev/vda; there are two CPUs and one queue.
    for name, word in (("disk-tuning", "vda: scheduler"), ("disk-tuning", "counts as rotating"),
                       ("disk-names", "/dev/vda"), ("net-queues", "1 queue for 2 CPUs")):
        check(got[name].startswith("WARN ") and word in got[name], got[name])
    for above, line in zip(lines, lines[1:]):
        check(line.startswith(" " * 8 + " ") == above.startswith(("WARN", "FAIL")), f"{above}\n{line}")


def test_the_rules_tune_the_disk():
    got = run("cd /sys/block/vda/queue; cat rotational\n"
              "cp /root/62-pvtools-virtio.rules /etc/udev/rules.d/; udevadm control --reload\n"
              "udevadm trigger --action=add --subsystem-match=block --sysname-match='vd*'\n"
              "udevadm trigger --action=add --subsystem-match=clocksource; udevadm settle --timeout=60\n"
              "cat scheduler rotational add_random").split("\n")
    equal(got[0], "1", "rotational before")
    check(got[1].startswith("[none]"), got)
    equal(got[2:4], ["0", "0"], "rotational and add_random")
    checks = checkup()
    equal(state(checks, "disk-tuning"), "pass", checks["disk-tuning"])
    check("scheduler none, serial pvtroot" in checks["disk-tuning"]["finding"], checks["disk-tuning"])


def test_they_can_be_left_out():
    """A file of the same name decides in place of the package's."""
    run("mv /etc/udev/rules.d/62-pvtools-virtio.rules /usr/lib/udev/rules.d/\n"
        "ln -s /dev/null /etc/udev/rules.d/62-pvtools-virtio.rules; udevadm control --reload\n"
        "echo 1 > /sys/block/vda/queue/rotational\n"
        "udevadm trigger --action=add --subsystem-match=block --sysname-match='vd*'; udevadm settle --timeout=60\n"
        "grep -q 1 /sys/block/vda/queue/rotational\n"
        "rm /etc/udev/rules.d/62-pvtools-virtio.rules")


def test_a_next_boot_that_would_fail_is_found():
    run("cp /root/unhooked.img /boot/initrd.img-$(uname -r); sync")
    checks = checkup(30)
    equal(state(checks, "initrd"), "fail", checks["initrd"])
    check("virtio_pci, virtio_blk, virtio_scsi" in checks["initrd"]["finding"], checks["initrd"])
    check("update-initramfs" in checks["initrd"]["remedy"], checks["initrd"])


def test_doctor_in_the_guest():
    text = run("pvtools-agent --doctor", code=2)
    check("FAIL  initrd" in text and "-> install pvtools-agent-drivers" in text, text)
    check("text or json" in run("pvtools-agent --doctor=xml", code=1), "a wrong form")


def test_grow_at_a_prompt():
    check("/: " in run("pvtools-agent --grow /"), "the root")
    check("nothing is mounted" in run("pvtools-agent --grow /nowhere", code=1), "no mount")


SIZE = "echo $(($(stat -f -c '%b * %S' /) >> 20))"


def test_the_unit_that_grows_the_root_leaves_it_to_cloud_init():
    """Whose mark is there in the guest of a cloud; without it the root takes what its disk has."""
    link = "/etc/systemd/system/multi-user.target.wants/pvtools-grow-root.service"
    Story.vm.resize_root(4 << 30)
    grow = "systemctl start pvtools-grow-root; systemctl show -P ConditionResult -P Result pvtools-grow-root\n"
    before, *rest = run(f"test ! -e {link}; systemctl --quiet enable pvtools-grow-root; test -e {link}\n"
                        f"{SIZE}; mkdir -p /run/cloud-init; touch /run/cloud-init/enabled\n{grow}{SIZE}").split()
    equal(rest, ["success", "no", before], "with cloud-init")
    *rest, after = run(f"rm -r /run/cloud-init\n{grow}{SIZE}").split()
    equal(rest, ["success", "yes"], "without")
    check(int(after) > 3500 > int(before), f"{before} MiB became {after}")
    run(f"systemctl --quiet disable pvtools-grow-root; test ! -e {link}")


HOOK = "#!/bin/sh\necho \"$1\" >> /run/clone-hooks\n"


LOOK = ("systemctl show -P MainPID pvtools-agent\n"
        "cat /var/lib/pvtools/machine /run/clone-hooks 2>/dev/null || true")


def wait_for_hooks(record):
    """Through a restart of the agent, which is told to by a job of its own."""
    expected = [*([record] if record else []), *["clone"] * Story.clones]
    before = run(LOOK).split()[0]
    run("systemd-run --quiet --collect --no-block systemctl restart pvtools-agent")
    deadline = time.monotonic() + 180 * PATIENCE
    while True:
        try:
            # What is asked of an agent that ends is never answered.
            got = run(LOOK, patience=15, timeout=15).split()
            if got[0] not in (before, "0") and got[1:] == expected:
                return
        except (TimeoutError, EOFError, OSError, AssertionError, AgentError) as error:
            got = error
        check(time.monotonic() < deadline, f"hooks: {got}")
        time.sleep(0.5)


def test_this_machine_is_remembered():
    """What is not known of it is not written down."""
    if UUID:
        equal(run("cat /var/lib/pvtools/machine").strip(), UUID, "the record")
        equal(run("stat -c %a /var/lib/pvtools/machine").strip(), "600", "its mode")
    else:
        run("test ! -e /sys/class/dmi/id/product_uuid; test ! -e /var/lib/pvtools/machine")
    run(f"mkdir -p /etc/pvtools/generation.d; printf '%s' '{HOOK}' > /etc/pvtools/generation.d/10-test\n"
        "chmod 755 /etc/pvtools/generation.d/10-test")
    wait_for_hooks(UUID)


def test_a_disk_that_was_another_machines_is_a_clone():
    needs("identity")
    run("echo 00000000-1111-2222-3333-444444444444 > /var/lib/pvtools/machine")
    Story.clones += 1
    wait_for_hooks(UUID)
    wait_for_hooks(UUID)


def test_sealing_tells_what_would_go():
    run("mkdir -p /etc/ssh; echo secret > /etc/ssh/ssh_host_rsa_key; echo ls > /root/.bash_history\n"
        "echo x > /var/log/old.log.1; echo x > /var/log/current.log")
    before = run("cat /etc/machine-id").strip()
    check(len(before) == 32, before)
    text = cli.expect(0, "seal", f"unix:{Story.vm.agent_socket}", "--list")
    note(text)
    for word in ("Nothing was changed", "/etc/ssh/ssh_host_rsa_key", "/etc/machine-id", "/root/.bash_history"):
        check(word in text, word)
    equal(run("cat /etc/machine-id").strip(), before, "untouched")
    run("test -e /etc/ssh/ssh_host_rsa_key")
    cli.expect(1, "seal", f"unix:{Story.vm.agent_socket}", "--apply", "--skip", "no-such-step")
    run("test -e /etc/ssh/ssh_host_rsa_key")


def test_sealing():
    text = cli.expect(0, "seal", f"unix:{Story.vm.agent_socket}", "--apply", "--skip", "histories")
    check("Sealed." in text and "skipped" in text, text)
    run("test -e /root/.bash_history; test ! -e /etc/ssh/ssh_host_rsa_key; test ! -s /etc/machine-id\n"
        "test -e /etc/machine-id; test ! -e /var/log/old.log.1; test ! -s /var/log/current.log\n"
        "grep -qx sealed /var/lib/pvtools/machine")


def test_the_sealed_disk_is_a_clone_at_its_next_start():
    """Once, whether the machine is known or not."""
    Story.clones += 1
    wait_for_hooks(UNSEALED)
    wait_for_hooks(UNSEALED)


def test_the_clone_has_an_id_of_its_own():
    if not os.environ.get("PVT_LONG"):
        raise Skip("a reboot more; with PVT_LONG=1")
    with Story.vm.line() as line:
        line.send(line.request("guest-shutdown", mode="reboot"))
        Story.vm.monitor.wait_event("RESET", 240 * PATIENCE)
    Story.vm.wait_agent(420)
    check(len(run("cat /etc/machine-id").strip()) == 32, "an ID was made at the boot")


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        close()
