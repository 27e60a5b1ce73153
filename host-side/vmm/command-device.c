/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pvtools-vmm device: one device model behind a vhost-user socket. */
#include "commands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-side/vmm/core/descriptors.h"
#include "host-side/vmm/core/log.h"
#include "host-side/vmm/core/sandbox.h"
#include "host-side/vmm/core/socket.h"
#include "host-side/vmm/lab.h"
#include "host-side/vmm/vhost-user/backend.h"
#include "host-side/vmm/vhost-user/shrink.h"
#include "host-side/vmm/virtio/devices.h"

static int
help (void)
{
  puts ("usage: pvtools-vmm device KIND --socket PATH [--OPTION VALUE...]\n"
        "\n"
        "Listens on PATH and serves one front-end after the other. QEMU's side:\n"
        "  -machine q35,memory-backend=m -object memory-backend-memfd,id=m,size=1G,share=on\n"
        "  -chardev socket,id=c,path=PATH,reconnect=1 -device vhost-user-blk-pci,chardev=c\n"
        "\n"
        "  --audit[=FILE]  what the driver does against the specification is written to FILE,\n"
        "                  a line of JSON each, or as text to standard error\n"
        "  --fault LIST    the device misbehaves: NAME[@N][+],... - on occasion N, with + ever\n"
        "                  after; --fault help says what there is\n"
        "  --seed NUMBER   chooses occasions that are not given\n"
        "\n"
        "  --queue-reset on  the driver may reset queues one by one (RING_RESET): only with a\n"
        "                  front-end that stops the ring then; QEMU 7.2 does not\n"
        "\n"
        "Kinds and their options (--file IMG is file=IMG):");
  for (unsigned i = 0; vdev_kind_at (i); i++)
    printf ("  %-8s %s\n", vdev_kind_at (i)->name, vdev_kind_at (i)->help);
  return 0;
}

/* "--key value", "--key=value" or "--key" for "on". */
static int
parse (int argc, char **argv, struct options *options, const char **path, struct lab *lab)
{
  for (int i = 0; i < argc; i++)
    {
      char *key = argv[i], *value;
      int ret = 0;

      if (strncmp (key, "--", 2) != 0)
        {
          vmm_log ("device: '%s' is no option", key);
          return -EINVAL;
        }
      key += 2;
      value = strchr (key, '=');
      if (value)
        *value++ = '\0';
      else if (i + 1 < argc && strncmp (argv[i + 1], "--", 2) != 0)
        value = argv[++i];
      if (strcmp (key, "socket") == 0)
        *path = value;
      else if (strcmp (key, "audit") == 0)
        lab_audit (lab, value);
      else if (strcmp (key, "fault") == 0 && value)
        ret = lab_fault (lab, value);
      else if (strcmp (key, "seed") == 0 && value)
        ret = lab_seed (lab, value);
      else
        ret = options_add (options, key, value ? value : "on");
      if (ret != 0)
        return ret;
    }
  return 0;
}

static int
serve (struct vdev *dev, int listener, struct lab *lab)
{
  for (;;)
    {
      struct pollfd waiting = { .fd = listener, .events = POLLIN };
      int ret, fd;

      poll (&waiting, 1, -1);
      fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
      if (fd < 0 && errno != EINTR && errno != EAGAIN && errno != ECONNABORTED)
        return -errno;
      if (fd < 0)
        continue;
      ret = vhost_user_serve (dev, fd);
      lab_report (lab);
      if (ret < 0)
        vmm_log ("the front-end was let go: %s", strerror (-ret));
    }
}

int
command_device (int argc, char **argv)
{
  const struct vdev_kind *kind = argc > 1 ? vdev_kind_find (argv[1]) : NULL;
  struct options options = { 0 };
  const char *path = NULL;
  struct vdev *dev = NULL;
  struct lab lab = { 0 };
  int ret, listener;

  if (argc > 1 && strcmp (argv[1], "--help") == 0)
    return help ();
  descriptors_inherited ();
  ret = kind ? parse (argc - 2, argv + 2, &options, &path, &lab) : -EINVAL;
  if (ret == 1) /* told what there is */
    return 0;
  if (ret < 0 || path == NULL)
    {
      vmm_log ("usage: pvtools-vmm device KIND --socket PATH ...; see pvtools-vmm device --help");
      return 2;
    }
  /* Off unless asked for: vhost-user has no message for it, and a front-end that stops the
   * ring instead (GET_VRING_BASE) is one the user has to know. */
  ret = vdev_kind_create (kind, &options, false, &dev);
  if (ret < 0)
    return 1;
  descriptors_drop ();
  signal (SIGPIPE, SIG_IGN); /* what a front-end gives us to write to may be closed */
  shrink_survive ();
  ret = lab_add (&lab, dev);
  if (ret == 0)
    ret = vdev_start_workers (dev);
  if (ret < 0)
    goto free_device;
  listener = ret = socket_listen (path);
  if (ret < 0)
    goto free_device;
  sandbox_expect (SANDBOX_FRONT);
  ret = sandbox_enter ();
  sandbox_narrow (SANDBOX_FRONT);
  if (ret == 0)
    ret = serve (dev, listener, &lab);
  close (listener);

free_device:
  vmm_log ("%s: %s", path, strerror (-ret));
  vdev_free (dev);
  lab_finish (&lab);
  return 1;
}
