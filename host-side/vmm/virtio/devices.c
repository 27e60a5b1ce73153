/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "devices.h"

#include <string.h>

/* A new device is a file and a line here. */
static const struct vdev_kind kinds[] = {
  { "blk", "file=PATH[,readonly=on][,serial=TEXT][,queues=N]\n"
           "           [,aio=io_uring|threads][,packed=off]", blk_create },
  { "rng", "[source=PATH][,packed=off]", rng_create },
  { "net",
    "tap=NAME[,queues=N] | fds=A[:B...] | local=PATH,peer=PATH | socket-fd=N\n"
    "           | user[,hostfwd=tcp:[ADDR]:PORT-[ADDR]:PORT]...[,restrict=on][,net=ADDR/BITS]\n"
    "                 [,ipv6=off][,host-loopback=off]\n"
    "           [,mac=MAC][,mtu=BYTES][,offload=on|off][,mergeable=off][,packed=off]\n"
    "           [,policy=KEY=VALUE;KEY=VALUE...]",
    net_create },
  { "balloon", "[deflate-on-oom=on][,free-page-reporting=on][,packed=off]", balloon_create },
  { "vsock", "cid=NUMBER,path=SOCKET[,packed=off]", vsock_create },
  { "console", "PORT-NAME=SOCKET-PATH[,...]", console_create },
};

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
