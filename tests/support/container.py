# SPDX-License-Identifier: LGPL-2.1-or-later
"""A root directory of its own with processes of its own: no guest, but another system."""

import os
import signal
import subprocess

from tap import check, equal

LOOP = r"""
while read -r words; do
  sh -c "$words" 2>&1 < /dev/null
  printf '\nEND %s\n' $?
done
"""


class Container:
    """Commands go in, one a line. @begin is what its first process does before."""

    def __init__(self, root, begin=""):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc",
             "chroot", str(root), "/bin/sh", "-c", begin + LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})

    def run(self, words, code=0):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        lines = []
        while not (line := self.process.stdout.readline()).startswith("END "):
            check(line, f"the container ended: {lines}")
            lines.append(line)
        text = "".join(lines)[:-1]  # what it printed may have had no newline at its end
        equal(int(line.split()[1]), code, f"{words}: {text}")
        return text

    def close(self):
        self.process.stdin.close()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
