#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exporter with the programs it is for: promtool, Prometheus, node_exporter;
the dashboard and the alert rules that come with it."""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from xml.etree import ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent
from exporter import Exporter, parse, run
from tap import Skip, check, equal

TREE = pathlib.Path(__file__).resolve().parents[2]
RULES = TREE / "packaging/prometheus"
DASHBOARD = TREE / "packaging/dashboards/guests.json"
# Without these the upper rows of "Node Exporter Full" (dashboard 1860) are empty.
TIER_A = """node_uname_info node_time_seconds node_boot_time_seconds node_load1 node_cpu_seconds_total
    node_memory_MemTotal_bytes node_memory_MemFree_bytes node_memory_MemAvailable_bytes node_memory_Buffers_bytes
    node_memory_Cached_bytes node_memory_SReclaimable_bytes node_memory_SwapTotal_bytes node_memory_SwapFree_bytes
    node_filesystem_size_bytes node_filesystem_avail_bytes node_network_receive_bytes_total
    node_network_transmit_bytes_total""".split()
PRESSURE = "node_pressure_cpu_waiting_seconds_total node_pressure_memory_waiting_seconds_total".split()


def need(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")
    return program


def promtool(*words, text=None, cwd=None):
    return subprocess.run([need("promtool"), *words], input=text, capture_output=True, text=True, timeout=60, cwd=cwd)


def lint(text):
    """promtool's complaints, but for those about names that node_exporter made."""
    done = promtool("check", "metrics", text=text)
    check(done.returncode in (0, 3), done.stderr)
    return [line for line in (done.stdout + done.stderr).splitlines()
            if not re.match(r"(pvtools_)?node_memory_\w+ .*camelCase", line)]


def test_promtool_has_nothing_to_say():
    with Agent() as agent, Exporter("--sockets", agent.directory, "--all-guests") as exporter:
        for path in ("/guest?target=agent", "/metrics"):
            equal(lint(exporter.page(path)), [], path)
        file = agent.directory / "x.prom"
        run("--sockets", agent.directory, "--textfile", file)
        equal(lint(file.read_text()), [], "textfile")
    check(lint("# HELP x_total y\n# TYPE x_total gauge\nx_total 1\n"), "promtool does complain")


def test_upper_rows_of_dashboard_1860():
    with Agent() as agent:
        names = parse(run("--once", f"unix:{agent.socket}").stdout).names()
    wanted = set(TIER_A) | (set(PRESSURE) if os.path.exists("/proc/pressure/cpu") else set())
    equal(wanted - names, set(), "missing")


def our_names():
    """Every family that the exporter can print."""
    text = (TREE / "host-side/exporter/family-list.h").read_text()
    names = set(re.findall(r'"((?:node|pvtools|process)_\w+)"', text))
    for identifier in re.findall(r"^  M \((\w+), ", text, re.M):
        names |= {f"node_memory_{identifier}_bytes", f"node_memory_{identifier}", f"node_vmstat_{identifier}"}
    return names


def expressions():
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return found + [note["expr"] for note in dashboard["annotations"]["list"]]


def test_dashboard_and_rules_ask_for_what_there_is():
    asked = " ".join(expressions()) + (RULES / "pvtools.rules.yml").read_text()
    for name in set(re.findall(r"\b(?:node|pvtools)_[a-z]\w+", asked)) - {"pvtools_exporter"}:
        check(name in our_names(), f"nobody exports {name}")
    check(len(expressions()) > 15, "the dashboard has panels")


def test_rules():
    for words in (("check", "rules", "pvtools.rules.yml"), ("test", "rules", "pvtools.rules.test.yml"),
                  ("check", "config", "prometheus.yml")):
        done = promtool(*words, cwd=RULES)
        equal(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def server(*words, log):
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def fetch(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def wait_for(what, take):
    """Asks until there is something, for a minute."""
    deadline, found = time.monotonic() + 60, None
    while not found and time.monotonic() < deadline:
        try:
            found = take()
        except (urllib.error.URLError, OSError):
            pass
        if not found:
            time.sleep(0.2)
    check(found, f"no {what}")
    return found


class Prometheus:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path, **query):
        return json.loads(fetch(f"{self.url}/{path}?{urllib.parse.urlencode(query)}"))["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]


CONFIG = """global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: pvtools-exporter
    static_configs: [{{targets: ["{host}"]}}]
  - job_name: guests
    http_sd_configs: [{{url: "http://{host}/sd", refresh_interval: 1s}}]
"""


def fill_in(expression):
    for name, value in (("$job", ".*"), ("$guest", ".*"), ("$__rate_interval", "10s")):
        expression = expression.replace(name, value)
    return expression


def check_picture(url):
    """packaging/dashboards/render draws every panel of it."""
    done = subprocess.run([DASHBOARD.with_name("render"), "--prometheus", url, "--range", "60", "--rate", "10"],
                          capture_output=True, text=True, timeout=120, check=False)
    equal(done.returncode, 0, done.stderr)
    words = {"".join(one.itertext()) for one in ElementTree.fromstring(done.stdout)}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    equal([panel["title"] for panel in panels if panel["title"] not in words], [], "panels that were not drawn")
    check("agent" in words and len(done.stdout) > 5000, "the guest is in it")


def test_prometheus_scrapes_guests_through_discovery():
    need("prometheus")
    with Agent() as agent, tempfile.TemporaryDirectory() as name, \
            Exporter("--sockets", agent.directory, "--max-age", 0) as exporter:
        directory, port = pathlib.Path(name), free_port()
        (directory / "prometheus.yml").write_text(CONFIG.format(rules=RULES / "pvtools.rules.yml", host=exporter.host))
        with server("prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                    f"--web.listen-address=127.0.0.1:{port}", log=directory / "log"):
            prometheus = Prometheus(port)
            found = wait_for("guest", lambda: prometheus.query('node_uname_info{job="guests"}'))
            equal(found[0]["metric"]["instance"], "agent", "instance")
            equal(found[0]["metric"]["nodename"], os.uname().nodename, "nodename")
            equal(prometheus.query('up{job="guests"}')[0]["value"][1], "1", "up")
            wait_for("rate", lambda: prometheus.query('rate(node_cpu_seconds_total{mode="user"}[10s])'))
            targets = prometheus.get("targets")["activeTargets"]
            equal([target["lastError"] for target in targets if target["health"] == "down"], [], "targets")
            names = {rule["name"] for group in prometheus.get("rules")["groups"] for rule in group["rules"]}
            check("GuestAgentDown" in names, names)
            empty = [e for e in expressions() if not prometheus.query(fill_in(e))]
            # Nothing hangs and nobody boots here, and perhaps there are no pressure figures.
            unexpected = [e for e in empty if "pressure" not in e and "changes" not in e]
            equal(unexpected, [], "panels without data")
            tap.note(f"{len(expressions())} expressions of the dashboard, {len(empty)} without data")
            check_picture(f"http://127.0.0.1:{port}")


NGINX = """daemon off; pid {0}/pid; error_log stderr; worker_processes 1; user root;
events {{}}
http {{
  access_log off; client_body_temp_path {0}/b; proxy_temp_path {0}/p;
  fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
  include {0}/server.conf;
}}
"""


def filled(name, directory, **values):
    """A file that is shipped, with the places of this test in place of the real ones."""
    text = (RULES / name).read_text()
    for was, value in values.items():
        check(was in text, f"{name} has no {was}")
        text = text.replace(was, str(value))
    (directory / name).write_text(text)
    return directory / name


def prepare_proxy(directory, port, exporter):
    """nginx's and Prometheus' files, a certificate and a password."""
    certificate = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                   "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key", "-out",
                   directory / "crt"]
    subprocess.run([need("openssl"), *certificate], check=True, capture_output=True, timeout=60)
    hashed = subprocess.run(["openssl", "passwd", "-6", "secret"], check=True, capture_output=True, text=True, timeout=60)
    (directory / "users").write_text(f"prometheus:{hashed.stdout}")
    (directory / "password").write_text("secret")
    filled("nginx.conf", directory, **{"9178": f"127.0.0.1:{port}", "/etc/nginx/pvtools.crt": directory / "crt",
                                       "/etc/nginx/pvtools.key": directory / "key", "127.0.0.1:9177": exporter.host,
                                       "/etc/nginx/pvtools.htpasswd": directory / "users"}).rename(directory / "server.conf")
    filled("prometheus-tls.yml", directory, **{
        "/etc/prometheus/pvtools-ca.crt": directory / "crt", "/etc/prometheus/pvtools.password": directory / "password",
        "host.example:9178": f"127.0.0.1:{port}", "30s": "1s"})
    with (directory / "prometheus-tls.yml").open("a", encoding="utf-8") as file:
        file.write("global: {scrape_interval: 1s, scrape_timeout: 1s}\n")
    (directory / "nginx.main").write_text(NGINX.format(directory))


def status_of(url, context, password=None):
    """HTTP's, or 0 for none at all."""
    request = urllib.request.Request(url)
    if password:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, OSError):
        return 0


def test_proxy_with_tls_and_a_password():
    """The files that are shipped for it, with nginx and Prometheus."""
    need("nginx")
    with Agent() as agent, tempfile.TemporaryDirectory() as name, \
            Exporter("--sockets", agent.directory, "--max-age", 0) as exporter:
        directory, port, api = pathlib.Path(name), free_port(), free_port()
        directory.chmod(0o755)
        prepare_proxy(directory, port, exporter)
        trusting = ssl.create_default_context(cafile=directory / "crt")
        with server("nginx", "-c", directory / "nginx.main", "-e", "stderr", log=directory / "nginx.log"):
            url = f"https://127.0.0.1:{port}/guest?target=agent"
            wait_for("page", lambda: status_of(url, trusting, "secret") == 200)
            equal(status_of(url, trusting), 401, "without a password")
            equal(status_of(url, trusting, "wrong"), 401, "with another password")
            equal(status_of(url, ssl.create_default_context(), "secret"), 0, "a certificate that nobody knows")
            equal(status_of(url.replace("https", "http"), None, "secret"), 400, "without TLS")
            with server("prometheus", f"--config.file={directory}/prometheus-tls.yml", f"--storage.tsdb.path={directory}/data",
                        f"--web.listen-address=127.0.0.1:{api}", log=directory / "log"):
                found = wait_for("guest", lambda: Prometheus(api).query('node_uname_info{job="guests"}'))
                equal(found[0]["metric"]["instance"], "agent", "instance")


def families(text):
    """{name: (type, label names of its first sample)}"""
    found = {}
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    for name, labels in re.findall(r"^([a-zA-Z_]\w*)(?:\{(.*)\})? \S+$", text, re.M):
        if name in types:
            found.setdefault(name, (types[name], tuple(sorted(re.findall(r'(\w+)="', labels)))))
    return found


def test_node_exporter_agrees():
    """Same names, types, labels; the same figures where nothing moves; and it
    takes our text file."""
    need("prometheus-node-exporter")
    with Agent() as agent, tempfile.TemporaryDirectory() as name:
        port, directory = free_port(), pathlib.Path(name)
        run("--sockets", agent.directory, "--textfile", directory / "guests.prom")
        with server("prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}",
                    f"--collector.textfile.directory={directory}", log=directory / "log"):
            text = wait_for("text", lambda: fetch(f"http://127.0.0.1:{port}/metrics"))
        ours = run("--once", f"unix:{agent.socket}").stdout
    check("\nnode_textfile_scrape_error 0\n" in text, "the text file is refused")
    check('\npvtools_guest_up{guest="agent"} 1\n' in text, "the text file is not served")
    theirs, mine = families(text), families(ours)
    # What os-release says is labels of its own for each system.
    both = sorted(name for name in set(theirs) & set(mine) if name.startswith("node_") and name != "node_os_info")
    wrong = [(name, theirs[name], mine[name]) for name in both if theirs[name] != mine[name]]
    equal(wrong, [], "types and labels")
    check(len(both) > 90, f"only {len(both)} names in common")
    a, b = parse(ours), dict(re.findall(r"^(node_[a-z]\S+) (\S+)$", text, re.M))
    for key in ("node_memory_MemTotal_bytes", "node_boot_time_seconds", "node_filefd_maximum"):
        equal(a.get_one(key), float(b[key]), key)
    alone = sorted(name for name in set(mine) - set(theirs) if name.startswith("node_"))
    tap.note(f"{len(both)} names in common; only ours: {' '.join(alone)}")


def test_unit_file():
    unit = TREE / "packaging/systemd/pvtools-exporter.service"
    done = subprocess.run([need("systemd-analyze"), "security", "--offline=true", "--threshold=25", unit],
                          capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, (done.stdout + done.stderr)[-600:])


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
