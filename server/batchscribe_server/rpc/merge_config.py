"""A manifest entry's config laid over its batch's: the fields of a mask, or those that are set."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from batchscribe.v1 import recognition_pb2 as pb
from batchscribe.v1 import storage_pb2
from batchscribe_server.rpc.supported_fields import is_contract_message


def mask_paths(mask: str) -> list[str]:
    """The paths of a comma-separated mask."""
    return [path.strip() for path in mask.split(",") if path.strip()]


def is_config_path(path: str) -> bool:
    """Whether a path such as `vad.threshold` names a field of RecognitionConfig."""
    descriptor: Descriptor | None = pb.RecognitionConfig.DESCRIPTOR
    for name in path.split("."):
        field = descriptor.fields_by_name.get(name) if descriptor is not None else None
        if field is None:
            return False
        descriptor = field.message_type if is_contract_message(field) and not field.is_repeated else None
    return True


def has_own_config(entry: storage_pb2.ManifestEntry) -> bool:
    """Whether an entry may differ from its batch's config at all."""
    return entry.HasField("config") or bool(entry.config_mask)


def entry_config(base: pb.RecognitionConfig, entry: storage_pb2.ManifestEntry) -> pb.RecognitionConfig:
    """What a file of a manifest is transcribed with: its own config laid over its batch's, or that one itself."""
    return overlay(base, entry.config, entry.config_mask) if has_own_config(entry) else base


def overlay(base: pb.RecognitionConfig, config: pb.RecognitionConfig, mask: str) -> pb.RecognitionConfig:
    """`base` with the masked fields as `config` has them; a masked field that is unset there falls to its default.

    Without a mask, the fields that are set in `config` are taken, each part of `vad` and `decoding` by itself.
    What a mask names that is no field is passed over.
    """
    merged = pb.RecognitionConfig()
    merged.CopyFrom(base)
    masked = mask_paths(mask)
    for path in filter(is_config_path, masked) if masked else _set_paths(config):
        _copy_field(config, merged, path.split("."))
    return merged


def _set_paths(message: Message, prefix: str = "") -> Iterator[str]:
    for field, value in message.ListFields():
        if is_contract_message(field) and not field.is_repeated:
            yield from _set_paths(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def _copy_field(source: Message, target: Message, names: list[str]) -> None:
    *parents, name = names
    for parent in parents:
        source, target = getattr(source, parent), getattr(target, parent)
    target.ClearField(name)
    # Merging a message that holds this field alone copies a field of any type, and leaves an unset one cleared.
    part = type(source)()
    for field, value in source.ListFields():
        if field.name == name:
            if field.is_repeated or field.message_type is not None:
                getattr(part, name).MergeFrom(value)
            else:
                setattr(part, name, value)
    target.MergeFrom(part)
