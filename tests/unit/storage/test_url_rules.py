"""Which addresses are public, and which hosts may be named."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.storage.url_rules import UrlOptions, is_public, refusal

PRIVATE = [
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1"),
    *("192.0.0.192", "192.0.0.9", "::ffff:192.0.0.192", "64:ff9b::192.0.0.192", "2002:c000:00c0::1"),
    *("198.18.0.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:10.0.0.1"),
    *("64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:0a00:0001::1", "2001:0:4136:e378::1"),
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::1.1.1.1", "2002:0101:0101::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_known(address: str) -> None:
    assert not is_public(address)
    assert not UrlOptions().allows(address)
    assert UrlOptions(private_addresses=True).allows(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(address)
    assert UrlOptions().allows(address)


# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry: all that are not globally
# reachable, or of which that is not said; and multicast.
SPECIAL_BLOCKS = [
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.170/31", "192.0.2.0/24", "192.88.99.0/24"),
    *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32"),
    *("224.0.0.0/4", "::1/128", "::/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"),
    *("2001::/23", "2001::/32", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7"),
    *("fe80::/10", "fec0::/10", "ff00::/8"),
]


@pytest.mark.parametrize("block", SPECIAL_BLOCKS)
@given(data=st.data())
def test_nothing_in_a_special_purpose_block_is_public_however_it_is_embedded(block: str, data: st.DataObject) -> None:
    address = data.draw(st.ip_addresses(network=block))
    spellings = [str(address)]
    if isinstance(address, ipaddress.IPv4Address):
        number = int(address)
        embedded = (0xFFFF << 32 | number, 0x64_FF9B << 96 | number, 0x2002 << 112 | number << 80 | 1)
        spellings += [str(ipaddress.IPv6Address(each)) for each in embedded]
    assert [spelling for spelling in spellings if is_public(spelling)] == []


@given(st.ip_addresses(v=4))
def test_no_address_is_public_that_python_calls_private(address: ipaddress.IPv4Address) -> None:
    assert address.is_global or not is_public(str(address))


def test_networks_are_allowed_without_the_others() -> None:
    options = UrlOptions(private_networks=("10.1.0.0/16", "fd00::/8"))
    addresses = ("10.1.2.3", "10.2.2.3", "fd00::1", "fc00::1", "127.0.0.1", "1.1.1.1")
    assert [options.allows(address) for address in addresses] == [True, False, True, False, False, True]
    assert refusal(options, "https", "10.1.2.3") == ""


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "::1", "localhost", "a.LocalHost."]
)
def test_private_hosts_are_refused_however_they_are_written(host: str) -> None:
    assert "storage.https.private_addresses" in refusal(UrlOptions(), "https", host)
    assert refusal(UrlOptions(private_addresses=True), "https", host) == ""


@pytest.mark.parametrize("host", ["example.org", "cafe.de", "1.1.1.1", "127.0.0.1.example.org", "notlocalhost"])
def test_other_hosts_are_not(host: str) -> None:
    assert refusal(UrlOptions(), "https", host) == ""


def test_plain_http_is_for_the_operator_to_allow() -> None:
    assert "storage.https.http" in refusal(UrlOptions(), "http", "example.org")
    assert refusal(UrlOptions(http=True), "http", "example.org") == ""
