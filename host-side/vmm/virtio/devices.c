/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices.h"

#include <string.h>

#include <virtio/device.h>
#include <virtio/types.h>

/* A new device is a file and a line here. */
static const struct vdev_kind kinds[] = {
  { "blk", "file=PATH[,readonly=on][,serial=TEXT][,queues=N]\n"
           "           [,aio=io_uring|threads][,poll=US][,packed=off]", blk_create },
  { "rng", "[source=PATH][,packed=off]", rng_create },
  { "net",
    "tap=NAME[,queues=N] | fds=A[:B...] | local=PATH,peer=PATH | socket-fd=N\n"
    "           | user[,hostfwd=tcp:[ADDR]:PORT-[ADDR]:PORT]...[,restrict=on][,net=ADDR/BITS]\n"
    "                 [,ipv6=off][,host-loopback=off]\n"
    "           [,mac=MAC][,mtu=BYTES][,offload=on|off][,mergeable=off][,packed=off]\n"
    "           [,policy=KEY=VALUE;KEY=VALUE...]",
    net_create },
  { "balloon", "[deflate-on-oom=on][,free-page-reporting=on][,packed=off]", balloon_create },
  { "vsock", "cid=NUMBER,socket=PATH[,packed=off]", vsock_create },
  { "console", "PORT-NAME=SOCKET-PATH[,...]", console_create },
};

int
vdev_kind_create (const struct vdev_kind *kind, struct options *options, bool resets,
                  struct vdev **dev)
{
  int ret = options_get_bool (options, "queue-reset", &resets);

  if (ret < 0)
    return ret;
  options_take (options, "queue-reset");
  ret = kind->create (options, dev);
  if (ret == 0 && !resets)
    (*dev)->features &= ~VIRTIO_BIT (VIRTIO_F_RING_RESET);
  return ret;
}

const struct vdev_kind *
vdev_kind_at (unsigned index)
{
  return index < sizeof kinds / sizeof kinds[0] ? &kinds[index] : NULL;
}

const struct vdev_kind *
vdev_kind_find (const char *name)
{
  for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp (kinds[i].name, name) == 0)
      return &kinds[i];
  return NULL;
}
