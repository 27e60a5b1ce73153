/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The virtio devices of the guest: /sys/bus/virtio/devices, written by
 * drivers/virtio/virtio.c of the kernel. */
#pragma once

#include "root.h"

/* Device types of the virtio specification, section 5. */
enum
{
  PVT_VIRTIO_NET = 1,
  PVT_VIRTIO_BLK = 2,
  PVT_VIRTIO_CONSOLE = 3,
  PVT_VIRTIO_RNG = 4,
  PVT_VIRTIO_BALLOON = 5,
  PVT_VIRTIO_SCSI = 8,
};

/* Old kernels show 64 bits, newer ones 128. */
#define PVT_VIRTIO_FEATURE_BYTES 16

typedef struct
{
  char name[32];   /* virtio0 */
  guint type;      /* of the specification */
  guint status;    /* device status field */
  gboolean bound;  /* has a driver */
  guint8 features[PVT_VIRTIO_FEATURE_BYTES]; /* those that both sides agreed on */
  char child[64];  /* its disk or network interface; "" for others */
} PvtVirtioDevice;

/* An ASCII string of 0 and 1, bit 0 first; FALSE for anything else. Pure. */
gboolean pvt_virtio_parse_features (const char *text, gsize len, guint8 *features);

gboolean pvt_virtio_has (const PvtVirtioDevice *device, guint bit);

/* By name; empty where there is no virtio bus. The caller unrefs the array of
 * PvtVirtioDevice. */
GArray *pvt_virtio_list (const PvtRoot *root);

/* "network", "disk", ...; "device of type N" is the caller's for NULL. */
const char *pvt_virtio_type_name (guint type);
