# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest under libvirt: a real libvirtd, a real virsh, no systemd needed."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import uuid

from vm import MAC

XML = """<domain type='{kind}'>
  <name>{name}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>{memory}</memory><vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel><initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 {append}</cmdline></os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <pm><suspend-to-mem enabled='yes'/><suspend-to-disk enabled='yes'/></pm>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>
      <target dev='vda' bus='virtio'/><serial>virt1</serial></disk>
    <interface type='user'><mac address='{mac}'/><model type='virtio'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='file'><source path='{console}'/></serial>
  </devices>
</domain>
"""


def run(*words, timeout=60):
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)


def answers():
    return run("virsh", "-c", "qemu:///system", "version").returncode == 0


class Libvirt:
    """Starts the daemons unless they run, defines and starts a domain; ends what it began."""

    def __init__(self, kernel, initrd, disk=None):
        # Readable by the user that QEMU runs as.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-virt-", dir="/var/lib/libvirt/images"))
        self.directory.chmod(0o755)
        self.name = f"pvt-{os.getpid()}"
        self.daemons = []
        self.images = [shutil.copy(path, self.directory) for path in (kernel, initrd)]
        self.disk = self.directory / "disk.img"
        if disk:
            run("cp", "--sparse=always", str(disk), str(self.disk))
        else:
            with self.disk.open("wb") as file:
                file.truncate(64 << 20)
        self.append = "root=/dev/vda rw" if disk else "pvt.mount"
        self.memory = 1024 if disk else 512

    def __enter__(self):
        try:
            self._start_daemons()
            self._start_domain()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start_daemons(self):
        if answers():
            return
        for directory in ("/run/libvirt", "/var/log/libvirt"):
            pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
        for program in ("virtlogd", "libvirtd"):
            self.daemons.append(subprocess.Popen(
                [program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=(self.directory / f"{program}.log").open("w")))
            time.sleep(0.5)
        deadline = time.monotonic() + 60
        while not answers():
            if time.monotonic() > deadline:
                raise RuntimeError("libvirtd does not answer: "
                                   + (self.directory / "libvirtd.log").read_text()[-2000:])
            time.sleep(0.3)

    def _start_domain(self):
        self.console = self.directory / "console.log"
        xml = self.directory / "domain.xml"
        xml.write_text(XML.format(kind="qemu", name=self.name, uuid=uuid.uuid4(),
                                  kernel=self.images[0], initrd=self.images[1], disk=self.disk, append=self.append,
                                  memory=self.memory,
                                  console=self.console, mac=MAC))
        for path in self.directory.iterdir():
            path.chmod(0o666)
        self.virsh("create", str(xml))

    def virsh(self, *words, ok=True, timeout=90):
        done = run("virsh", "-c", "qemu:///system", *words, timeout=timeout)
        if ok and done.returncode:
            raise AssertionError(f"virsh {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout if ok else done

    def wait_agent(self, timeout=120):
        deadline = time.monotonic() + timeout
        while self.virsh("qemu-agent-command", self.name, '{"execute":"guest-ping"}',
                         ok=False).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError("the agent did not answer virsh")
            time.sleep(0.5)

    def __exit__(self, *_):
        if answers():
            run("virsh", "-c", "qemu:///system", "destroy", self.name)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
