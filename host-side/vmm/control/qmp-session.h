/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One client's conversation in QMP's dialect; no socket here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define QMP_GREETING \
  "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 0}, " \
  "\"package\": \"pvtools-vmm " PVT_VERSION "\"}, \"capabilities\": []}}\r\n"

struct control;
struct machine;
struct qmp_session;

struct qmp_session *qmp_session_new (struct control *control, struct machine *machine);
void qmp_session_free (struct qmp_session *session);

/* Takes bytes and returns the replies to what is complete now: free() it. */
char *qmp_session_feed (struct qmp_session *session, const char *data, size_t len);
/* Whether the client has negotiated: only then it gets events. */
bool qmp_session_ready (const struct qmp_session *session);
