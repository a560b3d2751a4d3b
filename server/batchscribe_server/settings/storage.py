"""Settings of object stores, URLs, and what credentials are kept with."""

from __future__ import annotations

import base64
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from batchscribe_server.domain.access import Encryption, is_account_url, is_bare_url, is_endpoint, is_region, is_word
from batchscribe_server.settings.group import GIB, Group
from batchscribe_server.storage.azure_uri import SCHEME as AZURE_SCHEME
from batchscribe_server.storage.azure_uri import azure_address
from batchscribe_server.storage.s3_checksums import Checksum
from batchscribe_server.storage.s3_options import IBM_IAM_URL
from batchscribe_server.storage.s3_uri import s3_address

KEY_BYTES = 32

# A name in ASCII, as it is looked up, or an address; the port is the client's choice.
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+")


class IbmSettings(Group):
    """An API key of IBM Cloud and the service instance of its Object Storage, instead of access keys."""

    apikey: SecretStr
    resource_instance_id: str

    @field_validator("apikey")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        if not is_word(value.get_secret_value()):
            raise ValueError("it is empty, or holds characters that no API key has")
        return value

    @field_validator("resource_instance_id")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if not is_word(value):
            raise ValueError("it is empty, or holds characters that no id has")
        return value


class S3Settings(Group):
    """The service behind `s3://` URIs, and the buckets that they may name: none unless listed, all for "*".

    Without keys, credentials are found as by every AWS tool: environment, profile, the machine's role. Without
    `server_side_encryption` outputs are encrypted as their bucket says. `checksum` is what outputs are checked by when
    they arrive; `check_downloads` compares inputs with what the service declares of them.
    """

    buckets: tuple[str, ...] = ()
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    session_token: SecretStr = SecretStr("")
    addressing: Literal["auto", "path", "virtual"] = "auto"
    ibm: IbmSettings | None = None
    requester_pays: bool = False
    server_side_encryption: Encryption | None = None
    kms_key_id: str = ""
    checksum: Checksum = Checksum.MD5
    check_downloads: bool = True

    @field_validator("endpoint")
    @classmethod
    def _is_an_endpoint(cls, value: str) -> str:
        if value and not is_endpoint(value):
            raise ValueError("it is not a URL like https://s3.example.org")
        return value

    @field_validator("region")
    @classmethod
    def _is_a_region(cls, value: str) -> str:
        if value and not is_region(value):
            raise ValueError(f"{value!r} is not the name of a region, such as eu-west-1")
        return value

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("access_key_id and secret_access_key go together")
        return self

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        if self.ibm is None:
            return self
        if self.access_key_id or self.session_token.get_secret_value():
            raise ValueError("ibm and access keys exclude each other")
        if not self.endpoint:
            raise ValueError("endpoint is required with ibm")
        if self.requester_pays or self.server_side_encryption:
            raise ValueError("requester_pays and server_side_encryption are AWS's, and not for ibm")
        return self

    @model_validator(mode="after")
    def _key_for_kms(self) -> Self:
        if self.kms_key_id and self.server_side_encryption is not Encryption.KMS:
            raise ValueError("kms_key_id is for the server_side_encryption aws:kms alone")
        if self.kms_key_id and not is_word(self.kms_key_id):
            raise ValueError("kms_key_id holds characters that no id has")
        return self


class AzureSettings(Group):
    """The account behind `az://` URIs, and the containers that they may name: none unless listed, all for "*".

    `account_url` is that of its blob service, `https://NAME.blob.core.windows.net`. Without a key or a SAS token only
    containers can be read that anyone may read.
    """

    containers: tuple[str, ...] = ()
    account_url: str = ""
    account_key: SecretStr = SecretStr("")
    sas_token: SecretStr = SecretStr("")

    @field_validator("account_url")
    @classmethod
    def _is_an_account_url(cls, value: str) -> str:
        # Anything more may be a secret, and this setting is logged.
        if value and not is_account_url(value):
            raise ValueError("it is not https://NAME.blob.core.windows.net or the like, without a query or a user")
        return value

    @field_validator("account_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            base64.b64decode(value.get_secret_value(), validate=True)
        except ValueError:
            raise ValueError("it is not base64, as account keys are") from None
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.containers and not self.account_url:
            raise ValueError("account_url is required where containers are named")
        if self.account_key.get_secret_value() and self.sas_token.get_secret_value():
            raise ValueError("account_key and sas_token exclude each other")
        return self


class HttpsSettings(Group):
    """Inputs by `https://` URL: plain HTTP, addresses that are not public, and which hosts may be named, all if none.

    What comes at less than `min_bytes_per_s` over half a minute is given up; 0 for any speed.

    A host is a name, or `*.example.org` for all below one. `private_networks` are allowed without all that are private.
    """

    enabled: bool = True
    http: bool = False
    private_addresses: bool = False
    private_networks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    min_bytes_per_s: Annotated[int, Field(ge=0)] = 1024

    @field_validator("private_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not the name of a host, or *. and one: example.org, *.example.org")
        return value


class StorageSettings(Group):
    """Object stores and URLs, how much disk their files take that are being worked on, how long one may take to
    arrive, 0 for no limit, and how long files wait for a store that does not answer, 0 for not at all.

    `s3` and `azure` are reached by requests that say nothing else, a profile by those that name it; one of each kind
    may have the same name. `media_uri` is a folder in a bucket or a container for uploads, which lie in the data
    directory without it; it is reached with `media_profile`, or else with `s3` or `azure`. `client_endpoints` are those
    that credentials in requests may name: URLs, "aws", "azure", "ibm", or "*" for any. `ibm_iam_url` gives tokens for
    API keys of IBM Cloud.
    """

    s3: S3Settings = S3Settings()
    profiles: dict[str, S3Settings] = {}
    client_endpoints: tuple[str, ...] = ("aws", "azure", "ibm")
    ibm_iam_url: str = IBM_IAM_URL
    azure: AzureSettings = AzureSettings()
    azure_profiles: dict[str, AzureSettings] = {}
    media_uri: str = ""
    media_profile: str = ""
    https: HttpsSettings = HttpsSettings()
    max_fetched_bytes: Annotated[int, Field(gt=0)] = 50 * GIB
    max_fetch_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 4 * 3600.0
    max_away_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 12 * 3600.0

    @field_validator("ibm_iam_url")
    @classmethod
    def _is_a_bare_url(cls, value: str) -> str:
        if not is_bare_url(value):
            raise ValueError("it is not a URL like https://iam.cloud.ibm.com/identity/token")
        return value

    @field_validator("media_uri")
    @classmethod
    def _is_a_folder(cls, value: str) -> str:
        if value.startswith(f"{AZURE_SCHEME}://"):
            azure_address(value)
        elif value:
            s3_address(value)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _profile_for_media(self) -> Self:
        if not self.media_profile:
            return self
        if not self.media_uri:
            raise ValueError("media_profile is for a media_uri, and there is none")
        is_azure = self.media_uri.startswith(f"{AZURE_SCHEME}://")
        kind, profiles = ("azure_profiles", self.azure_profiles) if is_azure else ("profiles", self.profiles)
        if self.media_profile not in profiles:
            raise ValueError(f"media_profile {self.media_profile!r} is none of {kind}")
        return self


class SecretsSettings(Group):
    """What credentials in requests are encrypted with: the first key encrypts, all of them decrypt. Without any, one is
    made in the data directory.

    They are given themselves or in a `file`, one in each line. With `forget_others` a server starts on a database that
    was used with another key; what that has encrypted is lost.
    """

    keys: tuple[SecretStr, ...] = ()
    file: Path | None = None
    forget_others: bool = False

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, start=1):
            try:
                size_bytes = len(base64.urlsafe_b64decode(key.get_secret_value()))
            except ValueError:
                size_bytes = 0
            if size_bytes != KEY_BYTES:
                raise ValueError(f"key {number} is not {KEY_BYTES} bytes in URL-safe base64")
        return keys

    @model_validator(mode="after")
    def _one_place_for_keys(self) -> Self:
        if self.keys and self.file is not None:
            raise ValueError("keys and file exclude each other")
        return self
