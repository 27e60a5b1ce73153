/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generated from protocol/schema; do not edit. */

#include "pvt-client-commands.h"

#include "call.h"
#include "pvt-commands.h"

/**
 * pvt_client_guest_do:
 * @client: a #PvtClient
 * @args: the arguments
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @error: set on failure
 *
 * `guest-do`: Does it.
 *
 * Returns: (transfer full) (element-type PvtThing): Things.
 *
 * Since: 1.0
 */
GPtrArray *
pvt_client_guest_do (PvtClient *client, const PvtGuestDoArgs *args, int timeout_ms, GCancellable *cancellable, GError **error)
{
  GPtrArray *result = NULL;

  pvt_client_call (client, &pvt_command_infos[PVT_COMMAND_GUEST_DO], args, &result, timeout_ms, cancellable, error);
  return result;
}

/**
 * pvt_client_guest_do_async:
 * @client: a #PvtClient
 * @args: the arguments
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @callback: (scope async): called when there is an answer
 * @user_data: (closure): for @callback
 *
 * `guest-do`: Does it.
 *
 * Since: 1.0
 */
void
pvt_client_guest_do_async (PvtClient *client, const PvtGuestDoArgs *args, int timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  pvt_client_call_async (client, &pvt_command_infos[PVT_COMMAND_GUEST_DO], args, timeout_ms, cancellable, callback,
                         user_data);
}

/**
 * pvt_client_guest_do_finish:
 * @client: a #PvtClient
 * @async_result: what the callback got
 * @error: set on failure
 *
 * `guest-do`: Does it.
 *
 * Returns: (transfer full) (element-type PvtThing): Things.
 *
 * Since: 1.0
 */
GPtrArray *
pvt_client_guest_do_finish (PvtClient *client, GAsyncResult *async_result, GError **error)
{
  GPtrArray *result = NULL;

  pvt_client_call_finish (client, async_result, &result, error);
  return result;
}

/**
 * pvt_client_tell:
 * @client: a #PvtClient
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @result: (out): A number.
 * @error: set on failure
 *
 * `pvt-tell`: Tells.
 *
 * Returns: %TRUE on success
 *
 * Since: 1.0
 */
gboolean
pvt_client_tell (PvtClient *client, gint64 *result, int timeout_ms, GCancellable *cancellable, GError **error)
{
  return pvt_client_call (client, &pvt_command_infos[PVT_COMMAND_PVT_TELL], NULL, result, timeout_ms, cancellable, error);
}

/**
 * pvt_client_tell_async:
 * @client: a #PvtClient
 * @timeout_ms: most milliseconds to wait, or -1 for the client's default
 * @cancellable: (nullable): cancels the wait
 * @callback: (scope async): called when there is an answer
 * @user_data: (closure): for @callback
 *
 * `pvt-tell`: Tells.
 *
 * Since: 1.0
 */
void
pvt_client_tell_async (PvtClient *client, int timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  pvt_client_call_async (client, &pvt_command_infos[PVT_COMMAND_PVT_TELL], NULL, timeout_ms, cancellable, callback,
                         user_data);
}

/**
 * pvt_client_tell_finish:
 * @client: a #PvtClient
 * @async_result: what the callback got
 * @result: (out): A number.
 * @error: set on failure
 *
 * `pvt-tell`: Tells.
 *
 * Returns: %TRUE on success
 *
 * Since: 1.0
 */
gboolean
pvt_client_tell_finish (PvtClient *client, GAsyncResult *async_result, gint64 *result, GError **error)
{
  return pvt_client_call_finish (client, async_result, result, error);
}
