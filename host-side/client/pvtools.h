/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one header to include: #include <pvtools.h> */
#pragma once

#include "pvt-agent-error.h"
#include "pvt-boxed.h"
#include "pvt-client-commands.h"
#include "pvt-client.h"
#include "pvt-error.h"
#include "pvt-page.h"
#include "pvt-types.h"
#include "pvt-watch.h"
