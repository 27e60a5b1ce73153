/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "aml.h"

#include <string.h>

#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_WORD 0x0b
#define OP_DWORD 0x0c
#define OP_STRING 0x0d
#define OP_QWORD 0x0e
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_METHOD 0x14
#define OP_EXTENDED 0x5b
#define OP_DEVICE 0x82
#define OP_IF 0xa0

void
aml_bytes (struct aml *aml, const void *bytes, size_t len)
{
  if (aml->overflow || len > aml->size - aml->len)
    {
      aml->overflow = true;
      return;
    }
  memcpy (aml->data + aml->len, bytes, len);
  aml->len += len;
}

void
aml_byte (struct aml *aml, uint8_t byte)
{
  aml_bytes (aml, &byte, 1);
}

void
aml_u16 (struct aml *aml, uint16_t value)
{
  aml_bytes (aml, &value, sizeof value);
}

void
aml_u32 (struct aml *aml, uint32_t value)
{
  aml_bytes (aml, &value, sizeof value);
}

void
aml_u64 (struct aml *aml, uint64_t value)
{
  aml_bytes (aml, &value, sizeof value);
}

void
aml_integer (struct aml *aml, uint64_t value)
{
  if (value <= 1) /* ZeroOp, OneOp */
    aml_byte (aml, (uint8_t) value);
  else if (value <= UINT8_MAX)
    {
      aml_byte (aml, OP_BYTE);
      aml_byte (aml, (uint8_t) value);
    }
  else if (value <= UINT16_MAX)
    {
      aml_byte (aml, OP_WORD);
      aml_u16 (aml, (uint16_t) value);
    }
  else if (value <= UINT32_MAX)
    {
      aml_byte (aml, OP_DWORD);
      aml_u32 (aml, (uint32_t) value);
    }
  else
    {
      aml_byte (aml, OP_QWORD);
      aml_u64 (aml, value);
    }
}

void
aml_string (struct aml *aml, const char *text)
{
  aml_byte (aml, OP_STRING);
  aml_bytes (aml, text, strlen (text) + 1);
}

static unsigned
hex (char c)
{
  return (unsigned) (c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits and four hex digits, big endian (19.6.36). */
void
aml_eisa_id (struct aml *aml, const char *id)
{
  uint32_t value = (uint32_t) (id[0] - 0x40) << 26 | (uint32_t) (id[1] - 0x40) << 21
                   | (uint32_t) (id[2] - 0x40) << 16 | hex (id[3]) << 12 | hex (id[4]) << 8
                   | hex (id[5]) << 4 | hex (id[6]);

  aml_byte (aml, OP_DWORD);
  aml_u32 (aml, __builtin_bswap32 (value));
}

void
aml_name (struct aml *aml, const char *name)
{
  aml_byte (aml, OP_NAME);
  aml_bytes (aml, name, 4);
}

/* A length of always three bytes (20.2.4): 20 bits, filled in at the end. */
static void
begin (struct aml *aml)
{
  static const uint8_t blank[3];

  if (aml->depth == AML_DEPTH_MAX)
    {
      aml->overflow = true;
      return;
    }
  aml->open[aml->depth++] = aml->len;
  aml_bytes (aml, blank, sizeof blank);
}

void
aml_end (struct aml *aml)
{
  size_t at, len;

  if (aml->overflow || aml->depth == 0)
    {
      aml->overflow = true;
      return;
    }
  at = aml->open[--aml->depth];
  len = aml->len - at;
  aml->data[at] = 0x80 | (len & 0xf);
  aml->data[at + 1] = (uint8_t) (len >> 4);
  aml->data[at + 2] = (uint8_t) (len >> 12);
}

void
aml_scope (struct aml *aml, const char *name)
{
  aml_byte (aml, OP_SCOPE);
  begin (aml);
  aml_bytes (aml, name, 4);
}

void
aml_device (struct aml *aml, const char *name)
{
  aml_byte (aml, OP_EXTENDED);
  aml_byte (aml, OP_DEVICE);
  begin (aml);
  aml_bytes (aml, name, 4);
}

void
aml_method (struct aml *aml, const char *name, unsigned args)
{
  aml_byte (aml, OP_METHOD);
  begin (aml);
  aml_bytes (aml, name, 4);
  aml_byte (aml, (uint8_t) (args | 0x8)); /* serialized */
}

void
aml_package (struct aml *aml, unsigned elements)
{
  aml_byte (aml, OP_PACKAGE);
  begin (aml);
  aml_byte (aml, (uint8_t) elements);
}

void
aml_if (struct aml *aml)
{
  aml_byte (aml, OP_IF);
  begin (aml);
}

void
aml_crs (struct aml *aml, const uint8_t *resources, size_t len)
{
  static const uint8_t end_tag[2] = { 0x79, 0 };

  aml_name (aml, "_CRS");
  aml_byte (aml, OP_BUFFER);
  begin (aml);
  aml_byte (aml, OP_WORD);
  aml_u16 (aml, (uint16_t) (len + sizeof end_tag));
  aml_bytes (aml, resources, len);
  aml_bytes (aml, end_tag, sizeof end_tag);
  aml_end (aml);
}

size_t
aml_res_ports (uint8_t *out, uint16_t base, uint8_t len)
{
  const uint8_t bytes[] = { 0x47, 1, (uint8_t) base, (uint8_t) (base >> 8), (uint8_t) base,
                            (uint8_t) (base >> 8), 1, len };

  memcpy (out, bytes, sizeof bytes);
  return sizeof bytes;
}

size_t
aml_res_memory (uint8_t *out, uint32_t base, uint32_t len)
{
  const uint8_t head[] = { 0x86, 9, 0, 1 }; /* fixed, read and write */

  memcpy (out, head, sizeof head);
  memcpy (out + 4, &base, 4);
  memcpy (out + 8, &len, 4);
  return 12;
}

#define SPACE_MEMORY 0
#define SPACE_BUSES 2

/* Address space descriptors (6.4.3.5): granularity, first, last, translation and
 * length, @width bytes each. */
static size_t
address_space (uint8_t *out, uint8_t tag, uint8_t space, uint64_t first, uint64_t len, unsigned width)
{
  const uint64_t values[] = { 0, first, first + len - 1, 0, len };
  /* A producer whose ends are fixed; memory is not cacheable and may be written. */
  const uint8_t head[] = { tag, (uint8_t) (3 + 5 * width), 0, space, 0xc, space == SPACE_MEMORY };

  memcpy (out, head, sizeof head);
  out += sizeof head;
  for (unsigned i = 0; i < 5; i++, out += width)
    memcpy (out, &values[i], width); /* little endian, as this machine is */
  return sizeof head + 5 * width;
}

size_t
aml_res_buses (uint8_t *out, uint16_t first, uint16_t n)
{
  return address_space (out, 0x88, SPACE_BUSES, first, n, 2);
}

size_t
aml_res_window32 (uint8_t *out, uint32_t base, uint32_t len)
{
  return address_space (out, 0x87, SPACE_MEMORY, base, len, 4);
}

size_t
aml_res_window64 (uint8_t *out, uint64_t base, uint64_t len)
{
  return address_space (out, 0x8a, SPACE_MEMORY, base, len, 8);
}

size_t
aml_res_interrupt (uint8_t *out, uint32_t gsi)
{
  const uint8_t head[] = { 0x89, 6, 0, 0x3, 1 }; /* consumer, edge, active high, exclusive */

  memcpy (out, head, sizeof head);
  memcpy (out + 5, &gsi, 4);
  return 9;
}
