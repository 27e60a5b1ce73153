/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pvt-error.h"

G_DEFINE_QUARK (pvt-client-error-quark, pvt_client_error)
