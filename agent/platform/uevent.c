/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uevent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The multicast group of the kernel; that of udev is another. */
#define KERNEL_GROUP 1

/* First kernel whose vmgenid driver sends a uevent. */
#define UEVENT_MAJOR 6
#define UEVENT_MINOR 10

const char *
pvt_uevent_get (const char *data, gsize len, const char *name)
{
  gsize name_len = strlen (name);
  const char *p = data, *const end = data + len;

  while (p < end)
    {
      const char *stop = memchr (p, '\0', (gsize) (end - p));

      if (stop == NULL)
        return NULL; /* cut off: not trusted */
      if ((gsize) (stop - p) > name_len && p[name_len] == '=' && memcmp (p, name, name_len) == 0)
        return p + name_len + 1;
      p = stop + 1;
    }
  return NULL;
}

gboolean
pvt_uevent_is_generation (const char *data, gsize len)
{
  const char *value = pvt_uevent_get (data, len, "NEW_VMGENID");

  return value && strcmp (value, "1") == 0;
}

/* "priority,number,time,flags;message": Documentation/ABI/testing/dev-kmsg. User
 * space may write there, too, but not with the facility of the kernel, 0. */
gboolean
pvt_kmsg_is_generation (const char *data, gsize len)
{
  static const char said[] = "crng reseeded due to virtual machine fork";
  const char *semicolon = memchr (data, ';', len);
  guint priority = 0;
  gsize i = 0;

  for (; i < len && i < 4 && g_ascii_isdigit (data[i]); i++)
    priority = priority * 10 + (guint) (data[i] - '0');
  return i > 0 && priority < 8 && semicolon
         && memmem (semicolon, len - (gsize) (semicolon - data), said, sizeof said - 1) != NULL;
}

/* Lets pass what begins with "change@". */
static gboolean
attach_filter (int fd)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, 0),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, 0x6368616e, 0, 3), /* "chan" */
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, 3),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, 0x6e676540, 0, 1), /* "nge@" */
    BPF_STMT (BPF_RET | BPF_K, PVT_UEVENT_MAX),
    BPF_STMT (BPF_RET | BPF_K, 0),
  };
  struct sock_fprog program = { G_N_ELEMENTS (code), code };

  return setsockopt (fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

int
pvt_uevent_open (void)
{
  struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
  int fd = socket (AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

  if (fd < 0)
    return -errno;
  if (attach_filter (fd) && bind (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  {
    int saved = errno;

    close (fd);
    return -saved;
  }
}

gssize
pvt_uevent_read (int fd, char *buf)
{
  struct sockaddr_nl from = { 0 };
  socklen_t from_len = sizeof from;
  gssize n = recvfrom (fd, buf, PVT_UEVENT_MAX, MSG_TRUNC, (struct sockaddr *) &from, &from_len);

  if (n < 0)
    return errno == EINTR ? 0 : -errno;
  /* Programs have a port number, the kernel has none: netlink(7). */
  return from.nl_pid == 0 && n <= PVT_UEVENT_MAX ? n : 0;
}

/* A driver's directory has a link for each device it serves, with the id of
 * that in its name. */
static gboolean
serves_device (const PvtRoot *root, const char *driver)
{
  int fd = pvt_open_dir_at (root->fd, driver);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  gboolean found = FALSE;

  for (struct dirent *entry; dir && !found && (entry = readdir (dir)) != NULL;)
    found = entry->d_type == DT_LNK && strcmp (entry->d_name, "module") != 0;
  if (dir)
    closedir (dir);
  return found;
}

gboolean
pvt_kmsg_is_needed (const PvtRoot *root)
{
  struct utsname uts;
  guint major, minor;

  if (uname (&uts) < 0 || sscanf (uts.release, "%u.%u", &major, &minor) != 2)
    return FALSE;
  if (major > UEVENT_MAJOR || (major == UEVENT_MAJOR && minor >= UEVENT_MINOR))
    return FALSE;
  return serves_device (root, "sys/bus/acpi/drivers/vmgenid")
         || serves_device (root, "sys/bus/platform/drivers/vmgenid");
}

int
pvt_kmsg_open (const PvtRoot *root)
{
  int fd = openat (root->fd, "dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0)
    return -errno;
  lseek (fd, 0, SEEK_END);
  return fd;
}
