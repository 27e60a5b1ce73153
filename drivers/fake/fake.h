/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A platform and a device in the test's own process. Memory shared with the
 * device is bounced through blocks of its own, found by device address alone, so
 * that a sanitizer sees each access outside of what was shared. The device is
 * scripted: a test says what happens on a notification and which rules it breaks.
 */
#pragma once

#include <virtio/console.h>
#include <virtio/driver/queue.h>
#include <virtio/vsock.h>

#define FAKE_QUEUES 8
#define FAKE_SEGS 64
#define FAKE_CONFIG 128

struct fake_device;

struct fake_mapping
{
  uint64_t dma;
  void *mem;    /* what the driver sees */
  void *bounce; /* what the device sees: the same for dma_alloc */
  size_t bytes;
  int dir;
};

struct fake_platform
{
  struct virtio_hal hal;
  struct fake_device *device; /* behind the registers */
  struct fake_mapping *mappings;
  size_t n_mappings, cap_mappings;
  uint64_t next_dma;
  uint64_t now_us;
  uint64_t step_us;  /* how far each look at the clock advances it */
  unsigned allocs;   /* live private ones */
  int fail_in;       /* the allocation or share to fail, counted down; 0: none */
  const char *wrong; /* what the driver did that it must not */
  void (*at_barrier) (void *user); /* NULL: nothing happens at one */
  void *barrier_user;
};

void fake_platform_init (struct fake_platform *platform);
/* Frees what a driver left to a device that did not reset. */
void fake_platform_clear (struct fake_platform *platform);
/* What the device sees at an address; NULL and a verdict when it may not. */
void *fake_mem (struct fake_platform *platform, uint64_t dma, size_t bytes, int dir);

struct fake_queue
{
  uint16_t max;
  bool enabled;
  unsigned resetting; /* so many more looks at it until its reset is over */
  struct virtio_queue_setup setup;
  uint16_t avail, used; /* split: indices, packed: offsets */
  bool avail_wrap, used_wrap;
  unsigned notified;
  uint32_t notify_data;
};

struct fake_seg
{
  uint8_t *mem;
  uint64_t dma;
  uint32_t len;
  bool writable;
};

struct fake_chain
{
  uint16_t id;
  uint16_t count; /* ring descriptors */
  unsigned n;
  struct fake_seg segs[FAKE_SEGS];
};

struct fake_device
{
  struct virtio_transport transport;
  struct fake_platform *platform;
  uint64_t offered, accepted;
  uint8_t status;
  _Alignas (8) uint8_t config[FAKE_CONFIG];
  uint32_t generation;
  uint32_t interrupts;
  struct fake_queue queues[FAKE_QUEUES];
  /* what happens when queue @index is notified */
  void (*process) (struct fake_device *device, uint16_t index);
  void *user;
  /* breaches */
  bool reset_stuck;     /* the status never reads 0 */
  bool refuse_features; /* FEATURES_OK does not stick */
  bool queue_reset_ignored; /* a queue whose reset is asked for goes on */
  unsigned queue_reset_looks; /* at a queue's reset until it is over */
  bool restless;        /* the generation changes at each look */
  bool gone;            /* everything reads as ones */
  /* registers: selectors */
  uint32_t device_sel, driver_sel, queue_sel;
  uint64_t driver_features;
  /* PCI */
  uint8_t pci[256];
  uint32_t notify_multiplier;
  uint16_t notify_off[FAKE_QUEUES];
};

void fake_device_init (struct fake_device *device, struct fake_platform *platform,
                       uint16_t device_id, uint64_t offered);
void fake_device_queue (struct fake_device *device, uint16_t index, uint16_t max);

/* ---- the device's side of a queue ---- */

bool fake_has (const struct fake_device *device, unsigned bit);
/* Takes the next buffer: false when there is none. */
bool fake_pop (struct fake_device *device, uint16_t index, struct fake_chain *chain);
/* Returns it with @len bytes written. */
void fake_push (struct fake_device *device, uint16_t index, const struct fake_chain *chain,
                uint32_t len);
/* As fake_push with anything for an id, stepping @skip buffers (split) or
 * descriptors (packed) on. */
void fake_push_raw (struct fake_device *device, uint16_t index, uint32_t id, uint32_t len,
                    uint16_t skip);
/* Asks for a notification of the next buffer; or for none. */
void fake_want (struct fake_device *device, uint16_t index, bool wanted);
/* Whether the driver wants to hear of the completions from @old to now. */
bool fake_interrupt_wanted (struct fake_device *device, uint16_t index, uint16_t old);

/* ---- registers ---- */

/* The device behind virtio-mmio registers at this address. */
#define FAKE_MMIO_BASE 0x10000000u
#define FAKE_MMIO_BYTES 0x200u
/* The device behind PCI: fills configuration space, BAR 4 at this address. */
#define FAKE_PCI_BASE 0xe0000000u
#define FAKE_PCI_BYTES 0x4000u

uint32_t fake_mmio_read (struct fake_device *device, uint32_t reg, unsigned width);
void fake_mmio_write (struct fake_device *device, uint32_t reg, unsigned width, uint32_t value);

struct virtio_pci_config;
void fake_pci_init (struct fake_device *device, struct virtio_pci_config *config);
/* Appends a virtio capability at @at pointing to @next. */
void fake_pci_cap (struct fake_device *device, uint8_t at, uint8_t next, uint8_t type, uint8_t bar,
                   uint32_t offset, uint32_t length);
uint32_t fake_pci_read (struct fake_device *device, uint32_t offset, unsigned width);
void fake_pci_write (struct fake_device *device, uint32_t offset, unsigned width, uint32_t value);

/* What registers and operations have in common. */
void fake_status (struct fake_device *device, uint8_t status);
uint8_t fake_get_status (struct fake_device *device);
void fake_notify (struct fake_device *device, uint16_t index, uint32_t data);
int fake_enable (struct fake_device *device, uint16_t index, const struct virtio_queue_setup *setup);
void fake_queue_reset (struct fake_device *device, uint16_t index);
/* A look at its register. */
bool fake_queue_resetting (struct fake_device *device, uint16_t index);

/* ---- device models for @process ---- */

#define FAKE_DISK_SECTORS 256u

struct fake_disk
{
  uint8_t data[FAKE_DISK_SECTORS * 512];
  unsigned flushes, discards;
  uint8_t force_status; /* answered instead of doing anything, 0: none */
};

void fake_blk_process (struct fake_device *device, uint16_t index);
void fake_blk_config (struct fake_device *device, struct fake_disk *disk);
/* Fills with 0, 1, 2... */
void fake_rng_process (struct fake_device *device, uint16_t index);

struct fake_wire
{
  unsigned sent;
  unsigned merge; /* spread a frame over so many buffers */
  uint8_t last[4096];
  uint32_t last_len;
  uint8_t mac[6];
  uint8_t ack; /* of control commands */
};

/* What is sent comes back. */
void fake_net_process (struct fake_device *device, uint16_t index);

struct fake_ports
{
  unsigned said[8]; /* control messages of the driver, by event */
  struct virtio_console_control last;
};

/* Two ports: 0, a console named "zero", and 1, named "one"; what is sent to a
 * port comes back. */
void fake_console_process (struct fake_device *device, uint16_t index);
/* A control message of the device. */
void fake_console_say (struct fake_device *device, uint32_t port, uint16_t event, uint16_t value,
                       const void *more, uint32_t bytes);

#define FAKE_GUEST_CID 3u
#define FAKE_ECHO 7u /* a port of the host that sends back what it gets */
#define FAKE_SINK 9u /* one that takes and never reads */
#define FAKE_PEERS 64u

struct fake_host
{
  unsigned said[8]; /* packets of the driver, by op */
  struct virtio_vsock_hdr last;
  uint32_t alloc;                 /* the credit it gives */
  uint32_t fwd[FAKE_PEERS];       /* by the guest's port, modulo */
  bool mute;                      /* answers nothing */
};

void fake_vsock_config (struct fake_device *device, struct fake_host *host);
void fake_vsock_process (struct fake_device *device, uint16_t index);
/* A packet to the guest, its length in @hdr; false when there is no buffer. */
bool fake_vsock_say (struct fake_device *device, const struct virtio_vsock_hdr *hdr, const void *data);
/* An event of @bytes bytes. */
void fake_vsock_event (struct fake_device *device, uint32_t id, uint32_t bytes);
