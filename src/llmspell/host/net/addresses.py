"""This unit judges network addresses: how a host is written, and whether it is public.

    is_public(address)      whether an address is on the public internet
    resource(host, port)    "host:port" as grants name it
    names(host, port)       the same, and as it is spelled
    bare(host)              a host without the dot at its end
    METADATA_HOSTS          names that are never public, wherever they lead

Ports are always given, IPv6 addresses are in brackets, hosts are lower-case ASCII without the
dot at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...policy import literal

if TYPE_CHECKING:
    from ...policy import Address

METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata.goog"})
"""Names under which clouds hand out the credentials of the machine."""

NOT_PUBLIC = (
    "168.63.129.16",  # the host agent of a large cloud, on a public address
    "192.0.0.0/24",  # protocol assignments; one cloud has its metadata service here
    "192.88.99.0/24",  # relays from IPv4 to IPv6, out of use
    "3fff::/20",  # documentation; older versions of ipaddress do not know it
)
"""What `is_global` takes for public and is not. The other metadata addresses are not global."""


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet, also after unpacking an IPv4 address in it."""
    import ipaddress

    if any(address in ipaddress.ip_network(network) for network in NOT_PUBLIC):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in ipaddress.ip_network("64:ff9b::/96"):  # NAT64: a router unpacks it
        return is_public(last)
    # Only 2000::/3 is in use on the internet. This leaves out, among others, the addresses
    # ::a.b.c.d, local NAT64 prefixes and site-local addresses, which is_global lets pass.
    if address not in ipaddress.ip_network("2000::/3"):
        return False
    packed = [address.sixtofour, *(address.teredo or ())]
    return (
        address.is_global
        and not address.is_multicast
        and all(is_public(inner) for inner in packed if inner is not None)
    )


def resource(host: str, port: int) -> str:
    """host:port as grants name it. However an address is spelled, it has one name."""
    return _joined(str(literal(host.strip("[]")) or host), port)


def names(host: str, port: int) -> list[str]:
    """What must be granted: host:port as it is spelled, and as the address it spells."""
    return list(dict.fromkeys((_joined(host, port), resource(host, port))))


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{bare(host)}:{port}"


def bare(host: str) -> str:
    """The host in lower case without the dot at its end.

    "example.org." is the same host, and must not pass by a rule for "example.org".
    """
    return host.lower().rstrip(".")
