"""Which machines a message may go to: people choose the addresses, and the server has a network of its own.

Nobody reaches link-local addresses, where clouds give credentials to whoever asks. Private addresses and
this machine itself are for admins, who set up the lab.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from urllib.parse import urlsplit
from urllib.request import getproxies

TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64: the last four bytes are an IPv4 address


def refusal(address: str, reaches_private: bool) -> str:
    """Why an IP address may not be connected to; empty if it may."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "the address is not an IP address"
    ip = _within(ip)
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return f"{ip} is not an address that messages may go to"
    if not ip.is_global and not reaches_private and str(ip) not in _proxies():
        return f"{ip} is in a private network: only subscriptions of admins may send there"
    return ""


def _within(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to, by itself or through a gateway; else the address."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in TRANSLATED:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _proxies() -> set[str]:
    """IP addresses of the proxies that the environment names: what goes through them is theirs to judge."""
    found: set[str] = set()
    for url in getproxies().values():
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            infos = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
        except (OSError, ValueError):
            continue
        found |= {str(info[4][0]) for info in infos}
    return found
