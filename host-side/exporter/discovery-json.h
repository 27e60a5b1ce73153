/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The guests (PvtFound) for Prometheus' HTTP service discovery. Each is a target
 * at @exporter, our own HOST:PORT, told apart by __param_target; instance is the
 * guest's name. No relabelling is needed. The caller frees.
 */
char *pvt_discovery_json (GPtrArray *found, const char *exporter);
