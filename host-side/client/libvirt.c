/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt.h"

#include "pvt-error.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* virErrorNumber of libvirt's virterror.h */
#define ERR_OPERATION_INVALID 55    /* the domain does not run */
#define ERR_ARGUMENT_UNSUPPORTED 74 /* it has no channel for an agent */
#define ERR_AGENT_UNRESPONSIVE 86
#define ERR_AGENT_COMMAND_TIMEOUT 112

/* The part of libvirt's stable ABI that is used; its types are opaque. */
static struct
{
  gboolean loaded;
  void *(*connect_open) (const char *uri);
  int (*connect_close) (void *connection);
  void *(*lookup_by_name) (void *connection, const char *name);
  void *(*lookup_by_uuid) (void *connection, const char *uuid);
  int (*domain_free) (void *domain);
  char *(*agent_command) (void *domain, const char *command, int timeout, unsigned flags);
  const char *(*last_error) (void);
  int (*last_code) (void);
  void (*set_error_func) (void *data, void (*handler) (void *data, void *error));
} lib;

struct _PvtLibvirt
{
  void *connection;
  void *domain;
};

static void
ignore_error (void *data G_GNUC_UNUSED, void *error G_GNUC_UNUSED)
{
  /* libvirt prints to standard error by itself otherwise. */
}

#define LOAD(handle, member, symbol)                                                               \
  (*(void **) &lib.member = dlsym ((handle), (symbol)), lib.member != NULL)

static gboolean
load_once (void)
{
  void *base, *qemu;

  if (lib.loaded)
    return TRUE;
  base = dlopen ("libvirt.so.0", RTLD_LAZY | RTLD_GLOBAL);
  qemu = base ? dlopen ("libvirt-qemu.so.0", RTLD_LAZY) : NULL;
  lib.loaded = base && qemu && LOAD (base, connect_open, "virConnectOpen")
               && LOAD (base, connect_close, "virConnectClose")
               && LOAD (base, lookup_by_name, "virDomainLookupByName")
               && LOAD (base, lookup_by_uuid, "virDomainLookupByUUIDString")
               && LOAD (base, domain_free, "virDomainFree")
               && LOAD (base, last_error, "virGetLastErrorMessage")
               && LOAD (base, last_code, "virGetLastErrorCode")
               && LOAD (base, set_error_func, "virSetErrorFunc")
               && LOAD (qemu, agent_command, "virDomainQemuAgentCommand");
  if (lib.loaded)
    lib.set_error_func (NULL, ignore_error);
  return lib.loaded;
}

static gboolean
load (void)
{
  static GMutex lock;
  gboolean ok;

  g_mutex_lock (&lock);
  ok = load_once ();
  g_mutex_unlock (&lock);
  return ok;
}

PvtLibvirt *
pvt_libvirt_open (const char *domain, GError **error)
{
  PvtLibvirt *libvirt;

  if (!load ())
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                           "libvirt's client libraries are not installed (libvirt0)");
      return NULL;
    }
  libvirt = g_new0 (PvtLibvirt, 1);
  libvirt->connection = lib.connect_open (NULL);
  if (libvirt->connection)
    libvirt->domain = lib.lookup_by_name (libvirt->connection, domain);
  if (libvirt->connection && libvirt->domain == NULL)
    libvirt->domain = lib.lookup_by_uuid (libvirt->connection, domain);
  if (libvirt->domain)
    return libvirt;
  g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED, "libvirt domain '%s': %s",
               domain, lib.last_error ());
  pvt_libvirt_close (libvirt);
  return NULL;
}

void
pvt_libvirt_close (PvtLibvirt *libvirt)
{
  if (libvirt == NULL)
    return;
  if (libvirt->domain)
    lib.domain_free (libvirt->domain);
  if (libvirt->connection)
    lib.connect_close (libvirt->connection);
  g_free (libvirt);
}

static PvtClientError
kind_of_error (int code)
{
  switch (code)
    {
    case ERR_AGENT_UNRESPONSIVE:
    case ERR_AGENT_COMMAND_TIMEOUT:
      return PVT_CLIENT_ERROR_TIMEOUT_AFTER_SENT;
    case ERR_OPERATION_INVALID:
    case ERR_ARGUMENT_UNSUPPORTED:
      return PVT_CLIENT_ERROR_NOT_CONNECTED;
    default:
      return PVT_CLIENT_ERROR_FAILED;
    }
}

char *
pvt_libvirt_command (PvtLibvirt *libvirt, const char *line, int timeout_ms, GError **error)
{
  int seconds = timeout_ms / 1000 + (timeout_ms % 1000 > 0);
  char *reply = lib.agent_command (libvirt->domain, line, seconds, 0), *copy;

  if (reply)
    {
      copy = g_strdup (reply);
      free (reply);
      return copy;
    }
  g_set_error (error, PVT_CLIENT_ERROR, (gint) kind_of_error (lib.last_code ()), "libvirt: %s",
               lib.last_error ());
  return NULL;
}
