"""What somebody at a terminal reads of a server that has started."""

from __future__ import annotations

import pytest

from batchscribe_server.app.serving import greeting
from batchscribe_server.settings import load_settings


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("127.0.0.1:50051", "batchscribe transcribe FILE\n"),
        ("[::1]:50052", "batchscribe transcribe FILE --address [::1]:50052\n"),
    ],
)
def test_it_says_where_it_serves_and_what_to_do_next(address: str, command: str) -> None:
    text = greeting(load_settings({"data_dir": "/data", "model": "tiny"}), address)
    assert f"serves at {address}, with the model tiny; its data is in /data" in text
    assert command in text
    assert len(text.splitlines()) == 3
