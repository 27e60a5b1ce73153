/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Socket device (5.10). */
#pragma once

#include <virtio/types.h>

/* 5.10.3 */
#define VIRTIO_VSOCK_F_STREAM 0
#define VIRTIO_VSOCK_F_SEQPACKET 1
#define VIRTIO_VSOCK_F_NO_IMPLIED_STREAM 2

/* 5.10.2 */
#define VIRTIO_VSOCK_QUEUE_RX 0u
#define VIRTIO_VSOCK_QUEUE_TX 1u
#define VIRTIO_VSOCK_QUEUE_EVENT 2u

/* 5.10.4: the upper 32 bits are 0; 0, 1, 2 and 0xffffffff are nobody's guest. */
struct virtio_vsock_config
{
  virtio_le64 guest_cid;
};
VIRTIO_SIZE (struct virtio_vsock_config, 8);

#define VIRTIO_VSOCK_CID_HYPERVISOR 0u
#define VIRTIO_VSOCK_CID_LOCAL 1u
#define VIRTIO_VSOCK_CID_HOST 2u
#define VIRTIO_VSOCK_CID_ANY 0xffffffffu

/* 5.10.6 */
struct virtio_vsock_hdr
{
  virtio_le64 src_cid;
  virtio_le64 dst_cid;
  virtio_le32 src_port;
  virtio_le32 dst_port;
  virtio_le32 len;
  virtio_le16 type;
  virtio_le16 op;
  virtio_le32 flags;
  virtio_le32 buf_alloc;
  virtio_le32 fwd_cnt;
} __attribute__ ((packed));
VIRTIO_SIZE (struct virtio_vsock_hdr, 44);
VIRTIO_OFFSET (struct virtio_vsock_hdr, type, 28);
VIRTIO_OFFSET (struct virtio_vsock_hdr, fwd_cnt, 40);

#define VIRTIO_VSOCK_TYPE_STREAM 1u
#define VIRTIO_VSOCK_TYPE_SEQPACKET 2u

enum virtio_vsock_op
{
  VIRTIO_VSOCK_OP_INVALID = 0,
  VIRTIO_VSOCK_OP_REQUEST = 1,
  VIRTIO_VSOCK_OP_RESPONSE = 2,
  VIRTIO_VSOCK_OP_RST = 3,
  VIRTIO_VSOCK_OP_SHUTDOWN = 4,
  VIRTIO_VSOCK_OP_RW = 5,
  VIRTIO_VSOCK_OP_CREDIT_UPDATE = 6,
  VIRTIO_VSOCK_OP_CREDIT_REQUEST = 7,
};

/* flags of SHUTDOWN (5.10.6.5) */
#define VIRTIO_VSOCK_SHUTDOWN_RECEIVE 1u
#define VIRTIO_VSOCK_SHUTDOWN_SEND 2u
/* flags of RW on SEQPACKET (5.10.6.6) */
#define VIRTIO_VSOCK_SEQ_EOM 1u
#define VIRTIO_VSOCK_SEQ_EOR 2u

/* 5.10.6.7 */
struct virtio_vsock_event
{
  virtio_le32 id;
};
VIRTIO_SIZE (struct virtio_vsock_event, 4);

#define VIRTIO_VSOCK_EVENT_TRANSPORT_RESET 0u
