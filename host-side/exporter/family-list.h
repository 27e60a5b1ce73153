/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every family this exporter can print, in the order it prints them. The node_
 * names, their units and labels are those of node_exporter 1.x, so that what
 * was made for it works on a guest; pvtools_ names are ours.
 *
 * F(identifier, name, type, help)
 */
#pragma once

/* Keys of /proc/meminfo in KiB: node_memory_<Key>_bytes. M(identifier, key) */
#define PVT_MEMORY_KEYS(M)                                                                         \
  M (MemTotal, "MemTotal")                                                                         \
  M (MemFree, "MemFree")                                                                           \
  M (MemAvailable, "MemAvailable")                                                                 \
  M (Buffers, "Buffers")                                                                           \
  M (Cached, "Cached")                                                                             \
  M (SwapCached, "SwapCached")                                                                     \
  M (Active, "Active")                                                                             \
  M (Inactive, "Inactive")                                                                         \
  M (Active_anon, "Active(anon)")                                                                  \
  M (Inactive_anon, "Inactive(anon)")                                                              \
  M (Active_file, "Active(file)")                                                                  \
  M (Inactive_file, "Inactive(file)")                                                              \
  M (Unevictable, "Unevictable")                                                                   \
  M (Mlocked, "Mlocked")                                                                           \
  M (SwapTotal, "SwapTotal")                                                                       \
  M (SwapFree, "SwapFree")                                                                         \
  M (Zswap, "Zswap")                                                                               \
  M (Zswapped, "Zswapped")                                                                         \
  M (Dirty, "Dirty")                                                                               \
  M (Writeback, "Writeback")                                                                       \
  M (AnonPages, "AnonPages")                                                                       \
  M (Mapped, "Mapped")                                                                             \
  M (Shmem, "Shmem")                                                                               \
  M (KReclaimable, "KReclaimable")                                                                 \
  M (Slab, "Slab")                                                                                 \
  M (SReclaimable, "SReclaimable")                                                                 \
  M (SUnreclaim, "SUnreclaim")                                                                     \
  M (KernelStack, "KernelStack")                                                                   \
  M (PageTables, "PageTables")                                                                     \
  M (SecPageTables, "SecPageTables")                                                               \
  M (NFS_Unstable, "NFS_Unstable")                                                                 \
  M (Bounce, "Bounce")                                                                             \
  M (WritebackTmp, "WritebackTmp")                                                                 \
  M (CommitLimit, "CommitLimit")                                                                   \
  M (Committed_AS, "Committed_AS")                                                                 \
  M (VmallocTotal, "VmallocTotal")                                                                 \
  M (VmallocUsed, "VmallocUsed")                                                                   \
  M (VmallocChunk, "VmallocChunk")                                                                 \
  M (Percpu, "Percpu")                                                                             \
  M (HardwareCorrupted, "HardwareCorrupted")                                                       \
  M (AnonHugePages, "AnonHugePages")                                                               \
  M (ShmemHugePages, "ShmemHugePages")                                                             \
  M (ShmemPmdMapped, "ShmemPmdMapped")                                                             \
  M (FileHugePages, "FileHugePages")                                                               \
  M (FilePmdMapped, "FilePmdMapped")                                                               \
  M (CmaTotal, "CmaTotal")                                                                         \
  M (CmaFree, "CmaFree")                                                                           \
  M (Hugepagesize, "Hugepagesize")                                                                 \
  M (Hugetlb, "Hugetlb")                                                                           \
  M (DirectMap4k, "DirectMap4k")                                                                   \
  M (DirectMap2M, "DirectMap2M")                                                                   \
  M (DirectMap4M, "DirectMap4M")                                                                   \
  M (DirectMap1G, "DirectMap1G")

/* Keys of /proc/meminfo in pages: node_memory_<Key>. */
#define PVT_PAGE_KEYS(M)                                                                           \
  M (HugePages_Total, "HugePages_Total")                                                           \
  M (HugePages_Free, "HugePages_Free")                                                             \
  M (HugePages_Rsvd, "HugePages_Rsvd")                                                             \
  M (HugePages_Surp, "HugePages_Surp")

/* Those keys of /proc/vmstat that node_exporter takes: node_vmstat_<key>. */
#define PVT_VMSTAT_KEYS(M)                                                                         \
  M (oom_kill, "oom_kill")                                                                         \
  M (pgfault, "pgfault")                                                                           \
  M (pgmajfault, "pgmajfault")                                                                     \
  M (pgpgin, "pgpgin")                                                                             \
  M (pgpgout, "pgpgout")                                                                           \
  M (pswpin, "pswpin")                                                                             \
  M (pswpout, "pswpout")

/* Columns of /proc/diskstats. */
#define PVT_DISK_FAMILIES(F)                                                                       \
  F (DISK_READS, "node_disk_reads_completed_total", COUNTER, "Reads completed.")                   \
  F (DISK_READS_MERGED, "node_disk_reads_merged_total", COUNTER, "Reads merged.")                  \
  F (DISK_READ_BYTES, "node_disk_read_bytes_total", COUNTER, "Bytes read.")                        \
  F (DISK_READ_TIME, "node_disk_read_time_seconds_total", COUNTER, "Seconds spent by all reads.")  \
  F (DISK_WRITES, "node_disk_writes_completed_total", COUNTER, "Writes completed.")                \
  F (DISK_WRITES_MERGED, "node_disk_writes_merged_total", COUNTER, "Writes merged.")               \
  F (DISK_WRITTEN_BYTES, "node_disk_written_bytes_total", COUNTER, "Bytes written.")               \
  F (DISK_WRITE_TIME, "node_disk_write_time_seconds_total", COUNTER,                               \
     "Seconds spent by all writes.")                                                               \
  F (DISK_IO_NOW, "node_disk_io_now", GAUGE, "Requests under way.")                                \
  F (DISK_IO_TIME, "node_disk_io_time_seconds_total", COUNTER,                                     \
     "Seconds in which requests were under way.")                                                  \
  F (DISK_IO_WEIGHTED, "node_disk_io_time_weighted_seconds_total", COUNTER,                        \
     "Seconds in which requests were under way, times their number.")                              \
  F (DISK_DISCARDS, "node_disk_discards_completed_total", COUNTER, "Discards completed.")          \
  F (DISK_DISCARDS_MERGED, "node_disk_discards_merged_total", COUNTER, "Discards merged.")         \
  F (DISK_DISCARDED, "node_disk_discarded_sectors_total", COUNTER,                                 \
     "Sectors of 512 bytes discarded.")                                                            \
  F (DISK_DISCARD_TIME, "node_disk_discard_time_seconds_total", COUNTER,                           \
     "Seconds spent by all discards.")                                                             \
  F (DISK_FLUSHES, "node_disk_flush_requests_total", COUNTER, "Flushes completed.")                \
  F (DISK_FLUSH_TIME, "node_disk_flush_requests_time_seconds_total", COUNTER,                      \
     "Seconds spent by all flushes.")

/* Counters of a network interface, in the order of PvtNetCounter. */
#define PVT_NETWORK_FAMILIES(F)                                                                    \
  F (NET_RX_BYTES, "node_network_receive_bytes_total", COUNTER, "Bytes received.")                 \
  F (NET_RX_PACKETS, "node_network_receive_packets_total", COUNTER, "Packets received.")           \
  F (NET_RX_ERRS, "node_network_receive_errs_total", COUNTER, "Errors in receiving.")              \
  F (NET_RX_DROP, "node_network_receive_drop_total", COUNTER, "Received packets dropped.")         \
  F (NET_TX_BYTES, "node_network_transmit_bytes_total", COUNTER, "Bytes sent.")                    \
  F (NET_TX_PACKETS, "node_network_transmit_packets_total", COUNTER, "Packets sent.")              \
  F (NET_TX_ERRS, "node_network_transmit_errs_total", COUNTER, "Errors in sending.")               \
  F (NET_TX_DROP, "node_network_transmit_drop_total", COUNTER, "Packets dropped on sending.")

#define PVT_NODE_FAMILIES(F)                                                                       \
  F (UNAME, "node_uname_info", GAUGE, "Names of the kernel as uname(2) has them; always 1.")       \
  F (OS, "node_os_info", GAUGE, "Names of the distribution from os-release; always 1.")            \
  F (TIME, "node_time_seconds", GAUGE, "The guest's clock, seconds since the epoch.")              \
  F (BOOT_TIME, "node_boot_time_seconds", GAUGE, "When the guest was booted, by its clock.")       \
  F (LOAD1, "node_load1", GAUGE, "Load average over 1 minute.")                                    \
  F (LOAD5, "node_load5", GAUGE, "Load average over 5 minutes.")                                   \
  F (LOAD15, "node_load15", GAUGE, "Load average over 15 minutes.")                                \
  F (CPU, "node_cpu_seconds_total", COUNTER, "Seconds each CPU spent in each mode.")               \
  F (CPU_GUEST, "node_cpu_guest_seconds_total", COUNTER,                                           \
     "Seconds each CPU spent on guests of this guest; they are in user and nice too.")             \
  F (CONTEXT, "node_context_switches_total", COUNTER, "Context switches.")                         \
  F (INTR, "node_intr_total", COUNTER, "Interrupts serviced.")                                     \
  F (FORKS, "node_forks_total", COUNTER, "Processes and threads made.")                            \
  F (PROCS_RUNNING, "node_procs_running", GAUGE, "Tasks that can run.")                            \
  F (PROCS_BLOCKED, "node_procs_blocked", GAUGE, "Tasks that wait for a disk.")                    \
  F (PSI_CPU, "node_pressure_cpu_waiting_seconds_total", COUNTER,                                  \
     "Seconds in which a task waited for a CPU.")                                                  \
  F (PSI_IO, "node_pressure_io_waiting_seconds_total", COUNTER,                                    \
     "Seconds in which a task waited for a disk.")                                                 \
  F (PSI_IO_FULL, "node_pressure_io_stalled_seconds_total", COUNTER,                               \
     "Seconds in which all tasks waited for disks.")                                               \
  F (PSI_MEMORY, "node_pressure_memory_waiting_seconds_total", COUNTER,                            \
     "Seconds in which a task waited for memory.")                                                 \
  F (PSI_MEMORY_FULL, "node_pressure_memory_stalled_seconds_total", COUNTER,                       \
     "Seconds in which all tasks waited for memory.")                                              \
  F (PSI_IRQ_FULL, "node_pressure_irq_stalled_seconds_total", COUNTER,                             \
     "Seconds in which interrupts held all tasks up.")                                             \
  F (FD_ALLOCATED, "node_filefd_allocated", GAUGE, "File handles in use.")                         \
  F (FD_MAXIMUM, "node_filefd_maximum", GAUGE, "Most file handles.")                               \
  F (FS_SIZE, "node_filesystem_size_bytes", GAUGE, "Size of a filesystem.")                        \
  F (FS_FREE, "node_filesystem_free_bytes", GAUGE, "Unused space, the reserve included.")          \
  F (FS_AVAIL, "node_filesystem_avail_bytes", GAUGE, "Space users without privilege can use.")     \
  F (FS_FILES, "node_filesystem_files", GAUGE, "Inodes in all.")                                   \
  F (FS_FILES_FREE, "node_filesystem_files_free", GAUGE, "Inodes unused.")                         \
  F (FS_READONLY, "node_filesystem_readonly", GAUGE, "1 when it cannot be written.")               \
  F (FS_ERROR, "node_filesystem_device_error", GAUGE, "1 when it does not tell its figures.")      \
  F (NET_UP, "node_network_up", GAUGE, "1 when the interface's operstate is up.")                  \
  F (NET_CARRIER, "node_network_carrier", GAUGE, "1 when the interface has a carrier.")            \
  F (NET_MTU, "node_network_mtu_bytes", GAUGE, "Largest packet of the interface.")                 \
  F (NET_SPEED, "node_network_speed_bytes", GAUGE, "Speed of the interface, bytes a second.")      \
  F (SCRAPE_DURATION, "node_scrape_collector_duration_seconds", GAUGE,                             \
     "How long the agent took for a group of figures.")                                            \
  F (SCRAPE_SUCCESS, "node_scrape_collector_success", GAUGE, "1 when the group was answered.")

#define PVT_OWN_FAMILIES(F)                                                                        \
  F (UP, "pvtools_guest_up", GAUGE, "1 when the guest's agent answered.")                          \
  F (HEALTH, "pvtools_guest_health", GAUGE,                                                        \
     "1 for the state the guest is in, 0 for all others.")                                         \
  F (AGENT, "pvtools_agent_info", GAUGE,                                                           \
     "The agent: kind is pvtools-agent or qemu-ga; always 1.")                                     \
  F (FROZEN, "pvtools_guest_frozen", GAUGE, "1 while the guest's filesystems are frozen.")         \
  F (HUNG, "pvtools_guest_hung_mount", GAUGE, "A mountpoint that does not answer; always 1.")      \
  F (AGENT_REQUESTS, "pvtools_agent_requests_total", COUNTER,                                      \
     "Requests the agent answered since it was started.")                                          \
  F (AGENT_ERRORS, "pvtools_agent_errors_total", COUNTER, "Errors among the agent's answers.")     \
  F (AGENT_UPTIME, "pvtools_agent_uptime_seconds", GAUGE, "How long the agent has been running.")  \
  F (COLLECT_SECONDS, "pvtools_guest_collect_duration_seconds", GAUGE,                             \
     "How long it took to ask the guest.")                                                         \
  F (COLLECTED, "pvtools_guest_last_collect_timestamp_seconds", GAUGE,                             \
     "When the guest was last asked, by the host's clock.")                                        \
  F (SUCCEEDED, "pvtools_guest_last_success_timestamp_seconds", GAUGE,                             \
     "When the guest last answered, by the host's clock.")                                         \
  F (GUEST_ERRORS, "pvtools_guest_errors_total", COUNTER, "Failures to ask the guest, by reason.") \
  F (DROPPED, "pvtools_guest_dropped_samples", GAUGE,                                              \
     "Figures of the guest left out: impossible, given twice, or too many.")                       \
  F (PAGE, "pvtools_guest_page", GAUGE,                                                            \
     "1 for the state the guest's shared page is in, 0 for all others.")                           \
  F (PAGE_AGE, "pvtools_guest_page_unchanged_seconds", GAUGE,                                      \
     "How long the shared page has been the same, by the host's clock.")                           \
  F (ROUNDS, "pvtools_guest_channel_rounds_total", COUNTER,                                        \
     "How often a guest with a shared page was asked over its channel.")                           \
  F (REST_AGE, "pvtools_guest_channel_age_seconds", GAUGE,                                         \
     "How old the figures are that the shared page does not hold.")                                \
  F (BUILD, "pvtools_exporter_build_info", GAUGE, "Version of this exporter; always 1.")           \
  F (KNOWN, "pvtools_exporter_guests", GAUGE, "Guests that were discovered.")                      \
  F (BACKED_OFF, "pvtools_exporter_guests_backed_off", GAUGE,                                      \
     "Guests that are left alone for a while because they do not answer.")                         \
  F (COLLECTS, "pvtools_exporter_collects_total", COUNTER, "Rounds of a guest, by its page or its channel, by result.")             \
  F (CACHED, "pvtools_exporter_cache_hits_total", COUNTER, "Guests that a scrape had from memory.")        \
  F (HTTP, "pvtools_exporter_http_requests_total", COUNTER, "HTTP requests, by status.")           \
  F (DURATION, "pvtools_exporter_collect_duration_seconds", HISTOGRAM,                             \
     "How long it took to ask a guest.")                                                           \
  F (LATE, "pvtools_exporter_refresh_late_seconds", HISTOGRAM,                                     \
     "How much later than its turn a guest was asked.")                                            \
  F (PROC_CPU, "process_cpu_seconds_total", COUNTER, "CPU time of this exporter.")                 \
  F (PROC_RSS, "process_resident_memory_bytes", GAUGE, "Resident memory of this exporter.")        \
  F (PROC_FDS, "process_open_fds", GAUGE, "Open file descriptors of this exporter.")               \
  F (PROC_START, "process_start_time_seconds", GAUGE, "When this exporter was started.")

#define PVT_LIBVIRT_FAMILIES(F)                                                                    \
  F (LV_STATE, "libvirt_domain_info_vstate", GAUGE, "1 running, 3 paused, 5 shut off, 6 crashed.") \
  F (LV_CPUS, "libvirt_domain_info_virtual_cpus", GAUGE, "CPUs that are online in the guest.")     \
  F (LV_CPU_TIME, "libvirt_domain_info_cpu_time_seconds_total", COUNTER,                           \
     "Seconds the CPUs worked, as the guest counts.")                                              \
  F (LV_MEM_AVAILABLE, "libvirt_domain_memory_stats_available_bytes", GAUGE,                       \
     "Memory that the guest sees: its MemTotal.")                                                  \
  F (LV_MEM_UNUSED, "libvirt_domain_memory_stats_unused_bytes", GAUGE,                             \
     "Memory nobody uses: its MemFree.")                                                           \
  F (LV_MEM_USABLE, "libvirt_domain_memory_stats_usable_bytes", GAUGE,                             \
     "Memory to be had without swapping: its MemAvailable.")                                       \
  F (LV_MEM_CACHE, "libvirt_domain_memory_stats_disk_cache_bytes", GAUGE,                          \
     "Memory for files: its Cached.")                                                              \
  F (LV_MEM_PERCENT, "libvirt_domain_memory_stats_used_percent", GAUGE,                            \
     "Memory in use without caches.")                                                              \
  F (LV_READ_BYTES, "libvirt_domain_block_stats_read_bytes_total", COUNTER,                        \
     "Bytes read, by the guest's name of the disk.")                                               \
  F (LV_READS, "libvirt_domain_block_stats_read_requests_total", COUNTER, "Reads completed.")      \
  F (LV_WRITE_BYTES, "libvirt_domain_block_stats_write_bytes_total", COUNTER, "Bytes written.")    \
  F (LV_WRITES, "libvirt_domain_block_stats_write_requests_total", COUNTER, "Writes completed.")   \
  F (LV_RX_BYTES, "libvirt_domain_interface_stats_receive_bytes_total", COUNTER,                   \
     "Bytes in receiving, by the guest's name of the interface.")                                  \
  F (LV_RX_PACKETS, "libvirt_domain_interface_stats_receive_packets_total", COUNTER,               \
     "Packets in receiving.")                                                                      \
  F (LV_RX_ERRORS, "libvirt_domain_interface_stats_receive_errors_total", COUNTER,                 \
     "Errors in receiving.")                                                                       \
  F (LV_RX_DROPS, "libvirt_domain_interface_stats_receive_drops_total", COUNTER,                   \
     "Drops in receiving.")                                                                        \
  F (LV_TX_BYTES, "libvirt_domain_interface_stats_transmit_bytes_total", COUNTER,                  \
     "Bytes in sending, by the guest's name of the interface.")                                    \
  F (LV_TX_PACKETS, "libvirt_domain_interface_stats_transmit_packets_total", COUNTER,              \
     "Packets in sending.")                                                                        \
  F (LV_TX_ERRORS, "libvirt_domain_interface_stats_transmit_errors_total", COUNTER,                \
     "Errors in sending.")                                                                         \
  F (LV_TX_DROPS, "libvirt_domain_interface_stats_transmit_drops_total", COUNTER,                  \
     "Drops in sending.")
