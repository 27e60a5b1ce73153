# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pvtools command of the build that the agent is from."""

import os
import pathlib
import subprocess

from agent import find_agent


def find_cli():
    agent = pathlib.Path(find_agent()).resolve()
    return os.environ.get("PVT_CLI") or str(agent.parents[1] / "host-side/cli/pvtools")


def start(*words, **keywords):
    return subprocess.Popen([find_cli(), *map(str, words)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keywords)


def run(*words, timeout=120, **keywords):
    return subprocess.run([find_cli(), *map(str, words)], capture_output=True, text=True,
                          timeout=timeout, check=False, **keywords)


def expect(code, *words, **keywords):
    """Standard output of a run that must end with that code."""
    done = run(*words, **keywords)
    if done.returncode != code:
        raise AssertionError(f"pvtools {' '.join(map(str, words))} ended with {done.returncode}, wanted "
                             f"{code}:\n{done.stdout}{done.stderr}")
    return done.stdout
