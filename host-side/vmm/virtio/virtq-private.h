/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two ring formats share. */
#pragma once

#include "virtq.h"

#define READ_ONCE(place) (*(const volatile typeof (place) *) &(place))
#define WRITE_ONCE(place, value) (*(volatile typeof (place) *) &(place) = (value))

/* A descriptor as read once, whichever format it has. */
struct virtq_piece
{
  uint64_t addr;
  uint32_t len;
  uint16_t flags;
};

/* Marks the ring broken and returns -EPROTO. */
int virtq_break (struct virtq *ring, const char *why);

/* Appends a descriptor's bytes to a chain; checks order, memory and total. */
int virtq_add_piece (struct virtq *ring, struct virtq_chain *chain, const struct virtq_piece *piece);

/* Whether @event lies in (old, new], all counting modulo 2^16 (2.7.10). */
static inline bool
virtq_crossed (uint16_t event, uint16_t new_index, uint16_t old_index)
{
  return (uint16_t) (new_index - event - 1) < (uint16_t) (new_index - old_index);
}

int virtq_split_start (struct virtq *ring, const struct virtq_config *config);
int virtq_split_pop (struct virtq *ring, struct virtq_chain *chain);
void virtq_split_push (struct virtq *ring, const struct virtq_chain *chain, uint32_t written);
void virtq_split_push_many (struct virtq *ring, const struct virtq_used *used, unsigned n);
bool virtq_split_must_notify (struct virtq *ring);
void virtq_split_disarm (struct virtq *ring);
bool virtq_split_arm (struct virtq *ring);
bool virtq_split_has_more (const struct virtq *ring);

int virtq_packed_start (struct virtq *ring, const struct virtq_config *config);
int virtq_packed_pop (struct virtq *ring, struct virtq_chain *chain);
void virtq_packed_push (struct virtq *ring, const struct virtq_chain *chain, uint32_t written);
void virtq_packed_push_many (struct virtq *ring, const struct virtq_used *used, unsigned n);
bool virtq_packed_must_notify (struct virtq *ring);
void virtq_packed_disarm (struct virtq *ring);
bool virtq_packed_arm (struct virtq *ring);
bool virtq_packed_has_more (const struct virtq *ring);
