#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What pushed telemetry costs a real guest: the agent with every group of metrics each
second, beside Debian's prometheus-node-exporter scraped each second in the same guest.

  PVT_AGENT=... PVT_CLI=... tests/bench/telemetry.py [SECONDS]
"""

import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "guest"), str(HERE / "support")]

import cli
import debian
from agent import find_agent
from shell import sh
from vm import VM

# What a process has used so far: utime and stime in ticks of 10 ms, proc(5).
TICKS = "awk '{ print $14 + $15 }' /proc/$(systemctl show -p MainPID --value %s)/stat"
MEMORY = "awk '/^(Rss|Private_Dirty):/ { print $2 }' /proc/$(systemctl show -p MainPID --value %s)/smaps_rollup"
SWITCHES = "cat /proc/$(systemctl show -p MainPID --value %s)/task/*/status | awk '/^voluntary/ { n += $2 } END { print n }'"
SCRAPER = ("for i in $(seq %d); do exec 3<>/dev/tcp/127.0.0.1/9100; "
           "printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3 >/dev/null; exec 3>&-; sleep 1; done")


def numbers(line, script, name):
    return [int(word) for word in sh(line, script % name, timeout=300).split()]


def measure(line, name, seconds):
    """(CPU milliseconds a second, wake-ups a second) over that time, on the guest's own clock."""
    script = f"{TICKS % name}; {SWITCHES % name}; cut -d' ' -f1 /proc/uptime"
    first = sh(line, script, timeout=300).split()
    time.sleep(seconds)
    last = sh(line, script, timeout=300).split()
    took = float(last[2]) - float(first[2])
    return (int(last[0]) - int(first[0])) * 10 / took, (int(last[1]) - int(first[1])) / took


def say(what, cost, memory):
    print(f"{what:34} {cost[0]:7.2f} ms CPU/s {cost[1]:6.1f} wake-ups/s   "
          f"resident {memory[0] / 1024:5.1f} MiB, private dirty {memory[1] / 1024:4.1f} MiB", flush=True)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    exporter = shutil.which("prometheus-node-exporter")
    with VM(*debian.image(find_agent()), memory=768) as vm:
        vm.wait_agent(timeout=600)
        address = f"unix:{vm.extended_socket}"
        with vm.line(timeout=300) as line:
            sh(line, "systemctl is-system-running --wait || true", timeout=300)
            say("agent, nobody subscribed", measure(line, "pvtools-agent", seconds),
                numbers(line, MEMORY, "pvtools-agent"))
            watch = cli.start("watch", address, "-m", "all", "--period", "1", "--full", "--heartbeat", "1",
                              "--timeout", "60", "-o", "json")
            watch.stdout.readline()
            drain = subprocess.Popen(["cat"], stdin=watch.stdout, stdout=subprocess.DEVNULL)
            say("agent, all groups whole, each 1 s", measure(line, "pvtools-agent", seconds),
                numbers(line, MEMORY, "pvtools-agent"))
            watch.terminate()
            watch.wait(60)
            drain.wait(60)
            if exporter is None:
                print("prometheus-node-exporter is not installed here")
                return
            cli.expect(0, "cp", address, exporter, ":/usr/local/bin/node-exporter", timeout=600)
            sh(line, "chmod 755 /usr/local/bin/node-exporter; systemd-run --unit=node /usr/local/bin/node-exporter "
                     "--web.listen-address=127.0.0.1:9100; sleep 5", timeout=300)
            say("node-exporter, idle", measure(line, "node", seconds),
                numbers(line, MEMORY, "node"))
            sh(line, f"systemd-run --unit=scrape bash -c '{(SCRAPER % (seconds * 4)).replace(chr(39), chr(34))}'; sleep 5",
               timeout=300)
            say("node-exporter, scraped each 1 s", measure(line, "node", seconds),
                numbers(line, MEMORY, "node"))


if __name__ == "__main__":
    main()
