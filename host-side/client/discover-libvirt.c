/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discover.h"

#include "pvt-error.h"

#include <dlfcn.h>
#include <stdlib.h>

#define LIST_DOMAINS_ACTIVE 1 /* VIR_CONNECT_LIST_DOMAINS_ACTIVE */
#define UUID_STRING_SIZE 37   /* VIR_UUID_STRING_BUFLEN */

/* The part of libvirt's stable ABI that is used; its types are opaque. */
typedef struct
{
  void *(*open) (const char *uri);
  int (*close) (void *connection);
  int (*list) (void *connection, void ***domains, unsigned flags);
  const char *(*get_name) (void *domain);
  int (*get_uuid) (void *domain, char *text);
  int (*domain_free) (void *domain);
  const char *(*last_error) (void);
  void (*set_error_func) (void *data, void (*handler) (void *data, void *error));
} Libvirt;

static void
ignore_error (void *data G_GNUC_UNUSED, void *error G_GNUC_UNUSED)
{
  /* libvirt prints to standard error by itself otherwise. */
}

static gboolean
load (Libvirt *lib)
{
  const struct
  {
    const char *symbol;
    void *function;
  } rows[] = {
    { "virConnectOpen", &lib->open },
    { "virConnectClose", &lib->close },
    { "virConnectListAllDomains", &lib->list },
    { "virDomainGetName", &lib->get_name },
    { "virDomainGetUUIDString", &lib->get_uuid },
    { "virDomainFree", &lib->domain_free },
    { "virGetLastErrorMessage", &lib->last_error },
    { "virSetErrorFunc", &lib->set_error_func },
  };
  void *handle = dlopen ("libvirt.so.0", RTLD_LAZY | RTLD_GLOBAL);

  for (guint i = 0; handle && i < G_N_ELEMENTS (rows); i++)
    {
      *(void **) rows[i].function = dlsym (handle, rows[i].symbol);
      if (*(void **) rows[i].function == NULL)
        return FALSE;
    }
  return handle != NULL;
}

static void
add_domain (const Libvirt *lib, void *domain, GPtrArray *found)
{
  char uuid[UUID_STRING_SIZE] = "";
  const char *name = lib->get_name (domain);
  PvtFound *one;

  if (name == NULL || !g_utf8_validate (name, -1, NULL))
    return;
  one = g_new0 (PvtFound, 1);
  one->address = g_strconcat ("libvirt:", name, NULL);
  one->name = g_strdup (name);
  one->uuid = lib->get_uuid (domain, uuid) == 0 ? g_strdup (uuid) : NULL;
  one->source = g_strdup ("libvirt");
  g_ptr_array_add (found, one);
}

gboolean
pvt_discover_libvirt (GPtrArray *found, GError **error)
{
  Libvirt lib;
  void *connection, **domains = NULL;
  int n = -1;

  if (!load (&lib))
    {
      g_set_error_literal (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED,
                           "libvirt's client library is not installed (libvirt0)");
      return FALSE;
    }
  lib.set_error_func (NULL, ignore_error);
  connection = lib.open (NULL);
  if (connection)
    n = lib.list (connection, &domains, LIST_DOMAINS_ACTIVE);
  if (n < 0)
    g_set_error (error, PVT_CLIENT_ERROR, PVT_CLIENT_ERROR_NOT_CONNECTED, "libvirt: %s",
                 lib.last_error ());
  for (int i = 0; i < n; i++)
    {
      if (i < PVT_DISCOVER_MAX)
        add_domain (&lib, domains[i], found);
      lib.domain_free (domains[i]);
    }
  free (domains);
  if (connection)
    lib.close (connection);
  return n >= 0;
}
