#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The freeze hooks in agent/hooks against real servers on throw-away data."""

import contextlib
import os
import pathlib
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "support"))

import tap
from tap import Skip, check, equal

HOOKS = TREE / "agent" / "hooks"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT = 40  # for anything that is to happen; nothing waits this long when all is well
MINI = ["--no-defaults", "--batch", "--skip-column-names", "--unbuffered"]


def env_for_hook(**more):
    return {"PATH": PATH, "LC_ALL": "C", "PVT_FREEZE_GENERATION": "1", **more}


def hook(name, word, **more):
    """Runs a hook as the agent does: in a process group of its own."""
    return subprocess.run([HOOKS / name, word], env=env_for_hook(**more), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LIMIT, start_new_session=True,
                          check=False)


def succeeds(done, what):
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""), what)


def fails(done, name, part, what):
    equal((done.returncode, done.stdout), (1, ""), f"{what}: {done.stderr}")
    lines = done.stderr.splitlines()
    check(len(lines) == 1 and lines[0].startswith(f"{name}: ") and part in lines[0],
          f"{what}: {done.stderr!r}")


def until(condition, what, limit=LIMIT):
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < deadline, f"not within {limit} s: {what}")
        time.sleep(0.02)


class Place:
    """A temporary directory, the servers in it and what has to end with them."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.path = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="pvt-hooks-")))
        self.path.chmod(0o755)
        self.servers = {}

    def folder(self, name, user):
        path = self.path / name
        path.mkdir(mode=0o700)
        shutil.chown(path, user, user)
        return path

    def spawn(self, user, *words, stop=signal.SIGTERM, env=None):
        """A server that also ends when this test is killed."""
        log = open(self.path / f"{pathlib.Path(words[0]).name}.log", "ab")
        self.stack.callback(log.close)
        process = subprocess.Popen(["setpriv", "--reuid", user, "--regid", user, "--init-groups",
                                    "--pdeathsig", "KILL", *map(str, words)], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, cwd="/", env=env)
        self.stack.callback(stopped, process, stop)
        return process


def stopped(process, how=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


PLACE = Place()


def need(command, package):
    """Installs @package if @command is absent; the test is skipped if that cannot be."""
    if os.geteuid() != 0:
        raise Skip("hooks and servers need root")
    found = shutil.which(command, path=PATH) or next(
        (str(path) for path in sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{command}"))), None)
    if found:
        return found
    if package is None:
        raise Skip(f"{command} was not installed")
    if not shutil.which("apt-get"):
        raise Skip(f"{package} is absent and so is apt-get")
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for words in (["update"], ["-y", "--no-install-recommends", "install", package]):
        done = subprocess.run(["apt-get", "-qq", *words], env=env, stdin=subprocess.DEVNULL, timeout=600,
                              capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        raise Skip(f"{package} cannot be installed: {last}")
    return need(command, None)


# PostgreSQL


class Postgres:
    def __init__(self, name, port):
        self.port = str(port)
        self.bin = pathlib.Path(need("initdb", "postgresql")).resolve().parent
        self.run = PLACE.folder(f"{name}-run", "postgres")
        self.data = PLACE.folder(name, "postgres")
        self.env = {"PVT_PGHOST": str(self.run), "PVT_PGPORT": self.port}
        subprocess.run(["runuser", "-u", "postgres", "--", self.bin / "initdb", "-A", "peer", "-N",
                        "-D", self.data], cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=120, check=True)
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM waits for sessions.
        self.process = PLACE.spawn("postgres", self.bin / "postgres", "-D", self.data, "-k", self.run,
                                   "-p", self.port, "-c", "listen_addresses=", "-c", "shared_buffers=16MB",
                                   stop=signal.SIGINT)
        until(lambda: self.sql("SELECT 1", check_it=False) == "1", "PostgreSQL answers")

    def sql(self, text, check_it=True):
        done = subprocess.run(["runuser", "-u", "postgres", "--", "psql", "-X", "-w", "-qAt", "-h", self.run,
                               "-p", self.port, "-d", "postgres", "-c", text], cwd="/", timeout=LIMIT,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        check(done.returncode == 0 or not check_it, done.stderr)
        return done.stdout.strip()

    def checkpoint(self):
        return self.sql("SELECT checkpoint_lsn FROM pg_control_checkpoint()")

    def sessions(self):
        return self.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pvtools-freeze'")

    def checkpointer(self):
        return int(self.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"))


def postgres():
    if "postgres" not in PLACE.servers:
        PLACE.servers["postgres"] = Postgres("pg", 54329)
    return PLACE.servers["postgres"]


def test_postgresql_checkpoint():
    server = postgres()
    server.sql("CREATE TABLE IF NOT EXISTS t (n int); INSERT INTO t VALUES (1)")
    before = server.checkpoint()
    succeeds(hook("postgresql", "freeze", **server.env), "freeze")
    frozen = server.checkpoint()
    check(frozen != before, f"no checkpoint since {before}")
    server.sql("INSERT INTO t VALUES (2)")
    for _ in range(2):
        succeeds(hook("postgresql", "thaw", **server.env), "thaw")
    equal(server.checkpoint(), frozen, "checkpoint after thaw")
    equal(server.sessions(), "0", "sessions left")


def test_postgresql_slow_checkpoint():
    """A checkpoint that does not come: an error in time, and no session is left."""
    server = postgres()
    checkpointer = server.checkpointer()
    os.kill(checkpointer, signal.SIGSTOP)
    try:
        fails(hook("postgresql", "freeze", PVT_PG_TIMEOUT="1", **server.env), "postgresql",
              "statement timeout", "freeze")
        until(lambda: server.sessions() == "0", "no session left")
    finally:
        os.kill(checkpointer, signal.SIGCONT)
    succeeds(hook("postgresql", "freeze", **server.env), "freeze afterwards")


def test_postgresql_no_answer():
    """A server that takes connections and does not say a word."""
    server = postgres()
    server.process.send_signal(signal.SIGSTOP)
    try:
        fails(hook("postgresql", "freeze", PVT_PG_TIMEOUT="1", **server.env), "postgresql",
              "within 4 s", "freeze")
    finally:
        server.process.send_signal(signal.SIGCONT)
    succeeds(hook("postgresql", "freeze", **server.env), "freeze afterwards")


def test_postgresql_refused():
    server = postgres()
    hba = server.data / "pg_hba.conf"
    old = hba.read_text()
    hba.write_text("local all all reject\n")
    try:
        os.kill(server.process.pid, signal.SIGHUP)
        done = until(lambda: (lambda one: one if one.returncode else None)(
            hook("postgresql", "freeze", **server.env)), "the new rules")
        fails(done, "postgresql", "pg_hba.conf rejects", "freeze")
    finally:
        hba.write_text(old)
        os.kill(server.process.pid, signal.SIGHUP)
    until(lambda: hook("postgresql", "freeze", **server.env).returncode == 0, "the old rules")


def test_postgresql_debian_clusters():
    """Two clusters run, one is down; the first two are checkpointed."""
    server = postgres()
    if not shutil.which("pg_createcluster", path=PATH):
        raise Skip("no postgresql-common")
    conf = PLACE.path / "clusters"
    conf.mkdir()
    shutil.chown(conf, "postgres", "postgres")
    env = env_for_hook(PG_CLUSTER_CONF_ROOT=str(conf))
    version = server.bin.parent.name

    def cluster(*words):
        done = subprocess.run(words, env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120, check=False)
        check(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def lsn(name):
        return cluster("runuser", "-u", "postgres", "--", "psql", "--cluster", f"{version}/{name}", "-XAtc",
                       "SELECT checkpoint_lsn FROM pg_control_checkpoint()", "postgres")

    with contextlib.ExitStack() as stack:
        for number, name in enumerate(("one", "two", "off")):
            cluster("pg_createcluster", version, name, "-d", str(PLACE.path / f"cluster-{name}"), "-s",
                    str(server.run), "-l", str(PLACE.path / f"cluster-{name}.log"), "-p", str(54331 + number),
                    "--", "-N")
            if name != "off":
                stack.callback(cluster, "pg_ctlcluster", "-m", "fast", version, name, "stop", "--", "-t", "30")
                cluster("pg_ctlcluster", version, name, "start")
        before = [lsn("one"), lsn("two")]
        succeeds(hook("postgresql", "freeze", PG_CLUSTER_CONF_ROOT=str(conf)), "freeze")
        after = [lsn("one"), lsn("two")]
        check(before[0] != after[0] and before[1] != after[1], f"{before} and then {after}")
        (PLACE.path / "cluster-two" / "global").rename(PLACE.path / "cluster-two" / "away")
        try:
            fails(hook("postgresql", "freeze", PG_CLUSTER_CONF_ROOT=str(conf)), "postgresql",
                  f"{version}/two", "freeze with a broken cluster")
        finally:
            (PLACE.path / "cluster-two" / "away").rename(PLACE.path / "cluster-two" / "global")


# MariaDB


class Session:
    """A client that stays connected."""

    def __init__(self, server, text):
        self.process = subprocess.Popen([*server.client, "-e", text] if text else server.client,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=env_for_hook())

    def ask(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        check(select.select([self.process.stdout], [], [], LIMIT)[0], f"no answer to {text}")
        return self.process.stdout.readline().decode().strip()

    def running(self):
        return self.process.poll() is None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def ends(self):
        text, _ = self.process.communicate(timeout=LIMIT)
        equal(self.process.returncode, 0, f"writer: {text!r}")


class Mariadb:
    def __init__(self):
        daemon = need("mariadbd", "mariadb-server")
        user = pwd.getpwnam("mysql").pw_name
        data, run = PLACE.folder("my", user), PLACE.folder("my-run", user)
        self.state = PLACE.path / "state"
        self.env = {"PVT_MYSQL_SOCKET": str(run / "s"), "PVT_HOOK_STATE": str(self.state),
                    "PVT_LOCK_WAIT": "2"}
        self.client = ["mariadb", *MINI, "--socket", str(run / "s")]
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--user={user}", f"--datadir={data}",
                        "--skip-test-db"], stdin=subprocess.DEVNULL, capture_output=True, cwd="/",
                       timeout=180, check=True)
        self.process = PLACE.spawn(user, daemon, "--no-defaults", f"--datadir={data}", f"--socket={run}/s",
                                   "--skip-networking", f"--pid-file={run}/pid",
                                   "--innodb-buffer-pool-size=16M", "--performance-schema=OFF")
        until(lambda: self.sql("SELECT 1", check_it=False) == "1", "MariaDB answers")
        self.sql("CREATE DATABASE d; CREATE TABLE d.t (n INT) ENGINE=InnoDB;"
                 "CREATE TABLE d.plain (n INT) ENGINE=MyISAM; INSERT INTO d.t VALUES (0)")
        # The branch for MySQL and old MariaDB, by a client that answers the question
        # of the hook (asked under timeout --foreground) with no.
        self.old = PLACE.path / "old"
        self.old.mkdir()
        shim = self.old / "mariadb"
        shim.write_text('#!/bin/sh\ngrep -q foreground "/proc/$PPID/cmdline" && exec echo 0\n'
                        f'exec {shutil.which("mariadb", path=PATH)} "$@"\n')
        shim.chmod(0o755)

    def sql(self, text, check_it=True):
        done = subprocess.run([*self.client, "-e", text], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=LIMIT, check=False)
        check(done.returncode == 0 or not check_it, done.stderr)
        return done.stdout.strip()

    def count(self, table="t"):
        return int(self.sql(f"SELECT COUNT(*) FROM d.{table}"))

    def writer(self, table="t"):
        return Session(self, f"INSERT INTO d.{table} VALUES (1)")

    def waits(self, pattern):
        return self.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting%'"
                        f" AND info LIKE '{pattern}' AND id <> CONNECTION_ID()") != "0"

    def sessions(self):
        return int(self.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID()"
                            " AND user = 'root'"))

    def holder(self):
        """The recorded holder's process id, if a process has it."""
        try:
            pid = int((self.state / "mariadb" / "holder").read_text().split()[0])
            return pid if pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[-1][0] != "Z" else None
        except (FileNotFoundError, IndexError):
            return None

    def free(self, what):
        """Nothing is held and nobody waits."""
        equal(self.holder(), None, f"holder, {what}")
        until(lambda: self.sessions() == 0, f"{what}: no session left")
        self.sql("INSERT INTO d.t VALUES (2); INSERT INTO d.plain VALUES (2)")


@contextlib.contextmanager
def mariadb():
    """The server; whatever a failed test leaves is thawed."""
    if "mariadb" not in PLACE.servers:
        PLACE.servers["mariadb"] = Mariadb()
    server = PLACE.servers["mariadb"]
    try:
        yield server
    finally:
        hook("mariadb", "thaw", **server.env)


def hold_and_release(server, env):
    before = server.count()
    succeeds(hook("mariadb", "freeze", **env), "freeze")
    with server.writer() as writer, server.writer("plain") as plain:
        until(lambda: server.waits("INSERT INTO d.t %") and server.waits("INSERT INTO d.plain %"), "the writers wait")
        equal(server.count(), before, "rows while frozen")
        check(writer.running() and plain.running(), "a writer went on while frozen")
        check(server.holder(), "no holder on record")
        succeeds(hook("mariadb", "thaw", **env), "thaw")
        writer.ends()
        plain.ends()
    equal(server.count(), before + 1, "rows after thaw")
    succeeds(hook("mariadb", "thaw", **env), "second thaw")
    server.free("after thaw")


def as_old(server):
    """The environment in which the server seems to know no BACKUP STAGE."""
    return dict(server.env, PATH=f"{server.old}:{PATH}")


def test_mariadb_writers_block_and_go_on():
    with mariadb() as server:
        hold_and_release(server, server.env)


def test_mariadb_read_lock():
    with mariadb() as server:
        hold_and_release(server, as_old(server))


def test_mariadb_open_transaction():
    """An open transaction that has written does not stop the freeze; its commit waits."""
    with mariadb() as server, Session(server, "") as transaction:
        before = server.count()
        equal(transaction.ask("BEGIN; INSERT INTO d.t VALUES (3); SELECT 'open';"), "open", "transaction")
        succeeds(hook("mariadb", "freeze", **server.env), "freeze")
        transaction.process.stdin.write(b"COMMIT; SELECT 'done';\n")
        transaction.process.stdin.flush()
        until(lambda: server.waits("COMMIT"), "the commit waits")
        equal(server.count(), before, "rows while frozen")
        succeeds(hook("mariadb", "thaw", **server.env), "thaw")
        equal(transaction.process.stdout.readline(), b"done\n", "commit")
        equal(server.count(), before + 1, "rows after thaw")


def fails_under(server, env, statement, running):
    """A freeze under @statement fails in time, and leaves nothing behind."""
    with Session(server, "") as other:
        other.process.stdin.write(statement.encode() + b"\n")
        other.process.stdin.flush()
        until(lambda: server.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE "
                                 + running) == "1", "the other session is at it")
        began = time.monotonic()
        fails(hook("mariadb", "freeze", **env), "mariadb", "Lock wait timeout exceeded", "freeze")
        check(time.monotonic() - began < 15, "the freeze took too long to fail")
        equal(server.holder(), None, "holder")
        until(lambda: server.sessions() == 1, "nobody but the other session")
        server.sql("CREATE TABLE d.fresh (n INT); DROP TABLE d.fresh; INSERT INTO d.plain2 VALUES (1)")
        succeeds(hook("mariadb", "thaw", **env), "thaw after the failure")
    until(lambda: server.sessions() == 0, "the other session ended")


def test_mariadb_busy():
    with mariadb() as server:
        server.sql("CREATE TABLE IF NOT EXISTS d.plain2 (n INT) ENGINE=MyISAM")
        locked = "LOCK TABLES d.t WRITE; SELECT 1;", "command = 'Sleep' AND user = 'root'"
        for env in (server.env, as_old(server)):
            fails_under(server, env, *locked)
            fails_under(server, env, "INSERT INTO d.plain SELECT SLEEP(60);", "state = 'User sleep'")
        server.free("after the failures")


def test_mariadb_deadline():
    """Without a thaw the holder gives up, and thaw says that it did."""
    with mariadb() as server:
        began = time.monotonic()
        env = dict(server.env, PVT_FREEZE_DEADLINE="3")
        succeeds(hook("mariadb", "freeze", **env), "freeze")
        with server.writer() as writer:
            until(lambda: server.waits("INSERT INTO d.t %"), "the writer waits")
            writer.ends()
        check(time.monotonic() - began >= 3, "the lock did not last until the deadline")
        until(lambda: server.holder() is None, "the holder ends")
        fails(hook("mariadb", "thaw", **env), "mariadb", "lost before thaw", "thaw")
        succeeds(hook("mariadb", "thaw", **env), "second thaw")
        server.free("after the deadline")


def test_mariadb_stuck_holder():
    """A holder that cannot run: the server ends its session by itself."""
    with mariadb() as server:
        succeeds(hook("mariadb", "freeze", **dict(server.env, PVT_FREEZE_DEADLINE="3")), "freeze")
        os.killpg(server.holder(), signal.SIGSTOP)
        with server.writer() as writer:
            writer.ends()
        succeeds(hook("mariadb", "thaw", **server.env), "thaw")
        server.free("after the stop")


def test_mariadb_hook_killed():
    """The agent kills a hook at its time limit: thaw cleans up."""
    with mariadb() as server, Session(server, "") as other:
        other.ask("LOCK TABLES d.t WRITE; SELECT 1;")
        process = subprocess.Popen([HOOKS / "mariadb", "freeze"], stdin=subprocess.DEVNULL,
                                   env=env_for_hook(**dict(server.env, PVT_LOCK_WAIT="30")),
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        until(lambda: server.waits("BACKUP STAGE%"), "the holder waits")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT)
        check(server.holder(), "the holder is in a session of its own")
        succeeds(hook("mariadb", "thaw", **server.env), "thaw")
        until(lambda: server.sessions() == 1, "nobody but the other session")


def test_mariadb_freeze_twice():
    """A second freeze replaces the holder of the first."""
    with mariadb() as server:
        succeeds(hook("mariadb", "freeze", **server.env), "freeze")
        first = server.holder()
        succeeds(hook("mariadb", "freeze", **server.env), "second freeze")
        check(server.holder() not in (None, first), "holder")
        until(lambda: server.sessions() == 1, "one session")
        succeeds(hook("mariadb", "thaw", **server.env), "thaw")
        server.free("after thaw")


def test_mariadb_stale_state():
    """A record that fits nobody harms nobody; it is an error once, as the lock was lost."""
    with mariadb() as server:
        succeeds(hook("mariadb", "thaw", **server.env), "thaw without a freeze")
        state = server.state / "mariadb"
        state.mkdir(parents=True, exist_ok=True)
        innocent = subprocess.Popen(["sleep", "600"], start_new_session=True)
        try:
            start = pathlib.Path(f"/proc/{innocent.pid}/stat").read_text().split(") ")[-1].split()[19]
            for text in (f"{innocent.pid} {int(start) - 1}\n", f"{innocent.pid}\n", f"-{innocent.pid} {start}\n",
                         "1 0\n", "0 0\n", "", "some words\n"):
                (state / "holder").write_text(text)
                fails(hook("mariadb", "thaw", **server.env), "mariadb", "lost before thaw", f"thaw on {text!r}")
                succeeds(hook("mariadb", "thaw", **server.env), "second thaw")
                equal(innocent.poll(), None, f"innocent after {text!r}")
            # The same record with the right start time does kill: the check above is no accident.
            (state / "holder").write_text(f"{innocent.pid} {start}\n")
            succeeds(hook("mariadb", "thaw", **server.env), "thaw of the real one")
            equal(innocent.wait(LIMIT), -signal.SIGKILL, "end")
        finally:
            innocent.kill()
            innocent.wait()


def test_mariadb_option_file():
    """Credentials come from the option file; wrong ones are an error."""
    with mariadb() as server:
        file = PLACE.path / "my.cnf"
        file.write_text("[client]\nuser=nobody-knows\npassword=x\n")
        env = dict(server.env, PVT_MYSQL_CNF=str(file))
        fails(hook("mariadb", "freeze", **env), "mariadb", "Access denied", "freeze")
        server.free("after the refusal")
        server.sql("CREATE USER 'pvtools'@'localhost' IDENTIFIED BY 'a secret';"
                   "GRANT RELOAD ON *.* TO 'pvtools'@'localhost'")
        file.write_text(f"[client]\nuser=pvtools\npassword='a secret'\nsocket={env.pop('PVT_MYSQL_SOCKET')}\n")
        succeeds(hook("mariadb", "freeze", **env), "freeze")
        check(server.holder(), "no holder on record")
        succeeds(hook("mariadb", "thaw", **env), "thaw")


# Both


def test_not_installed_or_not_running():
    """Exit 0 and not a word."""
    need("initdb", "postgresql")
    need("mariadbd", "mariadb-server")
    for where in ("none", "dead"):
        folder = PLACE.path / where
        folder.mkdir()
        folder.chmod(0o755)
        if where == "dead":
            for name in (".s.PGSQL.5432", "s"):
                with socket.socket(socket.AF_UNIX) as nobody:
                    nobody.bind(str(folder / name))
                (folder / name).chmod(0o777)
        env = {"PVT_PGHOST": str(folder), "PVT_MYSQL_SOCKET": str(folder / "s"),
               "PVT_HOOK_STATE": str(folder / "state")}
        for name in ("postgresql", "mariadb"):
            for word in ("freeze", "thaw"):
                succeeds(hook(name, word, **env), f"{name} {word}, {where}")
                succeeds(hook(name, word, **dict(env, PATH=str(folder))), f"{name} {word}, not installed")


def test_other_words():
    for name in ("postgresql", "mariadb"):
        for word in ("", "melt"):
            fails(hook(name, word), name, "wanted", f"{name} '{word}'")


def test_shellcheck():
    if not shutil.which("shellcheck"):
        raise Skip("no shellcheck")
    done = subprocess.run(["shellcheck", HOOKS / "postgresql", HOOKS / "mariadb"], capture_output=True,
                          text=True, timeout=LIMIT, check=False)
    equal(done.stdout, "", "shellcheck")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with PLACE.stack:
        tap.main(dict(globals()), sys.argv[1:])
