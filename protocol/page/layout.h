/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shared page: figures of a guest in memory that its host sees, too. See
 * README.md. All numbers are little endian, all offsets count from the page's
 * beginning.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Who gives a guest the page writes this to its beginning: the agent writes to no
 * memory without it. NULs follow up to the field's end. */
#define PVT_PAGE_MAGIC "pvtools-page"

/* Another one is another layout. Fields that are added at the end of the header or
 * of a metric are told by their sizes. */
#define PVT_PAGE_VERSION 1u

/* The device under QEMU: ivshmem-plain, docs/specs/ivshmem-spec.rst; BAR 2 is the memory. */
#define PVT_PAGE_PCI_VENDOR 0x1af4u
#define PVT_PAGE_PCI_DEVICE 0x1110u
#define PVT_PAGE_PCI_BAR 2u

/* The memory may be larger; no more of it is used, or looked at. */
#define PVT_PAGE_BYTES_MIN 4096u
#define PVT_PAGE_BYTES_MAX (256u * 1024)
#define PVT_PAGE_METRICS_MAX 8192u
#define PVT_PAGE_NAME_MAX 255u
#define PVT_PAGE_TEXT_MAX 255u

enum
{
  PVT_PAGE_IS_FROZEN = 1u << 0,  /* the agent has frozen filesystems */
  PVT_PAGE_HAS_ENDED = 1u << 1,  /* the agent ended, and said so */
};

typedef struct
{
  char magic[16];
  uint32_t version;
  uint32_t header_size;
  uint32_t sequence;    /* odd while the rest is being written */
  uint32_t flags;
  uint32_t used;        /* bytes that count, these among them */
  uint32_t n_metrics;
  uint32_t metrics;     /* offset of the first */
  uint32_t metric_size; /* bytes from one to the next */
  uint64_t updates;     /* by this agent, from 1 */
  uint64_t monotonic_ns; /* the guest's clocks when the figures were read */
  uint64_t realtime_ns;
  uint64_t omitted;     /* metrics for which there was no room */
  uint32_t period_ms;   /* the next update is due then */
  uint32_t reserved;
  char boot_id[40];
  char agent[32];       /* its version */
} PvtPageHeader;

typedef struct
{
  uint32_t name; /* offset; no NUL behind it */
  uint16_t name_length;
  uint8_t type, unit;
  uint32_t value; /* offset of eight bytes, a multiple of eight */
  uint32_t reserved;
} PvtPageMetricWire;

/* What the eight bytes are. */
enum
{
  PVT_PAGE_WIRE_U64 = 1,
  PVT_PAGE_WIRE_I64 = 2,
  PVT_PAGE_WIRE_F64 = 3,
  PVT_PAGE_WIRE_TEXT = 4, /* 32 bits each: its offset, its length; no NUL behind it */
};

enum
{
  PVT_PAGE_WIRE_COUNT = 0, /* a number of something */
  PVT_PAGE_WIRE_BYTES = 1,
  PVT_PAGE_WIRE_MILLISECONDS = 2,
  PVT_PAGE_WIRE_MICROSECONDS = 3,
  PVT_PAGE_WIRE_NANOSECONDS = 4,
  PVT_PAGE_WIRE_SHARE = 5, /* 0 to 1 */
  PVT_PAGE_WIRE_FLAG = 6,  /* 0 or 1 */
};

static_assert (offsetof (PvtPageHeader, sequence) == 24, "sequence");
static_assert (offsetof (PvtPageHeader, updates) == 48, "updates");
static_assert (offsetof (PvtPageHeader, period_ms) == 80, "period");
static_assert (offsetof (PvtPageHeader, boot_id) == 88, "boot");
static_assert (sizeof (PvtPageHeader) == 160, "header");
static_assert (sizeof (PvtPageMetricWire) == 16, "metric");
