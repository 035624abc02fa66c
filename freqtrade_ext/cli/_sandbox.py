"""``freqtrade-ext sandbox``: the rehearsal exchange as a process."""

import click

__all__ = ["sandbox"]


@click.command()
def sandbox() -> None:
    """Start the rehearsal exchange."""
