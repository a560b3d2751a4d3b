"""What deploy/ sets is a setting of the server."""

from __future__ import annotations

import re

from tests.deployment import DEPLOY, ROOT, is_setting

OF_CLIENTS = {"BATCHSCRIBE_ADDRESS"}


def _variables() -> dict[str, str]:
    files = [file for file in DEPLOY.rglob("*") if file.is_file()] + [ROOT / "docs" / "deploy.md"]
    texts = {file: file.read_text() for file in files if file.suffix != ".binpb"}
    return {
        name: str(file.relative_to(ROOT))
        for file, text in texts.items()
        for name in re.findall(r"\bBATCHSCRIBE_[A-Z][A-Z0-9_]*[A-Z0-9]\b", text)
    }


def test_every_variable_is_a_setting() -> None:
    variables = _variables()
    assert "BATCHSCRIBE_DATABASE__URL" in variables
    assert {name: file for name, file in variables.items() if not is_setting(name)} == {
        name: file for name, file in variables.items() if name in OF_CLIENTS
    }


def test_settings_are_told_from_what_only_looks_like_them() -> None:
    assert is_setting("BATCHSCRIBE_STORAGE__PROFILES__ARCHIVE__ENDPOINT")
    assert is_setting("BATCHSCRIBE_STORAGE__S3__IBM__APIKEY")
    assert not is_setting("BATCHSCRIBE_STORAGE__S3__ENDPOINTS")
    assert not is_setting("BATCHSCRIBE_STORAGE__PROFILES__ARCHIVE__BUCKET")
