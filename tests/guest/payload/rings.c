/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rings NIC [RX TX]: how long an interface's rings are (ethtool -g), after they were made
 * RX and TX long (ethtool -G). */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int
main (int argc, char **argv)
{
  struct ethtool_ringparam rings = { .cmd = ETHTOOL_GRINGPARAM };
  struct ifreq request = { .ifr_data = (char *) &rings };
  int fd = socket (AF_INET, SOCK_DGRAM, 0);

  if (argc != 2 && argc != 4)
    return 2;
  strncpy (request.ifr_name, argv[1], IFNAMSIZ - 1);
  if (fd < 0 || ioctl (fd, SIOCETHTOOL, &request) < 0)
    {
      perror ("ETHTOOL_GRINGPARAM");
      return 1;
    }
  if (argc == 4)
    {
      rings.cmd = ETHTOOL_SRINGPARAM;
      rings.rx_pending = (unsigned) atoi (argv[2]);
      rings.tx_pending = (unsigned) atoi (argv[3]);
      if (ioctl (fd, SIOCETHTOOL, &request) < 0)
        {
          perror ("ETHTOOL_SRINGPARAM");
          return 1;
        }
      rings.cmd = ETHTOOL_GRINGPARAM;
      if (ioctl (fd, SIOCETHTOOL, &request) < 0)
        return 1;
    }
  printf ("%u %u\n", rings.rx_pending, rings.tx_pending);
  return 0;
}
