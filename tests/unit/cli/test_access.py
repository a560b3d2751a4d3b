"""The options that say what stores are reached with."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe.cli.access import AccessArguments, read_auth
from batchscribe.v1.storage_pb2 import OutputConfig, S3Credentials, StorageAuth

OWN = StorageAuth(s3=S3Credentials(access_key_id="AKIA", secret_access_key="SECRET"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "auth.json"
    path.write_text('{"s3": {"access_key_id": "AKIA", "secretAccessKey": "SECRET"}}')
    return path


def test_nothing_said_is_nothing_sent() -> None:
    assert AccessArguments().input_auth is None
    assert AccessArguments().output(None) is None
    assert AccessArguments().output(OutputConfig(uri="s3://out/")) == OutputConfig(uri="s3://out/")


def test_a_file_holds_credentials_and_a_profile_is_named(file: Path) -> None:
    given = AccessArguments(auth=file, output_profile="archive")
    assert given.input_auth == OWN
    assert given.output(OutputConfig(uri="s3://out/")) == OutputConfig(
        uri="s3://out/", auth=StorageAuth(profile="archive")
    )
    assert AccessArguments(profile="calls", output_auth=file).input_auth == StorageAuth(profile="calls")


def test_a_file_may_hold_an_apikey_of_ibm(file: Path) -> None:
    file.write_text('{"ibm": {"apikey": "SECRET", "endpoint": "https://cos.example.org", "resource_instance_id": "1"}}')
    assert read_auth(file).ibm.apikey == "SECRET"


def test_both_at_once_are_a_contradiction(file: Path) -> None:
    with pytest.raises(ValueError, match="either --profile or --auth"):
        _ = AccessArguments(profile="calls", auth=file).input_auth


@pytest.mark.parametrize("text", ["SECRET", "{}", '{"s3": {"secret": "SECRET"}}', '{"s3": "SECRET"}', "\udcff"])
def test_what_is_wrong_with_a_file_is_said_without_what_it_holds(text: str, file: Path) -> None:
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"auth\.json: ") as refused:
        read_auth(file)
    assert "SECRET" not in str(refused.value)
    assert refused.value.__cause__ is None
