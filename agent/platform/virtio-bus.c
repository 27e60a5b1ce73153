/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtio-bus.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DEVICES 1024

gboolean
pvt_virtio_parse_features (const char *text, gsize len, guint8 *features)
{
  if (len == 0 || len > PVT_VIRTIO_FEATURE_BYTES * 8)
    return FALSE;
  memset (features, 0, PVT_VIRTIO_FEATURE_BYTES);
  for (gsize i = 0; i < len; i++)
    {
      if (text[i] != '0' && text[i] != '1')
        return FALSE;
      if (text[i] == '1')
        features[i / 8] = (guint8) (features[i / 8] | 1u << i % 8);
    }
  return TRUE;
}

gboolean
pvt_virtio_has (const PvtVirtioDevice *device, guint bit)
{
  return bit < PVT_VIRTIO_FEATURE_BYTES * 8 && (device->features[bit / 8] >> bit % 8 & 1) != 0;
}

const char *
pvt_virtio_type_name (guint type)
{
  static const char *const names[] = {
    NULL,      "network", "disk", "console", "entropy", "memory balloon", NULL, NULL, "SCSI", "9P",
    NULL,      NULL,      NULL,   NULL,      NULL,      NULL,             "GPU", NULL, "input", "socket",
    "crypto",  NULL,      NULL,   NULL,      "memory",  "sound",          "file system", "persistent memory",
  };

  return type < G_N_ELEMENTS (names) ? names[type] : NULL;
}

/* 0x0001 and the like. */
static guint
read_hex (int dir, const char *name)
{
  char text[32];

  return pvt_read_at (dir, name, text, sizeof text) > 0 ? (guint) strtoul (text, NULL, 16) : 0;
}

/* The only entry of DIR/@kind. */
static void
read_child (int dir, const char *kind, char *child, gsize size)
{
  int fd = pvt_open_dir_at (dir, kind);
  DIR *stream = fd < 0 ? NULL : fdopendir (fd);
  struct dirent *entry;

  while (stream && (entry = readdir (stream)) != NULL)
    if (entry->d_name[0] != '.')
      g_strlcpy (child, entry->d_name, size);
  if (stream)
    closedir (stream);
  else if (fd >= 0)
    close (fd);
}

static void
read_device (int bus, const char *name, GArray *devices)
{
  PvtVirtioDevice device = { .bound = FALSE };
  char text[PVT_VIRTIO_FEATURE_BYTES * 8 + 2], driver[256];
  int dir = pvt_open_dir_at (bus, name);
  gssize len;

  if (dir < 0)
    return;
  g_strlcpy (device.name, name, sizeof device.name);
  device.type = read_hex (dir, "device");
  device.status = read_hex (dir, "status");
  device.bound = pvt_readlink_at (dir, "driver", driver, sizeof driver);
  len = pvt_read_at (dir, "features", text, sizeof text);
  if (len > 0)
    pvt_virtio_parse_features (text, (gsize) len, device.features);
  if (device.type == PVT_VIRTIO_NET)
    read_child (dir, "net", device.child, sizeof device.child);
  else if (device.type == PVT_VIRTIO_BLK)
    read_child (dir, "block", device.child, sizeof device.child);
  g_array_append_val (devices, device);
  close (dir);
}

/* virtio2 before virtio10. */
static gint
by_name (gconstpointer a, gconstpointer b)
{
  const char *left = ((const PvtVirtioDevice *) a)->name;
  const char *right = ((const PvtVirtioDevice *) b)->name;
  gsize n = strlen (left), m = strlen (right);

  return n != m ? (n > m) - (n < m) : strcmp (left, right);
}

GArray *
pvt_virtio_list (const PvtRoot *root)
{
  GArray *devices = g_array_new (FALSE, FALSE, sizeof (PvtVirtioDevice));
  int bus = pvt_open_dir_at (root->fd, "sys/bus/virtio/devices");
  DIR *stream = bus < 0 ? NULL : fdopendir (bus);
  struct dirent *entry;

  while (stream && devices->len < MAX_DEVICES && (entry = readdir (stream)) != NULL)
    if (entry->d_name[0] != '.')
      read_device (bus, entry->d_name, devices);
  if (stream)
    closedir (stream);
  else if (bus >= 0)
    close (bus);
  g_array_sort (devices, by_name);
  return devices;
}
