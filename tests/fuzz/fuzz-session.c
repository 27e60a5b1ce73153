/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's session against a guest that sends anything. */
#include "fuzz.h"

#include "json-tree.h"
#include "pvt-error.h"
#include "session.h"

G_DEFINE_QUARK (pvt-client-error-quark, pvt_client_error)

#define PING "{\"execute\": \"guest-ping\"}\n"

static void
drain (PvtSession *session)
{
  const char *data;
  gsize len;
  PvtReply reply;

  for (;;)
    {
      if (pvt_session_output (session, &data, &len))
        pvt_session_wrote (session, len);
      switch (pvt_session_next (session, &reply, NULL))
        {
        case PVT_SESSION_REPLY:
          if (reply.result.data)
            {
              JsonNode *node = pvt_json_tree_new (reply.result, NULL);

              if (node)
                json_node_unref (node);
            }
          g_clear_error (&reply.error);
          break;
        case PVT_SESSION_FAILED:
          break;
        case PVT_SESSION_WAIT:
        default:
          if (!pvt_session_output (session, &data, &len))
            return;
          continue;
        }
      pvt_session_begin (session, PING, sizeof PING - 1, 7);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  PvtSession session;
  size_t chunk = size ? data[0] % 64 + 1 : 1;

  pvt_session_init (&session);
  session.synced = size > 1 && data[1] & 1;
  pvt_session_begin (&session, PING, sizeof PING - 1, 7);
  for (size_t at = 2; at < size; at += chunk)
    {
      size_t n = MIN (chunk, size - at);

      memcpy (pvt_session_reserve (&session, n), data + at, n);
      pvt_session_received (&session, n);
      drain (&session);
    }
  pvt_session_clear (&session);
  return 0;
}
