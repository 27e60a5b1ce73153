/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One guest's record: what it said last, and when it may be asked again. The
 * caller holds the lock of PvtGuests; times are of g_get_monotonic_time(). */
#pragma once

#include "shared-page.h"

/* A guest that does not answer is left alone this long, doubled each time. */
#define PVT_BACKOFF_FIRST_US (2 * G_USEC_PER_SEC)
#define PVT_BACKOFF_MAX_US (64 * G_USEC_PER_SEC)

/* What is said of a guest, whatever it does, is said no more often. */
#define PVT_SAY_US (60 * G_USEC_PER_SEC)

typedef enum
{
  PVT_REASON_CONNECT,  /* no channel, or the other side hung up */
  PVT_REASON_TIMEOUT,
  PVT_REASON_PROTOCOL, /* what it says is no answer */
  PVT_REASON_OTHER,
  PVT_N_REASONS,
} PvtReason;

/* What the channel told last of a guest that has a page: the page does not hold all. */
typedef struct
{
  PvtMetrics *metrics; /* sealed; NULL: nothing that is recent enough */
  char boot_id[PVT_HEALTH_BOOT_ID_MAX + 1];
  gint64 at;           /* when it was told */
  gint64 due;          /* when it is asked again */
  guint failures;      /* in a row */
  guint64 rounds;      /* how often the channel was asked */
  gboolean asking;
} PvtRest;

typedef struct
{
  int refs;
  char *address;
  PvtMetrics *metrics; /* sealed; NULL before the first answer */
  GPtrArray *waiters;  /* of PvtGather, with a reference each */
  gboolean asking;
  gboolean in_turn;    /* asked by itself, whoever waits */
  gboolean answered;   /* last time */
  guint failures;      /* in a row */
  gint64 fresh_until;  /* until then it is not asked */
  gint64 keep_until;   /* until then its figures serve, though newer ones are under way */
  gint64 due;          /* when it is asked by itself; 0: only when somebody wants to know */
  gint64 used;         /* somebody wanted to know */
  gint64 success_us;   /* wall clock; 0: never */
  guint64 errors[PVT_N_REASONS];
  PvtHealth health;    /* concluded from its answers */
  gboolean gone;       /* its channel is not there */
  gboolean monitored;  /* its machine's monitor tells when it ends, and where the channel is */
  char *channel;       /* by its monitor; NULL: not known */
  gint64 left_at;      /* when it was last left */
  char *why;           /* what was said of its failure; NULL: it answered, or nothing was said */
  gint64 said_at;      /* when */
  PvtShared shared;    /* of the thread that asks */
  PvtRest rest;
} PvtGuest;

PvtGuest *pvt_guest_new (const char *address);
PvtGuest *pvt_guest_ref (PvtGuest *guest);
void pvt_guest_unref (PvtGuest *guest);

PvtReason pvt_reason_of (const GError *error);
const char *pvt_reason_name (PvtReason reason);

typedef struct
{
  gint64 max_age;  /* how long figures serve, us */
  gint64 refresh;  /* how often it is asked by itself, us; 0: never */
  gint64 timeout;  /* what it has for its answers, us */
  gint64 rest;     /* how often its channel is asked while its page serves, us; 0: never */
} PvtGuestTimes;

/* Notes an attempt that took @seconds; @error NULL: it answered. Takes @metrics
 * over, adds what is to be said of the guest, and seals them. @sign counts when it
 * answered. */
void pvt_guest_finish (PvtGuest *guest, PvtMetrics *metrics, const PvtSign *sign,
                       const GError *error, double seconds,
                       const PvtGuestTimes *times);

/* A line for the log, when there is something new about why the guest does not answer, at
 * most one in PVT_SAY_US; NULL: no. The caller frees. */
char *pvt_guest_news (PvtGuest *guest, const GError *error);

/* Keeps the answer of the channel, or notes that there was none. @metrics is sealed. */
void pvt_guest_take_rest (PvtGuest *guest, PvtMetrics *metrics, const PvtSign *sign, const GError *error,
                          const PvtGuestTimes *times);

/* The last answer of the channel with a reference, unless it is too old; NULL: none. */
PvtMetrics *pvt_guest_rest (PvtGuest *guest, const PvtGuestTimes *times);

/* How it is now. */
PvtHealthState pvt_guest_health (PvtGuest *guest, gint64 now);

/* The next time after @now that is this guest's: the same in each period, and others'
 * lie elsewhere in it. */
gint64 pvt_guest_next_turn (const PvtGuest *guest, gint64 now, gint64 period);

/* Whether it is left alone because it did not answer. */
gboolean pvt_guest_is_backed_off (const PvtGuest *guest, gint64 now);
