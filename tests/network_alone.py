"""A network of one machine, in which every packet that leaves it is seen. Linux alone, and only where it is allowed."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

ALONE = ("unshare", "--net", "--mount", *(() if os.getuid() == 0 else ("--map-root-user",)))
"""Runs a command in namespaces of its own."""

NAMESERVER = "198.51.100.53"

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
_SIOCADDRT, _SIOCSIFFLAGS, _SIOCSIFADDR = 0x890B, 0x8914, 0x8916
_IFF_UP, _RTF_UP = 1, 1
_IPV4 = 4


def is_allowed() -> bool:
    """Whether such a network can be had here."""
    command = [*ALONE, sys.executable, "-c", "from tests.network_alone import Exit; Exit()"]
    return sys.platform == "linux" and subprocess.run(command, capture_output=True, check=False).returncode == 0


class Exit:
    """The only way out of this process's namespaces: packets go in and nowhere, and names are asked for there."""

    def __init__(self) -> None:
        self._tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH14x", b"out", _IFF_TUN | _IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for device in (b"lo", b"out"):
                fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", device, _IFF_UP))
            fcntl.ioctl(control, _SIOCSIFADDR, struct.pack("16s16s", b"out", _address("198.51.100.2")))
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"out", _IFF_UP))
            device_name = ctypes.create_string_buffer(b"out")
            anywhere = _address("0.0.0.0")
            # struct rtentry of <net/route.h>
            route = (0, anywhere, anywhere, anywhere, _RTF_UP, 0, 0, 0, 0, ctypes.addressof(device_name), 0, 0, 0)
            fcntl.ioctl(control, _SIOCADDRT, struct.pack("L16s16s16sHhLPhPLLH", *route))
        resolving = Path(f"/tmp/resolv-{os.getpid()}")
        resolving.write_text(f"nameserver {NAMESERVER}\n")
        try:
            subprocess.run(["mount", "--bind", str(resolving), "/etc/resolv.conf"], check=True)
        finally:
            resolving.unlink()

    def destinations(self) -> list[str]:
        """Where the IPv4 packets wanted to go that have left since this was last asked."""
        found: list[str] = []
        while True:
            try:
                packet = os.read(self._tun, 65_536)
            except BlockingIOError:
                return found
            if packet[0] >> 4 == _IPV4:
                found.append(socket.inet_ntoa(packet[16:20]))


def _address(address: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
