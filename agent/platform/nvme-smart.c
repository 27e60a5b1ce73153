/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nvme-smart.h"

#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GET_LOG_PAGE 0x02
#define PAGE_SMART 0x02
#define ALL_NAMESPACES 0xffffffffu

static guint64
little64 (const guint8 *p)
{
  guint64 value;

  memcpy (&value, p, sizeof value);
  return GUINT64_FROM_LE (value);
}

void
pvt_nvme_smart_parse (const guint8 *page, PvtNvmeSmart *smart)
{
  PvtU128 *const counters[]
      = { &smart->data_units_read,     &smart->data_units_written, &smart->host_read_commands,
          &smart->host_write_commands, &smart->controller_busy_time, &smart->power_cycles,
          &smart->power_on_hours,      &smart->unsafe_shutdowns,   &smart->media_errors,
          &smart->error_log_entries };

  smart->critical_warning = page[0];
  smart->temperature = (guint16) (page[1] | page[2] << 8);
  smart->available_spare = page[3];
  smart->spare_threshold = page[4];
  smart->percentage_used = page[5];
  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    *counters[i] = (PvtU128){ little64 (page + 32 + 16 * i), little64 (page + 40 + 16 * i) };
}

gboolean
pvt_nvme_smart_read (const char *node, PvtNvmeSmart *smart)
{
  guint8 page[PVT_NVME_SMART_SIZE];
  struct nvme_admin_cmd command;
  int fd = open (node, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

  if (fd < 0)
    return FALSE;
  memset (&command, 0, sizeof command);
  memset (page, 0, sizeof page);
  command.opcode = GET_LOG_PAGE;
  command.nsid = ALL_NAMESPACES;
  command.addr = (guint64) (guintptr) page;
  command.data_len = sizeof page;
  command.cdw10 = PAGE_SMART | (sizeof page / 4 - 1) << 16;
  rc = ioctl (fd, NVME_IOCTL_ADMIN_CMD, &command);
  close (fd);
  if (rc != 0)
    return FALSE;
  pvt_nvme_smart_parse (page, smart);
  return TRUE;
}
