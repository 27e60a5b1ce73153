/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client of the control socket that says anything, in pieces, to a machine with a device of
 * each kind and no processor. What it is told is JSON again. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "host-side/vmm/control/qmp-session.h"
#include "host-side/vmm/machine/machine.h"
#include "tests/support/guest-ram.h"
#include "tests/support/kernel-file.h"

static void
add (struct machine *machine, struct vdev *dev)
{
  if (dev == NULL || vdev_start_workers (dev) < 0)
    abort ();
  dev->memory = &machine->vm->memory;
  machine->devices[machine->n_devices++] = dev;
}

static struct machine *
make (void)
{
  struct machine *machine = calloc (1, sizeof *machine);
  struct options nic = { 0 }, port = { 0 }, none = { 0 };
  struct vdev *dev = NULL;
  char text[64];
  int pair[2];

  machine->vm = memory_only_new ();
  machine->vm->end_fd = machine->power.irq_fd = -1;
  pthread_mutex_init (&machine->vm->lock, NULL);
  pthread_cond_init (&machine->vm->changed, NULL);
  pthread_mutex_init (&machine->generation.lock, NULL);
  if (generation_init (&machine->generation, "auto") < 0
      || socketpair (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) < 0)
    abort ();
  add (machine, ram_disk (64 * 1024, "off"));
  add (machine, ram_disk_by (64 * 1024, "on", "io_uring"));
  snprintf (text, sizeof text, "%d", pair[0]);
  options_add (&nic, "socket-fd", text);
  if (net_create (&nic, &dev) == 0)
    add (machine, dev);
  if (balloon_create (&none, &dev) == 0)
    add (machine, dev);
  snprintf (text, sizeof text, "/tmp/pvt-fuzz-qmp-%d", (int) getpid ());
  options_add (&port, "org.qemu.guest_agent.0", text);
  if (console_create (&port, &dev) == 0)
    add (machine, dev);
  unlink (text);
  return machine;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char hello[] = "{\"execute\": \"qmp_capabilities\"}";
  static struct machine *machine;
  struct qmp_session *session;
  size_t piece;

  if (size == 0)
    return 0;
  if (machine == NULL)
    machine = make ();
  machine->vm->end = VM_RUNS;
  machine->vm->paused = false;
  session = qmp_session_new (NULL, machine);
  if (data[0] & 0x80)
    free (qmp_session_feed (session, hello, sizeof hello - 1));
  piece = 1 + (data[0] & 0x7f) * 8;
  for (data++, size--; size > 0;)
    {
      size_t len = piece < size ? piece : size;
      char *reply = qmp_session_feed (session, (const char *) data, len);
      size_t end = strlen (reply);

      if (end > 0 && (reply[0] != '{' || end < 2 || strcmp (reply + end - 2, "\r\n") != 0))
        abort ();
      free (reply);
      data += len;
      size -= len;
    }
  qmp_session_free (session);
  return 0;
}
