# SPDX-License-Identifier: LGPL-2.1-or-later
"""The archive with install.sh, as packaging/build-tar makes it."""

import functools
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "guest"))

import cache

TREE = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ["agent", "protocol", "packaging", "meson.build", "meson_options.txt", "COPYING"]


def run_script(*words, **env):
    done = subprocess.run([TREE / "packaging/build-tar", *words], check=False, capture_output=True, text=True,
                          env=dict(os.environ, **env))
    if done.returncode:
        raise RuntimeError(f"build-tar: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return pathlib.Path(done.stdout.strip())


def make(agent, directory, mark=""):
    """The archive's path; a @mark makes the program another one that does the same."""
    build = pathlib.Path(directory) / "build"
    (build / "agent").mkdir(parents=True, exist_ok=True)
    program = build / "agent/pvtools-agent"
    shutil.copy(agent, program)
    if mark:
        (build / "mark").write_text(mark)
        subprocess.run(["objcopy", "--add-section", f".pvt-test={build / 'mark'}", program], check=True)
    return run_script(build, directory)


def source_files():
    done = subprocess.run(["git", "-C", str(TREE), "ls-files", "--cached", "--others", "--exclude-standard", *SOURCES],
                          capture_output=True, text=True, check=True)
    return [TREE / name for name in sorted(done.stdout.split()) if (TREE / name).is_file()]


@functools.cache
def static():
    """The archive with the static agent, made once for these sources; a directory of one
    file and of what is in it, unpacked."""
    def build(target):
        target.mkdir()
        made = run_script(target)
        subprocess.run(["tar", "-xzf", made, "-C", target, "--strip-components=1"], check=True)

    return cache.make("static", cache.key(*source_files()), build)


def static_archive():
    return next(static().glob("*.tar.gz"))


def static_agent():
    return static() / "pvtools-agent"
