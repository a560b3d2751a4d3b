"""Write docs/openapi.json from the protos, or with --check see that it is current."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from scripts.openapi.comments import read_comments
from scripts.openapi.document import document

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / "docs" / "openapi.json"


def main() -> int:
    """Write, or with --check compare; 1 where the file is not current."""
    text = json.dumps(document(read_comments(REPOSITORY)), indent=2, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text() != text:
            print(f"{FILE.name} is not current: run 'make proto' and commit what it writes", file=sys.stderr)
            return 1
        return 0
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
