/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "copier.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

#define CHUNK (1u << 20)

struct copier
{
  int fd;
  pid_t pid;
};

/* What goes over the socket: a request a copy, with its file; an answer to the last. */
struct request
{
  uint64_t size;
  bool last;
  char path[COPY_PATH_MAX];
};

struct answer
{
  int error; /* negative errno */
  unsigned failed;
};

/* ---- copying ---- */

/* For what copy_file_range(2) does not know: devices, and other file systems. */
static int
copy_by_hand (int from, int to, uint64_t offset, uint64_t len)
{
  static uint8_t buffer[CHUNK];

  while (len > 0)
    {
      ssize_t got = pread (from, buffer, len < CHUNK ? len : CHUNK, (off_t) offset), put;

      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return got < 0 ? -errno : 0; /* the image is shorter: the rest is zero */
      put = pwrite (to, buffer, (size_t) got, (off_t) offset);
      if (put < 0 && errno == EINTR)
        continue;
      if (put <= 0)
        return put < 0 ? -errno : -EIO;
      offset += (uint64_t) put;
      len -= (uint64_t) put;
    }
  return 0;
}

static int
copy_range (int from, int to, uint64_t offset, uint64_t len)
{
  off_t in = (off_t) offset, out = in;

  while (len > 0)
    {
      ssize_t done = copy_file_range (from, &in, to, &out, len, 0);

      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        return copy_by_hand (from, to, (uint64_t) in, len);
      len -= (uint64_t) done;
    }
  return 0;
}

/* Holes stay holes. */
static int
copy_data (int from, int to, uint64_t size)
{
  off_t at = 0, end = 0;

  for (; (uint64_t) at < size; at = end)
    {
      int ret;

      at = lseek (from, at, SEEK_DATA);
      if (at < 0)
        return errno == ENXIO ? 0 : copy_by_hand (from, to, (uint64_t) end, size - (uint64_t) end);
      end = lseek (from, at, SEEK_HOLE);
      if (end < 0 || (uint64_t) end > size)
        end = (off_t) size;
      if (at >= end)
        return 0;
      ret = copy_range (from, to, (uint64_t) at, (uint64_t) (end - at));
      if (ret < 0)
        return ret;
    }
  return 0;
}

static int
copy_into (int from, int to, uint64_t size)
{
  struct stat st;
  int ret = 0;

  if (fstat (from, &st) < 0)
    return -errno;
  if (ioctl (to, FICLONE, from) < 0)
    ret = S_ISREG (st.st_mode) ? copy_data (from, to, size) : copy_by_hand (from, to, 0, size);
  if (ret == 0 && ftruncate (to, (off_t) size) < 0)
    ret = -errno;
  if (ret == 0 && fsync (to) < 0)
    ret = -errno;
  return ret;
}

static int
make_copy (const struct request *request, int from)
{
  int to = open (request->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), ret;

  if (to < 0)
    return -errno;
  ret = copy_into (from, to, request->size);
  close (to);
  if (ret < 0)
    unlink (request->path);
  return ret;
}

static struct answer
make_all (const struct request *requests, const int *files, unsigned n)
{
  struct answer answer = { 0 };

  for (unsigned i = 0; i < n && answer.error == 0; i++)
    {
      answer.error = make_copy (&requests[i], files[i]);
      answer.failed = i;
    }
  for (unsigned i = 0; answer.error < 0 && i < answer.failed; i++)
    unlink (requests[i].path);
  return answer;
}

/* ---- the process ---- */

/* One request and its file; 0 at the end. */
static ssize_t
take_request (int fd, struct request *request, int *file)
{
  union { struct cmsghdr header; char bytes[CMSG_SPACE (sizeof (int))]; } control = { 0 };
  struct iovec iov = { request, sizeof *request };
  struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof control };
  ssize_t n = recvmsg (fd, &message, MSG_CMSG_CLOEXEC);
  const struct cmsghdr *header = CMSG_FIRSTHDR (&message);

  if (n != sizeof *request || header == NULL || header->cmsg_type != SCM_RIGHTS)
    return 0;
  memcpy (file, CMSG_DATA (header), sizeof *file);
  request->path[COPY_PATH_MAX - 1] = '\0';
  return n;
}

static void
serve (int fd)
{
  static struct request requests[COPIES_MAX];
  int files[COPIES_MAX];
  unsigned n = 0;

  while (n < COPIES_MAX && take_request (fd, &requests[n], &files[n]) > 0)
    {
      struct answer answer;

      if (!requests[n++].last)
        continue;
      answer = make_all (requests, files, n);
      while (n > 0)
        close (files[--n]);
      if (send (fd, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer)
        return;
    }
}

/* Nothing is kept but the socket: no disk, no console. */
static void __attribute__ ((noreturn))
become_copier (int fd, bool sandboxed)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  for (int i = 0; i < 3; i++)
    dup2 (null, i);
  if (fd != 3)
    dup2 (fd, 3);
  syscall (SYS_close_range, 4u, ~0u, 0u); /* which not every libc has */
  if (!sandboxed || sandbox_alone (SANDBOX_COPIER) == 0)
    serve (3);
  _exit (0);
}

int
copier_new (struct copier **result, bool sandboxed)
{
  struct copier *copier = calloc (1, sizeof *copier);
  int pair[2], ret;

  if (copier == NULL)
    return -ENOMEM;
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
    {
      ret = -errno;
      goto no_pair;
    }
  copier->fd = pair[0];
  copier->pid = fork ();
  if (copier->pid == 0)
    become_copier (pair[1], sandboxed);
  ret = copier->pid < 0 ? -errno : 0;
  close (pair[1]);
  if (ret == 0)
    {
      *result = copier;
      return 0;
    }
  close (pair[0]);
no_pair:
  free (copier);
  return ret;
}

void
copier_free (struct copier *copier)
{
  if (copier == NULL)
    return;
  close (copier->fd);
  free (copier); /* the process is init's to bury when it ends after us */
}

static int
send_request (int fd, const struct copy *copy, bool last)
{
  struct request request = { .size = copy->size, .last = last };
  union { struct cmsghdr header; char bytes[CMSG_SPACE (sizeof (int))]; } control = { 0 };
  struct iovec iov = { &request, sizeof request };
  struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof control };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);

  strcpy (request.path, copy->path);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (header), &copy->fd, sizeof (int));
  return sendmsg (fd, &message, MSG_NOSIGNAL) == sizeof request ? 0 : -errno;
}

int
copier_copy (struct copier *copier, const struct copy *copies, unsigned n, unsigned *failed)
{
  struct answer answer;
  int ret = 0;

  *failed = 0;
  if (n == 0 || n > COPIES_MAX)
    return -EINVAL;
  for (unsigned i = 0; i < n; i++)
    if (strlen (copies[i].path) >= COPY_PATH_MAX)
      {
        *failed = i;
        return -ENAMETOOLONG;
      }
  for (unsigned i = 0; i < n && ret == 0; i++)
    ret = send_request (copier->fd, &copies[i], i + 1 == n);
  if (ret < 0)
    return ret;
  if (recv (copier->fd, &answer, sizeof answer, 0) != sizeof answer)
    return -EPIPE;
  *failed = answer.failed;
  return answer.error;
}
