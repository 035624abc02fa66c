"""Options that several commands have."""

import click

__all__ = ["config_option"]

config_option = click.option(
    "-c",
    "--config",
    "configs",
    multiple=True,
    default=("config.json",),
    show_default=True,
    help="Freqtrade configuration; may be given several times.",
)
