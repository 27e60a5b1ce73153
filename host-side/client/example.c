/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libpvtools is used like. Build it with
 *   cc example.c $(pkg-config --cflags --libs pvtools-1)
 * and run it with the address of a guest, such as unix:/run/vm/agent.sock.
 */
#include <pvtools.h>
#include <stdio.h>

static void
print_system (PvtClient *client)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (PvtGuestOSInfo) os = pvt_client_guest_get_osinfo (client, -1, NULL, &error);

  if (os)
    printf ("system: %s, kernel %s\n", os->pretty_name ? os->pretty_name : "unknown",
            os->kernel_release ? os->kernel_release : "unknown");
  else
    printf ("system: %s\n", error->message);
}

static void
print_interfaces (PvtClient *client)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list
      = pvt_client_guest_network_get_interfaces (client, -1, NULL, &error);

  for (guint i = 0; list && i < list->len; i++)
    {
      PvtGuestNetworkInterface *interface = list->pdata[i];

      printf ("interface %s:", interface->name);
      for (guint a = 0; interface->ip_addresses && a < interface->ip_addresses->len; a++)
        {
          PvtGuestIpAddress *address = interface->ip_addresses->pdata[a];

          printf (" %s/%d", address->ip_address, (int) address->prefix);
        }
      putchar ('\n');
    }
  if (list == NULL)
    printf ("interfaces: %s\n", error->message);
}

static void
pinged (GObject *source, GAsyncResult *result, gpointer loop)
{
  g_autoptr (GError) error = NULL;

  if (pvt_client_guest_ping_finish (PVT_CLIENT (source), result, &error))
    puts ("ping: answered");
  else
    printf ("ping: %s\n", error->message);
  g_main_loop_quit (loop);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (PvtClient) client = NULL;

  if (argc != 2)
    {
      fprintf (stderr, "usage: %s ADDRESS\n", argv[0]);
      return 2;
    }
  client = pvt_client_connect (argv[1], 5000, NULL, &error);
  if (client == NULL)
    {
      fprintf (stderr, "%s: %s\n", argv[1], error->message);
      return 1;
    }
  print_system (client);
  print_interfaces (client);
  pvt_client_guest_ping_async (client, 5000, NULL, pinged, loop);
  g_main_loop_run (loop);
  return 0;
}
