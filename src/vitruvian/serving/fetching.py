"""Pictures by URL: allowed hosts only, public addresses only, checked again at each redirect."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import anyio

from .inputs import Note
from .problems import Problem, too_large

if TYPE_CHECKING:
    import httpx

REDIRECTS = 3

# Addresses of IPv6 that are given out so far, and those that stand for one of IPv4 (RFC 6052).
_GLOBAL, _NAT64 = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("64:ff9b::/96")


async def fetch(address: str, hosts: Sequence[str], limit: int, seconds: float, note: Note) -> bytes:
    """The picture at an http(s) URL.

    The connection goes to the address that was checked, so that a name that changes its address meanwhile gains
    nothing. Proxies of the environment aren't used.

    Args:
        address: the URL.
        hosts: see `Access.url_hosts`.
        limit: bytes that it may have.
        seconds: that it may take.
        note: is told of every part, see `Service.holding`.

    Raises:
        Problem: a URL that isn't allowed (403), can't be fetched (422), or has too many bytes (413).
    """
    import httpx

    if not hosts:
        raise Problem(403, "no URLs are fetched here; send the picture itself (--allow-urls)")
    try:
        with anyio.fail_after(seconds):
            async with httpx.AsyncClient(trust_env=False, timeout=seconds, follow_redirects=False) as client:
                return await _follow(client, address, hosts, limit, note)
    except TimeoutError:
        raise Problem(422, f"{address} can't be fetched: it takes longer than {seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise Problem(422, f"{address} can't be fetched: {error}") from None


async def _follow(client: httpx.AsyncClient, address: str, hosts: Sequence[str], limit: int, note: Note) -> bytes:
    for _ in range(REDIRECTS + 1):
        url = _checked(address, hosts)
        place = await _public(url.host, url.port or (443 if url.scheme == "https" else 80))
        headers = {"Host": url.netloc.decode("ascii"), "User-Agent": "vitruvian", "Accept": "image/*"}
        headers["Accept-Encoding"] = "identity"
        secured = {"sni_hostname": url.host}
        async with client.stream("GET", url.copy_with(host=place), headers=headers, extensions=secured) as answer:
            if answer.is_redirect:
                address = urljoin(str(url), answer.headers.get("location", ""))
                continue
            if answer.status_code != 200:
                raise Problem(422, f"{address} can't be fetched: its server says {answer.status_code}")
            # A few bytes may be any number of them after decompression.
            if (encoding := answer.headers.get("content-encoding", "identity")).lower() != "identity":
                raise Problem(422, f"{address} can't be fetched: its server sends it compressed ({encoding[:50]})")
            data = bytearray()
            async for part in answer.aiter_raw():
                note(len(part))
                data += part
                if len(data) > limit:
                    raise too_large(f"{address} has more than {limit:,} bytes, the most that is taken")
            return bytes(data)
    raise Problem(422, f"{address} can't be fetched: more than {REDIRECTS} redirects")


def _checked(address: str, hosts: Sequence[str]) -> httpx.URL:
    """The URL of an address. Raises Problem (403) for one that isn't allowed."""
    import httpx

    url = httpx.URL(address)
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise Problem(403, f"{address} is not fetched; give an http or https URL without a password")
    if not any(matches(url.host, host) for host in hosts):
        raise Problem(403, f"{address} is not fetched: its host is not among those of --allow-urls")
    return url


def matches(name: str, host: str) -> bool:
    """Whether a host's name is an allowed one, or below an allowed domain (``.example.com``)."""
    name, host = name.lower().rstrip("."), host.lower()
    return name == host.lstrip(".") or (host.startswith(".") and name.endswith(host))


async def _public(name: str, port: int) -> str:
    """An address of a host. Raises Problem (403) where any of its addresses is private, OSError where it has none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(map(is_public, addresses)):
        raise Problem(403, f"{name} is not fetched from: its address is not a public one")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether anybody on the internet can have an IP address: not private, local, shared, reserved or multicast."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        behind = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(ip.packed[12:]) if ip in _NAT64 else None)
        if behind is not None:
            return is_public(str(behind))
        if ip not in _GLOBAL:
            return False
    return ip.is_global and not ip.is_multicast
