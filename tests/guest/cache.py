# SPDX-License-Identifier: LGPL-2.1-or-later
"""Things that take long to make are kept outside the tree, named by what went into them."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import time

KEY_DIGITS = 16
IN_USE = 900  # seconds for which a test may count on what it asked for


def directory():
    path = pathlib.Path(os.environ.get("PVT_CACHE_DIR") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pvtools")
    path.mkdir(parents=True, exist_ok=True)
    return path


def key(*parts):
    """A name for what @parts (text, bytes or paths of files) make."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, pathlib.Path) else (
            part if isinstance(part, bytes) else str(part).encode())
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:KEY_DIGITS]


@contextlib.contextmanager
def _lock(name):
    with open(directory() / f"{name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(kind, name, build):
    """The cached path of @kind and @name; build(path) makes it when it is not there.

    Older ones of the kind are removed, so that the cache does not grow; not those that
    somebody else may be about to use.
    """
    final = directory() / f"{kind}-{name}"
    with _lock(kind):
        if final.exists():
            os.utime(final)
            return final
        partial = directory() / f"{kind}-{name}.part"
        remove(partial)
        build(partial)
        # By the whole of its name: other kinds may begin alike.
        for old in directory().glob(f"{kind}-{'[0-9a-f]' * KEY_DIGITS}*"):
            if old != partial and time.time() - old.stat().st_mtime > IN_USE:
                remove(old)
        partial.rename(final)
        os.utime(final)
    return final


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
