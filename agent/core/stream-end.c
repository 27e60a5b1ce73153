/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream-end.h"

#include "protocol/codec/encode.h"
#include "pvt-tables.h"
#include "pvt-types.h"

#include <sys/wait.h>

static char *
encode (const PvtStreamEnd *end)
{
  PvtBuf text = { 0 };

  pvt_encode_object (&text, &pvt_stream_end_type, end);
  pvt_buf_append_c (&text, '\0');
  return text.data;
}

char *
pvt_stream_end_of_child (int status)
{
  return encode (&(PvtStreamEnd){ .has_exitcode = WIFEXITED (status),
                                  .exitcode = WEXITSTATUS (status),
                                  .has_signal = WIFSIGNALED (status),
                                  .signal = WTERMSIG (status) });
}

char *
pvt_stream_end_of_worker (const PvtSum64 *sum, const char *error)
{
  char text[17];

  pvt_sum64_text (sum, text);
  return encode (&(PvtStreamEnd){
      .has_bytes = TRUE, .bytes = sum->bytes, .sum = text, .error = (char *) error });
}
