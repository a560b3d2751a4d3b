"""What children start in: nothing of the server's own that they don't need.

They read hostile files. So they get no credentials of the environment, import nothing from a folder that somebody may
write to, and report to nobody.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

FOLDER = "/"
"""Where they run: neither the server's folder nor one of data."""

_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        *("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"),
    }
)

_KEPT_PREFIXES = (
    *("LC_", "PYTHON"),
    *("CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "CT2_", "DNNL_", "ONEDNN_", "MKL_", "OPENBLAS_", "NUMBA_", "PYTORCH_"),
    *("OMP_", "GOMP_", "KMP_", "MALLOC_"),
)

_SET = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONSAFEPATH": "1",
}


def python_argv(module: str) -> tuple[str, ...]:
    """The command line of a module that is run as a program, and is not looked for in the working directory."""
    return (sys.executable, "-P", "-m", module)


def child_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a child gets of the server's environment, and what is set for it."""
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    # A relative path, and an empty one, would mean the folder that the child runs in.
    paths = [path for path in kept.pop("PYTHONPATH", "").split(os.pathsep) if path.startswith("/")]
    if paths:
        kept["PYTHONPATH"] = os.pathsep.join(paths)
    return kept | _SET
