/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * PvtClient:
 *
 * A conversation with the agent of one guest.
 *
 * All waiting is bounded: every call has a timeout, and none of them means for
 * ever. What the guest sends is not trusted: sizes, depths and counts are
 * bounded. A client may be used from several threads; its calls then queue, each for
 * as long as its own timeout.
 */
#include "client-private.h"

#include "address.h"
#include "channel-of-qemu.h"
#include "protocol/transport/transport.h"
#include "socket-io.h"

/* How often one who waits for his turn looks whether he was cancelled. */
#define TURN_US (50 * 1000)

G_DEFINE_FINAL_TYPE (PvtClient, pvt_client, G_TYPE_OBJECT)

static void
pvt_client_init (PvtClient *client)
{
  client->timeout_ms = PVT_CLIENT_DEFAULT_TIMEOUT_MS;
  g_mutex_init (&client->lock);
  g_cond_init (&client->idle);
  pvt_session_init (&client->session);
}

static void
finalize (GObject *object)
{
  PvtClient *client = PVT_CLIENT (object);

  pvt_client_close (client);
  pvt_session_clear (&client->session);
  g_mutex_clear (&client->lock);
  g_cond_clear (&client->idle);
  g_clear_pointer (&client->commands, g_ptr_array_unref);
  g_free (client->version);
  g_free (client->address);
  G_OBJECT_CLASS (pvt_client_parent_class)->finalize (object);
}

static void
pvt_client_class_init (PvtClientClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

int
pvt_client_effective_timeout (PvtClient *client, int timeout_ms)
{
  return timeout_ms > 0 ? timeout_ms : client->timeout_ms;
}

/* With the lock held. @end 0: for ever. */
static gboolean
await_idle (PvtClient *client, gint64 end, GCancellable *cancellable, GError **error)
{
  while (client->busy)
    {
      gint64 now = g_get_monotonic_time ();

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (end && now >= end)
        {
          g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_BUSY,
                               "another call of this client is under way; the command was not sent");
          return FALSE;
        }
      /* A cancellation wakes nobody who waits for a condition. */
      g_cond_wait_until (&client->idle, &client->lock, end ? MIN (end, now + TURN_US) : now + TURN_US);
    }
  return TRUE;
}

gboolean
pvt_client_begin_turn (PvtClient *client, int *timeout_ms, GCancellable *cancellable, GError **error)
{
  int whole = pvt_client_effective_timeout (client, *timeout_ms);
  gint64 end = g_get_monotonic_time () + (gint64) whole * 1000;
  gboolean ours;

  g_mutex_lock (&client->lock);
  ours = await_idle (client, end, cancellable, error);
  client->busy = client->busy || ours;
  g_mutex_unlock (&client->lock);
  *timeout_ms = (int) CLAMP ((end - g_get_monotonic_time () + 999) / 1000, 1, whole);
  return ours;
}

void
pvt_client_end_turn (PvtClient *client)
{
  g_mutex_lock (&client->lock);
  client->busy = FALSE;
  g_cond_signal (&client->idle);
  g_mutex_unlock (&client->lock);
}

static gboolean
open_qemu (PvtClient *client, const char *qmp_path, int timeout_ms, GCancellable *cancellable,
           GError **error)
{
  g_autofree char *path = pvt_channel_of_qemu (qmp_path, PVT_AGENT_PORT, timeout_ms, cancellable,
                                               error);

  if (path == NULL)
    return FALSE;
  client->socket = pvt_socket_open (pvt_transport_connect_unix (path, error), error);
  return client->socket != NULL;
}

gboolean
pvt_client_open (PvtClient *client, int timeout_ms, GCancellable *cancellable, GError **error)
{
  PvtAddress address;

  if (!pvt_address_parse (client->address, &address, error))
    return FALSE;
  switch (address.kind)
    {
    case PVT_ADDRESS_UNIX:
      client->socket = pvt_socket_open (pvt_transport_connect_unix (address.rest, error), error);
      break;
    case PVT_ADDRESS_VSOCK:
      client->socket = pvt_socket_open (
          pvt_transport_connect_vsock (address.cid, address.port, error), error);
      break;
    case PVT_ADDRESS_VSOCK_MUX:
      client->socket = pvt_socket_open (
          pvt_vsock_mux_connect (address.path, address.port, timeout_ms, error), error);
      break;
    case PVT_ADDRESS_QEMU:
      return open_qemu (client, address.rest, timeout_ms, cancellable, error);
    case PVT_ADDRESS_LIBVIRT:
    default:
      client->libvirt = pvt_libvirt_open (address.rest, error);
    }
  return client->socket || client->libvirt;
}

/**
 * pvt_client_connect: (constructor)
 * @address: `unix:/path`, `vsock:CID:PORT`, `vsock-mux:/path:PORT`,
 *   `qemu:/qmp-socket`, `libvirt:DOMAIN`, or the path of a unix socket
 * @timeout_ms: most milliseconds to wait, or -1 for the default
 * @cancellable: (nullable): cancels the wait
 * @error: set on failure
 *
 * Opens the channel to a guest's agent. Success does not mean that an agent is
 * there: a hypervisor's socket answers for absent ones. The first command tells.
 *
 * A call into libvirt's library can be neither cancelled nor ended: libvirtd bounds the
 * agent's time, and nothing bounds that of a libvirtd which hangs itself.
 *
 * Returns: (transfer full): the client
 *
 * Since: 1.0
 */
PvtClient *
pvt_client_connect (const char *address, int timeout_ms, GCancellable *cancellable, GError **error)
{
  g_autoptr (PvtClient) client = g_object_new (PVT_TYPE_CLIENT, NULL);

  client->address = g_strdup (address);
  if (pvt_client_open (client, pvt_client_effective_timeout (client, timeout_ms), cancellable,
                       error))
    return g_steal_pointer (&client);
  return NULL;
}

typedef struct
{
  char *address;
  int timeout_ms;
} ConnectData;

static void
free_connect_data (gpointer pointer)
{
  ConnectData *data = pointer;

  g_free (data->address);
  g_free (data);
}

static void
connect_thread (GTask *task, gpointer source G_GNUC_UNUSED, gpointer pointer,
                GCancellable *cancellable)
{
  ConnectData *data = pointer;
  GError *error = NULL;
  PvtClient *client = pvt_client_connect (data->address, data->timeout_ms, cancellable, &error);

  if (client)
    g_task_return_pointer (task, client, g_object_unref);
  else
    g_task_return_error (task, error);
}

/**
 * pvt_client_connect_async:
 * @address: see pvt_client_connect()
 * @timeout_ms: most milliseconds to wait, or -1 for the default
 * @cancellable: (nullable): cancels the wait
 * @callback: (scope async): called when it is done
 * @user_data: (closure): for @callback
 *
 * As pvt_client_connect(), without blocking.
 *
 * Since: 1.0
 */
void
pvt_client_connect_async (const char *address, int timeout_ms, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  ConnectData *data = g_new0 (ConnectData, 1);

  data->address = g_strdup (address);
  data->timeout_ms = timeout_ms;
  g_task_set_task_data (task, data, free_connect_data);
  g_task_run_in_thread (task, connect_thread);
  g_object_unref (task);
}

/**
 * pvt_client_connect_finish:
 * @async_result: what the callback got
 * @error: set on failure
 *
 * Ends what pvt_client_connect_async() began.
 *
 * Returns: (transfer full): the client
 *
 * Since: 1.0
 */
PvtClient *
pvt_client_connect_finish (GAsyncResult *async_result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (async_result), error);
}

/**
 * pvt_client_close:
 * @client: a #PvtClient
 *
 * Closes the channel, after a call that is under way. Further calls fail with %PVT_CLIENT_ERROR_NOT_CONNECTED.
 *
 * Since: 1.0
 */
void
pvt_client_close (PvtClient *client)
{
  g_mutex_lock (&client->lock);
  await_idle (client, 0, NULL, NULL);
  if (client->socket)
    g_socket_close (client->socket, NULL);
  g_clear_object (&client->socket);
  g_clear_pointer (&client->libvirt, pvt_libvirt_close);
  g_clear_pointer (&client->libvirt_reply, g_free);
  g_mutex_unlock (&client->lock);
}

/**
 * pvt_client_get_address:
 * @client: a #PvtClient
 *
 * The address of the guest, as it was given.
 *
 * Returns: (transfer none): what it was connected with
 *
 * Since: 1.0
 */
const char *
pvt_client_get_address (PvtClient *client)
{
  return client->address;
}

/**
 * pvt_client_set_timeout:
 * @client: a #PvtClient
 * @timeout_ms: milliseconds, more than 0
 *
 * Sets how long calls wait that are given -1.
 *
 * Since: 1.0
 */
void
pvt_client_set_timeout (PvtClient *client, int timeout_ms)
{
  g_return_if_fail (timeout_ms > 0);
  client->timeout_ms = timeout_ms;
}

/**
 * pvt_client_get_timeout:
 * @client: a #PvtClient
 *
 * How long calls wait that do not say it themselves.
 *
 * Returns: milliseconds that calls wait that are given -1
 *
 * Since: 1.0
 */
int
pvt_client_get_timeout (PvtClient *client)
{
  return client->timeout_ms;
}
