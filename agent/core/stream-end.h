/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stream's last packet says: the JSON of a PvtStreamEnd, which the caller frees. */
#pragma once

#include "protocol/codec/sum64.h"

/* @status: as of waitpid(2). */
char *pvt_stream_end_of_child (int status);

/* @error: what went wrong; NULL when nothing did. */
char *pvt_stream_end_of_worker (const PvtSum64 *sum, const char *error);
