/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the two files of virtio-pci. */
#pragma once

#include <virtio/driver/pci.h>
#include <virtio/pci.h>

/* Fills the regions of @pci in; 0 or a negated error. */
int virtio_pci_find_regions (struct virtio_pci *pci);
