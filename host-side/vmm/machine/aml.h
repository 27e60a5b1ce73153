/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes AML, the byte code of ACPI's tables (ACPI 6.4, chapter 20): as much of
 * it as our DSDT needs. Names are always four characters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH_MAX 8

struct aml
{
  uint8_t *data;
  size_t len, size;
  bool overflow; /* it did not fit: nothing is valid */
  unsigned depth;
  size_t open[AML_DEPTH_MAX]; /* where the lengths of what is open are */
};

void aml_bytes (struct aml *aml, const void *bytes, size_t len);
void aml_byte (struct aml *aml, uint8_t byte);
void aml_u16 (struct aml *aml, uint16_t value);
void aml_u32 (struct aml *aml, uint32_t value);
void aml_u64 (struct aml *aml, uint64_t value);

/* Constants, as terms. */
void aml_integer (struct aml *aml, uint64_t value);
void aml_string (struct aml *aml, const char *text);
/* "PNP0501" as the 32 bits ACPI packs it into. */
void aml_eisa_id (struct aml *aml, const char *id);

/* Name (@name, ...): the value follows. */
void aml_name (struct aml *aml, const char *name);

/* What is closed with aml_end(). */
void aml_scope (struct aml *aml, const char *name);
void aml_device (struct aml *aml, const char *name);
void aml_method (struct aml *aml, const char *name, unsigned args);
void aml_package (struct aml *aml, unsigned elements);
void aml_if (struct aml *aml);
void aml_end (struct aml *aml);

/* Name (_CRS, ResourceTemplate () {@resources}). */
void aml_crs (struct aml *aml, const uint8_t *resources, size_t len);
/* Resource descriptors, appended at @out; their length (6.4.2, 6.4.3). */
size_t aml_res_ports (uint8_t *out, uint16_t base, uint8_t len);
size_t aml_res_memory (uint8_t *out, uint32_t base, uint32_t len);
/* What a bridge passes on: bus numbers, and addresses of memory. */
size_t aml_res_buses (uint8_t *out, uint16_t first, uint16_t n);
size_t aml_res_window32 (uint8_t *out, uint32_t base, uint32_t len);
size_t aml_res_window64 (uint8_t *out, uint64_t base, uint64_t len);
size_t aml_res_interrupt (uint8_t *out, uint32_t gsi);
