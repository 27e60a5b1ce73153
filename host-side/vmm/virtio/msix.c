/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "msix.h"

#include <linux/pci_regs.h>
#include <string.h>

void
msix_init (struct msix *msix, unsigned n, const struct msix_ops *ops, void *data)
{
  memset (msix, 0, sizeof *msix);
  msix->n = n;
  msix->ops = ops;
  msix->data = data;
  msix_reset (msix);
}

/* Whoever raises looks at live, sets pending and looks at live again; here live is
 * set before pending is looked at: one of the two fires, and never both. */
static void
refresh (struct msix *msix, unsigned i, bool rerouted)
{
  struct msix_vector *vector = &msix->vectors[i];
  bool live = atomic_load (&msix->enabled) && !msix->masked && !vector->masked;

  if (live && (rerouted || !atomic_load (&vector->live)))
    msix->ops->route (msix->data, i, vector->address, vector->value);
  atomic_store (&vector->live, live);
  if (live && atomic_exchange (&vector->pending, false))
    msix->ops->fire (msix->data, i);
}

void
msix_raise (struct msix *msix, unsigned i)
{
  struct msix_vector *vector;

  if (i >= msix->n || !atomic_load (&msix->enabled)) /* a queue may have none */
    return;
  vector = &msix->vectors[i];
  if (atomic_load (&vector->live))
    {
      msix->ops->fire (msix->data, i);
      return;
    }
  atomic_store (&vector->pending, true);
  if (atomic_load (&vector->live) && atomic_exchange (&vector->pending, false))
    msix->ops->fire (msix->data, i);
}

void
msix_reset (struct msix *msix)
{
  atomic_store (&msix->enabled, false);
  msix->masked = false;
  for (unsigned i = 0; i < msix->n; i++)
    {
      struct msix_vector *vector = &msix->vectors[i];

      vector->address = vector->value = 0;
      vector->masked = true;
      atomic_store (&vector->live, false);
      atomic_store (&vector->pending, false);
    }
}

void
msix_control (struct msix *msix, bool enabled, bool masked)
{
  atomic_store (&msix->enabled, enabled);
  msix->masked = masked;
  for (unsigned i = 0; i < msix->n; i++)
    {
      if (!enabled)
        atomic_store (&msix->vectors[i].pending, false);
      refresh (msix, i, false);
    }
}

static uint32_t
read_word (const struct msix_vector *vector, unsigned at)
{
  switch (at)
    {
    case PCI_MSIX_ENTRY_LOWER_ADDR:
      return (uint32_t) vector->address;
    case PCI_MSIX_ENTRY_UPPER_ADDR:
      return (uint32_t) (vector->address >> 32);
    case PCI_MSIX_ENTRY_DATA:
      return vector->value;
    default:
      return vector->masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
    }
}

static void
write_word (struct msix *msix, unsigned i, unsigned at, uint32_t value)
{
  struct msix_vector *vector = &msix->vectors[i];

  switch (at)
    {
    case PCI_MSIX_ENTRY_LOWER_ADDR: /* of double words only */
      vector->address = (vector->address & ~UINT64_C (0xffffffff)) | (value & ~3u);
      break;
    case PCI_MSIX_ENTRY_UPPER_ADDR:
      vector->address = (vector->address & 0xffffffff) | (uint64_t) value << 32;
      break;
    case PCI_MSIX_ENTRY_DATA:
      vector->value = value;
      break;
    default:
      vector->masked = value & PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
  refresh (msix, i, at != PCI_MSIX_ENTRY_VECTOR_CTRL);
}

void
msix_table (struct msix *msix, uint64_t offset, void *bytes, unsigned len, bool write)
{
  uint8_t *data = bytes;

  if ((len != 4 && len != 8) || offset % len || offset + len > (uint64_t) msix->n * MSIX_ENTRY_BYTES)
    return;
  for (; len > 0; len -= 4, offset += 4, data += 4)
    {
      unsigned i = (unsigned) (offset / MSIX_ENTRY_BYTES), at = offset % MSIX_ENTRY_BYTES;
      uint32_t value = read_word (&msix->vectors[i], at);

      if (!write)
        memcpy (data, &value, 4);
      else
        {
          memcpy (&value, data, 4);
          write_word (msix, i, at, value);
        }
    }
}

void
msix_pending (struct msix *msix, uint64_t offset, void *bytes, unsigned len)
{
  if ((len != 4 && len != 8) || offset % len)
    return;
  memset (bytes, 0, len);
  for (unsigned bit = 0; bit < 8 * len; bit++)
    {
      uint64_t i = offset * 8 + bit;

      if (i < msix->n && atomic_load (&msix->vectors[i].pending))
        ((uint8_t *) bytes)[bit / 8] |= (uint8_t) (1u << bit % 8);
    }
}
