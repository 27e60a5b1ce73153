/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cases of the test guest without a guest: in a host process, on the devices
 * of a QEMU whose processor is halted. Registers are reached by its
 * text protocol (qemu/docs/devel/qtest), memory by mapping the file that is its
 * RAM; what drivers share is bounced through that.
 *
 *   testguest-qtest SOCKET RAM-FILE [COMMAND LINE]
 */
#include "guest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define RAM_BYTES (64u << 20)
#define DMA_AT (2u << 20) /* what lies below is the PC's */
#define PAGES ((RAM_BYTES - DMA_AT) / PAGE)
#define WINDOW 0xe0000000u /* for BARs: between RAM and the interrupt controllers */

static uint8_t *ram;
static uint8_t used_pages[PAGES];
static FILE *to_qemu, *from_qemu;
static uint32_t next_bar = WINDOW;

static void
die (const char *what)
{
  perror (what);
  exit (2);
}

/* ---- the protocol: a line each way ---- */

static uint64_t
answer (void)
{
  char line[128];

  fflush (to_qemu);
  do
    if (!fgets (line, sizeof line, from_qemu))
      die ("QEMU");
  while (strncmp (line, "IRQ", 3) == 0);
  if (strncmp (line, "OK", 2) != 0)
    die (line);
  return line[2] == ' ' ? strtoull (line + 3, NULL, 0) : 0;
}

static char
suffix (unsigned width)
{
  return width == 1 ? 'b' : width == 2 ? 'w' : 'l';
}

uint32_t
guest_in (uint16_t port, unsigned width)
{
  fprintf (to_qemu, "in%c 0x%x\n", suffix (width), port);
  return (uint32_t) answer ();
}

void
guest_out (uint16_t port, unsigned width, uint32_t value)
{
  fprintf (to_qemu, "out%c 0x%x 0x%x\n", suffix (width), port, value);
  answer ();
}

static uint32_t
hal_read (void *ctx, uint64_t at, unsigned width)
{
  fprintf (to_qemu, "read%c 0x%llx\n", suffix (width), (unsigned long long) at);
  return (uint32_t) answer ();
}

static void
hal_write (void *ctx, uint64_t at, unsigned width, uint32_t value)
{
  fprintf (to_qemu, "write%c 0x%llx 0x%x\n", suffix (width), (unsigned long long) at, value);
  answer ();
}

/* ---- memory ---- */

/* First fit, in pages: that pages are of one user alone finds overruns as garbage. */
static void *
take_pages (size_t bytes)
{
  size_t wanted = (bytes + PAGE - 1) / PAGE, run = 0;

  for (size_t i = 0; i < PAGES; i++)
    {
      run = used_pages[i] ? 0 : run + 1;
      if (run == wanted)
        {
          size_t first = i + 1 - wanted;

          memset (used_pages + first, 1, wanted);
          return memset (ram + DMA_AT + first * PAGE, 0, wanted * PAGE);
        }
    }
  return NULL;
}

static void
return_pages (uint64_t dma, size_t bytes)
{
  memset (used_pages + (dma - DMA_AT) / PAGE, 0, (bytes + PAGE - 1) / PAGE);
}

static void *
hal_alloc (void *ctx, size_t bytes, size_t align)
{
  return calloc (1, bytes);
}

static void
hal_free (void *ctx, void *mem, size_t bytes)
{
  free (mem);
}

static void *
hal_dma_alloc (void *ctx, size_t bytes, size_t align, uint64_t *dma)
{
  uint8_t *mem = take_pages (bytes);

  if (mem)
    *dma = (uint64_t) (mem - ram);
  return mem;
}

static void
hal_dma_free (void *ctx, void *mem, size_t bytes, uint64_t dma)
{
  return_pages (dma, bytes);
}

static int
hal_share (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t *dma)
{
  uint8_t *bounce = take_pages (bytes);

  if (!bounce)
    return -VIRTIO_ENOMEM;
  if (dir == VIRTIO_TO_DEVICE)
    memcpy (bounce, mem, bytes);
  *dma = (uint64_t) (bounce - ram);
  return 0;
}

static void
hal_unshare (void *ctx, void *mem, size_t bytes, enum virtio_dir dir, uint64_t dma)
{
  if (dir == VIRTIO_FROM_DEVICE)
    memcpy (mem, ram + dma, bytes);
  return_pages (dma, bytes);
}

static int
hal_map (void *ctx, uint64_t address, uint64_t bytes, uint64_t *base)
{
  *base = address;
  return 0;
}

static uint64_t
hal_now_us (void *ctx)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* The memory of the cases themselves is the heap's. */
static void *blocks[256];
static size_t n_blocks;

void *
guest_memory (size_t bytes)
{
  if (n_blocks == sizeof blocks / sizeof *blocks)
    return NULL;
  return blocks[n_blocks++] = calloc (1, bytes);
}

size_t
guest_memory_mark (void)
{
  return n_blocks;
}

void
guest_memory_release (size_t mark)
{
  while (n_blocks > mark)
    free (blocks[--n_blocks]);
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
};

struct virtio_hal guest_hal = { .ops = &hal_ops };

/* Nobody has started this machine: it has no tables. */
uint64_t
guest_ecam (const struct start_info *info)
{
  return 0;
}

/* There was no firmware: sizes each memory BAR and gives it an address. */
void
guest_pci_assign (const struct virtio_pci_config *config)
{
  if ((config->read (config->ctx, 0x0e, 1) & 0x7f) != 0)
    return;
  for (uint32_t at = 0x10; at < 0x28; at += 4)
    {
      uint32_t bar, size;

      config->write (config->ctx, at, 4, 0xffffffffu);
      bar = config->read (config->ctx, at, 4);
      if (bar == 0 || (bar & 1))
        {
          config->write (config->ctx, at, 4, 0);
          continue;
        }
      size = ~(bar & ~0xfu) + 1;
      next_bar = (next_bar + size - 1) & ~(size - 1);
      config->write (config->ctx, at, 4, next_bar);
      next_bar += size;
      if ((bar & 6) == 4)
        config->write (config->ctx, at += 4, 4, 0);
    }
}

void
guest_put (char c)
{
  putchar (c);
}

void
guest_exit (int status)
{
  exit (status);
}

static void
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strncpy (address.sun_path, path, sizeof address.sun_path - 1);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    die (path);
  to_qemu = fdopen (fd, "w");
  from_qemu = fdopen (dup (fd), "r");
}

int
main (int argc, char **argv)
{
  struct start_info info = { .magic = START_MAGIC };
  int fd;

  if (argc < 3)
    return 2;
  connect_to (argv[1]);
  fd = open (argv[2], O_RDWR);
  ram = fd < 0 ? MAP_FAILED : mmap (NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (ram == MAP_FAILED)
    die (argv[2]);
  info.cmdline_paddr = argc > 3 ? (uintptr_t) argv[3] : 0;
  guest_main (&info);
}
