#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Linux's own drivers on our device models, which QEMU reaches over vhost-user."""

import contextlib
import hashlib
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import micro
import shell
import tap
import vhostuser
from agent import find_agent
from tap import check, equal, note
from vm import VM

MiB = 1 << 20
SIZE = 64 * MiB


@contextlib.contextmanager
def machine(backend_options=None, device_options=",num-queues=1", smp="2"):
    """A guest with one disk and a random number generator of ours: (vm, backend, image)."""
    with tempfile.TemporaryDirectory(prefix="pvt-vu-") as name:
        directory = pathlib.Path(name)
        image = directory / "disk.img"
        with image.open("wb") as file:
            file.truncate(SIZE)
        blk = vhostuser.Backend(directory / "blk.sock", "blk", file=image, serial="pvt-vhost-user",
                                **(backend_options or {}))
        rng = vhostuser.Backend(directory / "rng.sock", "rng")
        devices = [*vhostuser.memory(256),
                   *vhostuser.device(blk.path, "blk", device_options),
                   *vhostuser.device(rng.path, "rng")]
        with blk, rng, VM(*micro.image(find_agent()), memory=256, smp=smp, network=False,
                          devices=devices) as vm:
            vm.wait_agent()
            yield vm, blk, image
            check(rng.alive(), "the rng back-end ended")


def guest(vm, script, timeout=120):
    """What a shell script in the guest prints; it must succeed."""
    with vm.line(timeout=timeout) as line:
        line.sync()
        return shell.sh(line, script, timeout)


def part(image, offset, size):
    with image.open("rb") as file:
        file.seek(offset)
        return hashlib.sha256(file.read(size)).hexdigest()


def write_and_compare(vm, image, block, count, at):
    """Random data in blocks of @block at @at blocks; read back past the cache, and here."""
    written, back = guest(vm, f"""
        dd if=/dev/urandom of=/tmp/data bs={block} count={count} 2>/dev/null
        dd if=/tmp/data of=/dev/vda bs={block} seek={at} conv=fsync,notrunc 2>/dev/null
        echo 3 > /proc/sys/vm/drop_caches
        sha256sum < /tmp/data
        dd if=/dev/vda bs={block} count={count} skip={at} 2>/dev/null | sha256sum
        rm /tmp/data""").replace(" -", "").split()
    equal(back, written, f"{count} blocks of {block} read back")
    equal(part(image, at * block, count * block), written, f"{count} blocks of {block} on the host")


def every_size(vm, image):
    for block, count, at in ((512, 64, 3), (4096, 256, 77), (65536, 32, 5), (MiB, 16, 20),
                             (8 * MiB, 2, 5)):
        write_and_compare(vm, image, block, count, at)


def test_data_arrives_in_every_size():
    with machine() as (vm, _, image):
        every_size(vm, image)
        equal(guest(vm, "cd /sys/block/vda; for file in serial size ro queue/write_cache; do "
                        "echo $(cat $file); done").splitlines(),
              ["pvt-vhost-user", str(SIZE // 512), "0", "write back"], "the disk as Linux sees it")
        features = guest(vm, "cat /sys/block/vda/device/features").strip()
        equal((features[32], features[28], features[29], features[34]), ("1", "1", "1", "0"),
              "VERSION_1, INDIRECT, EVENT_IDX and no packed ring")


def test_packed_ring_and_queues():
    with machine({"queues": 2, "aio": "io_uring"}, ",num-queues=2,packed=on") as (vm, _, image):
        features = guest(vm, "cat /sys/block/vda/device/features").strip()
        equal((features[34], features[12]), ("1", "1"), "packed ring and multi-queue")
        equal(guest(vm, "ls /sys/block/vda/mq").split(), ["0", "1"], "queues")
        every_size(vm, image)
        note(guest(vm, "grep virtio /proc/interrupts"))


def test_discard_gives_the_space_back():
    with machine() as (vm, _, image):
        guest(vm, "dd if=/dev/urandom of=/dev/vda bs=1M count=32 conv=fsync 2>/dev/null")
        full = image.stat().st_blocks * 512
        check(full >= 32 * MiB, f"{full} bytes allocated")
        guest(vm, "blkdiscard -o 8388608 -l 16777216 /dev/vda")
        left = image.stat().st_blocks * 512
        check(left <= full - 16 * MiB, f"{full} bytes allocated before the trim, {left} after it")
        zero = hashlib.sha256(bytes(16 * MiB)).hexdigest()
        equal(part(image, 8 * MiB, 16 * MiB), zero, "what was trimmed, on the host")
        equal(guest(vm, "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M skip=8 count=16 "
                        "2>/dev/null | sha256sum").split()[0], zero, "what was trimmed, in the guest")


def test_file_system_and_its_trim():
    with machine() as (vm, _, image):
        out = guest(vm, """
            mke2fs -F /dev/vda > /dev/null 2>&1
            mount -t ext4 /dev/vda /mnt || mount -t ext2 /dev/vda /mnt
            dd if=/dev/urandom of=/mnt/a bs=1M count=20 2>/dev/null
            sha256sum < /mnt/a
            umount /mnt; echo 3 > /proc/sys/vm/drop_caches
            mount -t ext4 /dev/vda /mnt || mount -t ext2 /dev/vda /mnt
            sha256sum < /mnt/a
            rm /mnt/a; sync; fstrim /mnt; umount /mnt""").replace(" -", "").split()
        equal(out[0], out[1], "the file after mounting again")
        check(image.stat().st_blocks * 512 < 8 * MiB, f"{image.stat().st_blocks} blocks after fstrim")


def test_read_only_is_refused_by_the_device():
    with machine({"readonly": "on"}) as (vm, _, image):
        before = part(image, 0, SIZE)
        equal(guest(vm, "cat /sys/block/vda/ro").strip(), "1", "ro")
        said = guest(vm, "dd if=/dev/urandom of=/dev/vda bs=4k count=1 2>&1 || true")
        check("ermitted" in said or "ead-only" in said, said)
        equal(part(image, 0, SIZE), before, "the image")


def test_random_numbers():
    with machine() as (vm, _, _image):
        equal(guest(vm, "cat /sys/class/misc/hw_random/rng_current").strip()[:10], "virtio_rng",
              "the generator")
        out = guest(vm, "for i in 1 2; do dd if=/dev/hwrng bs=4k count=64 iflag=fullblock 2>/dev/null"
                        " | gzip -1 | wc -c; done")
        check(all(int(size) > 256 * 1024 for size in out.split()), f"it can be compressed: {out}")


def test_killed_in_the_middle_of_writes_and_started_again():
    """Nothing is lost: what was not acknowledged is sent again by the guest."""
    with machine({"aio": "io_uring"}) as (vm, blk, image):
        want = guest(vm, "dd if=/dev/urandom of=/tmp/data bs=1M count=40 2>/dev/null; "
                         "sha256sum < /tmp/data").split()[0]
        with vm.line(timeout=180) as line:
            pid = shell.start(line, "dd if=/tmp/data of=/dev/vda bs=64k conv=fsync,notrunc")
            deadline = time.monotonic() + 60
            while image.stat().st_blocks == 0 and time.monotonic() < deadline:
                time.sleep(0.005)
            at = image.stat().st_blocks * 512
            blk.kill()
            check(0 < at < 40 * MiB, f"it was to be killed in the middle, not at {at} bytes")
            time.sleep(0.5)
            blk.start()
            equal(shell.finish(line, pid)[0], 0, "dd's end")
        equal(part(image, 0, 40 * MiB), want, "what dd wrote")
        write_and_compare(vm, image, MiB, 8, 48)
        note(f"killed with {at} of {40 * MiB} bytes allocated")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
