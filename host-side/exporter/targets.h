/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which guests may be asked for: those that were discovered, and addresses that
 * a pattern of the administrator's allows. Nothing else becomes a connection:
 * whoever may speak HTTP to us could reach any socket of the host through us.
 */
#pragma once

#include "discover.h"

typedef struct
{
  char **sockets, **qmp; /* directories, or with a pattern as the last part */
  gboolean libvirt;
  char **pages; /* as sockets, of shared pages */
  char **allow; /* patterns of addresses */
} PvtTargetsConfig;

typedef struct _PvtTargets PvtTargets;

/* Takes the configuration's strings over. */
PvtTargets *pvt_targets_new (const PvtTargetsConfig *config);
void pvt_targets_free (PvtTargets *targets);

/* The guests there are now: PvtFound, each address and each name once (of guests
 * with the same name, the name is the address); the caller unrefs. */
GPtrArray *pvt_targets_list (PvtTargets *targets);

/* Whether every source has been asked at least once. */
gboolean pvt_targets_settled (PvtTargets *targets);

/* The address that @target stands for: name or address of one that was
 * discovered, or an allowed address. NULL: none may be asked. The caller frees. */
char *pvt_targets_resolve (PvtTargets *targets, const char *target);

/* What a guest is called that is asked for as @target; for one that was not
 * discovered, @target. The caller frees. */
char *pvt_targets_name (PvtTargets *targets, const char *target);

/* The file of the shared page of the guest with that address, which the caller frees;
 * NULL when it has none. For PvtGuestsConfig. */
char *pvt_targets_page (gpointer targets, const char *address);

/* Whether a pattern takes the address: '*' does not pass a slash, and there is
 * no way back up ("..") in a path. */
gboolean pvt_target_is_allowed (const char *const *patterns, const char *address);
