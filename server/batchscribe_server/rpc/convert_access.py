"""Credentials, from message to domain. Nothing leads back: they are never shown."""

from __future__ import annotations

from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.access import (
    Access,
    AzureCredentials,
    Encryption,
    Fetch,
    IbmCredentials,
    Profile,
    S3Credentials,
    StorageAccess,
)
from batchscribe_server.domain.url import scheme_of, shown_url

_ENCRYPTIONS = {
    pb.SERVER_SIDE_ENCRYPTION_AES256: Encryption.AES256,
    pb.SERVER_SIDE_ENCRYPTION_KMS: Encryption.KMS,
}


def storage_access(input: pb.InputConfig, output: pb.OutputConfig) -> StorageAccess:
    """What a request reaches stores with. An output without credentials is reached with the input's, but for local
    files, which take none.
    """
    if input.HasField("fetch"):
        return StorageAccess(_fetch(input.fetch), _access(output.auth))
    read = _access(input.auth)
    is_local = scheme_of(output.uri) == "file"
    return StorageAccess(read, _access(output.auth) or (None if is_local else read))


def _fetch(message: pb.FetchInput) -> Fetch | None:
    """None where there is nothing to hide."""
    if not message.headers and message.url == shown_url(message.url):
        return None
    return Fetch(message.url, tuple(sorted(message.headers.items())))


def _access(auth: pb.StorageAuth) -> Access | None:
    match auth.WhichOneof("credentials"):
        case "profile":
            return Profile(auth.profile)
        case "s3":
            given = auth.s3
            return S3Credentials(
                access_key_id=given.access_key_id,
                secret_access_key=given.secret_access_key,
                session_token=given.session_token,
                endpoint=given.endpoint,
                region=given.region,
                requester_pays=given.requester_pays,
                encryption=_ENCRYPTIONS.get(given.server_side_encryption),
                kms_key_id=given.kms_key_id,
            )
        case "ibm":
            return IbmCredentials(
                apikey=auth.ibm.apikey,
                endpoint=auth.ibm.endpoint,
                resource_instance_id=auth.ibm.resource_instance_id,
                region=auth.ibm.region,
            )
        case "azure":
            return AzureCredentials(
                account_url=auth.azure.account_url.rstrip("/"),
                account_key=auth.azure.account_key,
                sas_token=auth.azure.sas_token.removeprefix("?"),
            )
        case _:
            return None
