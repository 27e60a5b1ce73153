# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest of pvtools-vmm on a user-mode network, and what it reaches from there."""

from tap import check, equal, note

NIC = "user,hostfwd=tcp:127.0.0.1:2007-:7"

# The host's side: what the name server and a program on the loopback say.
HOST = """
echo nameserver 127.0.0.1 > /etc/resolv.conf
head -c 1000003 /dev/urandom > /run/data
(nc -ll -p 53 -e echo asked > /dev/null 2>&1 &)
(nc -ll -p 9007 -e cat /run/data > /dev/null 2>&1 &)
"""
LEASE = """
cat > /tmp/lease.sh <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo $ip $mask $router $dns > /tmp/lease
END
chmod 755 /tmp/lease.sh
ip addr flush dev eth0
udhcpc -i eth0 -f -n -q -t 30 -T 2 -s /tmp/lease.sh > /tmp/udhcpc 2>&1 || cat /tmp/udhcpc
cat /tmp/lease
"""
ECHO = """
for i in $(seq 300); do
  nc 127.0.0.1 2007 < /run/data > /run/sum 2> /dev/null; [ -s /run/sum ] && break; sleep 0.2
done
cat /run/sum; sha256sum < /run/data
"""


def prepare(vm):
    """Before the machine begins: it learns its name server then."""
    vm.sh(HOST)


def look(vm, inside, query):
    """An address by DHCP; TCP to the host, to its name server, and from it by hostfwd."""
    equal(inside(LEASE).split(), ["10.0.2.15", "24", "10.0.2.2", "10.0.2.3"], "the lease")
    fetched = inside("nc 10.0.2.2 9007 < /dev/null | sha256sum; nc 10.0.2.3 53 < /dev/null")
    inside("(nc -ll -p 7 -e sha256sum > /dev/null 2>&1 &)")
    pushed, data = vm.sh(ECHO).replace(" -", "").split()
    equal(fetched.replace(" -", "").split(), [data, "asked"], "from the host, and its name server")
    equal(pushed, data, "from the host by hostfwd")
    nic = [m["return"][0] for m in query() if isinstance(m.get("return"), list)][0]
    note(f"user-mode network: {nic['counters']}")
    equal(nic["backend"], "user", "the back-end")
    check(nic["counters"]["rx-bytes"] > 2000006 and nic["counters"]["tx-frames"] > 0, nic)
    features = inside("cat /sys/class/net/eth0/device/features")
    # CSUM, GUEST_CSUM, GUEST_OFFLOADS; GUEST_TSO4 to HOST_UFO; MAC
    equal((features[:3], features[7:15], features[5]), ("000", "00000000", "1"), features)
