/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define BACKLOG 64

static int
fail (int fd, GError **error, const char *what, const char *name)
{
  int saved = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (saved), "%s %s: %s", what, name,
               g_strerror (saved));
  if (fd >= 0)
    close (fd);
  return -1;
}

static gboolean
make_raw (int fd)
{
  struct termios tty;

  if (!isatty (fd))
    return TRUE;
  if (tcgetattr (fd, &tty) < 0)
    return FALSE;
  cfmakeraw (&tty);
  tty.c_cflag |= CLOCAL | CREAD;
  tty.c_cc[VMIN] = 1;
  tty.c_cc[VTIME] = 0;
  return tcsetattr (fd, TCSANOW, &tty) == 0;
}

int
pvt_transport_open_port (const char *path, GError **error)
{
  int fd = open (path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  struct stat st;

  if (fd < 0)
    return fail (-1, error, "cannot open", path);
  if (fstat (fd, &st) < 0 || !S_ISCHR (st.st_mode))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is not a character device", path);
      close (fd);
      return -1;
    }
  if (!make_raw (fd))
    return fail (fd, error, "cannot set up the serial line", path);
  return fd;
}

static gboolean
unix_address (const char *path, struct sockaddr_un *addr, GError **error)
{
  memset (addr, 0, sizeof *addr);
  addr->sun_family = AF_UNIX;
  if (strlen (path) == 0 || strlen (path) >= sizeof addr->sun_path)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NAMETOOLONG,
                   "the socket path '%s' must have 1 to %zu bytes", path,
                   sizeof addr->sun_path - 1);
      return FALSE;
    }
  strcpy (addr->sun_path, path);
  return TRUE;
}

static int
new_socket (int family)
{
  return socket (family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Removes the socket of a server that is gone; anything else stays. */
static gboolean
remove_stale (const struct sockaddr_un *addr)
{
  struct stat st;
  gboolean stale;
  int fd;

  if (lstat (addr->sun_path, &st) < 0 || !S_ISSOCK (st.st_mode))
    return FALSE;
  fd = new_socket (AF_UNIX);
  if (fd < 0)
    return FALSE;
  stale = connect (fd, (const struct sockaddr *) addr, sizeof *addr) < 0 && errno == ECONNREFUSED;
  close (fd);
  return stale && unlink (addr->sun_path) == 0;
}

int
pvt_transport_listen_unix (const char *path, GError **error)
{
  struct sockaddr_un addr;
  int fd, rc;

  if (!unix_address (path, &addr, error))
    return -1;
  fd = new_socket (AF_UNIX);
  if (fd < 0)
    return fail (-1, error, "cannot make a socket for", path);
  rc = bind (fd, (struct sockaddr *) &addr, sizeof addr);
  if (rc < 0 && errno == EADDRINUSE)
    {
      if (remove_stale (&addr))
        rc = bind (fd, (struct sockaddr *) &addr, sizeof addr);
      else
        errno = EADDRINUSE;
    }
  /* Whoever may connect may run commands as root. */
  if (rc < 0 || chmod (path, 0600) < 0 || listen (fd, BACKLOG) < 0)
    return fail (fd, error, "cannot listen on", path);
  return fd;
}

static struct sockaddr_vm
vsock_address (guint32 cid, guint32 port)
{
  struct sockaddr_vm addr;

  memset (&addr, 0, sizeof addr);
  addr.svm_family = AF_VSOCK;
  addr.svm_cid = cid;
  addr.svm_port = port;
  return addr;
}

int
pvt_transport_listen_vsock (guint32 cid, guint32 port, GError **error)
{
  struct sockaddr_vm addr = vsock_address (cid, port);
  g_autofree char *name = g_strdup_printf ("vsock:%u:%u", cid, port);
  int fd = new_socket (AF_VSOCK);

  if (fd < 0)
    return fail (-1, error, "cannot make a socket for", name);
  if (bind (fd, (struct sockaddr *) &addr, sizeof addr) < 0 || listen (fd, BACKLOG) < 0)
    return fail (fd, error, "cannot listen on", name);
  return fd;
}

/* Ports below this need a capability, as those of IP do. */
#define PRIVILEGED_PORTS 1024

gboolean
pvt_transport_trusts (guint32 cid, guint32 port, guint32 own_cid)
{
  return cid == VMADDR_CID_HOST
         || ((cid == VMADDR_CID_LOCAL || cid == own_cid) && port < PRIVILEGED_PORTS);
}

gboolean
pvt_transport_vsock_is_trusted (int fd)
{
  struct sockaddr_vm peer;
  socklen_t len = sizeof peer;
  guint32 own = VMADDR_CID_LOCAL;

  if (getpeername (fd, (struct sockaddr *) &peer, &len) < 0 || len < sizeof peer)
    return FALSE;
  if (ioctl (fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &own) < 0)
    own = VMADDR_CID_LOCAL;
  return pvt_transport_trusts (peer.svm_cid, peer.svm_port, own);
}

int
pvt_transport_connect_unix (const char *path, GError **error)
{
  struct sockaddr_un addr;
  int fd;

  if (!unix_address (path, &addr, error))
    return -1;
  fd = new_socket (AF_UNIX);
  if (fd < 0 || connect (fd, (struct sockaddr *) &addr, sizeof addr) < 0)
    return fail (fd, error, "cannot connect to", path);
  return fd;
}

int
pvt_transport_connect_vsock (guint32 cid, guint32 port, GError **error)
{
  struct sockaddr_vm addr = vsock_address (cid, port);
  g_autofree char *name = g_strdup_printf ("vsock:%u:%u", cid, port);
  int fd = new_socket (AF_VSOCK);

  /* A non-blocking connect goes on by itself; the socket gets writable. */
  if (fd < 0
      || (connect (fd, (struct sockaddr *) &addr, sizeof addr) < 0 && errno != EINPROGRESS))
    return fail (fd, error, "cannot connect to", name);
  return fd;
}

static gboolean
parse_u32 (const char *text, guint32 *value)
{
  char *end;
  guint64 v;

  if (!g_ascii_isdigit (*text))
    return FALSE;
  errno = 0;
  v = g_ascii_strtoull (text, &end, 0);
  if (errno != 0 || *end != '\0' || v > G_MAXUINT32)
    return FALSE;
  *value = (guint32) v;
  return TRUE;
}

gboolean
pvt_transport_parse_vsock (const char *address, guint32 *cid, guint32 *port, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (address, ":", 3);
  guint32 c = 0, p = 0;
  gboolean ok = g_strv_length (parts) == 2;

  if (ok && strcmp (parts[0], "any") == 0)
    c = VMADDR_CID_ANY;
  else if (ok && strcmp (parts[0], "host") == 0)
    c = VMADDR_CID_HOST;
  else
    ok = ok && parse_u32 (parts[0], &c);
  if (!ok || !parse_u32 (parts[1], &p))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "'%s' is not a vsock address: CID:PORT was expected", address);
      return FALSE;
    }
  *cid = c;
  *port = p;
  return TRUE;
}
