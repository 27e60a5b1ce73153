/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bare-metal test guest: its machine, its output, its cases. */
#pragma once

#include <virtio/driver/device.h>
#include <virtio/driver/mem.h>
#include <virtio/driver/pci.h>

/* ---- the machine ---- */

static inline uint64_t
cycles (void)
{
  uint32_t low, high;

  __asm__ volatile ("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t) high << 32 | low;
}

extern struct virtio_hal guest_hal;

/* One character of output. */
void guest_put (char c);

/* PCI configuration mechanism 1 (PCI 3.0, 3.2.2.3.2): port accesses of 1, 2 or 4
 * bytes; or those of a machine that is elsewhere (qtest.c). */
uint32_t guest_in (uint16_t port, unsigned width);
void guest_out (uint16_t port, unsigned width, uint32_t value);
/* Called for each function before it is opened: firmware has given its BARs
 * addresses, or this does. */
void guest_pci_assign (const struct virtio_pci_config *config);

/* All memory taken since the mark is free again. */
size_t guest_memory_mark (void);
void guest_memory_release (size_t mark);
/* From the same memory, for the cases' own data; NULL when there is no more. */
void *guest_memory (size_t bytes);

/* Ends the machine: 0 when all went well. */
void guest_exit (int status) __attribute__ ((noreturn));

/* ---- output: TAP on COM1 ---- */

/* %s, %u (unsigned), %d (int), %x (unsigned), %U (uint64_t). */
void print (const char *format, ...);
/* One test; true when @good. */
bool check (bool good, const char *what);
/* As check of @error being 0, with the error in the output. */
bool check_error (int error, const char *what);
/* What the tests are of: comes first in their names. */
void check_prefix (const char *prefix);
/* Prints the plan; 0 when all tests passed and there were any. */
int check_end (void);

/* ---- cases ---- */

/* xen/include/public/arch-x86/hvm/start_info.h */
#define START_MAGIC 0x336ec578u

struct start_info
{
  uint32_t magic;
  uint32_t version;
  uint32_t flags;
  uint32_t nr_modules;
  uint64_t modlist_paddr;
  uint64_t cmdline_paddr;
  uint64_t rsdp_paddr;
};

/* The address of bus 0's configuration space (PCI Express, ECAM) by the ACPI tables;
 * 0 when they have none. */
uint64_t guest_ecam (const struct start_info *info);

/* Runs everything and ends the machine. */
void guest_main (const struct start_info *info);

struct variant
{
  const char *name;
  uint64_t refuse;
};

#define MAX_DEVICES 16

/* The command line's word that begins with @key, after it; NULL when there is none. */
const char *guest_option (const char *key);
uint64_t guest_number (const char *text, const char **end);

/* Devices found, in order; how many. */
/* PCI by the ports, or by ECAM at the address when it is not 0. */
unsigned find_pci (struct virtio_transport *found[], unsigned room, uint64_t ecam);
unsigned find_mmio (struct virtio_transport *found[], unsigned room);

/* What every device owes; before its own cases. @bus is "pci" or "mmio". */
void test_clauses (struct virtio_transport *transport, const char *bus,
                   const struct virtio_options *options);
/* Queues that are reset one by one, where that is offered. */
void test_reset (struct virtio_transport *transport, const char *bus,
                 const struct virtio_options *options);
/* The window of configuration space; vectors, which leaves it reset. */
void test_window (struct virtio_pci *pci);
void test_vectors (struct virtio_pci *pci);
/* What no driver may do, for the auditor (option rude=1). */
void test_rude (struct virtio_pci *pci, const struct virtio_options *options);
/* Odd requests to a disk. */
void test_requests (struct virtio_transport *transport, const struct virtio_options *options);
void test_blk (struct virtio_transport *transport, const struct virtio_options *options);
void test_rng (struct virtio_transport *transport, const struct virtio_options *options);
void test_balloon (struct virtio_transport *transport, const struct virtio_options *options);
void test_vsock (struct virtio_transport *transport, const struct virtio_options *options);
void test_console (struct virtio_transport *transport, const struct virtio_options *options);
/* Two interfaces on one wire; @second may be NULL: then only what one can do. */
void test_net (struct virtio_transport *first, struct virtio_transport *second,
               const struct virtio_options *options);
/* That what was negotiated is what the options left. */
void test_features (const struct virtio_device *dev);

/* What @n things of a kind cost: begin before them, end prints it. */
struct meter
{
  uint64_t cycles;
  uint32_t exits, kvm, us;
};
void meter_begin (struct meter *meter);
void meter_end (const struct meter *meter, unsigned n, const char *what);

/* A sum that tells data apart; the host computes the same (FNV-1a over 64-bit words). */
uint64_t checksum (const void *data, size_t bytes);
/* Data that tell their place: word i of block @seed. */
void fill_pattern (void *to, size_t bytes, uint64_t seed);
