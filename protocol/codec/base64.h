/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Decodes base64 (RFC 4648 §4) of @len characters. Newlines, carriage returns
 * and spaces are passed over, as Perl's encode_base64 puts them every 76
 * characters. Anything else outside the alphabet, a wrong padding or a
 * dangling group is FALSE. The caller frees @data.
 */
gboolean pvt_base64_decode (const char *text, gsize len, guint8 **data, gsize *data_len);
