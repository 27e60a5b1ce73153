/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http.h"

#include "discovery-json.h"

#include <gio/gio.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

/* Prometheus keeps a connection for each of its targets. */
#define MAX_CONNECTIONS 4000
/* For one connection: bounds the headers, too. */
#define CONNECTION_MEMORY (8 * 1024)
#define IDLE_SECONDS 180
#define MAX_HOST 128

/* How much later than the guests' deadline a request is answered at the latest. */
#define GRACE_MS 1000
/* How much earlier than Prometheus gives up. */
#define HEADROOM_MS 500

struct _PvtHttp
{
  struct MHD_Daemon *daemon;
  PvtExporter *exporter;
  int timeout_ms;
  char *address;
  GMutex lock;
  GCond cond;
  guint waiting; /* suspended connections */
  guint64 codes[8];
};

typedef struct
{
  PvtHttp *http;
  struct MHD_Connection *connection;
  GPtrArray *found; /* of /metrics with all guests */
  char *name;       /* of /guest */
  PvtGather *gather;
} Request;

static void
count_code (PvtHttp *http, guint code)
{
  g_mutex_lock (&http->lock);
  for (guint i = 0; pvt_page_codes[i]; i++)
    if (pvt_page_codes[i] == code)
      http->codes[i]++;
  g_mutex_unlock (&http->lock);
}

static void
free_gstring (void *data)
{
  g_string_free (data, TRUE);
}

/* Takes the text over. */
static enum MHD_Result
respond (Request *request, guint code, const char *type, GString *text)
{
  struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls (
      text->len, text->str, free_gstring, text);
  enum MHD_Result result;

  if (response == NULL)
    {
      free_gstring (text);
      return MHD_NO;
    }
  MHD_add_response_header (response, "Content-Type", type);
  MHD_add_response_header (response, "X-Content-Type-Options", "nosniff");
  if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header (response, "Allow", "GET, HEAD");
  result = MHD_queue_response (request->connection, code, response);
  MHD_destroy_response (response);
  count_code (request->http, code);
  return result;
}

static enum MHD_Result
refuse (Request *request, guint code, const char *why)
{
  return respond (request, code, "text/plain; charset=utf-8", g_string_new (why));
}

static enum MHD_Result
respond_gathered (Request *request)
{
  g_autoptr (PvtMetrics) own = NULL;
  GString *text;
  guint64 codes[8];

  if (request->found)
    {
      g_mutex_lock (&request->http->lock);
      memcpy (codes, request->http->codes, sizeof codes);
      g_mutex_unlock (&request->http->lock);
      own = pvt_page_own (request->http->exporter, request->found, codes);
      text = pvt_page_all (request->gather, request->http->exporter->all_guests, request->found,
                           own);
    }
  else
    text = pvt_page_guest (request->gather, request->name);
  return respond (request, MHD_HTTP_OK, PVT_EXPOSITION_TYPE, text);
}

/* Any thread: the figures are there. */
static void
resume (gpointer user_data)
{
  Request *request = user_data;
  PvtHttp *http = request->http;

  /* From here on the request may be gone. */
  MHD_resume_connection (request->connection);
  g_mutex_lock (&http->lock);
  http->waiting--;
  g_cond_broadcast (&http->cond);
  g_mutex_unlock (&http->lock);
}

/* When Prometheus says how long it waits, it gets what there is before that. */
static gint64
deadline (Request *request)
{
  const char *text = MHD_lookup_connection_value (request->connection, MHD_HEADER_KIND,
                                                  "X-Prometheus-Scrape-Timeout-Seconds");
  double seconds = text ? g_ascii_strtod (text, NULL) : 0;
  double ms = request->http->timeout_ms + GRACE_MS;

  if (seconds >= 0.1 && seconds <= 86400)
    ms = MIN (ms, MAX (seconds * 1000 - HEADROOM_MS, seconds * 500));
  return g_get_monotonic_time () + (gint64) (ms * 1000);
}

/* @now: of what is known, whatever is not. */
static enum MHD_Result
gather (Request *request, const char *const *addresses, guint n, gboolean now)
{
  PvtHttp *http = request->http;

  request->gather
      = pvt_gather_new (http->exporter->guests, addresses, n, deadline (request));
  if (now)
    pvt_gather_leave_out (request->gather);
  if (pvt_gather_is_done (request->gather))
    return respond_gathered (request);
  g_mutex_lock (&http->lock);
  http->waiting++;
  g_mutex_unlock (&http->lock);
  MHD_suspend_connection (request->connection);
  pvt_gather_start (request->gather, resume, request);
  return MHD_YES;
}

static enum MHD_Result
serve_guest (Request *request)
{
  const char *target
      = MHD_lookup_connection_value (request->connection, MHD_GET_ARGUMENT_KIND, "target");
  g_autofree char *address = NULL;

  if (target == NULL)
    return refuse (request, MHD_HTTP_BAD_REQUEST, "which guest? /guest?target=ADDRESS\n");
  address = pvt_targets_resolve (request->http->exporter->targets, target);
  if (address == NULL)
    return refuse (request, MHD_HTTP_NOT_FOUND,
                   "no such guest: /sd lists those that were discovered, and --allow takes "
                   "patterns of others\n");
  request->name = pvt_targets_name (request->http->exporter->targets, target);
  return gather (request, (const char *const[]){ address, NULL }, 1, FALSE);
}

static enum MHD_Result
serve_metrics (Request *request)
{
  PvtExporter *exporter = request->http->exporter;
  g_autofree const char **addresses = NULL;

  request->found = pvt_targets_list (exporter->targets);
  addresses = pvt_page_addresses (request->found);
  return gather (request, addresses, exporter->all_guests ? request->found->len : 0,
                 exporter->refreshed);
}

/* What the asker calls us, as far as it can be a name; else what we call ourselves. */
static const char *
host_of (Request *request)
{
  const char *host
      = MHD_lookup_connection_value (request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

  if (host == NULL || *host == '\0' || strlen (host) > MAX_HOST)
    return request->http->address;
  for (const char *p = host; *p; p++)
    if (!g_ascii_isalnum (*p) && !strchr (".:-_[]", *p))
      return request->http->address;
  return host;
}

static enum MHD_Result
serve_discovery (Request *request)
{
  g_autoptr (GPtrArray) found = pvt_targets_list (request->http->exporter->targets);
  g_autofree char *json = pvt_discovery_json (found, host_of (request));

  return respond (request, MHD_HTTP_OK, "application/json", g_string_new (json));
}

static enum MHD_Result
serve_root (Request *request)
{
  g_autoptr (GPtrArray) found = pvt_targets_list (request->http->exporter->targets);

  return respond (request, MHD_HTTP_OK, "text/html; charset=utf-8", pvt_page_root (found));
}

static enum MHD_Result
serve_healthy (Request *request)
{
  return respond (request, MHD_HTTP_OK, "text/plain; charset=utf-8", g_string_new ("healthy\n"));
}

static enum MHD_Result
route (Request *request, const char *url, const char *method)
{
  static const struct
  {
    const char *path;
    enum MHD_Result (*serve) (Request *request);
  } routes[] = { { "/guest", serve_guest },
                 { "/sd", serve_discovery },
                 { "/metrics", serve_metrics },
                 { "/-/healthy", serve_healthy },
                 { "/", serve_root } };

  if (strcmp (method, MHD_HTTP_METHOD_GET) != 0 && strcmp (method, MHD_HTTP_METHOD_HEAD) != 0)
    return refuse (request, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
  for (guint i = 0; i < G_N_ELEMENTS (routes); i++)
    if (strcmp (url, routes[i].path) == 0)
      return routes[i].serve (request);
  return refuse (request, MHD_HTTP_NOT_FOUND, "no such page\n");
}

/* Called with the headers, then with what follows them, and again when the
 * connection was resumed. */
static enum MHD_Result
handle (void *cls, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version G_GNUC_UNUSED, const char *upload G_GNUC_UNUSED, size_t *upload_size,
        void **context)
{
  Request *request = *context;

  if (request == NULL)
    {
      *context = request = g_new0 (Request, 1);
      request->http = cls;
      request->connection = connection;
      return MHD_YES;
    }
  if (*upload_size)
    {
      *upload_size = 0; /* nobody needs it */
      return MHD_YES;
    }
  return request->gather ? respond_gathered (request) : route (request, url, method);
}

static void
completed (void *cls G_GNUC_UNUSED, struct MHD_Connection *connection G_GNUC_UNUSED,
           void **context, enum MHD_RequestTerminationCode code G_GNUC_UNUSED)
{
  Request *request = *context;

  if (request == NULL)
    return;
  g_clear_pointer (&request->gather, pvt_gather_unref);
  g_clear_pointer (&request->found, g_ptr_array_unref);
  g_free (request->name);
  g_free (request);
  *context = NULL;
}

static GSocketAddress *
parse_listen (const char *listen, GError **error)
{
  const char *colon = strrchr (listen, ':');
  g_autofree char *host = colon ? g_strndup (listen, (gsize) (colon - listen)) : NULL;
  GSocketAddress *address = NULL;
  guint64 port;
  gsize len = host ? strlen (host) : 0;

  if (colon && g_ascii_string_to_unsigned (colon + 1, 10, 0, G_MAXUINT16, &port, NULL))
    {
      if (len > 2 && host[0] == '[' && host[len - 1] == ']')
        {
          host[len - 1] = '\0';
          memmove (host, host + 1, len - 1);
        }
      address = g_inet_socket_address_new_from_string (host, (guint) port);
    }
  if (address == NULL)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "--listen takes ADDRESS:PORT with an IP address, not '%s'", listen);
  return address;
}

static gboolean
start (PvtHttp *http, GSocketAddress *address, const char *listen, GError **error)
{
  gsize size = (gsize) g_socket_address_get_native_size (address);
  g_autofree struct sockaddr *native = g_malloc0 (size);
  const union MHD_DaemonInfo *info;
  guint flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;

  if (!g_socket_address_to_native (address, native, size, error))
    return FALSE;
  if (native->sa_family == AF_INET6)
    flags |= MHD_USE_IPv6;
  http->daemon = MHD_start_daemon (
      flags, 0, NULL, NULL, handle, http, MHD_OPTION_SOCK_ADDR, native,
      MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned) MAX_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) IDLE_SECONDS, MHD_OPTION_END);
  info = http->daemon ? MHD_get_daemon_info (http->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
  if (info == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot listen on %s: %s", listen,
                   g_strerror (errno));
      return FALSE;
    }
  http->address = g_strdup_printf ("%.*s:%u", (int) (strrchr (listen, ':') - listen), listen,
                                   info->port);
  return TRUE;
}

PvtHttp *
pvt_http_start (const char *listen, PvtExporter *exporter, int timeout_ms, GError **error)
{
  g_autoptr (GSocketAddress) address = parse_listen (listen, error);
  PvtHttp *http;

  if (address == NULL)
    return NULL;
  http = g_new0 (PvtHttp, 1);
  http->exporter = exporter;
  http->timeout_ms = timeout_ms;
  g_mutex_init (&http->lock);
  g_cond_init (&http->cond);
  if (start (http, address, listen, error))
    return http;
  pvt_http_stop (http);
  return NULL;
}

void
pvt_http_stop (PvtHttp *http)
{
  if (http->daemon)
    {
      MHD_socket listening = MHD_quiesce_daemon (http->daemon);

      g_mutex_lock (&http->lock);
      while (http->waiting > 0)
        g_cond_wait (&http->cond, &http->lock);
      g_mutex_unlock (&http->lock);
      MHD_stop_daemon (http->daemon);
      if (listening != MHD_INVALID_SOCKET)
        close (listening);
    }
  g_mutex_clear (&http->lock);
  g_cond_clear (&http->cond);
  g_free (http->address);
  g_free (http);
}

const char *
pvt_http_address (const PvtHttp *http)
{
  return http->address;
}
