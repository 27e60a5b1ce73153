/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One question to udev's database. libudev is loaded when it is first asked:
 * most guests never need it, and some have none, or an agent that loads nothing; then
 * udev's files are read here.
 */
#pragma once

#include <glib.h>

/* A property of a block device, such as ID_SERIAL; NULL when udev does not know
 * it or is not there. The caller frees. Thread-safe. */
char *pvt_udev_block_property (guint major, guint minor, const char *property);
