/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of each guest, and who asks it.
 *
 * A guest is asked by one thread at a time, whoever wants to know meanwhile
 * waits for the same answer; its figures serve for a while. One that does not
 * answer is left alone for a while, longer each time. Guests that answered last
 * time and all others are asked by threads of their own: however many hang,
 * those that work wait for none of them.
 *
 * Who waits for guests has a deadline and is told then, whatever they do.
 */
#pragma once

#include "exposition.h"
#include "host-side/health/health.h"

typedef struct
{
  int timeout_ms; /* what a guest has for all its answers */
  int max_age_ms; /* how long figures serve */
  int refresh_ms; /* how often guests are asked by themselves; 0: when somebody wants to know */
  gboolean libvirt_names;
  int rest_ms;    /* how often a guest whose page serves is asked for the rest; 0: never */
  /* The file of a guest's shared page, which the caller frees; NULL: it has none. May be
   * NULL. From any thread. */
  char *(*page_of) (gpointer user_data, const char *address);
  gpointer user_data;
} PvtGuestsConfig;

typedef struct _PvtGuests PvtGuests;

PvtGuests *pvt_guests_new (const PvtGuestsConfig *config);

/* Lets threads end that ask guests, and waits for them. No gather may be left. */
void pvt_guests_free (PvtGuests *guests);

/* What the guest's machine told: counts for its state. */
void pvt_guests_take_news (PvtGuests *guests, const char *address, const PvtHealthInput *input);

/* From the first call on the guest is only asked on the channel that was told here;
 * NULL: it is not known yet. */
void pvt_guests_set_channel (PvtGuests *guests, const char *address, const char *channel);

typedef struct
{
  gboolean asking; /* right now */
  guint failures;  /* in a row */
  gint64 left_at;  /* when it was last asked: g_get_monotonic_time() */
} PvtGuestLook;

PvtGuestLook pvt_guests_look (PvtGuests *guests, const char *address);

/* The samples of the guest's state, which stay as long as @guests; NULL: it has not
 * been asked. */
const PvtMetrics *pvt_guests_health (PvtGuests *guests, const char *address);

/* Adds how often guests were asked, with what outcome and how long it took. */
void pvt_guests_add_metrics (PvtGuests *guests, PvtMetrics *metrics);

/* With a refresh: this guest is there, and will be asked by itself. */
void pvt_guests_want (PvtGuests *guests, const char *address);

/* Has those asked whose time has come. Returns when the next one's comes. */
gint64 pvt_guests_ask_due (PvtGuests *guests);

/* Figures of several guests, to come. */
typedef struct _PvtGather PvtGather;

/* Called once, from any thread, when all figures are there or the deadline has
 * passed; not called for a gather that was done when made. */
typedef void (*PvtGatherReady) (gpointer user_data);

/* Takes what is known already. @deadline: g_get_monotonic_time(). */
PvtGather *pvt_gather_new (PvtGuests *guests, const char *const *addresses, guint n,
                           gint64 deadline);

/* TRUE when nothing needs to be asked: it need not be started. */
gboolean pvt_gather_is_done (PvtGather *gather);

/* Instead of starting it: the rest is left out. */
void pvt_gather_leave_out (PvtGather *gather);

/* Has the rest asked. At most once. */
void pvt_gather_start (PvtGather *gather, PvtGatherReady ready, gpointer user_data);

/* The figures of guest @i; for one that was not ready in time, that it is down.
 * Only when done. */
const PvtMetrics *pvt_gather_result (PvtGather *gather, guint i);

/* The state of guest @i, as pvt_guests_health(). */
const PvtMetrics *pvt_gather_health (PvtGather *gather, guint i);

void pvt_gather_unref (PvtGather *gather);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PvtGather, pvt_gather_unref)

/* Starts it and waits, for callers that have nothing else to do. */
void pvt_gather_wait (PvtGather *gather);
