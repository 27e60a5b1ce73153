#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our agent and the distribution's qemu-ga side by side, in one run.

  bench.py --agent BUILD/agent/pvtools-agent --load BUILD/tests/bench/load
           [--peer /usr/sbin/qemu-ga] [--rounds N] [--json FILE] [--callgrind]
           [--guest]

The binaries are copied first, so that no other process of either shares their
pages. For every query command both have: p50 and p99 of the answer time over a unix
socket, rounds of both alternating so that a noisy machine is noisy for both,
client and agent on one processor so that the time it takes to wake another,
which is the machine's and not the agent's, is not in it. Beside it the floor: what
an echo that does nothing takes for as many bytes there and back on the same socket
(tests/bench/echo.c), and the ratio of what each agent adds to that.
Instructions a command with --callgrind; pipelined requests a second; wake-ups while idle; memory at rest
and after a 48 MB guest-file-read, all processes of an agent together. With --guest also the answer times of all three in
micro guests side by side, over virtio-serial; each has a disk with a filesystem and
somebody who is logged in. Prints tables; ratios below 1 are ours.
"""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("guest", "support")]

import footprint

QUERIES = ["guest-ping", "guest-sync", "guest-info", "guest-get-time", "guest-get-host-name",
           "guest-get-osinfo", "guest-get-timezone", "guest-get-users",
           "guest-network-get-interfaces", "guest-get-vcpus", "guest-get-memory-blocks",
           "guest-get-memory-block-info", "guest-get-fsinfo", "guest-get-disks",
           "guest-get-cpustats", "guest-get-diskstats"]
ARGUMENTS = {"guest-sync": {"id": 123456789}}
FLOOR = "echo"
DISK = ("virtio-blk-pci,drive={drive},serial=bench", 64 << 20)
APPEND = "pvt.mount pvt.login"  # a filesystem, and somebody who is logged in
READ_SIZE = 48 * 1000 * 1000


def pin():
    """Runs in the child: on the first processor this process may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def request(name):
    body = {"execute": name}
    if name in ARGUMENTS:
        body["arguments"] = ARGUMENTS[name]
    return json.dumps(body)


class Asking:
    """Somebody behind a unix socket."""

    socket = None

    def answers(self):
        try:
            return "return" in self.ask("guest-ping", timeout=5)
        except OSError:
            return False

    def ask(self, name, timeout=60, **arguments):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout)
            sock.connect(self.socket)
            body = {"execute": name}
            if arguments:
                body["arguments"] = {key.replace("_", "-"): value
                                     for key, value in arguments.items()}
            sock.sendall(json.dumps(body).encode() + b"\n")
            chunks = []
            while not chunks or not chunks[-1].endswith(b"\n"):
                chunk = sock.recv(1 << 20)
                if not chunk:
                    raise OSError("hung up")
                chunks.append(chunk)
            return json.loads(b"".join(chunks))


class InGuest(Asking):
    """An agent, or the echo, in a micro guest."""

    def __init__(self, vm):
        self.socket = str(vm.agent_socket)
        deadline = time.monotonic() + 600
        while not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError("no answer from the guest")


class Echo(Asking):
    """The socket and the scheduler alone."""

    def __init__(self, binary, directory):
        self.socket = str(directory / "echo.sock")
        self.process = subprocess.Popen([binary, self.socket], preexec_fn=pin)
        deadline = time.monotonic() + 60
        while not pathlib.Path(self.socket).exists():
            if time.monotonic() > deadline:
                raise RuntimeError("the echo did not start")
            time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Agent(Asking):
    """An agent of either kind on a unix socket of its own."""

    def __init__(self, binary, directory, wrapper=()):
        self.socket = str(directory / f"{pathlib.Path(binary).name}.sock")
        state = directory / f"{pathlib.Path(binary).name}.state"
        state.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*wrapper, binary, "-m", "unix-listen", "-p", self.socket, "-t", str(state)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=pin)
        deadline = time.monotonic() + 60
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{binary} does not answer on {self.socket}")
            time.sleep(0.05)

    def memory(self):
        return footprint.of_processes(footprint.family(self.process.pid))

    def wakeups(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            status = (task / "status").read_text()
            total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status))
        return total

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def load(binary, agent, count, depth, line):
    done = subprocess.run([binary, agent.socket, str(count), str(depth), line],
                          capture_output=True, text=True, timeout=300, preexec_fn=pin)
    if done.returncode:
        raise RuntimeError(f"{line}: {done.stderr.strip()}")
    p50, p99, rate, size = done.stdout.split()
    return float(p50), float(p99), float(rate), int(size)


def like(line, size):
    """What makes the echo answer that many bytes, as long as the line is."""
    return str(size).zfill(len(line))


def latencies(options, agents, commands):
    """{command: {agent: (p50, p99)}}: the median over alternating rounds. The echo is the
    last of the agents and answers as much as the one before it."""
    rows = {}
    for name in commands:
        samples = {key: [] for key in agents}
        for _ in range(options.rounds):
            size = 0
            for key, agent in agents.items():
                line = like(request(name), size) if key == FLOOR else request(name)
                samples[key].append(load(options.load, agent, options.count, 1, line))
                size = samples[key][-1][3] // options.count
        rows[name] = {key: (statistics.median(s[0] for s in values),
                            statistics.median(s[1] for s in values))
                      for key, values in samples.items()}
    return rows


def pipelined(options, agents):
    rates = {key: [] for key in agents}
    for _ in range(options.rounds):
        for key, agent in agents.items():
            rates[key].append(load(options.load, agent, options.count * 10, 100,
                                   request("guest-ping"))[2])
    return {key: statistics.median(values) for key, values in rates.items()}


def control(agent, option):
    subprocess.run(["callgrind_control", option, str(agent.process.pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def instructions(options, binaries, directory, commands):
    """Instructions a command: counters are zeroed, then read after that many."""
    count, rows = 100, {name: {} for name in commands}
    for key, binary in binaries.items():
        out = directory / f"callgrind.{key}"
        agent = Agent(binary, directory, ["valgrind", "--tool=callgrind", "-q",
                                          f"--callgrind-out-file={out}"])
        for number, name in enumerate(commands, 1):
            load(options.load, agent, 10, 1, request(name))
            control(agent, "-z")
            load(options.load, agent, count, 1, request(name))
            control(agent, "-d")
            text = pathlib.Path(f"{out}.{number}").read_text()
            total = sum(int(n) for n in re.findall(r"^totals: (\d+)", text, re.M))
            rows[name][key] = total / count
        agent.process.kill()
        agent.process.wait()
    return rows


def common_commands(agents):
    known = [{c["name"] for c in agent.ask("guest-info")["return"]["supported_commands"]}
             for agent in agents.values()]
    return [name for name in QUERIES if all(name in names for names in known)]


def idle_wakeups(agents, seconds):
    before = {key: agent.wakeups() for key, agent in agents.items()}
    time.sleep(seconds)
    return {key: agent.wakeups() - before[key] for key, agent in agents.items()}


def read_big(agent, directory):
    path = directory / "big"
    if not path.exists():
        path.write_bytes(os.urandom(1 << 20) * (READ_SIZE // (1 << 20) + 1))
    handle = agent.ask("guest-file-open", path=str(path))["return"]
    data = agent.ask("guest-file-read", handle=handle, count=READ_SIZE)["return"]
    agent.ask("guest-file-close", handle=handle)
    if len(base64.b64decode(data["buf-b64"])) != READ_SIZE:
        raise RuntimeError("short guest-file-read")


def in_guests(options, binaries):
    """Answer times over virtio-serial, all guests running at once."""
    import micro
    from vm import VM

    with contextlib.ExitStack() as stack:
        agents = {}
        for key, binary in {**binaries, FLOOR: options.load.with_name("echo")}.items():
            vm = stack.enter_context(VM(*micro.image(binary), smp="1", memory=256, disks=[DISK],
                                        append=APPEND))
            agents[key] = InGuest(vm)
        commands = common_commands({key: agents[key] for key in binaries})
        return latencies(options, agents, commands)


def times(row, peer, ours):
    """Cells of the answer times."""
    return (f"{row[FLOOR][0]:.0f} | {row[peer][0]:.0f} / {row[peer][1]:.0f} | "
            f"{row[ours][0]:.0f} / {row[ours][1]:.0f} | "
            f"{row[ours][0] / row[peer][0]:.2f} | {above_floor(row, ours, peer)}")


def guest_table(result):
    peer, ours = result["agents"]
    lines = ["", f"| in a guest, over virtio-serial | floor µs | {peer} p50/p99 µs | "
             f"{ours} p50/p99 µs | ratio | above the floor |", "|---|---:|---:|---:|---:|---:|"]
    for name, row in result["guest"].items():
        lines.append(f"| {name} | {times(row, peer, ours)} |")
    return "\n".join(lines)


def above_floor(row, ours, peer):
    """The ratio of what each agent adds to an echo's time for the same bytes."""
    floor = row[FLOOR][0]
    if row[peer][0] <= floor:
        return "-"
    return f"{max(row[ours][0] - floor, 0) / (row[peer][0] - floor):.2f}"


def table(result):
    peer, ours = result["agents"]
    lines = [f"| command | floor µs | {peer} p50/p99 µs | {ours} p50/p99 µs | ratio | above the floor | "
             f"instructions {peer} | {ours} | ratio |", "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for name, row in result["latency"].items():
        counts = result["instructions"].get(name)
        last = (f"{counts[peer]:,.0f} | {counts[ours]:,.0f} | {counts[ours] / counts[peer]:.2f}"
                if counts else "- | - | -")
        lines.append(f"| {name} | {times(row, peer, ours)} | {last} |")
    lines += ["", f"| | {peer} | {ours} | ratio |", "|---|---:|---:|---:|"]
    for label, values in result["figures"].items():
        ratio = f"{values[ours] / values[peer]:.2f}" if values[peer] else "-"
        lines.append(f"| {label} | {values[peer]:,.0f} | {values[ours]:,.0f} | {ratio} |")
    return "\n".join(lines)


def figures(options, agents, directory):
    rest = {key: agent.memory() for key, agent in agents.items()}
    out = {"idle wake-ups in %d s" % options.idle: idle_wakeups(agents, options.idle)}
    commands = common_commands(agents)
    echo = Echo(options.load.with_name("echo"), directory)
    latency = latencies(options, {**agents, FLOOR: echo}, commands)
    echo.stop()
    out["pipelined guest-ping / s"] = pipelined(options, agents)
    for agent in agents.values():
        read_big(agent, directory)
    after = {key: agent.memory() for key, agent in agents.items()}
    for field, label in (("rss", "resident"), ("pss", "proportional"),
                         ("private", "private"), ("dirty", "private dirty")):
        out[f"{label} kB at rest"] = {key: m[field] for key, m in rest.items()}
        out[f"{label} kB after heavy use"] = {key: m[field] for key, m in after.items()}
    return latency, out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--load", required=True, type=pathlib.Path)
    parser.add_argument("--peer", default="/usr/sbin/qemu-ga")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=500, help="requests a round")
    parser.add_argument("--idle", type=int, default=20, help="seconds to count wake-ups")
    parser.add_argument("--callgrind", action="store_true")
    parser.add_argument("--guest", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-bench-"))
    os.sync()  # pages of a binary that was just linked count as dirty until written
    binaries = {"qemu-ga": shutil.copy(options.peer, directory / "peer"),
                "pvtools": shutil.copy(options.agent, directory / "ours")}
    agents = {}
    try:
        agents = {key: Agent(binary, directory) for key, binary in binaries.items()}
        latency, numbers = figures(options, agents, directory)
        commands = list(latency)
        for agent in agents.values():
            agent.stop()
        agents = {}
        counts = instructions(options, binaries, directory, commands) if options.callgrind else {}
        result = {"agents": list(binaries), "latency": latency, "instructions": counts,
                  "figures": numbers}
        print(table(result))
        if options.guest:
            result["guest"] = in_guests(options, binaries)
            print(guest_table(result))
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")
    finally:
        for agent in agents.values():
            agent.process.kill()
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
