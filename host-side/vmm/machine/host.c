/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host-side/vmm/core/log.h"

/* What to do where there is no KVM: the flags of proc_cpuinfo(5) tell whether the
 * processor could. */
static const char *
without_kvm (void)
{
  FILE *file = fopen ("/proc/cpuinfo", "re");
  const char *advice = "the processor shows no virtualisation: it is off in the firmware, or this "
                       "is a guest whose hypervisor allows no nesting";
  char line[8192];

  while (file && fgets (line, sizeof line, file))
    {
      if (strncmp (line, "flags", 5) != 0)
        continue;
      if (strstr (line, " vmx"))
        advice = "modprobe kvm-intel?";
      else if (strstr (line, " svm"))
        advice = "modprobe kvm-amd?";
      break;
    }
  if (file)
    fclose (file);
  return advice;
}

static const char *
advice_for (int error)
{
  switch (error)
    {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return without_kvm ();
    case EACCES:
    case EPERM:
      return "you may not use it: usermod -aG kvm USER, and log in again";
    case EBUSY:
      return "another hypervisor has the processor's virtualisation";
    default:
      return "KVM does not start";
    }
}

int
host_open_kvm (void)
{
  int fd = open ("/dev/kvm", O_RDWR | O_CLOEXEC);

  if (fd < 0)
    {
      int ret = -errno;

      vmm_log ("/dev/kvm: %s: %s", strerror (-ret), advice_for (-ret));
      return ret;
    }
  if (ioctl (fd, KVM_GET_API_VERSION, 0) == KVM_API_VERSION)
    return fd;
  close (fd);
  vmm_log ("/dev/kvm is not KVM, or has another interface than version %d", KVM_API_VERSION);
  return -ENOTSUP;
}
