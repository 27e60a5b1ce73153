/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others may know of a network device and do with it; any thread. */
#pragma once

#include "host-side/vmm/net-policy/policy.h"
#include "vdev.h"

/* What is counted: frames, bytes of frames, and every reason to drop one. */
enum net_count
{
  NET_RX_FRAMES, /* to the guest */
  NET_RX_BYTES,
  NET_RX_FILTERED, /* not for this driver: address or VLAN */
  NET_RX_BAD,      /* a header that asks for what was not negotiated */
  NET_RX_NO_ROOM,  /* longer than any buffer of the guest */
  NET_RX_NO_LINK,
  NET_RX_OVERRUN, /* the back-end's queue was full */
  NET_TX_FRAMES, /* from the guest */
  NET_TX_BYTES,
  NET_TX_BAD,     /* a header or a length that may not be */
  NET_TX_REFUSED, /* by the host's kernel */
  NET_TX_NO_LINK, /* or nobody at the other end */
  NET_COUNTS,
};

/* "rx-frames" */
const char *net_count_name (enum net_count what);

struct net_info
{
  uint8_t mac[6];
  bool link_up;
  const char *backend; /* "tap" */
  uint64_t counts[NET_COUNTS];
  uint64_t verdicts[NET_VERDICTS]; /* what the policy said */
};
void net_describe (struct vdev *dev, struct net_info *info);

/* A new policy from its text (net-policy/policy.h), while frames pass; "" for none. One
 * caller at a time. -EINVAL and @why for a bad text: the old one stays. */
int net_set_policy (struct vdev *dev, const char *text, const char **why);

/* The cable: without it nothing comes and what goes is lost. */
void net_set_link (struct vdev *dev, bool up);
/* Has the guest say where it is (5.1.6.5.4), if it can. */
void net_announce (struct vdev *dev);
