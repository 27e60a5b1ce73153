/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread that waits for file descriptors and calls what belongs to them.
 *
 * What a worker serves is touched by its thread alone: others ask it to do
 * something with worker_call(), so that the data path needs no lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct worker;

/* Kept by the caller, zeroed at first, and unmoved while it is watched. */
struct watch
{
  int fd;
  void (*ready) (void *data);
  void *data;
};

/* Starts a thread with this @name (at most 15 bytes); @kinds are what it is in the sandbox. */
int worker_new (struct worker **worker, const char *name, unsigned kinds);
/* Ends the thread; NULL is accepted. */
void worker_free (struct worker *worker);

/* Runs @function in the worker's thread and returns when it has run. */
void worker_call (struct worker *worker, void (*function) (void *data), void *data);

/* Whether somebody waits for the thread to come back from what it does: it should soon. */
bool worker_is_wanted (const struct worker *worker);

/* Stops the thread between two callbacks, and lets it go on. Not from the thread
 * itself; one holder at a time, and whoever calls meanwhile waits. */
void worker_hold (struct worker *worker);
void worker_release (struct worker *worker);

/* In the worker's thread, or before anything is watched: @events as of epoll(7).
 * A watch already watched takes the new events. */
int worker_watch (struct worker *worker, struct watch *watch, uint32_t events);
/* In the worker's thread: after it the watch is not called again. */
void worker_unwatch (struct worker *worker, struct watch *watch);
