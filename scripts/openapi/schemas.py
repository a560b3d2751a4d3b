"""Messages and enums as JSON Schema, as the transcoder writes and reads them."""

from __future__ import annotations

from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from scripts.openapi.comments import Comments

Schema = dict[str, Any]

REQUIRED = field_behavior_pb2.REQUIRED

_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    # Beyond what a double holds, and so JSON's numbers in many languages.
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
}
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$",
        "examples": ["3.5s"],
    },
    "google.protobuf.FieldMask": {"type": "string", "examples": ["display_name,labels"]},
    "google.protobuf.Empty": {"type": "object", "maxProperties": 0},
}


class Schemas:
    """The schemas of the contract. Those that were asked for, and what they refer to, gather in `components`."""

    def __init__(self, comments: Comments) -> None:
        self.components: dict[str, Schema] = {}
        self._comments = comments

    def of_message(self, message: Descriptor) -> Schema:
        """A message where it is used."""
        if (known := _WELL_KNOWN.get(message.full_name)) is not None:
            return dict(known)
        name = _component_name(message)
        if name not in self.components:
            self.components[name] = {}  # a message may hold itself
            self.components[name] = self._message(message)
        return {"$ref": f"#/components/schemas/{name}"}

    def of_field(self, field: FieldDescriptor) -> Schema:
        """A field: its type, what the protos say of it, and who sets it."""
        schema = self._type(field)
        if text := self._comments.get(field.full_name):
            schema["description"] = text
        behaviours = behaviours_of(field)
        if field_behavior_pb2.OUTPUT_ONLY in behaviours:
            schema["readOnly"] = True
        if field_behavior_pb2.INPUT_ONLY in behaviours:
            schema["writeOnly"] = True
        return schema

    def _type(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._single(field.message_type.fields_by_name["value"])}
        if field.is_repeated:
            return {"type": "array", "items": self._single(field)}
        return self._single(field)

    def _single(self, field: FieldDescriptor) -> Schema:
        if field.message_type is not None:
            return self.of_message(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        return dict(_SCALARS[field.type])

    def _message(self, message: Descriptor) -> Schema:
        text = [self._comments.get(message.full_name, "")]
        for oneof in message.oneofs:
            names = [field.name for field in oneof.fields]
            if len(names) > 1:
                text.append(f"At most one of {', '.join(f'`{name}`' for name in names)}.")
        schema: Schema = {
            "type": "object",
            "description": " ".join(filter(None, text)),
            "properties": {field.name: self.of_field(field) for field in message.fields},
        }
        required = required_fields(message)
        # A resource is read, created and changed under one schema: what a creation requires stands there.
        if required and not _is_resource(message):
            schema["required"] = required
        return schema

    def _enum(self, enum: EnumDescriptor) -> Schema:
        name = _component_name(enum)
        if name not in self.components:
            meanings = "\n".join(
                f"- `{value.name}`: {self._comments.get(f'{enum.full_name}.{value.name}', '')}" for value in enum.values
            )
            self.components[name] = {
                "type": "string",
                "description": f"{self._comments.get(enum.full_name, '')}\n\n{meanings}",
                "enum": [value.name for value in enum.values],
            }
        return {"$ref": f"#/components/schemas/{name}"}


def required_fields(message: Descriptor) -> list[str]:
    """The fields without which a message is refused."""
    return [field.name for field in message.fields if REQUIRED in behaviours_of(field)]


def behaviours_of(field: FieldDescriptor) -> list[int]:
    """The field's google.api.field_behavior."""
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def _component_name(described: Descriptor | EnumDescriptor) -> str:
    """Its name in the package: what is declared within a message has the message's before its own."""
    name: str = described.full_name.removeprefix(f"{described.file.package}.")
    return name


def _is_resource(message: Descriptor) -> bool:
    return "etag" in message.fields_by_name and "name" in message.fields_by_name
