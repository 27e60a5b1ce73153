/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory, registers and time of the test guest. Nothing here or in the library
 * needs SSE, so that it runs where KVM interprets the guest. */
#include "guest.h"

#define COM1 0x3f8
#define LSR_EMPTY 0x20

#define ARENA_BYTES (8u << 20)
#define PAGE 4096u
/* Slow enough that waits never end early; clocks are two to five times as fast. */
#define CYCLES_PER_US 1000u
#define MAPPED_END 0x100000000ull

static uint8_t arena[ARENA_BYTES] __attribute__ ((aligned (PAGE)));
static size_t arena_used;

void *
memcpy (void *restrict to, const void *restrict from, size_t n)
{
  uint8_t *t = to;
  const uint8_t *f = from;

  for (; n >= 8; n -= 8, t += 8, f += 8)
    {
      uint64_t word;

      __builtin_memcpy (&word, f, 8);
      __builtin_memcpy (t, &word, 8);
    }
  for (; n > 0; n--)
    *t++ = *f++;
  return to;
}

void *
memmove (void *to, const void *from, size_t n)
{
  uint8_t *t = to;
  const uint8_t *f = from;

  if (t <= f || t >= f + n)
    return memcpy (to, from, n);
  while (n-- > 0)
    t[n] = f[n];
  return to;
}

void *
memset (void *to, int byte, size_t n)
{
  uint8_t *t = to;
  uint64_t word = 0x0101010101010101ull * (uint8_t) byte;

  for (; n >= 8; n -= 8, t += 8)
    __builtin_memcpy (t, &word, 8);
  for (; n > 0; n--)
    *t++ = (uint8_t) byte;
  return to;
}

int
memcmp (const void *a, const void *b, size_t n)
{
  const uint8_t *x = a, *y = b;

  for (; n > 0; n--, x++, y++)
    if (*x != *y)
      return *x - *y;
  return 0;
}

size_t
guest_memory_mark (void)
{
  return arena_used;
}

void
guest_memory_release (size_t mark)
{
  arena_used = mark;
}

static void *
arena_alloc (size_t bytes, size_t align)
{
  size_t at = (arena_used + align - 1) & ~(align - 1);

  if (at > ARENA_BYTES || bytes > ARENA_BYTES - at)
    return NULL;
  arena_used = at + bytes;
  memset (arena + at, 0, bytes);
  return arena + at;
}

void *
guest_memory (size_t bytes)
{
  return arena_alloc (bytes, 16);
}

static void *
hal_alloc (void *ctx, size_t bytes, size_t align)
{
  (void) ctx;
  return arena_alloc (bytes, align);
}

/* Memory goes back all at once, by guest_memory_release. */
static void
hal_free (void *ctx, void *mem, size_t bytes)
{
  (void) ctx;
  (void) mem;
  (void) bytes;
}

static void *
hal_dma_alloc (void *ctx, size_t bytes, size_t align, uint64_t *dma)
{
  void *mem = arena_alloc (bytes, align);

  (void) ctx;
  *dma = (uintptr_t) mem;
  return mem;
}

static void
hal_dma_free (void *ctx, void *mem, size_t bytes, uint64_t dma)
{
  (void) dma;
  hal_free (ctx, mem, bytes);
}

static int
hal_share (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t *dma)
{
  (void) ctx;
  (void) bytes;
  (void) dir;
  *dma = (uintptr_t) mem; /* memory is mapped one to one */
  return 0;
}

static void
hal_unshare (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t dma)
{
  (void) ctx;
  (void) mem;
  (void) bytes;
  (void) dir;
  (void) dma;
  __asm__ volatile ("" : : : "memory");
}

static int
hal_map (void *ctx, uint64_t address, uint64_t bytes, uint64_t *base)
{
  (void) ctx;
  if (address >= MAPPED_END || bytes > MAPPED_END - address)
    return -VIRTIO_ENOMEM;
  *base = address;
  return 0;
}

static uint32_t
hal_read (void *ctx, uint64_t at, unsigned width)
{
  (void) ctx;
  switch (width)
    {
    case 1:
      return *(volatile uint8_t *) at;
    case 2:
      return *(volatile uint16_t *) at;
    default:
      return *(volatile uint32_t *) at;
    }
}

static void
hal_write (void *ctx, uint64_t at, unsigned width, uint32_t value)
{
  (void) ctx;
  switch (width)
    {
    case 1:
      *(volatile uint8_t *) at = (uint8_t) value;
      break;
    case 2:
      *(volatile uint16_t *) at = (uint16_t) value;
      break;
    default:
      *(volatile uint32_t *) at = value;
      break;
    }
}

static uint64_t
hal_now_us (void *ctx)
{
  (void) ctx;
  return cycles () / CYCLES_PER_US;
}

static void
hal_relax (void *ctx)
{
  (void) ctx;
  __asm__ volatile ("pause");
}

static const struct virtio_hal_ops hal_ops = {
  .alloc = hal_alloc,
  .free = hal_free,
  .dma_alloc = hal_dma_alloc,
  .dma_free = hal_dma_free,
  .share = hal_share,
  .unshare = hal_unshare,
  .map = hal_map,
  .read = hal_read,
  .write = hal_write,
  .now_us = hal_now_us,
  .relax = hal_relax,
};

struct virtio_hal guest_hal = { .ops = &hal_ops };

static inline void
out8 (uint16_t port, uint8_t value)
{
  __asm__ volatile ("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void
out16 (uint16_t port, uint16_t value)
{
  __asm__ volatile ("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void
out32 (uint16_t port, uint32_t value)
{
  __asm__ volatile ("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t
in8 (uint16_t port)
{
  uint8_t value;

  __asm__ volatile ("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint16_t
in16 (uint16_t port)
{
  uint16_t value;

  __asm__ volatile ("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint32_t
in32 (uint16_t port)
{
  uint32_t value;

  __asm__ volatile ("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

uint32_t
guest_in (uint16_t port, unsigned width)
{
  return width == 1 ? in8 (port) : width == 2 ? in16 (port) : in32 (port);
}

void
guest_out (uint16_t port, unsigned width, uint32_t value)
{
  if (width == 1)
    out8 (port, (uint8_t) value);
  else if (width == 2)
    out16 (port, (uint16_t) value);
  else
    out32 (port, value);
}

void
guest_pci_assign (const struct virtio_pci_config *config)
{
  (void) config; /* the firmware did */
}

void
guest_put (char c)
{
  for (unsigned i = 0; i < 100000 && !(in8 (COM1 + 5) & LSR_EMPTY); i++)
    ;
  out8 (COM1, (uint8_t) c);
}

/* QEMU's isa-debug-exit ends with status << 1 | 1; where there is none, ACPI's
 * sleep registers: the PIIX and ICH9 one, then a hardware-reduced one at 0x600. */
void
guest_exit (int status)
{
  out8 (0xf4, (uint8_t) status);
  out16 (0x604, 0x2000);
  out8 (0x600, 5 << 2 | 1 << 5);
  for (;;)
    __asm__ volatile ("cli; hlt");
}
