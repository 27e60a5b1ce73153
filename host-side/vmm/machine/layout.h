/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's map: guest physical addresses, I/O ports and interrupt lines. */
#pragma once

/* Below 1 MiB, what the loader writes. */
#define MAP_GDT 0x500u
#define MAP_PVH_INFO 0x6000u
#define MAP_ZERO_PAGE 0x7000u
#define MAP_BOOT_STACK 0x8ff0u
#define MAP_PAGE_TABLES 0x9000u /* PML4, PDPT, four PDs: 24 KiB */
#define MAP_CMDLINE 0x20000u
#define MAP_CMDLINE_MAX 0x10000u
#define MAP_LOW_END 0x9fc00u
#define MAP_ACPI 0xe0000u /* RSDP first */
#define MAP_ACPI_END 0xff000u
#define MAP_GENERATION 0xff000u /* a GUID, for vmgenid; reserved memory as the tables' */
#define MAP_RESET_VECTOR 0xffff0u /* F000:FFF0: who jumps there wants a reset */
#define MAP_HIGH 0x100000u
#define MAP_KERNEL 0x1000000u

/* Memory ends here and goes on at 4 GiB; between them devices. */
#define MAP_HOLE 0xc0000000u
#define MAP_PCI 0xc0000000u /* where BARs are */
#define MAP_PCI_SIZE 0x10000000u
#define MAP_ECAM 0xe0000000u /* of bus 0 */
#define MAP_ECAM_SIZE 0x100000u
#define MAP_ABOVE_4G 0x100000000ull
/* Behind the memory, at a multiple of its size: for BARs that a guest moves. */
#define MAP_PCI_HIGH_SIZE 0x800000000ull
#define MAP_VIRTIO_MMIO 0xd0000000u
#define MAP_VIRTIO_MMIO_STEP 0x1000u
#define MAP_IOAPIC 0xfec00000u
#define MAP_LAPIC 0xfee00000u
#define MAP_IDENTITY 0xfffbc000u /* KVM's own, a page and three */
#define MAP_TSS 0xfffbd000u

#define PORT_SERIAL 0x3f8u
#define PORT_I8042 0x64u
#define PORT_PVPANIC 0x505u
#define PORT_METER 0x5f0u  /* ours: what a guest costs (meter.h) */
#define PORT_SLEEP 0x600u  /* ACPI sleep control; a read: sleep status */
#define PORT_RESET 0x601u
#define PORT_EVENTS 0x602u /* ours, for the DSDT: what happened; a read clears it */
#define EVENT_BUTTON 1u
#define EVENT_GENERATION 2u /* the GUID is another */

#define PORT_PCI_ADDRESS 0xcf8u
#define PORT_PCI_DATA 0xcfcu

#define GSI_SERIAL 4u
#define GSI_EVENTS 9u
#define GSI_VIRTIO 10u
#define GSI_COUNT 24u
#define VIRTIO_SLOTS (GSI_COUNT - GSI_VIRTIO)
