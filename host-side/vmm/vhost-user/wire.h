/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost-user messages, as QEMU's docs/interop/vhost-user.rst has them. Host byte order. */
#pragma once

#include <stdint.h>

enum vhost_user_request
{
  VHOST_USER_GET_FEATURES = 1,
  VHOST_USER_SET_FEATURES = 2,
  VHOST_USER_SET_OWNER = 3,
  VHOST_USER_RESET_OWNER = 4,
  VHOST_USER_SET_MEM_TABLE = 5,
  VHOST_USER_SET_VRING_NUM = 8,
  VHOST_USER_SET_VRING_ADDR = 9,
  VHOST_USER_SET_VRING_BASE = 10,
  VHOST_USER_GET_VRING_BASE = 11,
  VHOST_USER_SET_VRING_KICK = 12,
  VHOST_USER_SET_VRING_CALL = 13,
  VHOST_USER_SET_VRING_ERR = 14,
  VHOST_USER_GET_PROTOCOL_FEATURES = 15,
  VHOST_USER_SET_PROTOCOL_FEATURES = 16,
  VHOST_USER_GET_QUEUE_NUM = 17,
  VHOST_USER_SET_VRING_ENABLE = 18,
  VHOST_USER_GET_CONFIG = 24,
  VHOST_USER_SET_CONFIG = 25,
  VHOST_USER_RESET_DEVICE = 34,
  VHOST_USER_REQUEST_MAX = 64,
};

#define VHOST_USER_VERSION 1u
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_REPLY 4u
#define VHOST_USER_NEED_REPLY 8u

/* A virtio feature bit of the transport's own. */
#define VHOST_USER_F_PROTOCOL_FEATURES 30

#define VHOST_USER_PROTOCOL_F_MQ 0
#define VHOST_USER_PROTOCOL_F_REPLY_ACK 3
#define VHOST_USER_PROTOCOL_F_CONFIG 9
#define VHOST_USER_PROTOCOL_F_RESET_DEVICE 13

#define VHOST_USER_REGIONS_MAX 8
#define VHOST_USER_CONFIG_MAX 256
#define VHOST_USER_FDS_MAX 8

/* In the u64 of SET_VRING_KICK, CALL and ERR. */
#define VHOST_USER_VRING_INDEX 0xffu
#define VHOST_USER_VRING_NO_FD 0x100u

struct vhost_user_header
{
  uint32_t request;
  uint32_t flags;
  uint32_t size; /* of the payload */
};

struct vhost_user_vring_state
{
  uint32_t index;
  uint32_t num;
};

/* Addresses as the front-end's process has them, not the guest's. */
struct vhost_user_vring_addr
{
  uint32_t index;
  uint32_t flags;
  uint64_t desc, used, avail, log;
};

struct vhost_user_region
{
  uint64_t gpa;
  uint64_t size;
  uint64_t user;
  uint64_t mmap_offset;
};

struct vhost_user_mem_table
{
  uint32_t n;
  uint32_t padding;
  struct vhost_user_region region[VHOST_USER_REGIONS_MAX];
};

struct vhost_user_config
{
  uint32_t offset;
  uint32_t size;
  uint32_t flags;
  uint8_t data[VHOST_USER_CONFIG_MAX];
};

struct vhost_user_message
{
  struct vhost_user_header header;
  union
  {
    uint64_t u64;
    struct vhost_user_vring_state state;
    struct vhost_user_vring_addr addr;
    struct vhost_user_mem_table memory;
    struct vhost_user_config config;
  };
  unsigned n_fds;
  int fds[VHOST_USER_FDS_MAX]; /* -1 once taken */
};

_Static_assert (sizeof (struct vhost_user_header) == 12, "as the protocol has it");
_Static_assert (sizeof (struct vhost_user_vring_addr) == 40, "as the protocol has it");
_Static_assert (sizeof (struct vhost_user_mem_table) == 8 + 8 * 32, "as the protocol has it");

/* Receives one: 1, 0 at the end of the stream, negative errno. The message owns
 * its descriptors. */
int vhost_user_receive (int fd, struct vhost_user_message *message);
/* Sends the message back as the reply to itself with @size bytes of payload. */
int vhost_user_reply (int fd, struct vhost_user_message *message, uint32_t size);
/* Closes the descriptors nobody took. */
void vhost_user_close_fds (struct vhost_user_message *message);
