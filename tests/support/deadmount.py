# SPDX-License-Identifier: LGPL-2.1-or-later
"""A mounted filesystem that never answers: a FUSE mount whose server is silent."""

import ctypes
import os
import pathlib
import tempfile

from tap import Skip

_libc = ctypes.CDLL(None, use_errno=True)
_MNT_DETACH = 2


class DeadMount:
    """Context manager; `path` hangs whoever asks it anything."""

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("mounting needs root")
        try:
            self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise Skip(f"no /dev/fuse: {error}") from error
        self.path = tempfile.mkdtemp(prefix="pvt-dead-")
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if _libc.mount(b"dead", self.path.encode(), b"fuse", 0, options.encode()) < 0:
            error = os.strerror(ctypes.get_errno())
            os.close(self.fd)
            os.rmdir(self.path)
            raise Skip(f"cannot mount FUSE: {error}")
        return self

    def revive(self):
        """Lets every stuck caller go, with an error."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __exit__(self, *_):
        self.revive()
        _libc.umount2(self.path.encode(), _MNT_DETACH)
        pathlib.Path(self.path).rmdir()
