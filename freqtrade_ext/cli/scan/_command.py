"""``freqtrade-ext scan``: the options; the work is imported when it is asked for."""

import sys
from pathlib import Path
from typing import Any, Final

import click

from freqtrade_ext.cli._options import config_option
from freqtrade_ext.cli.scan._request import INTERRUPTED, ScanRequest

__all__ = ["scan"]

# Options that override a setting of ext.scan: name of the parameter, option, key.
_LIMITS: Final = (
    ("max_qvalue", "--max-qvalue", "family.max_qvalue"),
    ("family_size", "--family-size", "family.size"),
    ("max_spreads", "--max-spreads", "max_spreads"),
    ("min_daily_volume", "--min-daily-volume", "universe.min_daily_volume"),
)


@click.command()
@config_option
@click.option("-i", "--timeframe", help="Timeframe to scan; the configuration's by default.")
@click.option("--timerange", help="Candles to look at, as Freqtrade writes it, e.g. 20240101-.")
@click.option(
    "--markets",
    "--pairs",
    "markets",
    multiple=True,
    metavar="A,B|FILE|all",
    help="Markets, separated by commas; or a file with them; or all that have candles. "
    "By default those of the whitelist, or all if that is empty.",
)
@click.option("-d", "--datadir", help="Folder with Freqtrade's data files.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Cores that test at once; with Ray, tasks at a time.",
)
@click.option(
    "--backend",
    type=click.Choice(["threads", "ray"]),
    default="threads",
    show_default=True,
    help="Where tests run: on threads of this machine, or on the Ray cluster at hand.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the shuffle and the bootstrap; the same seed and data give the same report.",
)
@click.option("--max-qvalue", type=float, help="Instead of ext.scan.family.max_qvalue.")
@click.option("--family-size", type=int, help="Instead of ext.scan.family.size.")
@click.option("--max-spreads", type=int, help="Instead of ext.scan.max_spreads.")
@click.option(
    "--min-daily-volume", type=float, help="Instead of ext.scan.universe.min_daily_volume."
)
@click.option("--no-null-scan", is_flag=True, help="Leave out the scan of shuffled data.")
@click.option("--allow-empty", is_flag=True, help="Let an empty result empty the book.")
@click.option(
    "--book",
    type=click.Path(path_type=Path),
    help="Spread book file to write; the configuration's by default.",
)
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path),
    help="Folder for the reports' folders; user_data/scan_reports by default.",
)
def scan(configs: tuple[str, ...], no_null_scan: bool, **options: Any) -> None:
    """
    Search downloaded candles for spreads, and write the book of those that can be trusted.

    \b
      freqtrade-ext scan -c config.json --timeframe 1h --markets all
      freqtrade-ext scan -c config.json --timerange 20240101-20240701

    Every combination is tested in both directions, the p-values are corrected for how many tests
    that were, and what is left has to be confirmed on later candles. The same is done beside it on
    shuffled data, where nothing can be found. Finding nothing is a valid and frequent result.

    \b
    Exit code 0    done, also if nothing was found: then the book is left as it was
              1    nothing could be scanned, or the results could not be written
              2    an option, a setting or the present book is wrong
              130  stopped by Ctrl-C; no file is half written
    """
    try:  # this alone takes a second
        from freqtrade_ext.cli.scan._run import run_scan
    except KeyboardInterrupt:
        click.echo("\nstopped; nothing has been written", err=True)
        sys.exit(INTERRUPTED)

    given = {name: options.pop(name) for name, _, _ in _LIMITS}
    overrides = tuple(
        (option, key, given[name]) for name, option, key in _LIMITS if given[name] is not None
    )
    request = ScanRequest(
        configs=configs, null_scan=not no_null_scan, overrides=overrides, **options
    )
    sys.exit(run_scan(request))
