/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port a guest can measure itself by: how often its processor was left, and the
 * host's clock. Reading it leaves the guest as well, once each. */
#include "meter.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host-side/vmm/core/clock.h"
#include "layout.h"

#define BYTES 12u
#define UNKNOWN UINT32_MAX

/* Where KVM has its counter "exits" of a processor (KVM API, 4.134). */
static off_t
find_exits (int fd)
{
  struct kvm_stats_header header;
  char bytes[sizeof (struct kvm_stats_desc) + 128];
  const struct kvm_stats_desc *desc = (const void *) bytes;
  size_t step;

  if (pread (fd, &header, sizeof header, 0) != sizeof header || header.name_size > 128)
    return -ENOTSUP;
  step = sizeof *desc + header.name_size;
  for (uint32_t i = 0; i < header.num_desc; i++)
    if (pread (fd, bytes, step, header.desc_offset + (off_t) (i * step)) == (ssize_t) step
        && strncmp (desc->name, "exits", header.name_size) == 0)
      return header.data_offset + desc->offset;
  return -ENOTSUP;
}

void
meter_open (struct vcpu *vcpu)
{
  vcpu->stats_fd = ioctl (vcpu->fd, KVM_GET_STATS_FD, NULL);
  if (vcpu->stats_fd < 0)
    return;
  vcpu->stats_at = find_exits (vcpu->stats_fd);
  if (vcpu->stats_at >= 0)
    return;
  close (vcpu->stats_fd);
  vcpu->stats_fd = -1;
}

void
meter_close (struct vcpu *vcpu)
{
  if (vcpu->stats_fd >= 0)
    close (vcpu->stats_fd);
}

/* Also those that end in the kernel, as a doorbell that it catches. */
static uint32_t
exits_of_kvm (const struct vcpu *vcpu)
{
  uint64_t exits;
  struct iovec iov = { &exits, sizeof exits };

  if (vcpu->stats_fd < 0 || preadv (vcpu->stats_fd, &iov, 1, vcpu->stats_at) != sizeof exits)
    return UNKNOWN;
  return (uint32_t) exits;
}

static uint32_t
microseconds (void)
{
  return (uint32_t) (clock_ns () / 1000);
}

static void
access_meter (void *device, uint64_t offset, void *bytes, unsigned len, bool write)
{
  const struct vcpu *vcpu = vcpu_current ();
  uint32_t value;

  if (write || len != 4 || offset % 4)
    return;
  value = offset == 0   ? (uint32_t) vcpu->exits
          : offset == 4 ? exits_of_kvm (vcpu)
                        : microseconds ();
  memcpy (bytes, &value, sizeof value);
}

int
meter_init (struct vm *vm)
{
  return bus_add (&vm->ports, PORT_METER, BYTES, access_meter, vm);
}
