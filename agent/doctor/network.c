/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-net: queues, offloads, link. Feature bits of section 5.1.3. */
#include "doctor.h"

#include "agent/platform/virtio-bus.h"

#include <string.h>

enum
{
  CSUM = 0,
  GUEST_CSUM = 1,
  GUEST_TSO4 = 7,
  HOST_TSO4 = 11,
  MRG_RXBUF = 15,
  STATUS = 16,
  MULTIQUEUE = 22,
};

static guint
count_queues (const PvtDoctor *doctor, const char *interface)
{
  g_autofree char *path = g_strdup_printf ("sys/class/net/%s/queues", interface);
  g_auto (GStrv) names = pvt_doctor_names (doctor, path);
  guint n = 0;

  for (guint i = 0; names[i]; i++)
    n += g_str_has_prefix (names[i], "rx-") ? 1 : 0;
  return n;
}

static void
check_queues (const PvtDoctor *doctor, const PvtVirtioDevice *device, PvtVerdict *verdict)
{
  guint queues = count_queues (doctor, device->child);

  /* The kernel uses as many pairs as there are processors, up to those offered. */
  pvt_verdict_add (verdict,
                   doctor->n_cpus > 1 && queues <= 1 ? PVT_CHECK_STATE_WARN : PVT_CHECK_STATE_PASS,
                   "%s: %u queue%s for %u CPUs%s", device->child, queues, queues == 1 ? "" : "s",
                   doctor->n_cpus,
                   pvt_virtio_has (device, MULTIQUEUE) ? "" : ", the host offers no more");
}

static void
check_offloads (const PvtVirtioDevice *device, PvtVerdict *verdict)
{
  static const struct
  {
    guint bit;
    const char *name;
  } wanted[] = { { CSUM, "csum" },          { GUEST_CSUM, "guest_csum" },
                 { HOST_TSO4, "host_tso4" }, { GUEST_TSO4, "guest_tso4" },
                 { MRG_RXBUF, "mrg_rxbuf" } };
  g_autoptr (GString) missing = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (!pvt_virtio_has (device, wanted[i].bit))
      g_string_append_printf (missing, "%s%s", missing->len ? ", " : "", wanted[i].name);
  if (missing->len)
    pvt_verdict_add (verdict, PVT_CHECK_STATE_WARN, "%s: without %s", device->child, missing->str);
  else
    pvt_verdict_add (verdict, PVT_CHECK_STATE_PASS, "%s: checksums and segmentation", device->child);
}

static void
check_link (const PvtDoctor *doctor, const PvtVirtioDevice *device, PvtVerdict *verdict)
{
  char carrier[16], mtu[32];

  pvt_doctor_read (doctor, mtu, sizeof mtu, "sys/class/net/%s/mtu", device->child);
  /* Reading it fails while the interface is down. */
  if (!pvt_doctor_read (doctor, carrier, sizeof carrier, "sys/class/net/%s/carrier", device->child))
    pvt_verdict_add (verdict, PVT_CHECK_STATE_WARN, "%s: is down", device->child);
  else if (strcmp (carrier, "0") == 0)
    pvt_verdict_add (verdict, PVT_CHECK_STATE_WARN, "%s: no link", device->child);
  else
    pvt_verdict_add (verdict,
                     pvt_virtio_has (device, STATUS) ? PVT_CHECK_STATE_PASS : PVT_CHECK_STATE_WARN,
                     "%s: up, MTU %s%s", device->child, mtu,
                     pvt_virtio_has (device, STATUS) ? "" : ", the host cannot tell of a lost link");
}

void
pvt_doctor_network (PvtDoctor *doctor)
{
  PvtVerdict queues = { .n = 0 }, offloads = { .n = 0 }, link = { .n = 0 };

  for (guint i = 0; i < doctor->virtio->len; i++)
    {
      const PvtVirtioDevice *device = &g_array_index (doctor->virtio, PvtVirtioDevice, i);

      if (device->type != PVT_VIRTIO_NET || *device->child == '\0')
        continue;
      check_queues (doctor, device, &queues);
      check_offloads (device, &offloads);
      check_link (doctor, device, &link);
    }
  pvt_verdict_say (&queues, doctor, "net-queues", "no virtio network device",
                   "offer as many queue pairs as the guest has CPUs on the host (queues=N, "
                   "vectors=2N+2); ethtool -L switches on what was switched off");
  pvt_verdict_say (&offloads, doctor, "net-offloads", "no virtio network device",
                   "let the host offer checksums, TSO and mergeable buffers (a tap with vnet_hdr)");
  pvt_verdict_say (&link, doctor, "net-link", "no virtio network device",
                   "ip link set DEVICE up in the guest; set_link and the bridge on the host");
}
