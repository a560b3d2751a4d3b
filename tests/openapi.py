"""docs/openapi.json, to hold requests and answers against."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[1] / "docs" / "openapi.json").read_text())


class OpenApi:
    """The document, taken more strictly than a client should: what it does not know is not there.

    `answered` holds the ids of the operations whose answers were checked.
    """

    def __init__(self) -> None:
        self._document = copy.deepcopy(DOCUMENT)
        for schema in self._document["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        self.answered: set[str] = set()

    def check_answer(self, method: str, path: str, status: int, content_type: str, body: Any) -> None:
        """Raises AssertionError where the document says that such a request has no such answer."""
        operation = self.operation(method, path)
        responses = operation["responses"]
        response = self._resolved(responses.get(str(status), responses["default"]))
        media_type = content_type.partition(";")[0]
        assert media_type in response["content"], f"{media_type} is not an answer of {operation['operationId']}"
        self.check(response["content"][media_type]["schema"], body)
        self.answered.add(operation["operationId"])

    def check_request(self, method: str, path: str, query: set[str], body: Any) -> None:
        """Raises AssertionError for a query parameter or a body that the document does not know."""
        operation = self.operation(method, path)
        known = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        assert query <= known
        if body is not None:
            self.check(operation["requestBody"]["content"]["application/json"]["schema"], body)

    def check_message(self, name: str, body: Any) -> None:
        """Raises AssertionError where a body is not of the schema of that name."""
        self.check({"$ref": f"#/components/schemas/{name}"}, body)

    def check(self, schema: dict[str, Any], body: Any) -> None:
        """Raises AssertionError where a body is not of a schema."""
        whole = {**self._document, **schema}
        errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(body)]
        assert not errors, errors

    def operation(self, method: str, path: str) -> dict[str, Any]:
        """The operation of a request."""
        for template, operations in self._document["paths"].items():
            pattern = "".join(
                "[^/:]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[a-z]+\})", template)
            )
            if method.lower() in operations and re.fullmatch(pattern, path):
                found: dict[str, Any] = operations[method.lower()]
                return found
        raise AssertionError(f"{method} {path} is not in the document")

    def _resolved(self, response: dict[str, Any]) -> dict[str, Any]:
        reference = response.get("$ref")
        found: dict[str, Any] = (
            self._document["components"]["responses"][reference.rpartition("/")[2]] if reference else response
        )
        return found
