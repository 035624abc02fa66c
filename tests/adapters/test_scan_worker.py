"""A scan on data files and the bot's newest candles, as the process makes it.

Planted bugs that these tests have caught: the file wins over the bot, a damaged file ends the scan,
candles after the moment are looked at, the whole file is loaded.
"""

import io

import numpy as np
import pandas as pd
import pytest

from freqtrade_ext.adapters import _scan_worker
from freqtrade_ext.adapters._candles import market_history
from freqtrade_ext.adapters._scan_job import ScanJob, read_job, write_job
from freqtrade_ext.adapters._scan_worker import answer
from freqtrade_ext.scanner import (
    BootstrapSettings,
    MarketHistory,
    ScanSettings,
    UniverseSettings,
)

from .doubles import BTC, ETH, HOUR_MS, START_MS, candles, cointegrated

SOL = "SOL/USDT:USDT"
COUNT = 700
SEARCH = ScanSettings(
    universe=UniverseSettings(window=600, min_daily_volume=0.0, min_listing_days=1.0),
    bootstrap=BootstrapSettings(replications=0),
    null_scan=False,
)


def frames():
    eth, btc = cointegrated(COUNT)
    sol = 50 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, COUNT)))
    return {ETH: candles(eth), BTC: candles(btc), SOL: candles(sol)}


def store(folder, frames):
    (folder / "futures").mkdir(parents=True, exist_ok=True)
    for market, frame in frames.items():
        name = market.replace("/", "_").replace(":", "_")
        frame.to_feather(folder / "futures" / f"{name}-1h-futures.feather")


def job_of(folder, **more):
    fields = {
        "due_ms": START_MS + COUNT * HOUR_MS,
        "timeframe": "1h",
        "data": str(folder),
        "data_format": "feather",
        "candle_type": "futures",
        "markets": (BTC, ETH, SOL),
        "standing": ((ETH, BTC),),
        "settings": SEARCH,
        "max_age_ms": 2 * HOUR_MS,
        "memory_mb": 4096,
    }
    return ScanJob(**(fields | more))


def newest_of(frames, last):
    return {market: market_history(market, frame.tail(last)) for market, frame in frames.items()}


def test_a_job_survives_the_way(tmp_path):
    job, newest = job_of(tmp_path, excluded={BTC: "flagged"}), newest_of(frames(), 100)
    file = io.BytesIO()
    write_job(file, job, list(newest.values()))
    file.seek(0)
    read, candles_read = read_job(file)
    assert read == job
    assert list(candles_read) == list(newest)
    for market, history in newest.items():
        for column in ("time_ms", "close", "quote_volume"):
            np.testing.assert_array_equal(
                getattr(candles_read[market], column), getattr(history, column)
            )


def test_a_job_without_candles_survives_the_way(tmp_path):
    file = io.BytesIO()
    write_job(file, job_of(tmp_path), [])
    file.seek(0)
    assert read_job(file) == (job_of(tmp_path), {})


def test_files_and_the_bots_candles_are_one_history(tmp_path):
    every = frames()
    store(tmp_path, {market: frame.head(COUNT - 50) for market, frame in every.items()})
    outcome = answer(job_of(tmp_path), newest_of(every, 80)).outcome
    (card,) = outcome.cards
    assert {card.fit.leg_a, card.fit.leg_b} == {ETH, BTC}
    assert outcome.confirmation.end_ms == START_MS + COUNT * HOUR_MS
    assert outcome.retests[0].pvalue < 1e-6


def test_the_bots_candles_win_over_the_file(tmp_path):
    """The last candle of a file may have been stored before it had closed."""
    every = frames()
    spoiled = {market: frame.copy() for market, frame in every.items()}
    for frame in spoiled.values():
        frame.loc[COUNT - 40 :, "close"] *= np.linspace(1, 50, 40)
    store(tmp_path, spoiled)
    good = answer(job_of(tmp_path), newest_of(every, 80))
    store(tmp_path, every)
    assert good.render() == answer(job_of(tmp_path), {}).render()


def test_candles_after_the_moment_are_not_looked_at(tmp_path):
    every = frames()
    store(tmp_path, {market: frame.head(650) for market, frame in every.items()})
    job = job_of(tmp_path, due_ms=START_MS + 650 * HOUR_MS)
    assert answer(job, newest_of(every, 80)).render() == answer(job, {}).render()


def test_stale_files_are_refused(tmp_path):
    store(tmp_path, {market: frame.head(COUNT - 3) for market, frame in frames().items()})
    refused = answer(job_of(tmp_path), {})
    assert refused.outcome is None
    assert refused.refused == "the newest candle closed 3.0 h before, allowed are 2 h"


def test_a_gap_between_files_and_the_bot_is_refused(tmp_path):
    every = frames()
    store(tmp_path, {market: frame.head(400) for market, frame in every.items()})
    refused = answer(job_of(tmp_path), newest_of(every, 80)).refused
    assert refused == "0 market(s) can be scanned: too many missing candles (3)"


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    asked = []
    monkeypatch.setattr(_scan_worker.time, "sleep", asked.append)
    return asked


@pytest.mark.parametrize("content", [b"", b"no feather", None])
def test_a_file_that_is_damaged_or_missing_costs_its_market_only(tmp_path, content, capsys):
    every = frames()
    store(tmp_path, every)
    path = tmp_path / "futures" / "SOL_USDT_USDT-1h-futures.feather"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    outcome = answer(job_of(tmp_path), {}).outcome
    assert outcome.markets == 2
    said = capsys.readouterr().err
    assert f"{SOL}: no data" in said
    assert str(path) in said


def test_a_file_that_is_being_written_is_read_again(tmp_path, monkeypatch, pauses):
    """Freqtrade writes in place: for a moment the file is cut off."""
    store(tmp_path, frames())
    path = tmp_path / "futures" / "SOL_USDT_USDT-1h-futures.feather"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    def write_the_rest(seconds):
        pauses.append(seconds)
        path.write_bytes(whole)

    monkeypatch.setattr(_scan_worker.time, "sleep", write_the_rest)
    assert answer(job_of(tmp_path), {}).outcome.markets == 3
    assert len(pauses) == 1


def test_files_that_are_damaged_are_waited_for_once_together(tmp_path, pauses):
    store(tmp_path, frames())
    for path in (tmp_path / "futures").iterdir():
        path.write_bytes(b"")
    assert answer(job_of(tmp_path), {}).outcome is None
    assert len(pauses) == 1


def test_files_that_are_not_there_are_not_waited_for(tmp_path, pauses):
    assert answer(job_of(tmp_path), {}).outcome is None
    assert pauses == []


def test_a_cut_off_file_is_named_where_the_bot_has_the_newest_candles(tmp_path):
    """Then the market looks as if it had been listed late; a spread of it cannot be tested."""
    every = frames()
    store(tmp_path, every)
    path = tmp_path / "futures" / "BTC_USDT_USDT-1h-futures.feather"
    path.write_bytes(path.read_bytes()[:1000])
    (test,) = answer(job_of(tmp_path), newest_of(every, 80)).outcome.retests
    assert str(path) in test.reason
    assert np.isnan(test.pvalue)


def test_only_the_candles_that_can_matter_are_loaded(tmp_path, monkeypatch):
    asked = []

    def load(**arguments):
        asked.append(arguments["timerange"].startts)
        return pd.DataFrame()

    monkeypatch.setattr(_scan_worker, "load_pair_history", load)
    job = job_of(tmp_path)
    answer(job, {})
    assert asked == [job.since_ms // 1000] * 3
    assert job.due_ms - job.since_ms == (600 + 12) * HOUR_MS
    old = SEARCH.model_copy(
        update={"universe": SEARCH.universe.model_copy(update={"min_listing_days": 60.0})}
    )
    older = job_of(tmp_path, settings=old)
    assert older.due_ms - older.since_ms == 61 * 24 * HOUR_MS


def test_a_market_of_the_book_that_is_not_there_fails_its_test(tmp_path):
    store(tmp_path, frames())
    job = job_of(tmp_path, standing=((ETH, "XRP/USDT:USDT"),), markets=(BTC, ETH, SOL))
    (test,) = answer(job, {}).outcome.retests
    assert "was not among the histories" in test.reason


def test_a_market_that_must_not_take_part_does_not_and_its_spread_is_not_tested(tmp_path, capsys):
    store(tmp_path, frames())
    job = job_of(tmp_path, excluded={BTC: "to be delisted 2024-03-01 09:00"})
    outcome = answer(job, {}).outcome
    assert outcome.markets == 2
    (test,) = outcome.retests
    assert "to be delisted 2024-03-01 09:00" in test.reason
    assert f"{BTC}: excluded: to be delisted 2024-03-01 09:00" in capsys.readouterr().err


def test_histories_of_the_bot_alone_are_enough(tmp_path):
    newest = newest_of(frames(), COUNT)
    assert isinstance(newest[ETH], MarketHistory)
    assert answer(job_of(tmp_path), newest).outcome.markets == 3
