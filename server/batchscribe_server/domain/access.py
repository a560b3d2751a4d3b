"""What a batch or a job reaches object stores with: a profile of the server's settings, or the client's credentials."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile that the operator has set up, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """A client's own credentials for a service that speaks S3; without an endpoint, for AWS."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    endpoint: str = ""
    region: str = ""


Access = Profile | S3Credentials


@dataclass(frozen=True, slots=True)
class StorageAccess:
    """The access to the inputs and to the outputs. None: what the server has without being told."""

    input: Access | None = None
    output: Access | None = None

    @property
    def holds_secrets(self) -> bool:
        """Whether it is to be forgotten once it is not needed any more."""
        return any(isinstance(access, S3Credentials) for access in (self.input, self.output))

    def __bool__(self) -> bool:
        return self != StorageAccess()
