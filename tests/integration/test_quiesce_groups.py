#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools quiesce and freeze against scripted guests: one that is slow, hangs up or has no
deadline of its own costs no other guest a longer freeze."""

import pathlib
import signal
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from liar import Liar
from tap import check, equal

LONG = 60


def returns(value):
    return {"return": value}


def guest(answers, stock=False):
    return Liar("least", stock=stock, answers={
        "pvt-freeze": returns({"generation": 1, "started": 1, "frozen-at": 1, "hooks": [], "filesystems": [
            {"mountpoint": "/", "type": "ext4", "device": "8:1"}]}),
        "guest-fsfreeze-status": returns("thawed"), "guest-fsfreeze-freeze": returns(1),
        "guest-fsfreeze-thaw": returns(1), **answers})


def marked(event, answer):
    """Says so when it is asked."""
    def act(_):
        event.set()
        return answer
    return act


def quiesce(*words, command=("true",), code):
    done = cli.run("quiesce", *words, "--timeout", "20", "--", *command)
    equal(done.returncode, code, done.stdout + done.stderr)
    return done.stderr


def test_a_lease_is_renewed_while_others_freeze():
    renewed = threading.Event()

    def slowly(_):
        renewed.wait(LONG)
        return {"error": {"class": "GenericError", "desc": "no"}}
    with guest({"pvt-renew-freeze": marked(renewed, returns({}))}) as one, guest({"pvt-freeze": slowly}) as two:
        quiesce(one.address, two.address, code=12)
        check("pvt-renew-freeze" in one.asked, f"the lease of the first was left alone: {one.asked}")
        check("pvt-thaw" in one.asked, one.asked)


def test_a_guest_that_is_lost_holds_up_no_thaw():
    thawed, told = threading.Event(), []

    def wait(_):
        told.append(thawed.wait(LONG))
        return returns(1)
    with guest({"guest-fsfreeze-thaw": marked(thawed, returns(1))}, stock=True) as one, \
            guest({"guest-fsfreeze-freeze": lambda _: None, "guest-fsfreeze-thaw": wait}, stock=True) as two:
        error = quiesce(one.address, two.address, code=12)
        check(two.address in error, error)
        equal(told, [True], "the first was thawed while the other's thaw was under way")


def test_a_guest_without_leases_is_thawed_at_the_deadline():
    with tempfile.TemporaryDirectory() as here:
        mark = pathlib.Path(here) / "thawed"

        def thaw(_):
            mark.touch()
            return returns(1)
        with guest({"guest-fsfreeze-thaw": thaw}, stock=True) as one:
            error = quiesce(one.address, "--deadline", "1", code=10,
                            command=("timeout", str(LONG), "sh", "-c", f"until [ -e {mark} ]; do sleep 0.1; done"))
            check("its deadline has passed" in error, error)


def test_nothing_is_run_once_it_is_interrupted():
    with tempfile.TemporaryDirectory() as here:
        mark, asked, go = pathlib.Path(here) / "ran", threading.Event(), threading.Event()

        def freeze(_):
            asked.set()
            go.wait(LONG)
            return returns(1)
        with guest({"guest-fsfreeze-freeze": freeze}, stock=True) as one:
            process = cli.start("quiesce", one.address, "--", "touch", mark)
            check(asked.wait(LONG), "it never froze")
            process.send_signal(signal.SIGTERM)
            go.set()
            out, err = process.communicate(timeout=LONG)
            equal(process.returncode, 15, out + err)
            check(not mark.exists() and "guest-fsfreeze-thaw" in one.asked, f"{one.asked}")


def test_a_deadline_that_the_agent_does_not_know_is_refused():
    with guest({}, stock=True) as one:
        done = cli.run("freeze", one.address, "--deadline", "30")
        equal(done.returncode, 6, done.stderr)
        check("was not frozen" in done.stderr and "guest-fsfreeze-freeze-list" not in one.asked, done.stderr)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
