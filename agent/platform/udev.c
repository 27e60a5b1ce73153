/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "udev.h"

#include "bounds.h"
#include "library.h"
#include "root.h"
#include "udev-data.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

static struct
{
  void *context;
  void *(*new) (void);
  void *(*device_from_devnum) (void *udev, char type, dev_t number);
  const char *(*property) (void *device, const char *key);
  void *(*device_unref) (void *device);
} udev;

/* FALSE when the library or one of its functions is missing. */
static gboolean
load (void)
{
  static const PvtSymbol wanted[] = {
    { "udev_new", (void **) &udev.new, FALSE },
    { "udev_device_new_from_devnum", (void **) &udev.device_from_devnum, FALSE },
    { "udev_device_get_property_value", (void **) &udev.property, FALSE },
    { "udev_device_unref", (void **) &udev.device_unref, FALSE },
  };

  if (pvt_library_load ("libudev.so.1", wanted, G_N_ELEMENTS (wanted)))
    udev.context = udev.new ();
  return udev.context != NULL;
}

/* Without the library: udev's own record. */
static char *
read_record (guint major_number, guint minor_number, const char *property)
{
  g_autofree char *path = g_strdup_printf ("/run/udev/data/b%u:%u", major_number, minor_number);
  g_autofree char *text = g_malloc (PVT_MAX_SMALL_FILE);
  gssize len = pvt_read_at (AT_FDCWD, path, text, PVT_MAX_SMALL_FILE);

  return len > 0 ? pvt_udev_data_property (text, (gsize) len, property) : NULL;
}

char *
pvt_udev_block_property (guint major_number, guint minor_number, const char *property)
{
  static GMutex lock;
  static gboolean tried;
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  char *value = NULL;
  void *device;

  (void) locker;
  if (!tried)
    load ();
  tried = TRUE;
  if (udev.context == NULL)
    return read_record (major_number, minor_number, property);
  device = udev.device_from_devnum (udev.context, 'b', makedev (major_number, minor_number));
  if (device == NULL)
    return NULL;
  value = g_strdup (udev.property (device, property));
  udev.device_unref (device);
  return value;
}
