/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which guests there are on this host. For programs of this tree; no part of
 * the library's API. */
#pragma once

#include <glib.h>

/* Most guests of one kind; the rest is left out. */
#define PVT_DISCOVER_MAX 10000

typedef struct
{
  char *address; /* for pvt_client_connect() */
  char *name;    /* what people call it */
  char *uuid;    /* NULL when unknown */
  char *source;  /* sockets, qmp, libvirt or pages */
  char *page;    /* the file of the memory that it shares with the host; NULL: none known */
} PvtFound;

void pvt_found_free (PvtFound *found);

/*
 * Appends a PvtFound for each socket. @where is a directory, or a directory and
 * a glob pattern for the names in it ("/run/qemu-server/" + "*.qga"). @prefix
 * is the kind of address: "unix:" or "qemu:". The name is that of the file, up
 * to its last dot. FALSE when the directory cannot be read.
 */
gboolean pvt_discover_sockets (const char *where, const char *prefix, GPtrArray *found,
                               GError **error);

/*
 * Gives guests of @found that have the name of such a file their pages; @where is as for
 * sockets, the name of a file as that of a socket. A file that is nobody's and begins with
 * the label of a page is appended as a guest "page:/file". So it stays when it was one in
 * @before, may be NULL: a guest can take the label away. FALSE when the directory cannot
 * be read.
 */
gboolean pvt_discover_pages (const char *where, const GPtrArray *before, GPtrArray *found,
                             GError **error);

/* Files of a directory that a pattern may pick, sorted: paths. What a file's guest is
 * called: its name up to the last dot. The caller frees. */
GPtrArray *pvt_discover_files (const char *where, GError **error);
char *pvt_discover_name (const char *file);

/* Appends the running domains of libvirt; blocks as long as libvirt does. FALSE
 * when it, or its library, is not there. */
gboolean pvt_discover_libvirt (GPtrArray *found, GError **error);
