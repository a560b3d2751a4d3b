"""What a server leaves for others to read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from batchscribe_server.app.data_directory import data_directory

PROGRAM = """
import pathlib, resource, sys
from batchscribe_server.app.privacy import keep_to_ourselves
print(oct(keep_to_ourselves()), max(resource.getrlimit(resource.RLIMIT_CORE)))
pathlib.Path(sys.argv[1]).touch()
"""


def test_its_files_are_its_users_alone_and_it_leaves_no_core_dump(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, umask=0o022)
    assert done.stdout in ("0o22 1\n", "0o22 0\n")  # 0 where there was no more to lower
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_a_data_directory_of_before_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with data_directory(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o750
    with data_directory(tmp_path / "new"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
