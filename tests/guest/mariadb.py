# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opens a copy of a guest's MariaDB data with the host's own server."""

import pathlib
import shutil
import subprocess
import tempfile
import time

START = 120  # seconds it may take to recover


class Database:
    """A server on a private socket; it recovers as it starts, and mends no table by itself."""

    def __init__(self, data):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pvt-my-"))
        self.socket = self.directory / "socket"
        self.process = None
        shutil.copytree(data, self.directory / "data", symlinks=True)
        subprocess.run(["chown", "-R", "mysql:mysql", self.directory], check=True)

    def __enter__(self):
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", "--user=mysql", f"--datadir={self.directory}/data",
             f"--socket={self.socket}", "--skip-networking", "--skip-grant-tables",
             f"--pid-file={self.directory}/pid", "--innodb-buffer-pool-size=32M",
             "--innodb-log-file-size=16M", "--myisam-recover-options=OFF"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.directory / "log", "wb"),
            cwd="/")
        deadline = time.monotonic() + START
        while self.run("SELECT 1").returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log()
                self.__exit__()
                raise AssertionError(f"MariaDB does not open the copy: {text[-2000:]}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def run(self, statement):
        return subprocess.run(["mariadb", "--no-defaults", "--batch", "--skip-column-names",
                               f"--socket={self.socket}", "-e", statement], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)

    def ask(self, statement):
        done = self.run(statement)
        if done.returncode:
            raise AssertionError(f"{statement}: {done.stderr}")
        return done.stdout.strip()

    def log(self):
        return (self.directory / "log").read_text(errors="replace")
