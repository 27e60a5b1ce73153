# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest of pvtools-vmm on a user-mode network, and what it reaches from there."""

from tap import check, equal, note

NIC = "user,hostfwd=tcp:127.0.0.1:2007-:7"
# Another on virtio-pci: Linux 6.1 resets queues one by one there alone.
MAC = "52:54:00:00:03:01"
SECOND = f"user,net=10.0.3.0/24,mac={MAC},transport=pci"

# The host's side: what the name server and a program on the loopback say.
HOST = """
echo nameserver 127.0.0.1 > /etc/resolv.conf
head -c 1000003 /dev/urandom > /run/data
(nc -ll -p 53 -e echo asked > /dev/null 2>&1 &)
(nc -ll -p 9007 -e cat /run/data > /dev/null 2>&1 &)
(nc -ll -p 9008 -e cat /bin/rings > /dev/null 2>&1 &)
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
ip link set eth0 up
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
    nic = inside(f"basename $(dirname $(grep -L {MAC} /sys/class/net/eth*/address))").strip()
    # The guest's start gave an address to the first one it saw.
    inside("for n in /sys/class/net/eth*; do ip addr flush dev ${n##*/}; done")
    equal(inside(LEASE.replace("eth0", nic)).split(), ["10.0.2.15", "24", "10.0.2.2", "10.0.2.3"], "the lease")
    fetched = inside("nc 10.0.2.2 9007 < /dev/null | sha256sum; nc 10.0.2.3 53 < /dev/null")
    inside("(nc -ll -p 7 -e sha256sum > /dev/null 2>&1 &)")
    pushed, data = vm.sh(ECHO).replace(" -", "").split()
    equal(fetched.replace(" -", "").split(), [data, "asked"], "from the host, and its name server")
    equal(pushed, data, "from the host by hostfwd")
    card = [m["return"][0] for m in query() if isinstance(m.get("return"), list)][0]
    note(f"user-mode network: {card['counters']}")
    equal(card["backend"], "user", "the back-end")
    check(card["counters"]["rx-bytes"] > 2000006 and card["counters"]["tx-frames"] > 0, card)
    features = inside(f"cat /sys/class/net/{nic}/device/features")
    # CSUM, GUEST_CSUM, GUEST_OFFLOADS; GUEST_TSO4 to HOST_UFO; MAC
    equal((features[:3], features[7:15], features[5]), ("000", "00000000", "1"), features)


# A stream while the rings under it are made anew; what is lost then TCP sends again. Linux 6.1
# takes a ring for sending that is too short for one packet of all fragments there may be (19
# entries), and then never sends again: none of those here.
RESIZE = """
nc 10.0.3.2 9008 < /dev/null > /tmp/rings; chmod 755 /tmp/rings
/tmp/rings NIC
(nc 10.0.3.2 9007 < /dev/null | sha256sum > /tmp/sum.new; mv /tmp/sum.new /tmp/sum) > /dev/null 2>&1 &
for sizes in "128 64" "16 32" "256 256" "64 128"; do /tmp/rings NIC $sizes || exit 1; done
for i in $(seq 600); do [ -s /tmp/sum ] && break; sleep 0.1; done
cut -d' ' -f1 /tmp/sum
nc 10.0.3.2 9007 < /dev/null | sha256sum | cut -d' ' -f1
/tmp/rings NIC
"""


def resize(vm, inside):
    """Linux resets the queues of its NIC and starts them with other sizes (RING_RESET)."""
    nic = inside(f"basename $(dirname $(grep -l {MAC} /sys/class/net/*/address))").strip()
    lease = LEASE.replace("eth0", nic).replace("/tmp/lease", "/tmp/lease2")
    equal(inside(lease).split()[0], "10.0.3.15", "the second NIC's lease")
    features = inside(f"cat /sys/class/net/{nic}/device/features")
    equal(features[40], "1", f"RING_RESET in {features}")
    data = vm.sh("sha256sum < /run/data").split()[0]
    equal(inside(RESIZE.replace("NIC", nic)).splitlines(),
          ["256 256", "128 64", "16 32", "256 256", "64 128", data, data, "64 128"], "rings and sums")
