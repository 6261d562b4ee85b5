"""`stoa space reembed`: the vectors of all atoms made anew by another embedding model."""

import typer

from bots.cli.output import bar, opened


async def reembed() -> None:
    """Embed everything with the model the settings want, if it is another than the one in use."""
    async with opened() as house:
        embedders = house.embedders
        if not embedders.outdated:
            typer.echo(f"Everything is embedded with {embedders.wanted} already.")
            return
        with bar(f"Embedding with {embedders.wanted}", await embedders.count()) as progress:
            await embedders.renew(progress)
    typer.echo(f"Searches use {embedders.wanted} now. Start other processes that run with STOA_EMBEDDER set so, too.")
