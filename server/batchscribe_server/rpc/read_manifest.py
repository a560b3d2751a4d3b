"""Entries of a manifest that lies in a file, checked and converted as those of a request are."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.json_format import ParseDict, ParseError

from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.batch import ManifestEntry
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout, RecognitionConfig
from batchscribe_server.rpc.convert_recognition import recognition_config, recognition_config_message
from batchscribe_server.rpc.convert_storage import manifest_entry
from batchscribe_server.rpc.merge_config import EntryConfigs
from batchscribe_server.rpc.supported_fields import refuse_unsupported
from batchscribe_server.rpc.validate_input import check_manifest_entry, checked_configs
from batchscribe_server.rpc.validate_output import adjacent_problem

_PROBLEM_CHARS = 200

_ENTRY_FIELDS = frozenset(field.name for field in pb.ManifestEntry.DESCRIPTOR.fields)


class EntryReader:
    """Reads the entries of one batch, whose config theirs are laid over."""

    def __init__(self, config: RecognitionConfig, output: OutputConfig) -> None:
        base = recognition_config_message(config)
        self._checked = checked_configs(base)
        self._configs = EntryConfigs(base, recognition_config)
        self._layout = output.layout

    def __call__(self, fields: Mapping[str, object]) -> ManifestEntry:
        """An entry by the fields of ManifestEntry in proto-JSON; its config is laid over its batch's own.

        Raises InvalidArgumentError naming each bad field.
        """
        violations = Violations()
        for name in fields.keys() - _ENTRY_FIELDS:
            violations.add(name[:80], f"is no field of an entry; there are {', '.join(sorted(_ENTRY_FIELDS))}")
        violations.raise_if_any()
        entry = pb.ManifestEntry()
        for name, value in fields.items():
            try:
                if isinstance(value, str) and name != "config":
                    setattr(entry, name, value)
                elif isinstance(value, dict) and name == "config":
                    ParseDict(value, entry.config)
                else:
                    # It is not repeated: a URI may hold a secret.
                    violations.add(name, "must be an object" if name == "config" else "must be a text")
            except ParseError as error:
                violations.add(name, str(error).partition("\n")[0][:_PROBLEM_CHARS])
            except ValueError:
                violations.add(name, "holds characters that are none")
        violations.raise_if_any()
        refuse_unsupported(entry, violations)
        check_manifest_entry(entry, self._checked, "", violations)
        if self._layout is OutputLayout.ADJACENT and (problem := adjacent_problem(entry.uri)):
            violations.add("uri", f"the layout of outputs {problem}")
        violations.raise_if_any()
        return manifest_entry(entry, self._configs)
