#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which keys the sources of an Ubuntu guest are believed with: one, by its fingerprint."""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "guest"), str(HERE.parent / "support")]

import signed
import tap
import ubuntu
from tap import check, equal


def fingerprints(path):
    with tempfile.TemporaryDirectory(prefix="pvt-key-") as home:
        return ubuntu.fingerprints(ubuntu.gpg(home, "--show-keys", "--with-colons", str(path)))


def armoured_key(path):
    with tempfile.TemporaryDirectory(prefix="pvt-key-") as place:
        return ubuntu.armoured_key(path, pathlib.Path(place))


def refused(path):
    try:
        armoured_key(path)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(f"{path} was believed")


def test_only_the_pinned_key_is_taken():
    pinned, signers = ubuntu.FINGERPRINT, []
    try:
        for name in ("one", "two"):
            signers.append(signed.Signer(name))
        one, two = (fingerprints(signer.public)[0] for signer in signers)
        check(one in refused(signers[0].public), "another key is refused and named")
        both, text = signed.WORK / "both.gpg", signed.WORK / "text"
        both.write_bytes(signers[0].public.read_bytes() + signers[1].public.read_bytes())
        ubuntu.FINGERPRINT = one
        check(two in refused(both), "so is one beside the right one")
        text.write_text(armoured_key(signers[0].public))
        equal(fingerprints(text), [one], "what apt is given")
    finally:
        ubuntu.FINGERPRINT = pinned
        for signer in signers:
            signer.close()


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        signed.close()
