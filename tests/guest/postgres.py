# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opens a copy of a guest's PostgreSQL data with the host's own server."""

import glob
import pathlib
import shutil
import subprocess
import tempfile

CONF = "listen_addresses = ''\nunix_socket_directories = '{dir}'\nport = 5999\nfsync = off\n"


def binary(name):
    return sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))[-1]


class Database:
    """A server on a private socket; it recovers as it starts."""

    def __init__(self, data):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-pg-"))
        self.data = self.directory / "data"
        shutil.copytree(data, self.data, symlinks=True)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.data / "postgresql.conf").write_text(CONF.format(dir=self.directory))
        (self.data / "pg_hba.conf").write_text("local all all trust\n")
        (self.data / "pg_ident.conf").write_text("")
        subprocess.run(["chown", "-R", "postgres:postgres", self.directory], check=True)
        self.data.chmod(0o700)

    def ctl(self, *words):
        return subprocess.run(["runuser", "-u", "postgres", "--", binary("pg_ctl"), "-D", self.data,
                               "-w", "-t", "120", "-l", self.directory / "server.log", *words],
                              capture_output=True, text=True, check=False, cwd="/")

    def __enter__(self):
        done = self.ctl("start")
        if done.returncode:
            text = (self.directory / "server.log").read_text()
            self.__exit__()
            raise AssertionError(f"PostgreSQL does not open the copy: {done.stdout}\n{text[-2000:]}")
        return self

    def __exit__(self, *_):
        self.ctl("stop", "-m", "immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, statement):
        done = subprocess.run(["psql", "-X", "-q", "-t", "-A", "-h", self.directory, "-p", "5999", "-U",
                               "postgres", "-c", statement, "postgres"], capture_output=True, text=True,
                              check=False, cwd="/")
        if done.returncode:
            raise AssertionError(f"{statement}: {done.stderr}")
        return done.stdout.strip()

    def log(self):
        return (self.directory / "server.log").read_text()
