/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What udev wrote down about a device, /run/udev/data/bMAJOR:MINOR: what libudev reads,
 * too, for agents that cannot load it. "E:NAME=VALUE" is a property.
 */
#pragma once

#include <glib.h>

/* The value of a property, or NULL; the caller frees. Pure. */
char *pvt_udev_data_property (const char *text, gsize len, const char *property);
