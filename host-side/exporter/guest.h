/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One guest's record: what it said last, and when it may be asked again. The
 * caller holds the lock of PvtGuests; times are of g_get_monotonic_time(). */
#pragma once

#include "metrics.h"

/* A guest that does not answer is left alone this long, doubled each time. */
#define PVT_BACKOFF_FIRST_US (2 * G_USEC_PER_SEC)
#define PVT_BACKOFF_MAX_US (64 * G_USEC_PER_SEC)

typedef enum
{
  PVT_REASON_CONNECT,  /* no channel, or the other side hung up */
  PVT_REASON_TIMEOUT,
  PVT_REASON_PROTOCOL, /* what it says is no answer */
  PVT_REASON_OTHER,
  PVT_N_REASONS,
} PvtReason;

typedef struct
{
  int refs;
  char *address;
  PvtMetrics *metrics; /* sealed; NULL before the first answer */
  GPtrArray *waiters;  /* of PvtGather, with a reference each */
  gboolean asking;
  gboolean answered;   /* last time */
  guint failures;      /* in a row */
  gint64 fresh_until;  /* until then it is not asked */
  gint64 used;         /* somebody wanted to know */
  gint64 success_us;   /* wall clock; 0: never */
  guint64 errors[PVT_N_REASONS];
} PvtGuest;

PvtGuest *pvt_guest_new (const char *address);
PvtGuest *pvt_guest_ref (PvtGuest *guest);
void pvt_guest_unref (PvtGuest *guest);

PvtReason pvt_reason_of (const GError *error);
const char *pvt_reason_name (PvtReason reason);

/* Notes an attempt that took @seconds; @error NULL: it answered. Takes @metrics
 * over, adds what is to be said of the guest, and seals them. */
void pvt_guest_finish (PvtGuest *guest, PvtMetrics *metrics, const GError *error, double seconds,
                       gint64 max_age_us);

/* Whether it is left alone because it did not answer. */
gboolean pvt_guest_is_backed_off (const PvtGuest *guest, gint64 now);
