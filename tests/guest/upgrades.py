# SPDX-License-Identifier: LGPL-2.1-or-later
"""`pvtools upgrade` of a guest's agent, whichever way that came."""

import time

import cli
from tap import check, equal, note

RESUMPTION = "/etc/systemd/system/pvtools-upgrade-resume.service"
# Ends where it should serve, and says which version it is.
BROKEN = "#!/bin/sh\nif [ \"$1\" = --version ]; then echo pvtools-agent {}; exit; fi\nexit 7\n"
# Says that it is ready, and never a word to the host.
SILENT = BROKEN.replace("exit 7", "systemd-notify --ready\nsleep 1000")
# So does this one, until the next boot: there it ends.
SHORT = SILENT.replace("systemd", "[ \"$(cat /root/boot)\" = \"$(cat /proc/sys/kernel/random/boot_id)\" ] || exit 7\n"
                       "systemd")


class Upgrades:
    """Of one guest. @installed() is what may not change when something is refused."""

    def __init__(self, guest, installed):
        self.guest, self.installed = guest, installed

    def address(self):
        return f"unix:{self.guest.vm().agent_socket}"

    def run(self, code, path, *words, timeout=600):
        done = cli.run("upgrade", self.address(), path, *words, timeout=timeout)
        equal(done.returncode, code, f"{path} {words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def refused(self, path, *reasons, words=()):
        """With the reasons, and without any change."""
        before = self.installed()
        text = self.run(1, path, *words)
        for reason in reasons:
            check(reason in text, f"{reason!r} is not in: {text}")
        equal(self.installed(), before, "what is installed")
        equal(self.guest.run("ls /var/lib/pvtools/upgrade 2>/dev/null || true").split(), [], "nothing is left")
        note(text.strip().splitlines()[0])

    def start(self, path, *words, until="state waiting"):
        """The running command, once the guest's console says that: that it waits for the new agent."""
        running = cli.start("upgrade", self.address(), path, *words)
        deadline = time.monotonic() + 600
        while until not in self.guest.vm().console.read_text(errors="replace"):
            check(time.monotonic() < deadline and running.poll() is None, f"{until} never came")
            time.sleep(0.2)
        return running

    def wait_for_end(self, timeout=1800):
        """What was left for the boot has done its work."""
        deadline = time.monotonic() + timeout
        while self.guest.patiently(f"ls {RESUMPTION} 2> /dev/null || true", 1200).strip():
            check(time.monotonic() < deadline, "it has not ended")
            time.sleep(1)

    def stopped(self, path, until="state waiting"):
        """The guest is reset on the way, and the new one will not do: the old one is back."""
        before = self.installed()
        self.guest.run("cat /proc/sys/kernel/random/boot_id > /root/boot; sync")
        self.guest.start_job("tail -n 0 -F /var/lib/pvtools/upgrade/state > /dev/console 2> /dev/null")
        running = self.start(path, "--wait", "30", until=until)
        self.guest.vm().monitor.command("system_reset")
        running.kill()
        running.communicate()
        self.wait_for_end()
        check("state rolled-back" in self.guest.patiently("cat /var/lib/pvtools/upgrade/state"), "it says so")
        equal(self.installed(), before, "what is installed")
