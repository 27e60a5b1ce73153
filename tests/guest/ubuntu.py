# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ubuntu's archive as package sources on a host that is no Ubuntu.

Such a host does not know its key, so the archive's own keyring package is fetched, and
the key in it taken if it has the fingerprint below: the key of 2018, which signs 24.04.
It then stands in the file of the sources itself (deb822, sources.list(5)), where apt
reads it as any user.
"""

import os
import pathlib
import subprocess
import tempfile
import urllib.request

MIRROR = "http://archive.ubuntu.com/ubuntu"
KEYRING = "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb"
KEY = "etc/apt/trusted.gpg.d/ubuntu-keyring-2018-archive.gpg"
FINGERPRINT = "F6ECB3762474EDA9D21B7022871920D1991BC93C"
LIMIT = 1 << 20


def mirror():
    return (os.environ.get("PVT_UBUNTU_MIRROR") or MIRROR).rstrip("/")


def gpg(home, *words):
    return subprocess.run(["gpg", "--batch", "--quiet", "--homedir", str(home), *words],
                          capture_output=True, text=True, check=True).stdout


def fingerprints(listing):
    """Those of the keys themselves, not of their subkeys, of gpg's output with colons."""
    lines = [line.split(":") for line in listing.splitlines()]
    return [after[9] for line, after in zip(lines, lines[1:]) if (line[0], after[0]) == ("pub", "fpr")]


def armoured_key(path, place):
    """The text of the key in that file, which must be the archive's and no other."""
    home = place / "gnupg"
    home.mkdir(mode=0o700)
    found = fingerprints(gpg(home, "--show-keys", "--with-colons", str(path)))
    if found != [FINGERPRINT]:
        raise RuntimeError(f"{KEY} has other keys than Ubuntu's archive: {found}")
    gpg(home, "--import", str(path))
    return gpg(home, "--armor", "--export", FINGERPRINT)


def key():
    with tempfile.TemporaryDirectory(prefix="pvt-key-") as name:
        place = pathlib.Path(name)
        with urllib.request.urlopen(f"{mirror()}/{KEYRING}", timeout=60) as answer:
            (place / "keyring.deb").write_bytes(answer.read(LIMIT))
        subprocess.run(["dpkg-deb", "-x", str(place / "keyring.deb"), str(place / "files")], check=True)
        return armoured_key(place / "files" / KEY, place)


def write_sources(path, suite):
    """The release as it came out: what is made of it is the same next year."""
    text = "\n".join(" " + (line or ".") for line in key().splitlines())
    path.write_text(f"Types: deb\nURIs: {mirror()}\nSuites: {suite}\nComponents: main universe\n"
                    f"Signed-By:\n{text}\n")
