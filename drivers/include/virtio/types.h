/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all the wire headers need. They hold the layouts of the VIRTIO
 * specification and nothing else, for drivers and for devices alike; section
 * numbers are those of VIRTIO 1.2 and 1.3. Everything on the wire is little
 * endian (1.4): the types only say so, the functions convert.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef uint16_t virtio_le16;
typedef uint32_t virtio_le32;
typedef uint64_t virtio_le64;

#define VIRTIO_BIT(n) (1ull << (n))

/* A layout that drifts from the specification does not compile. */
#define VIRTIO_SIZE(type, bytes) _Static_assert (sizeof (type) == (bytes), #type " has another size")
#define VIRTIO_OFFSET(type, field, at) \
  _Static_assert (offsetof (type, field) == (at), #type "." #field " lies elsewhere")

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static inline uint16_t virtio_swap16 (uint16_t v) { return v; }
static inline uint32_t virtio_swap32 (uint32_t v) { return v; }
static inline uint64_t virtio_swap64 (uint64_t v) { return v; }
#else
static inline uint16_t virtio_swap16 (uint16_t v) { return __builtin_bswap16 (v); }
static inline uint32_t virtio_swap32 (uint32_t v) { return __builtin_bswap32 (v); }
static inline uint64_t virtio_swap64 (uint64_t v) { return __builtin_bswap64 (v); }
#endif

static inline virtio_le16 virtio_to_le16 (uint16_t v) { return virtio_swap16 (v); }
static inline virtio_le32 virtio_to_le32 (uint32_t v) { return virtio_swap32 (v); }
static inline virtio_le64 virtio_to_le64 (uint64_t v) { return virtio_swap64 (v); }
static inline uint16_t virtio_from_le16 (virtio_le16 v) { return virtio_swap16 (v); }
static inline uint32_t virtio_from_le32 (virtio_le32 v) { return virtio_swap32 (v); }
static inline uint64_t virtio_from_le64 (virtio_le64 v) { return virtio_swap64 (v); }
