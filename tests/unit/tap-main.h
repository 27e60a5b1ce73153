/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every unit test needs before cmocka.h, in the order it wants. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>
