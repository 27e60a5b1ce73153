# SPDX-License-Identifier: LGPL-2.1-or-later
"""A network for tests: a namespace of the host with a tap, the micro guest with tools
for networks in it, and programs on both sides that compare every byte."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

import base
import cache
import micro
import shell
import vhostuser
from agent import find_agent

TREE = pathlib.Path(__file__).resolve().parents[2]
PEER = TREE / "tests/guest/payload/netpeer.c"
HOST, GUEST = "10.99.0.1", "10.99.0.2"
HOST6, GUEST6 = "fd99::1", "fd99::2"


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def build_peer(target):
    run("cc", "-O2", "-static", "-o", target, PEER)


def peer():
    return cache.make("netpeer", cache.key(PEER), build_peer)


def tool(name):
    for directory in ("/usr/sbin", "/sbin", "/usr/bin", "/bin"):
        if os.path.exists(f"{directory}/{name}"):
            return f"{directory}/{name}"
    raise RuntimeError(f"no {name}: it is in PACKAGES of tests/run")


def image():
    """(kernel, initial RAM disk) of the micro guest with ip, ethtool and netpeer."""
    agent = find_agent()
    kernel, _, release = base.kernel()
    programs = tool("ip"), tool("ethtool")
    parts = [pathlib.Path(agent), peer(), pathlib.Path(__file__), pathlib.Path(micro.__file__),
             micro.HERE / "files" / "micro-init", *map(pathlib.Path, programs), str(kernel)]

    def build(target):
        micro.build(agent, release, target, ("8021q",), (),
                    ((peer(), "bin/netpeer"), (programs[0], "sbin/ip"), (programs[1], "sbin/ethtool"),
                     *((os.path.realpath(library), library.lstrip("/"))
                       for program in programs for library in micro.libraries(program))))

    return kernel, cache.make("micro+net", cache.key(*parts), build)


class Namespace:
    """A network namespace with a tap t0 that has the host's addresses."""

    def __init__(self, queues=1, mtu=1500):
        self.name = f"pvt-{os.getpid()}-{time.monotonic_ns() % 1000000}"
        self.queues, self.mtu = queues, mtu

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        try:
            self.ip("link", "set", "lo", "up")
            self.ip("tuntap", "add", "t0", "mode", "tap", *(["multi_queue"] if self.queues > 1 else []))
            self.exec("sysctl", "-qw", "net.ipv6.conf.t0.accept_dad=0")
            self.ip("link", "set", "t0", "mtu", self.mtu, "up")
            self.ip("addr", "add", f"{HOST}/24", "dev", "t0")
            self.ip("addr", "add", f"{HOST6}/64", "dev", "t0", "nodad")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.name)

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def exec(self, *words):
        return run("ip", "netns", "exec", self.name, *words)

    @contextlib.contextmanager
    def peer(self, *words):
        """netpeer as a server in the namespace; it must end well."""
        with running(["ip", "netns", "exec", self.name, peer(), *words]) as process:
            yield process


@contextlib.contextmanager
def running(command, timeout=180):
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if line != "ready\n":
            raise RuntimeError(f"{command} says {line!r}")
        yield process
        out, _ = process.communicate(timeout=timeout)
        if process.returncode or out != "ok\n":
            raise AssertionError(f"{command} ended with {process.returncode}: {out!r}")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


class Backend(vhostuser.Backend):
    """pvtools-vmm device net in a namespace."""

    def __init__(self, path, namespace=None, **options):
        super().__init__(path, "net", **{key.replace("_", "-"): value for key, value in options.items()})
        if namespace:
            self.command[:0] = ["ip", "netns", "exec", namespace.name]


def device(path, name, mac, queues=1, options=""):
    """QEMU's arguments for a NIC of ours. Without MSI-X: QEMU 7.2 ends by a null pointer when
    a guest masks a vector of a vhost-user NIC and no KVM routes it."""
    many = ",mq=on" if queues > 1 else ""
    return ["-chardev", f"socket,id=c{name},path={path},reconnect=1",
            "-netdev", f"vhost-user,id={name},chardev=c{name},queues={queues}",
            "-device", f"virtio-net-pci,id=dev{name},netdev={name},mac={mac},vectors=0{many}{options}"]


def sh(vm, script, timeout=180):
    """What a shell script in the guest prints; it must succeed."""
    with vm.line(timeout=timeout) as line:
        line.sync()
        return shell.sh(line, script, timeout)


@contextlib.contextmanager
def scratch():
    with tempfile.TemporaryDirectory(prefix="pvt-net-") as name:
        yield pathlib.Path(name)
