"""`batchscribe model`: what jobs can ask for."""

from __future__ import annotations

from typing import Annotated

import typer

from batchscribe.cli.command import Invocation, command
from batchscribe.cli.listing import MODEL_COLUMNS, first, model_row
from batchscribe.cli.printing import result_line
from batchscribe.cli.wording import aligned

app = typer.Typer(help="The models that the server knows.", no_args_is_help=True)


@command(app, "list")
async def list_(invocation: Invocation) -> None:
    """List models: their size, languages, and where they come from; and what the server does beside."""
    async with invocation.client() as client:
        models = await first(client.list_models(), 0)
        features = await client.list_features()
    invocation.print_table(MODEL_COLUMNS, models, model_row)
    if features and not invocation.json:
        result_line(f"\nThis server also does: {', '.join(features)}.")


@command(app, "get")
async def get(
    invocation: Invocation, name: Annotated[str, typer.Argument(metavar="MODEL", help="models/ID, or the ID alone.")]
) -> None:
    """Show a model."""
    async with invocation.client() as client:
        model = await client.get_model(name if name.startswith("models/") else f"models/{name}")
    details = zip(MODEL_COLUMNS, model_row(model), strict=True)
    invocation.print(
        model,
        "\n".join(
            aligned(
                [
                    *((column.lower(), value) for column, value in details),
                    ("device", model.device or "-"),
                    ("compute type", model.compute_type or "-"),
                    ("all languages", " ".join(model.languages)),
                ]
            )
        ),
    )
