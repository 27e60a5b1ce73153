#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exporter against real agents: its figures against independent readings,
discovery, what may be asked for, and files for node_exporter."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent as AnyAgent
from deadmount import DeadMount
from exporter import EXPORTER, Exporter, Guest, parse, run, status
from tap import Skip, check, equal

STOCK = "/usr/sbin/qemu-ga"


def Agent(*options, **keywords):
    return AnyAgent(*options, **keywords)


def stock(*options):
    if not os.path.exists(STOCK):
        raise Skip("qemu-ga is not installed")
    return AnyAgent(*options, binary=STOCK)


def once(agent):
    done = run("--once", f"unix:{agent.socket}")
    equal(done.returncode, 0, done.stderr)
    return parse(done.stdout)


def proc(name):
    return pathlib.Path("/proc", name).read_text()


def counters():
    """Figures that only grow, read by ourselves: {(name, labels): number}."""
    found = {}
    modes = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
    for line in proc("stat").splitlines():
        words = line.split()
        if re.match(r"cpu\d", line):
            for mode, ticks in zip(modes, words[1:]):
                if mode not in ("idle", "iowait"):  # those may go back: proc(5)
                    found["node_cpu_seconds_total", ("cpu", words[0][3:]), ("mode", mode)] = int(ticks) / 100
        for key, name in (("ctxt", "context_switches"), ("intr", "intr"), ("processes", "forks")):
            if words[0] == key:
                found[f"node_{name}_total",] = int(words[1])
    for line in proc("diskstats").splitlines():
        words = line.split()
        if re.match(r"(vd|sd|xvd)[a-z]+$|nvme\d+n\d+$", words[2]):
            device = ("device", words[2])
            found["node_disk_reads_completed_total", device] = int(words[3])
            found["node_disk_read_bytes_total", device] = int(words[5]) * 512
            found["node_disk_writes_completed_total", device] = int(words[7])
            found["node_disk_written_bytes_total", device] = int(words[9]) * 512
            found["node_disk_io_time_seconds_total", device] = int(words[12]) / 1000
    for line in proc("net/dev").splitlines()[2:]:
        device, figures = line.split(":")
        figures = figures.split()
        for name, column in (("receive_bytes", 0), ("receive_packets", 1), ("receive_errs", 2),
                             ("receive_drop", 3), ("transmit_bytes", 8), ("transmit_packets", 9)):
            found[f"node_network_{name}_total", ("device", device.strip())] = int(figures[column])
    for line in proc("vmstat").splitlines():
        key, value = line.split()
        if key in ("pgfault", "pgmajfault", "pgpgin", "pgpgout", "pswpin", "pswpout", "oom_kill"):
            found[f"node_vmstat_{key}",] = int(value)
    return found


def check_against_proc(take):
    """What is counted lies between our own readings before and after."""
    before = counters()
    samples = take()
    after = counters()
    for key in before:
        value = samples.get((key[0], tuple(sorted(key[1:]))))
        check(value is not None, f"{key} is missing")
        check(before[key] - 0.02 <= value <= after[key] + 0.02,
              f"{key}: {before[key]} <= {value} <= {after[key]}")
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB$", proc("meminfo"), re.M))
    equal(samples.get_one("node_memory_MemTotal_bytes"), int(memory["MemTotal"]) * 1024, "MemTotal")
    equal(samples.get_one("node_memory_SwapTotal_bytes"), int(memory["SwapTotal"]) * 1024, "SwapTotal")
    for key in ("MemFree", "MemAvailable", "Buffers", "Cached", "SReclaimable", "SwapFree", "Slab", "Active"):
        check(f"node_memory_{key}_bytes" in samples.names(), key)
    boot = int(re.search(r"^btime (\d+)", proc("stat"), re.M).group(1))
    check(abs(samples.get_one("node_boot_time_seconds") - boot) <= 1, "boot time")
    uname = os.uname()
    samples.get_one("node_uname_info", nodename=uname.nodename, release=uname.release,
                    version=uname.version, machine=uname.machine, sysname="Linux")
    return samples


def check_root_filesystem(samples):
    """Sizes that do not change are equal; those that do lie near."""
    s = os.statvfs("/")
    of_root = lambda name: samples.get_one(f"node_filesystem_{name}", mountpoint="/")
    check(abs(of_root("avail_bytes") - s.f_bavail * s.f_frsize) < 0.05 * s.f_blocks * s.f_frsize, "avail")
    return s, of_root


def test_our_agent_tells_what_proc_says():
    with Agent() as agent:
        samples = check_against_proc(lambda: once(agent))
    s, of_root = check_root_filesystem(samples)
    equal(of_root("size_bytes"), s.f_blocks * s.f_frsize, "size")
    equal(of_root("files"), s.f_files, "inodes")
    equal(of_root("readonly"), 0, "read-only")
    equal(of_root("device_error"), 0, "error")
    equal(samples.get_one("pvtools_agent_info"), 1, "agent")
    samples.get_one("pvtools_agent_info", kind="pvtools-agent", profile="full")
    equal(samples.get_one("pvtools_guest_frozen"), 0, "frozen")
    equal(samples.get_one("pvtools_guest_dropped_samples"), 0, "dropped")
    equal(samples.get_one("node_network_mtu_bytes", device="lo"),
          int(pathlib.Path("/sys/class/net/lo/mtu").read_text()), "MTU")
    for name in ("node_load1", "node_load5", "node_load15", "node_time_seconds", "node_procs_running",
                 "node_procs_blocked", "node_filefd_allocated", "node_filefd_maximum", "node_os_info"):
        check(name in samples.names(), name)
    failed = samples.find("node_scrape_collector_success")
    check(all(failed.values()), failed)
    if os.path.exists("/proc/pressure/cpu"):
        check("node_pressure_cpu_waiting_seconds_total" in samples.names(), "pressure")


def test_stock_qemu_ga_through_files():
    with stock() as agent:
        samples = check_against_proc(lambda: once(agent))
    _, of_root = check_root_filesystem(samples)
    equal(of_root("readonly"), 0, "read-only")
    samples.get_one("pvtools_agent_info", kind="qemu-ga", files="yes")
    for name in ("node_load1", "node_time_seconds", "node_filefd_maximum"):
        check(name in samples.names(), name)
    check("node_filesystem_files" not in samples.names(), "it cannot know inodes")


def test_stock_qemu_ga_without_files():
    with stock("-b", "guest-file-open,guest-file-read") as agent:
        samples = once(agent)
    samples.get_one("pvtools_agent_info", kind="qemu-ga", files="no")
    equal(samples.get_one("pvtools_guest_up"), 1, "up")
    check(samples.find("node_cpu_seconds_total", mode="user"), "CPU through its command")
    check(samples.find("node_network_receive_bytes_total", device="lo"), "network")
    check("node_memory_MemTotal_bytes" not in samples.names(), "missing data is an absent series")
    equal(samples.get_one("node_scrape_collector_success", collector="meminfo"), 0, "meminfo")


def test_monitor_profile_suffices():
    with Agent("--profile", "monitor") as agent:
        samples = once(agent)
    failed = [key for key, value in samples.find("node_scrape_collector_success").items() if not value]
    check(not failed, failed)


def test_hung_mount_is_an_error_for_itself():
    with DeadMount() as dead, AnyAgent(env={"ASAN_OPTIONS": "detect_leaks=0"}) as agent:
        once(agent)
        samples = once(agent)
        samples.get_one("pvtools_guest_hung_mount", mountpoint=dead.path)
        equal(samples.get_one("node_filesystem_device_error", mountpoint=dead.path), 1, "error")
        check(not samples.find("node_filesystem_size_bytes", mountpoint=dead.path), "no size")
        check(samples.find("node_filesystem_size_bytes", mountpoint="/"), "the others have one")


def test_frozen_guest():
    """What needs filesystems is absent, the guest is up."""
    disabled = b'{"error": {"class": "CommandNotFound", "desc": "Command guest-get-osinfo has been disabled"}}\n'
    with Guest({"pvt-get-status": status(frozen=True), "guest-get-osinfo": disabled,
                "pvt-get-uptime": {"uptime-ms": 5, "boot-id": "x", "boot-time-ms": 1, "now-ms": 1500}}) as guest:
        samples = parse(run("--once", guest.address).stdout)
    equal(samples.get_one("pvtools_guest_up"), 1, "up")
    equal(samples.get_one("pvtools_guest_frozen"), 1, "frozen")
    equal(samples.get_one("node_time_seconds"), 1.5, "time")
    check("node_uname_info" not in samples.names(), "no guess")


def test_discovery_and_what_may_be_asked():
    with Agent() as agent, Exporter("--sockets", agent.directory, "--allow", "unix:/nowhere/*.sock") as exporter:
        (agent.directory / "not-a-socket").write_text("x")
        found = json.loads(exporter.page("/sd"))
        equal([one["labels"]["__param_target"] for one in found], [f"unix:{agent.socket}"], "/sd")
        equal(found[0]["targets"], [exporter.host], "targets are ourselves")
        equal(found[0]["labels"]["instance"], "agent", "instance")
        equal(found[0]["labels"]["__metrics_path__"], "/guest", "path")
        for target in (f"unix:{agent.socket}", "agent"):
            equal(exporter.guest(target).get_one("pvtools_guest_up"), 1, target)
        for target in ("unix:/run/docker.sock", str(agent.socket), "qemu:" + str(agent.socket), "vsock:2:1",
                       "libvirt:x", f"unix:{agent.directory}/../x.sock", f"unix:{agent.directory}/log",
                       "unix:/nowhere/../run/x.sock", "unix:/nowhere/a/b.sock", "x" * 4000, "%00", ""):
            code, _, _ = exporter.request("/guest?target=" + target)
            check(code in (400, 404), f"{target[:80]}: {code}")
        equal(exporter.guest("unix:/nowhere/a.sock").get_one("pvtools_guest_up"), 0, "allowed and down")
        check("unix:" not in exporter.page("/guest?target=agent"), "no paths of the host")


def test_http():
    with Agent() as agent, Exporter("--sockets", agent.directory) as exporter:
        equal(exporter.page("/-/healthy"), "healthy\n", "health")
        check("guest?target=" in exporter.page("/"), "page")
        for path, method, code in (("/guest", "GET", 400), ("/nothing", "GET", 404), ("/metrics/", "GET", 404),
                                   ("/metrics", "POST", 405), ("/metrics", "DELETE", 405), ("/metrics", "HEAD", 200),
                                   ("/guest?target=agent", "HEAD", 200)):
            equal(exporter.request(path, method)[0], code, f"{method} {path}")
        _, text, headers = exporter.request("/metrics")
        equal(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "type")
        samples = parse(text)
        equal(samples.get_one("pvtools_exporter_guests"), 1, "guests")
        equal(samples.get_one("pvtools_exporter_http_requests_total", code="405"), 2, "405")
        check(samples.get_one("process_resident_memory_bytes") > 0, "memory")
        check("pvtools_guest_up" not in samples.names(), "guests only when asked for")
        for host, wanted in (("exporter.example:9177", "exporter.example:9177"), ('x"y', exporter.host)):
            found = json.loads(exporter.page("/sd", headers={"Host": host}))
            equal(found[0]["targets"], [wanted], host)


def test_all_guests_on_one_page():
    with Agent() as agent, tempfile.TemporaryDirectory() as name:
        (pathlib.Path(name) / "db1.sock").symlink_to(agent.socket)
        with Guest({}, name, "web.sock"), Exporter("--sockets", f"{name}/*.sock", "--all-guests",
                                                   "--timeout", 2) as exporter:
            samples = parse(exporter.page("/metrics"))
    equal(samples.get_one("pvtools_guest_up", guest="db1"), 1, "db1")
    equal(samples.get_one("pvtools_guest_up", guest="web"), 1, "web answers, if only errors")
    samples.get_one("node_load1", guest="db1")
    equal(samples.get_one("pvtools_exporter_guests"), 2, "guests")


def test_guests_of_the_same_name():
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        with Guest({}, one, "db.sock") as a, Guest({}, two, "db.sock") as b:
            with Exporter("--sockets", one, "--sockets", two) as exporter:
                found = json.loads(exporter.page("/sd"))
                equal(sorted(x["labels"]["instance"] for x in found), sorted([a.address, b.address]), "names")
                equal(exporter.request("/guest?target=db")[0], 404, "which of them?")


def test_domains_of_libvirt():
    """libvirt's test driver has one running domain and no agent in it."""
    found = []
    os.environ["LIBVIRT_DEFAULT_URI"] = "test:///default"
    try:
        with Exporter("--libvirt") as exporter:
            for _ in range(600):
                found = json.loads(exporter.page("/sd"))
                if found:
                    break
                time.sleep(0.05)
            if not found:
                raise Skip("libvirt's library is not installed, or has no test driver")
            labels = found[0]["labels"]
            equal((labels["instance"], labels["__param_target"]), ("test", "libvirt:test"), "domain")
            equal(len(labels["uuid"]), 36, "uuid")
            samples = exporter.guest("test")
            equal(samples.get_one("pvtools_guest_up"), 0, "it has no agent")
    finally:
        del os.environ["LIBVIRT_DEFAULT_URI"]


def test_names_of_libvirt():
    """The same figures twice, each series once; without the option none."""
    names = {"memory_stats_available_bytes": "memory_MemTotal_bytes", "memory_stats_usable_bytes": "memory_MemAvailable_bytes",
             "block_stats_read_bytes_total": "disk_read_bytes_total", "block_stats_write_requests_total": "disk_writes_completed_total",
             "interface_stats_receive_drops_total": "network_receive_drop_total",
             "interface_stats_transmit_bytes_total": "network_transmit_bytes_total"}
    with Agent() as agent, Exporter("--sockets", agent.directory, "--libvirt-names", "--all-guests") as exporter:
        found, together = exporter.guest("agent"), parse(exporter.page("/metrics"))
        check(not [name for name in parse(run("--once", f"unix:{agent.socket}").stdout).names() if "libvirt" in name], "an option")
    for theirs, ours in names.items():
        left = {dict(labels).get("target_device"): value for (_, labels), value in found.find("libvirt_domain_" + theirs).items()}
        right = {dict(labels).get("device"): value for (_, labels), value in found.find("node_" + ours).items()}
        equal(left, right, theirs)
        check(left, f"{theirs} is there")
    for samples in (found, together):
        equal({dict(labels)["domain"] for name, labels in samples if name.startswith("libvirt_")}, {"agent"}, "domain")
    equal(found.get_one("libvirt_domain_info_virtual_cpus"), len(found.find("node_cpu_seconds_total", mode="idle")), "CPUs")
    equal(found.get_one("libvirt_domain_info_vstate"), 1, "running")
    check(0 < found.get_one("libvirt_domain_memory_stats_used_percent") < 100, "share")
    equal(together.find("libvirt_domain_info_vstate", guest="agent"), {}, "no label guest where libvirt's have none")


def test_textfile():
    with Agent() as agent, tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "pvtools.prom"
        for _ in range(2):
            done = run("--sockets", agent.directory, "--textfile", path)
            equal(done.returncode, 0, done.stderr)
        equal([entry.name for entry in pathlib.Path(name).iterdir()], ["pvtools.prom"], "nothing left over")
        equal(path.stat().st_mode & 0o777, 0o644, "others may read it")
        samples = parse(path.read_text())
        samples.get_one("pvtools_node_load1", guest="agent")
        check(all(name.startswith("pvtools_") for name in samples.names()), samples.names())
        # What one that was killed has left, which had the same number.
        done = subprocess.run(["sh", "-c", 'touch "$1.$$.tmp"; exec "$2" --sockets "$3" --textfile "$1"', "sh", path,
                               EXPORTER, agent.directory], capture_output=True, text=True, timeout=60, check=False)
        equal(done.returncode, 0, done.stderr)
        equal([entry.name for entry in pathlib.Path(name).iterdir()], ["pvtools.prom"], "nothing left over")
        done = run("--sockets", agent.directory, "--textfile", f"{name}/none/x.prom")
        equal(done.returncode, 1, "no directory")
        check("cannot create" in done.stderr, done.stderr)


def test_why_a_guest_is_down():
    """Said once, not for every scrape, without what a terminal would obey; and when it answers again."""
    done = run("--once", "unix:/nowhere/at.sock")
    equal(done.returncode, 1, done.stderr)
    check("unix:/nowhere/at.sock" in done.stderr and "No such file" in done.stderr, done.stderr)
    evil = {"pvt-get-status": b'{"error": {"class": "GenericError", "desc": "x"}}\n', "guest-get-osinfo": b'\x1b[2J\n'}
    with tempfile.TemporaryDirectory() as name, Guest(evil, name, "evil.sock"):
        exporter = Exporter("--sockets", name, "--sockets", f"{name}/none/", "--max-age", 0)
        for _ in range(5):
            exporter.guest("evil")
        code, text = exporter.stop()
    equal(code, 0, text)
    equal(text.count("evil.sock"), 1, text)
    check("\x1b" not in text, text)
    check(f"--sockets {name}/none/: no directory" in exporter.warnings, exporter.warnings)


def test_usage():
    os.environ["LC_ALL"] = "C.UTF-8"  # GLib's messages have quotes that ASCII has not
    for words in (("--timeout", "0"), ("--timeout", "nan"), ("--max-age", "-1"), ("--listen", "x"), ("word",),
                  ("--listen", "localhost:1"), ("--listen", "127.0.0.1:99999"), ("--nope",), ("--timeout", "soon"),
                  ("--once", "unix:/x", "--textfile", "/x"), ("--monitors", "--textfile", "/x"), ("--monitors",),
                  ("--once", "unix:/x", "--refresh", "1"), ("--once", "unix:/x", "--all-guests")):
        done = run(*words)
        check(done.returncode in (1, 2) and done.stderr.startswith("pvtools-exporter: "), f"{words}: {done}")
        check("?" not in done.stderr, f"{words}: {done.stderr}")
    equal(run("--once", "unix:/nonexistent").returncode, 1, "down")
    equal(parse(run("--once", "unix:/nonexistent").stdout).get_one("pvtools_guest_up"), 0, "down")
    check(run("--version").stdout.startswith("pvtools-exporter "), "version")
    check("--sockets" in run("--help").stdout, "help")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
