/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the cases on every device found, once for each kind of ring. */
#include "guest.h"

static const char *cmdline = "";

#define PACKED VIRTIO_BIT (VIRTIO_F_RING_PACKED)
#define INDIRECT VIRTIO_BIT (VIRTIO_F_INDIRECT_DESC)
#define EVENT VIRTIO_BIT (VIRTIO_F_EVENT_IDX)

static const struct variant variants[] = {
  { "packed+indirect+event", 0 },
  { "packed+indirect", EVENT },
  { "packed+event", INDIRECT },
  { "packed", INDIRECT | EVENT },
  { "split+indirect+event", PACKED },
  { "split+indirect", PACKED | EVENT },
  { "split+event", PACKED | INDIRECT },
  { "split", PACKED | INDIRECT | EVENT },
};

const char *
guest_option (const char *key)
{
  size_t length = 0;

  while (key[length])
    length++;
  for (const char *at = cmdline; *at;)
    {
      size_t i = 0;

      while (i < length && at[i] == key[i])
        i++;
      if (i == length)
        return at + length;
      while (*at && *at != ' ')
        at++;
      while (*at == ' ')
        at++;
    }
  return NULL;
}

static unsigned
digit (char c)
{
  if (c >= '0' && c <= '9')
    return (unsigned) (c - '0');
  return c >= 'a' && c <= 'f' ? (unsigned) (c - 'a' + 10) : 16;
}

uint64_t
guest_number (const char *text, const char **end)
{
  unsigned base = 10;
  uint64_t value = 0;

  if (text[0] == '0' && text[1] == 'x')
    {
      base = 16;
      text += 2;
    }
  for (; digit (*text) < base; text++)
    value = value * base + digit (*text);
  if (*text == 'K' || *text == 'k')
    {
      value <<= 10;
      text++;
    }
  *end = text;
  return value;
}

uint64_t
checksum (const void *data, size_t bytes)
{
  uint64_t sum = 0xcbf29ce484222325ull;

  for (size_t at = 0; at + 8 <= bytes; at += 8)
    {
      uint64_t word;

      __builtin_memcpy (&word, (const uint8_t *) data + at, 8);
      sum = (sum ^ word) * 0x100000001b3ull;
    }
  return sum;
}

void
fill_pattern (void *to, size_t bytes, uint64_t seed)
{
  uint64_t word = seed * 0x9e3779b97f4a7c15ull + 1;

  for (size_t at = 0; at + 8 <= bytes; at += 8, word += 0x0123456789abcdefull)
    __builtin_memcpy ((uint8_t *) to + at, &word, 8);
}

void
test_features (const struct virtio_device *dev)
{
  uint64_t rings = PACKED | INDIRECT | EVENT;

  check ((dev->features & rings) == (dev->offered & rings & ~dev->options.refuse),
         "negotiates what was offered and not refused");
}

/* "disk 0 pci packed": for the names of the tests. */
static const char *
name_of (const char *kind, const char *bus, const struct variant *variant)
{
  static char name[80];
  const char *parts[] = { kind, " ", bus, " ", variant->name };
  unsigned n = 0;

  for (unsigned i = 0; i < 5; i++)
    for (const char *at = parts[i]; *at && n + 1 < sizeof name; at++)
      name[n++] = *at;
  name[n] = 0;
  return name;
}

/* The next interface after @i, for the other end of its wire. */
static struct virtio_transport *
other_net (struct virtio_transport *const devices[], unsigned n, unsigned i)
{
  for (i++; i < n; i++)
    if (devices[i]->device_id == VIRTIO_ID_NET)
      return devices[i];
  return NULL;
}

static void
run_variant (struct virtio_transport *const devices[], unsigned n, const char *bus,
             const struct variant *variant)
{
  struct virtio_options options = { .refuse = variant->refuse, .timeout_ms = 20000 };
  bool net_done = false;

  for (unsigned i = 0; i < n; i++)
    {
      size_t mark = guest_memory_mark ();

      if (guest_option ("rude="))
        {
          check_prefix (name_of ("rude", bus, variant));
          if (bus[0] == 'p')
            test_rude ((struct virtio_pci *) devices[i], &options); /* its first member */
          continue;
        }
      switch (devices[i]->device_id)
        {
        case VIRTIO_ID_BLOCK:
          check_prefix (name_of ("blk", bus, variant));
          test_clauses (devices[i], bus, &options);
          if (!guest_option ("polite="))
            test_requests (devices[i], &options);
          test_blk (devices[i], &options);
          break;
        case VIRTIO_ID_RNG:
          check_prefix (name_of ("rng", bus, variant));
          test_clauses (devices[i], bus, &options);
          test_rng (devices[i], &options);
          break;
        case VIRTIO_ID_CONSOLE:
          check_prefix (name_of ("console", bus, variant));
          test_clauses (devices[i], bus, &options);
          test_console (devices[i], &options);
          break;
        case VIRTIO_ID_BALLOON:
          check_prefix (name_of ("balloon", bus, variant));
          test_clauses (devices[i], bus, &options);
          test_balloon (devices[i], &options);
          break;
        case VIRTIO_ID_VSOCK:
          check_prefix (name_of ("vsock", bus, variant));
          test_clauses (devices[i], bus, &options);
          test_vsock (devices[i], &options);
          break;
        case VIRTIO_ID_NET:
          check_prefix (name_of ("net", bus, variant));
          if (!net_done)
            test_clauses (devices[i], bus, &options);
          if (!net_done)
            test_net (devices[i], other_net (devices, n, i), &options);
          net_done = true;
          break;
        default:
          print ("# a device of type %u has no cases\n", devices[i]->device_id);
          break;
        }
      guest_memory_release (mark);
    }
}

/* Option variants=: a bit for each variant to run, all of them without it. */
static bool
wanted (unsigned variant)
{
  const char *mask = guest_option ("variants=");

  return !mask || guest_number (mask, &mask) >> variant & 1;
}

static void
run_bus (struct virtio_transport *const devices[], unsigned n, const char *bus)
{
  bool packed = false;

  print ("# %u devices on %s\n", n, bus);
  for (unsigned i = 0; i < n; i++)
    {
      uint64_t offered = devices[i]->ops->get_features (devices[i]);

      print ("# type %u offers %x %x\n", devices[i]->device_id, (unsigned) (offered >> 32),
             (unsigned) offered);
      packed |= (offered & PACKED) != 0;
    }
  for (unsigned i = 0; i < sizeof variants / sizeof *variants; i++)
    if (wanted (i) && (packed || (variants[i].refuse & PACKED)))
      run_variant (devices, n, bus, &variants[i]);
}

/* Option config=ecam: PCI's configuration space by memory. */
static uint64_t
config_space (const struct start_info *info)
{
  const char *way = guest_option ("config=");
  uint64_t ecam;

  if (!way || memcmp (way, "ecam", 4) != 0)
    return 0;
  ecam = guest_ecam (info);
  check_prefix ("machine");
  check (ecam != 0, "tells where PCI Express has its configuration space");
  return ecam;
}

void
guest_main (const struct start_info *info)
{
  static struct virtio_transport *pci[MAX_DEVICES], *mmio[MAX_DEVICES];

  print ("# pvtools test guest\n");
  if (info->magic == START_MAGIC && info->cmdline_paddr)
    cmdline = (const char *) (uintptr_t) info->cmdline_paddr;
  print ("# command line: %s\n", cmdline);
  run_bus (pci, find_pci (pci, MAX_DEVICES, config_space (info)), "pci");
  run_bus (mmio, find_mmio (mmio, MAX_DEVICES), "mmio");
  guest_exit (check_end ());
}
