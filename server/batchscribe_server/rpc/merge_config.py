"""A manifest entry's config laid over its batch's: the fields of a mask, or those that are set. And back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from batchscribe.v1 import recognition_pb2 as pb
from batchscribe.v1 import storage_pb2
from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.supported_fields import is_contract_message

Made = TypeVar("Made")

SMALL_CONFIG_BYTES = 4_096
"""A batch's config of this size may be repeated for each of its files."""

MAX_REPEATED_BYTES = 32 << 20

MAX_REMEMBERED = 1_000
"""How many different configs are remembered, as many as the entries that a request may have."""


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


def difference(base: pb.RecognitionConfig, config: pb.RecognitionConfig) -> tuple[pb.RecognitionConfig, str]:
    """What `overlay` lays over `base` to come to `config`: the fields that differ, and the mask that names them."""
    mask = ",".join(_differing_paths(base, config))
    return (overlay(pb.RecognitionConfig(), config, mask) if mask else pb.RecognitionConfig()), mask


class EntryConfigs(Generic[Made]):
    """The configs of entries laid over their batch's, each different one made once for as long as it is remembered.

    `make` turns one into what is wanted of it. What a large config of a batch comes to, once for each different config
    of its entries, is counted in `repeated_bytes`.
    """

    def __init__(self, base: pb.RecognitionConfig, make: Callable[[pb.RecognitionConfig], Made]) -> None:
        self._base = base
        self._base_bytes = base.ByteSize()
        self._make = make
        self._made: OrderedDict[tuple[bytes, str], Made] = OrderedDict()
        self.repeated_bytes = 0

    def of(self, entry: storage_pb2.ManifestEntry) -> Made:
        """What was made of the config of an entry that has one of its own. Raises InvalidArgumentError where together
        they come to too much.
        """
        key = (entry.config.SerializeToString(deterministic=True), entry.config_mask)
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        self.repeated_bytes += self._base_bytes if self._base_bytes > SMALL_CONFIG_BYTES else 0
        if self.repeated_bytes > MAX_REPEATED_BYTES:
            violations = Violations()
            violations.add(
                "config",
                f"too many files have configs that differ: with {self._base_bytes} bytes of the batch's config in each "
                f"they come to more than {MAX_REPEATED_BYTES}; shorten that, or give more files the same config",
            )
            violations.raise_if_any()
        if len(self._made) >= MAX_REMEMBERED:
            self._made.popitem(last=False)
        made = self._made[key] = self._make(entry_config(self._base, entry))
        return made


def _differing_paths(base: Message, config: Message, prefix: str = "") -> Iterator[str]:
    fields: Iterable[Any] = base.DESCRIPTOR.fields
    for field in fields:
        values = (getattr(base, field.name), getattr(config, field.name))
        sets = [not field.has_presence or each.HasField(field.name) for each in (base, config)]
        if all(sets) and is_contract_message(field) and not field.is_repeated:
            yield from _differing_paths(*values, f"{prefix}{field.name}.")
        elif sets[0] != sets[1] or values[0] != values[1]:
            yield prefix + field.name


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
