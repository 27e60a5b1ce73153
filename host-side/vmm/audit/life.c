/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a device (3.1) as its driver leads it by registers, whatever their
 * layout. */
#include "private.h"

#include <virtio/balloon.h>
#include <virtio/device.h>

static bool
is_balloon (const struct audit *audit)
{
  return audit->hook.dev->id == VIRTIO_ID_BALLOON;
}

void
audit_life_write_status (struct audit *audit, uint32_t value)
{
  struct audit_life *life = &audit->life;
  uint32_t gained = value & ~life->status;

  if (value == 0)
    {
      *life = (struct audit_life) { .seen = true, .reset = true };
      return;
    }
  AUDIT (audit, C6, -1, -1, (value & life->status) == life->status, "%#x is written over %#x",
         value, life->status);
  AUDIT (audit, C6, -1, -1, !(life->status & VIRTIO_STATUS_FAILED), "%#x after FAILED", value);
  if (gained & VIRTIO_STATUS_ACKNOWLEDGE)
    AUDIT (audit, C1, -1, -1, life->reset, "ACKNOWLEDGE without a reset");
  /* Who goes on without having read 0 has not waited for the reset. */
  if (gained & VIRTIO_STATUS_ACKNOWLEDGE && life->reset)
    AUDIT (audit, C14, -1, -1, life->reset_read, "it is not read before ACKNOWLEDGE");
  if (gained & VIRTIO_STATUS_DRIVER)
    AUDIT (audit, C1, -1, -1, value & VIRTIO_STATUS_ACKNOWLEDGE, "DRIVER without ACKNOWLEDGE");
  if (gained & VIRTIO_STATUS_FEATURES_OK)
    AUDIT (audit, C1, -1, -1, life->status & VIRTIO_STATUS_DRIVER, "FEATURES_OK without DRIVER");
  if (gained & VIRTIO_STATUS_DRIVER_OK)
    AUDIT (audit, C1, -1, -1, life->ok_read, "DRIVER_OK before FEATURES_OK was read back");
  if (gained & VIRTIO_STATUS_DRIVER_OK && is_balloon (audit)
      && audit_has (audit, VIRTIO_BALLOON_F_PAGE_POISON))
    AUDIT (audit, BL5, -1, -1, life->poison, "it was not written");
  AUDIT (audit, C20, -1, -1, !(value & VIRTIO_STATUS_SUSPEND) || audit_has (audit, VIRTIO_F_SUSPEND),
         "%#x is written", value);
  life->status = value;
}

void
audit_life_read_status (struct audit *audit, uint32_t value)
{
  struct audit_life *life = &audit->life;

  life->reset_read |= value == 0;
  life->ok_read |= (value & VIRTIO_STATUS_FEATURES_OK) != 0;
}

void
audit_life_accept (struct audit *audit, uint32_t value)
{
  AUDIT (audit, C3, -1, -1, !(audit->life.status & VIRTIO_STATUS_FEATURES_OK), "%#x", value);
}

/* 2.6.1.1 */
void
audit_life_reset_queue (struct audit *audit, uint32_t q, uint32_t value)
{
  struct audit_life *life = &audit->life;

  AUDIT (audit, C18, (int) q, -1, audit_has (audit, VIRTIO_F_RING_RESET) && value == 1,
         "%u is written to its reset%s", value,
         audit_has (audit, VIRTIO_F_RING_RESET) ? "" : ", which was not negotiated");
  life->renewed[q] = life->unseen[q] = true;
  life->told[q] = 0;
}

void
audit_life_read_reset (struct audit *audit, uint32_t q, uint32_t value)
{
  audit->life.unseen[q] &= value != 0;
}

/* Until the reset is over what it was told is the device's. Once is enough to say so. */
static void
check_seen (struct audit *audit, uint32_t q)
{
  if (audit->life.renewed[q])
    AUDIT (audit, C18, (int) q, -1, !audit->life.unseen[q],
           "the queue is set up before its reset was read to be over");
  audit->life.unseen[q] = false;
}

void
audit_life_tell_area (struct audit *audit, uint32_t q, unsigned area)
{
  check_seen (audit, q);
  audit->life.told[q] |= (uint8_t) (1u << area);
}

/* 2.6.1.2: as in the beginning. */
static void
check_renewed (struct audit *audit, uint32_t q)
{
  struct audit_life *life = &audit->life;

  check_seen (audit, q);
  if (life->renewed[q])
    AUDIT (audit, C18, (int) q, -1, life->told[q] == (1u << AUDIT_AREAS) - 1,
           "the queue goes on after its reset with not all areas told (%#x)", life->told[q]);
  life->renewed[q] = false;
}

void
audit_life_queue (struct audit *audit, uint32_t q)
{
  check_renewed (audit, q);
  AUDIT (audit, C1, (int) q, -1, audit->life.ok_read, "a queue before FEATURES_OK was read back");
}

void
audit_life_notify (struct audit *audit, uint32_t q)
{
  AUDIT (audit, C4, (int) (q % VDEV_QUEUES_MAX), -1, audit->life.status & VIRTIO_STATUS_DRIVER_OK,
         "the doorbell was rung");
}

void
audit_life_register (struct audit *audit, bool generation)
{
  struct audit_life *life = &audit->life;

  life->seen = true;
  if (life->wide_open)
    AUDIT (audit, C15, -1, -1, generation, "the capacity was read without the generation behind it");
  life->wide_open = false;
  life->generation = generation;
}

/* A field wider than an access is two reads, with the generation in front and behind. */
static void
check_wide (struct audit *audit, uint64_t field)
{
  struct audit_life *life = &audit->life;
  bool capacity = audit->hook.dev->id == VIRTIO_ID_BLOCK && field < 8;

  if (!capacity)
    return;
  AUDIT (audit, C15, -1, -1, life->generation,
         "half of the capacity is read without the generation before it");
  life->wide_open = true;
}

/* 5.5.6.5.1: what fills a guest's free pages. */
static void
check_poison (struct audit *audit)
{
  audit->life.poison = true;
  AUDIT (audit, BL5, -1, -1, !(audit->life.status & VIRTIO_STATUS_DRIVER_OK),
         "it is written after DRIVER_OK");
}

/* 5.5.6.4: where the host says what it wants to be told of. */
static void
check_hint (struct audit *audit, uint64_t field, unsigned len)
{
  const unsigned id = offsetof (struct virtio_balloon_config, free_page_hint_cmd_id);

  if (is_balloon (audit) && field < id + 4 && field + len > id)
    AUDIT (audit, BL4, -1, -1, audit->hook.dev->features >> VIRTIO_BALLOON_F_FREE_PAGE_HINT & 1,
           "the field of hints is used, which are not offered");
}

void
audit_life_config (struct audit *audit, uint64_t field, unsigned len, bool write)
{
  bool emergency = audit->hook.dev->id == VIRTIO_ID_CONSOLE && field == 8;

  audit->life.seen = true;
  check_hint (audit, field, len);
  if (!write)
    {
      audit_config_read (audit, field, len);
      check_wide (audit, field);
    }
  else if (!emergency) /* which is for a device that nobody has set up (5.3.4) */
    {
      AUDIT (audit, C2, -1, -1, audit->life.status & VIRTIO_STATUS_FEATURES_OK, "byte %u is written",
             (unsigned) field);
      if (is_balloon (audit) && field < sizeof (struct virtio_balloon_config)
          && field + len > offsetof (struct virtio_balloon_config, poison_val))
        check_poison (audit);
    }
}
