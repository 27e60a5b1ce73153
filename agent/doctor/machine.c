/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine as a whole offers: hypervisor, clocks, entropy, memory. */
#include "doctor.h"

#include "agent/platform/clock-state.h"
#include "agent/platform/host-clock.h"
#include "agent/platform/stat.h"
#include "agent/platform/time-service.h"
#include "agent/platform/virtio-bus.h"

#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define HYPERVISOR_LEAF 0x40000000u
#endif

/* Of the time that the guest wanted to run. */
#define MUCH_STEAL 0.05

#define AGENT_PORT "org.qemu.guest_agent.0"

/* Signature of the hypervisor's CPUID leaf; "" where there is none to be asked. */
static void
read_signature (const PvtRoot *root, char signature[13])
{
  memset (signature, 0, 13);
#ifdef HYPERVISOR_LEAF
  guint32 words[4] = { 0 };

  if (root->fake)
    return;
  __cpuid (1, words[0], words[1], words[2], words[3]);
  if ((words[2] >> 31 & 1) == 0)
    return;
  __cpuid (HYPERVISOR_LEAF, words[0], words[1], words[2], words[3]);
  memcpy (signature, words + 1, 12);
  for (guint i = 0; i < 12; i++)
    if (signature[i] && !g_ascii_isprint (signature[i]))
      signature[i] = '?';
#endif
}

/* What its firmware calls it; some machines have none that does. */
static char *
describe_model (PvtDoctor *doctor)
{
  char vendor[128], product[128];
  char *model;

  pvt_doctor_read (doctor, vendor, sizeof vendor, "sys/class/dmi/id/sys_vendor");
  pvt_doctor_read (doctor, product, sizeof product, "sys/class/dmi/id/product_name");
  model = g_strstrip (g_strconcat (vendor, " ", product, NULL));
  if (*model)
    return model;
  g_free (model);
  return g_strdup ("no vendor or product told");
}

static void
check_hypervisor (PvtDoctor *doctor)
{
  g_autofree char *cpuinfo = NULL, *model = describe_model (doctor);
  char signature[13];
  gsize len;

  cpuinfo = pvt_root_read_alloc (doctor->root, "proc/cpuinfo", 4u << 20, &len, NULL);
  read_signature (doctor->root, signature);
  if (strcmp (signature, "TCGTCGTCGTCG") == 0)
    pvt_doctor_say (doctor, "hypervisor", PVT_CHECK_STATE_WARN,
                    "start it with KVM on the host (-accel kvm): emulation is many times slower",
                    "emulated by QEMU (TCG): %s", model);
  else if (cpuinfo == NULL || strstr (cpuinfo, " hypervisor") == NULL)
    pvt_doctor_say (doctor, "hypervisor", PVT_CHECK_STATE_WARN,
                    "let the hypervisor show itself in CPUID (QEMU: no -cpu ...,-hypervisor, "
                    "kvm=off): the kernel cannot adapt otherwise",
                    "no hypervisor is to be seen in the processor's flags: %s", model);
  else
    pvt_doctor_say (doctor, "hypervisor", PVT_CHECK_STATE_PASS, NULL, "%s%s%s", signature,
                    *signature ? ", " : "", model);
}

static void
check_clocksource (PvtDoctor *doctor)
{
  static const char *const good[] = { "kvm-clock", "tsc", "arch_sys_counter", NULL };
  char current[64], available[256];

  if (!pvt_doctor_read (doctor, current, sizeof current,
                        "sys/devices/system/clocksource/clocksource0/current_clocksource"))
    {
      pvt_doctor_say (doctor, "clocksource", PVT_CHECK_STATE_SKIP, NULL, "the kernel does not say");
      return;
    }
  pvt_doctor_read (doctor, available, sizeof available,
                   "sys/devices/system/clocksource/clocksource0/available_clocksource");
  pvt_doctor_say (doctor, "clocksource",
                  g_strv_contains (good, current) ? PVT_CHECK_STATE_PASS : PVT_CHECK_STATE_WARN,
                  "offer kvm-clock or an invariant TSC on the host (-cpu host, +invtsc): every "
                  "look at this clock leaves the guest",
                  "%s, of %s", current, available);
}

static void
check_time (PvtDoctor *doctor)
{
  PvtTimeServiceKind service = pvt_time_service_find (doctor->root);
  gboolean host = pvt_host_ptp_find (doctor->root) >= 0;
  PvtClockState clock;

  pvt_clock_state_read (doctor->root, &clock);
  pvt_doctor_say (doctor, "time",
                  host || service != PVT_SERVICE_NONE ? PVT_CHECK_STATE_PASS : PVT_CHECK_STATE_WARN,
                  "install chrony, with pvtools-agent-drivers for the host's clock as its source; "
                  "at least modprobe ptp_kvm, so that pvtools time sync has something to go by",
                  "%s, service: %s%s", host ? "the host's clock is at hand" : "no clock of the host",
                  pvt_time_service_name (service),
                  !doctor->root->fake && clock.synchronized ? ", in step" : "");
}

static void
check_entropy (PvtDoctor *doctor)
{
  char current[128];

  pvt_doctor_read (doctor, current, sizeof current, "sys/class/misc/hw_random/rng_current");
  if (*current == '\0' || strcmp (current, "none") == 0)
    pvt_doctor_say (doctor, "entropy", PVT_CHECK_STATE_WARN,
                    "give the guest a virtio-rng device on the host, and virtio_rng in the guest",
                    "no hardware random numbers");
  else
    pvt_doctor_say (doctor, "entropy", PVT_CHECK_STATE_PASS, NULL, "%s", current);
}

/* Feature bits of the balloon, section 5.5.3 of the specification. */
enum
{
  DEFLATE_ON_OOM = 2,
  PAGE_REPORTING = 5,
};

static void
check_balloon (PvtDoctor *doctor)
{
  PvtVerdict verdict = { .n = 0 };

  for (guint i = 0; i < doctor->virtio->len; i++)
    {
      const PvtVirtioDevice *device = &g_array_index (doctor->virtio, PvtVirtioDevice, i);
      gboolean reports = pvt_virtio_has (device, PAGE_REPORTING);

      if (device->type != PVT_VIRTIO_BALLOON)
        continue;
      pvt_verdict_add (&verdict, reports ? PVT_CHECK_STATE_PASS : PVT_CHECK_STATE_WARN,
                       "%s: %s free pages%s", device->name, reports ? "reports" : "does not report",
                       pvt_virtio_has (device, DEFLATE_ON_OOM) ? ", deflates on OOM" : "");
    }
  pvt_verdict_say (&verdict, doctor, "balloon", "no memory balloon",
                   "offer free-page-reporting=on (QEMU) on the balloon, so that the host gets "
                   "unused memory back");
}

static gboolean
agent_runs (const PvtDoctor *doctor)
{
  g_auto (GStrv) names = pvt_doctor_names (doctor, "proc");

  for (guint i = 0; names[i]; i++)
    {
      char comm[32];

      if (g_ascii_isdigit (names[i][0])
          && pvt_doctor_read (doctor, comm, sizeof comm, "proc/%s/comm", names[i])
          && (strcmp (comm, "pvtools-agent") == 0 || strcmp (comm, "qemu-ga") == 0))
        return TRUE;
    }
  return FALSE;
}

static void
check_channel (PvtDoctor *doctor)
{
  g_auto (GStrv) ports = pvt_doctor_names (doctor, "dev/virtio-ports");
  gboolean port = g_strv_contains ((const char *const *) ports, AGENT_PORT);
  gboolean agent = agent_runs (doctor);

  if (port && agent)
    pvt_doctor_say (doctor, "channel", PVT_CHECK_STATE_PASS, NULL, "%s, and an agent runs", AGENT_PORT);
  else if (port)
    pvt_doctor_say (doctor, "channel", PVT_CHECK_STATE_FAIL,
                    "systemctl status pvtools-agent says why it does not run",
                    "the host has a port for an agent, but none runs");
  else
    pvt_doctor_say (doctor, "channel", PVT_CHECK_STATE_WARN,
                    "give the guest a virtio-serial port named " AGENT_PORT " on the host",
                    "the host has no port for an agent%s", agent ? ", though one runs" : "");
}

static void
check_steal (PvtDoctor *doctor)
{
  g_autoptr (GArray) cpus = pvt_stat_read (doctor->root, NULL);
  const PvtCpuTimes *all = cpus && cpus->len ? &g_array_index (cpus, PvtCpuTimes, 0) : NULL;
  double busy = 0, steal;

  if (all == NULL || all->n_fields <= PVT_CPU_STEAL)
    {
      pvt_doctor_say (doctor, "steal", PVT_CHECK_STATE_SKIP, NULL, "the kernel does not say");
      return;
    }
  for (guint i = 0; i <= PVT_CPU_STEAL; i++)
    if (i != PVT_CPU_IDLE && i != PVT_CPU_IOWAIT)
      busy += (double) all->ticks[i];
  steal = busy > 0 ? (double) all->ticks[PVT_CPU_STEAL] / busy : 0;
  pvt_doctor_say (doctor, "steal", steal > MUCH_STEAL ? PVT_CHECK_STATE_WARN : PVT_CHECK_STATE_PASS,
                  "the host has too few processors for its guests: move some, or give this one "
                  "a greater share",
                  "%.1f%% of the time it wanted to run it had to wait for the host, since its boot",
                  steal * 100);
}

void
pvt_doctor_machine (PvtDoctor *doctor)
{
  check_hypervisor (doctor);
  check_clocksource (doctor);
  check_time (doctor);
  check_entropy (doctor);
  check_balloon (doctor);
  check_channel (doctor);
  check_steal (doctor);
}
