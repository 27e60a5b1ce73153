/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same figures under the names of exporters of libvirt (libvirt_domain_...), for
 * dashboards and rules that were made for those. What only a hypervisor knows, such
 * as a domain's maximum memory, has no such name here.
 */
#pragma once

#include "metrics.h"

#include "host-side/health/health.h"

/* From what a guest told; before the metrics are sealed. */
void pvt_libvirt_names_add (PvtMetrics *metrics);

/* Its state as libvirt numbers them (virDomainState). */
void pvt_libvirt_names_add_state (PvtMetrics *metrics, PvtHealthState state);
