/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pvtools uses of libvirt's library, for tests: it has a domain "vm". */
#include "fake-libvirt.h"

#include <string.h>

#define PUBLIC __attribute__ ((visibility ("default")))

static int code;
static const char *message = "";

PUBLIC char *
pvt_fake_fail (int number, const char *text)
{
  code = number;
  message = text;
  return NULL;
}

PUBLIC void *virConnectOpen (const char *uri);
PUBLIC int virConnectClose (void *connection);
PUBLIC void *virDomainLookupByName (void *connection, const char *name);
PUBLIC void *virDomainLookupByUUIDString (void *connection, const char *uuid);
PUBLIC int virDomainFree (void *domain);
PUBLIC const char *virGetLastErrorMessage (void);
PUBLIC int virGetLastErrorCode (void);
PUBLIC void virSetErrorFunc (void *data, void (*handler) (void *, void *));

void *
virConnectOpen (const char *uri)
{
  (void) uri;
  return &code;
}

int
virConnectClose (void *connection)
{
  (void) connection;
  return 0;
}

void *
virDomainLookupByName (void *connection, const char *name)
{
  return strcmp (name, "vm") == 0 ? connection : pvt_fake_fail (42, "Domain not found");
}

void *
virDomainLookupByUUIDString (void *connection, const char *uuid)
{
  (void) connection;
  (void) uuid;
  return pvt_fake_fail (42, "Domain not found");
}

int
virDomainFree (void *domain)
{
  (void) domain;
  return 0;
}

const char *
virGetLastErrorMessage (void)
{
  return message;
}

int
virGetLastErrorCode (void)
{
  return code;
}

void
virSetErrorFunc (void *data, void (*handler) (void *, void *))
{
  (void) data;
  (void) handler;
}
