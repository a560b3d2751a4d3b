"""Lint and render a chart: `python -m tests.helm_render CHART < values.json`, for `tests.deployment.helm`."""

from __future__ import annotations

import json
import sys

import helm_python
import yaml


def main(chart: str) -> None:
    """Print {"lint": […], "manifests": […]}, or {"error": words} where Helm refuses the values."""
    values = json.load(sys.stdin)
    report = helm_python.lint(chart, values=values, strict=True)
    try:
        with helm_python.Chart.load(chart) as loaded:
            files = loaded.render(values, name="demo", namespace="speech")
    except helm_python.HelmError as error:
        print(json.dumps({"error": str(error)}))
        return
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    manifests = [document for text in texts for document in yaml.safe_load_all(text) if document]
    print(json.dumps({"lint": report["errors"], "manifests": manifests}))


if __name__ == "__main__":
    main(sys.argv[1])
