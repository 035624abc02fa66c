"""The book of a bot that trades, renewed.

Planted bugs that these tests have caught: a new book while an order is in flight, a failed spread
that is still entered, an open spread whose row goes, a damaged book that is overwritten, a book in
force that could not be saved, a scan at every loop after a failure, a new market that the order
guard does not know, a retired spread that forgets its cooling at a restart, an open spread whose
row is exchanged for another one of the same markets, a failed spread that is entered because the
new book waits or cannot be saved, one bad row that drops a whole review, an untested spread that
is retired.
"""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from freqtrade_ext.adapters import _book_renewal
from freqtrade_ext.adapters._book_renewal import BookRenewal, Host
from freqtrade_ext.adapters._leg_markets import LegMarkets
from freqtrade_ext.adapters._spread_view import SpreadView
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.scanner import (
    BootstrapSettings,
    MarketHistory,
    ScanAnswer,
    ScanOutcome,
    ScanSection,
    ScanSettings,
    UniverseSettings,
    scan,
)
from freqtrade_ext.spreads import SpreadBook, load_book, save_book

from .doubles import (
    BTC,
    ETH,
    HOUR_MS,
    START,
    START_MS,
    Provider,
    bands_of,
    candles,
    cointegrated,
    market,
    settings_of,
    spec_of,
)

SOL, ADA = "SOL/USDT:USDT", "ADA/USDT:USDT"
COUNT = 700
NOW_MS = START_MS + 29 * 24 * HOUR_MS + 60_000  # a minute after a whole multiple of a day
SEARCH = ScanSettings(
    universe=UniverseSettings(window=600, min_daily_volume=0.0, min_listing_days=1.0),
    bootstrap=BootstrapSettings(replications=0),
    null_scan=False,
)
SETTINGS = ScanSection(while_trading=True, **dict(SEARCH))


def prices():
    eth, btc = cointegrated(COUNT)
    walks = np.random.default_rng(5).normal(0, 0.01, (COUNT, 2)).cumsum(axis=0)
    return {ETH: eth, BTC: btc, SOL: 50 * np.exp(walks[:, 0]), ADA: np.exp(walks[:, 1])}


def outcome_of(*standing):
    """What a scan finds: ETH and BTC hang together, SOL and ADA do not."""
    times = START_MS + HOUR_MS * np.arange(COUNT, dtype=np.int64)
    histories = [
        MarketHistory(name, times, close, np.full(COUNT, 1e9)) for name, close in prices().items()
    ]
    report = scan(histories, SEARCH, timeframe="1h", seed=0, standing=standing)
    return ScanOutcome.of(report)


class Scan:
    """A process that a test ends when it likes."""

    def __init__(self):
        self.jobs, self.answers, self.is_running, self.stopped = [], [], False, 0

    def start(self, job, newest):
        self.jobs.append((job, newest))
        self.is_running = True
        return True

    def poll(self):
        if not self.answers:
            return None
        self.is_running = False
        return self.answers.pop(0)

    def stop(self):
        self.stopped += 1
        self.is_running = False


class Stage:
    """A bot with a book of two spreads: ETH-BTC is true, SOL-ADA is not."""

    trading_mode = "futures"

    def __init__(self, folder, *rows):
        self.path = folder / "pairs_config.json"
        rows = rows or (spec_of(), spec_of("SOL-ADA", SOL, ADA))
        self.write(*rows)
        frames = {name: candles(close) for name, close in prices().items()}
        self.provider = Provider(
            frames, markets={name: market(name) for name in frames}, tier_cap=1e9
        )
        self.view = SpreadView({row.spread_id: row for row in rows}, settings_of(), HOUR_MS)
        self.markets = LegMarkets()
        self.learn(self.view.markets)
        self.open, self.at_rest, self.scan = set(), True, Scan()
        self.check = lambda specs: None
        self.renewal = self.new_renewal()

    def write(self, *rows, **more):
        book = SpreadBook(created_at=START, timeframe="1h", spreads=rows)
        save_book(book.model_copy(update=more), self.path)

    def learn(self, names):
        self.markets.read(self.provider, names, {}, 2.0)

    def new_renewal(self):
        host = Host(
            provider=self.provider,
            config={"datadir": "nowhere", "trading_mode": self.trading_mode},
            timeframe="1h",
            view=self.view,
            markets=self.markets,
            open_spreads=lambda: frozenset(self.open),
            is_at_rest=lambda: self.at_rest,
            learn=self.learn,
            check=lambda specs: self.check(specs),
            searched=lambda: [ETH, BTC, SOL, ADA],
        )
        return BookRenewal(self.path, SETTINGS, host, scan=self.scan)

    def scanned(self, now_ms=NOW_MS, outcome=None):
        """A loop that starts a scan, and a loop that hears its answer."""
        self.renewal.loop(now_ms)
        (job, _) = self.scan.jobs[-1]
        self.scan.answers.append(
            ScanAnswer(due_ms=job.due_ms, outcome=outcome or outcome_of(*job.standing))
        )
        self.renewal.loop(now_ms + 5_000)

    @property
    def book(self):
        return [row.spread_id for row in load_book(self.path).spreads]


@pytest.fixture
def stage(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    return Stage(tmp_path)


# When


def test_a_scan_begins_once_a_moment(stage):
    for seconds in range(0, 60, 5):
        stage.renewal.loop(NOW_MS + seconds * 1000)
        stage.scan.is_running = seconds < 20  # it fails without an answer
    ((job, newest),) = stage.scan.jobs
    assert job.due_ms == NOW_MS - 60_000
    assert job.markets == tuple(sorted([ETH, BTC, SOL, ADA]))
    assert set(job.standing) == {(ETH, BTC), (SOL, ADA)}
    assert {each.market for each in newest} == {ETH, BTC, SOL, ADA}
    stage.renewal.loop(NOW_MS + 24 * HOUR_MS)
    assert len(stage.scan.jobs) == 2


def test_futures_that_will_be_delisted_take_no_part(stage):
    stage.provider.delisted = {SOL: datetime(2024, 3, 1, 9, tzinfo=UTC)}
    stage.renewal.loop(NOW_MS)
    ((job, _),) = stage.scan.jobs
    assert job.excluded == {SOL: "to be delisted 2024-03-01 09:00"}
    assert SOL in job.markets  # so that the refusal names it


def test_spot_markets_are_not_asked_one_by_one_over_the_network(stage):
    stage.trading_mode = "spot"
    stage.provider.delisted = {SOL: datetime(2024, 3, 1, 9, tzinfo=UTC)}
    stage.new_renewal().loop(NOW_MS)
    ((job, _),) = stage.scan.jobs
    assert job.excluded == {}


def test_a_book_that_has_just_been_made_is_tested_all_the_same(stage):
    """The command may have made it from stale files."""
    made = datetime.fromtimestamp(NOW_MS / 1000, UTC) - timedelta(seconds=30)
    stage.write(spec_of(), created_at=made)
    stage.renewal.loop(NOW_MS)
    assert len(stage.scan.jobs) == 1


def test_a_scan_that_runs_is_left_alone(stage):
    stage.renewal.loop(NOW_MS)
    stage.renewal.loop(NOW_MS + 24 * HOUR_MS)
    assert len(stage.scan.jobs) == 1


def test_the_end_of_the_bot_ends_the_scan(stage):
    stage.renewal.loop(NOW_MS)
    stage.renewal.end()
    assert stage.scan.stopped == 1


def test_stale_data_leave_the_book_and_say_what_to_do(stage, caplog):
    before = stage.path.read_bytes()
    stage.renewal.loop(NOW_MS)
    stage.scan.answers.append(ScanAnswer(due_ms=0, refused="the newest candle closed 9.0 h before"))
    stage.renewal.loop(NOW_MS + 5_000)
    assert stage.path.read_bytes() == before
    assert "[STRATEGY] the scan is refused: the newest candle closed 9.0 h before" in caplog.text
    assert "freqtrade download-data -c config.json --timeframes 1h" in caplog.text


# What


def test_a_spread_that_failed_and_is_flat_is_retired(stage, caplog):
    stage.scanned()
    assert stage.book == ["ETH-BTC"]
    assert list(stage.view.specs) == ["ETH-BTC"]
    assert "[STRATEGY] SOL-ADA is retired: re-test: p-value " in caplog.text
    assert "book taken over: 1 stay(s), 0 new, 0 winding down, 1 retired" in caplog.text
    assert stage.path.with_name("pairs_config.json.bak").exists()


def test_a_spread_that_failed_while_open_keeps_its_row_and_takes_no_entries(stage, caplog):
    (before,) = (row for row in load_book(stage.path).spreads if row.spread_id == "SOL-ADA")
    stage.open = {"SOL-ADA"}
    stage.scanned()
    assert stage.view.specs["SOL-ADA"] == before
    assert load_book(stage.path).get("SOL-ADA") == before
    assert stage.view.barred == {"SOL-ADA"}
    assert "SOL-ADA takes no more entries and is left by its own exit rules" in caplog.text


def test_a_barred_spread_is_followed_but_not_entered(stage):
    stage.open = {"SOL-ADA"}
    stage.scanned()
    bands = {name: bands_of(entry_z=1.0) for name in stage.view.specs}
    stage.view.refresh(stage.provider, "1h", live=True)
    board = stage.view.board(bands)
    asking = {each.spread_id for row in board.by_time.values() for each in row}
    assert asking == {"ETH-BTC"}
    assert "SOL-ADA" in stage.view.tracks


def test_a_restart_remembers_who_may_not_be_entered(stage):
    stage.open = {"SOL-ADA"}
    stage.scanned()
    stage.view.barred = frozenset()
    stage.new_renewal().restore(NOW_MS + HOUR_MS)
    assert stage.view.barred == {"SOL-ADA"}
    stage.view.barred = frozenset()
    stage.new_renewal().restore(NOW_MS + 8 * 24 * HOUR_MS)
    assert stage.view.barred == frozenset()


def test_a_new_spread_joins_and_its_markets_become_known(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    stage = Stage(tmp_path, spec_of("SOL-ADA", SOL, ADA))
    assert set(stage.markets.known) == {SOL, ADA}
    stage.scanned()
    assert stage.book == ["BTC-ETH"] or stage.book == ["ETH-BTC"]
    assert set(stage.markets.known) == {SOL, ADA, ETH, BTC}
    assert stage.view.markets == [BTC, ETH]
    assert "joins the book" in caplog.text


def test_a_retired_spread_does_not_come_back_at_once(stage, caplog):
    failed = outcome_of((ETH, BTC), (SOL, ADA))
    broken = [
        test.__class__(test.leg_a, test.leg_b, -1.0, 0.9, 1.0, 0.0, 5.0) for test in failed.retests
    ]
    stage.scanned(outcome=failed.model_copy(update={"retests": tuple(broken), "cards": ()}))
    assert stage.book == []
    assert {each["leg_a"] for each in json.loads(stage.renewal.cooling_path.read_text())} == {
        ETH, SOL,
    }  # fmt: skip
    stage.scanned(NOW_MS + 24 * HOUR_MS)
    assert stage.book == []
    stage.scanned(NOW_MS + 9 * 24 * HOUR_MS)
    assert len(stage.book) == 1


def test_a_market_outside_the_whitelist_is_named(stage, caplog, monkeypatch):
    monkeypatch.setattr(stage.provider, "current_whitelist", lambda: [ETH], raising=False)
    stage.scanned()
    assert (
        f"[STRATEGY] ETH-BTC is in the book, but not entered: {BTC} is not in the pair whitelist "
        "of this run; add it and restart the bot"
    ) in caplog.text


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda stage: stage.provider.markets.pop(BTC), f"the exchange does not list {BTC}"),
        (
            lambda stage: stage.provider.markets[BTC].update(contractSize=10.0),
            "a contract is 10.0 units of the base",
        ),
    ],
)
def test_a_new_spread_that_cannot_be_traded_is_left_out(tmp_path, caplog, spoil, reason):
    caplog.set_level(logging.INFO)
    stage = Stage(tmp_path, spec_of("SOL-ADA", SOL, ADA))
    spoil(stage)
    stage.scanned()
    assert stage.book == []
    assert "does not join the book: " in caplog.text
    assert reason in caplog.text


# Where the bot stands


def test_a_new_book_waits_until_nothing_is_in_flight(stage, caplog):
    stage.at_rest = False
    stage.scanned()
    for seconds in range(10, 60, 5):
        stage.renewal.loop(NOW_MS + seconds * 1000)
    assert set(stage.view.specs) == {"ETH-BTC", "SOL-ADA"}
    assert caplog.text.count("the new book waits until no order is in flight") == 1
    stage.at_rest = True
    stage.renewal.loop(NOW_MS + 60_000)
    assert set(stage.view.specs) == {"ETH-BTC"}
    assert len(stage.scan.jobs) == 1


def test_a_spread_that_opened_while_the_scan_ran_keeps_its_row(stage):
    stage.renewal.loop(NOW_MS)
    stage.open = {"SOL-ADA"}
    stage.scan.answers.append(ScanAnswer(due_ms=0, outcome=outcome_of((ETH, BTC), (SOL, ADA))))
    stage.renewal.loop(NOW_MS + 5_000)
    assert set(stage.view.specs) == {"ETH-BTC", "SOL-ADA"}


def test_an_open_spread_that_somebody_removed_from_the_file_keeps_its_row(stage):
    stage.renewal.loop(NOW_MS)
    stage.open = {"SOL-ADA"}
    stage.write(spec_of())
    stage.scan.answers.append(ScanAnswer(due_ms=0, outcome=outcome_of((ETH, BTC), (SOL, ADA))))
    stage.renewal.loop(NOW_MS + 5_000)
    assert stage.book == ["ETH-BTC", "SOL-ADA"]


def test_the_same_markets_the_other_way_round_do_not_replace_an_open_spread(stage):
    """Somebody ran the command while the spread was open."""
    stage.open = {"ETH-BTC"}
    before = stage.view.specs["ETH-BTC"]
    stage.write(spec_of("BTC-ETH", BTC, ETH))
    stage.scanned()
    assert stage.view.specs == {"ETH-BTC": before}
    assert load_book(stage.path).spreads == (before,)


def test_exchanged_legs_in_the_file_do_not_reach_an_open_spread(stage):
    stage.open = {"ETH-BTC"}
    before = stage.view.specs["ETH-BTC"]
    stage.write(spec_of("ETH-BTC", BTC, ETH))
    stage.scanned()
    assert stage.view.specs["ETH-BTC"] == before


def test_a_file_with_name_and_markets_of_an_open_spread_in_two_rows_has_it_once(stage):
    stage.open = {"ETH-BTC"}
    before = stage.view.specs["ETH-BTC"]
    stage.write(spec_of("BTC-ETH", BTC, ETH), spec_of("ETH-BTC", SOL, ADA))
    stage.scanned()
    assert load_book(stage.path).spreads == (before,)


def test_what_failed_is_barred_while_the_new_book_waits(stage):
    stage.at_rest = False
    stage.scanned()
    assert stage.view.barred == {"SOL-ADA"}
    stage.view.barred = frozenset()
    stage.new_renewal().restore(NOW_MS + HOUR_MS)  # a restart remembers it
    assert stage.view.barred == {"SOL-ADA"}


def test_a_newer_scan_replaces_an_outcome_that_waits(stage):
    stage.at_rest = False
    stage.scanned()
    failed = outcome_of((ETH, BTC), (SOL, ADA)).model_copy(update={"cards": ()})
    broken = tuple(replace(test, pvalue=0.9) for test in failed.retests)
    stage.scanned(NOW_MS + 24 * HOUR_MS, failed.model_copy(update={"retests": broken}))
    assert len(stage.scan.jobs) == 2
    assert stage.view.barred == {"ETH-BTC", "SOL-ADA"}
    stage.at_rest = True
    stage.renewal.loop(NOW_MS + 25 * HOUR_MS)
    assert (stage.book, stage.view.specs) == ([], {})


def test_a_newer_scan_tests_what_an_outcome_that_waits_would_bring(tmp_path):
    stage = Stage(tmp_path, spec_of("SOL-ADA", SOL, ADA))
    stage.at_rest = False
    stage.scanned()
    stage.renewal.loop(NOW_MS + 24 * HOUR_MS)
    job, _ = stage.scan.jobs[-1]
    assert {frozenset(legs) for legs in job.standing} == {
        frozenset({SOL, ADA}), frozenset({ETH, BTC}),
    }  # fmt: skip


def untested(outcome):
    nan = float("nan")
    tests = tuple(
        replace(test, pvalue=nan, reason=f"{SOL}: no data") if test.leg_a == SOL else test
        for test in outcome.retests
    )
    return outcome.model_copy(update={"retests": tests})


def test_what_could_not_be_tested_stays_and_is_barred_until_the_next_scan(stage, caplog):
    stage.scanned(outcome=untested(outcome_of((ETH, BTC), (SOL, ADA))))
    assert stage.book == ["ETH-BTC", "SOL-ADA"]
    assert stage.view.barred == {"SOL-ADA"}
    assert "SOL-ADA takes no entries until the next scan: could not be tested again" in caplog.text
    stage.view.barred = frozenset()
    stage.new_renewal().restore(NOW_MS + 9 * 24 * HOUR_MS)
    assert stage.view.barred == {"SOL-ADA"}
    good = outcome_of((ETH, BTC), (SOL, ADA))
    passed = tuple(replace(test, pvalue=0.01) for test in good.retests)
    stage.scanned(NOW_MS + 24 * HOUR_MS, good.model_copy(update={"retests": passed}))
    assert stage.book == ["ETH-BTC", "SOL-ADA"]
    assert stage.view.barred == frozenset()


def test_a_null_scan_that_finds_something_lets_nothing_join(tmp_path, caplog):
    stage = Stage(tmp_path, spec_of("SOL-ADA", SOL, ADA))
    outcome = outcome_of((SOL, ADA))
    stage.scanned(outcome=outcome.model_copy(update={"null_funnel": outcome.funnel}))
    assert stage.book == []
    assert "[STRATEGY] the null scan chose 1 spread(s), where there is nothing" in caplog.text


def test_a_bar_holds_on_the_candle_on_which_it_falls(stage):
    """The ranking of a candle is kept until the next one."""
    bands = {name: bands_of(entry_z=1.0) for name in stage.view.specs}
    stage.view.refresh(stage.provider, "1h", live=True)
    stage.view.board(bands)
    stage.view.bar(["ETH-BTC"])
    board = stage.view.board(bands)
    assert "ETH-BTC" not in {each.spread_id for row in board.by_time.values() for each in row}


def test_a_spread_that_somebody_added_while_the_scan_ran_is_not_judged(stage, caplog):
    stage.renewal.loop(NOW_MS)
    stage.write(spec_of(), spec_of("ETH-SOL", ETH, SOL))
    stage.scan.answers.append(ScanAnswer(due_ms=0, outcome=outcome_of((ETH, BTC), (SOL, ADA))))
    stage.renewal.loop(NOW_MS + 5_000)
    assert stage.book == ["ETH-BTC", "ETH-SOL"]
    assert "the book was changed while the scan ran (ETH-SOL is new)" in caplog.text


def test_tracks_of_spreads_that_stay_are_kept(stage):
    stage.view.refresh(stage.provider, "1h", live=True)
    before = stage.view.tracks["ETH-BTC"]
    unchanged = outcome_of((ETH, BTC), (SOL, ADA)).model_copy(update={"cards": ()})
    stage.scanned(outcome=unchanged)
    assert stage.view.tracks == {"ETH-BTC": before}


def test_a_spread_whose_legs_changed_places_is_tracked_anew(stage):
    stage.view.refresh(stage.provider, "1h", live=True)
    swapped = spec_of("ETH-BTC", BTC, ETH)
    stage.view.take_over({"ETH-BTC": swapped}, frozenset())
    assert stage.view.tracks == {}
    stage.view.refresh(stage.provider, "1h", live=True)
    np.testing.assert_array_equal(stage.view.tracks["ETH-BTC"].dependent, np.log(prices()[BTC]))


# What goes wrong


@pytest.mark.parametrize("damage", ["{", "", '{"created_at": 1}'])
def test_a_damaged_book_is_named_and_left_alone(stage, caplog, damage):
    stage.renewal.loop(NOW_MS)
    stage.path.write_text(damage)
    stage.scan.answers.append(ScanAnswer(due_ms=0, outcome=outcome_of((ETH, BTC), (SOL, ADA))))
    stage.renewal.loop(NOW_MS + 5_000)
    assert stage.path.read_text() == damage
    assert set(stage.view.specs) == {"ETH-BTC", "SOL-ADA"}
    assert "the spread book cannot be read; the one in force stays: " in caplog.text
    assert "pairs_config.json" in caplog.text


def test_a_damaged_book_is_no_reason_to_scan(stage, caplog):
    stage.path.write_text("{")
    for seconds in range(3):
        stage.renewal.loop(NOW_MS + seconds)
    assert stage.scan.jobs == []
    assert caplog.text.count("the spread book cannot be read") == 1


def test_a_book_that_cannot_be_written_leaves_the_one_in_force(stage, caplog, monkeypatch):
    def full(book, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_book_renewal, "save_book", full)
    stage.scanned()
    assert set(stage.view.specs) == {"ETH-BTC", "SOL-ADA"}
    assert stage.book == ["ETH-BTC", "SOL-ADA"]
    assert "cannot be written ([Errno 28] No space left on device)" in caplog.text


def refuse_eth(specs):
    if any({ETH, BTC} == set(row.markets) for row in specs.values()):
        raise ConfigError("with the strategy's parameters the bands are wrong")


def test_a_row_whose_bands_cannot_be_traded_is_left_out_alone(stage, caplog):
    stage.check = refuse_eth
    stage.scanned()
    assert set(stage.view.specs) == set()
    assert stage.book == ["ETH-BTC"]  # what somebody wrote is not deleted
    assert "ETH-BTC is in the book, but not traded: with the strategy's" in caplog.text
    assert "SOL-ADA is retired" in caplog.text


def test_an_open_spread_is_followed_whatever_its_bands(stage):
    stage.check = refuse_eth
    stage.open = {"ETH-BTC"}
    stage.scanned()
    assert set(stage.view.specs) == {"ETH-BTC"}


def test_a_new_row_whose_bands_cannot_be_traded_does_not_join(tmp_path, caplog):
    stage = Stage(tmp_path, spec_of("SOL-ADA", SOL, ADA))
    stage.check = refuse_eth
    stage.scanned()
    assert (stage.book, stage.view.specs) == ([], {})
    assert "does not join the book: with the strategy's" in caplog.text


def test_a_full_disk_takes_no_entries_from_what_failed(stage, caplog, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_book_renewal, "save_book", full)
    monkeypatch.setattr(_book_renewal, "replace_file", full)
    stage.scanned()
    assert set(stage.view.specs) == {"ETH-BTC", "SOL-ADA"}
    assert stage.view.barred == {"SOL-ADA"}
    assert "a restart would forget which spreads take no entries" in caplog.text


def test_a_damaged_list_of_the_retired_bars_every_spread_until_the_next_scan(stage, caplog):
    stage.renewal.cooling_path.write_text("xx")
    stage.renewal.restore(NOW_MS)
    assert stage.view.barred == {"ETH-BTC", "SOL-ADA"}
    assert "none of the book is entered until the next scan" in caplog.text
    stage.scanned()
    assert (set(stage.view.specs), stage.view.barred) == ({"ETH-BTC"}, frozenset())


def test_a_list_of_the_retired_that_is_damaged_later_does_no_harm(stage):
    stage.open = {"SOL-ADA"}
    stage.scanned()
    stage.renewal.cooling_path.write_text("xx")
    good = outcome_of((ETH, BTC), (SOL, ADA))
    passed = tuple(replace(test, pvalue=0.01) for test in good.retests)
    stage.scanned(NOW_MS + 24 * HOUR_MS, good.model_copy(update={"retests": passed}))
    assert stage.view.barred == {"SOL-ADA"}  # it has not cooled yet
    assert "SOL" in stage.renewal.cooling_path.read_text()


def test_a_damaged_list_of_the_retired_is_named(stage, caplog):
    stage.renewal.cooling_path.write_text("{")
    stage.scanned()
    assert stage.book == ["ETH-BTC"]
    assert "retired spreads are not known: " in caplog.text
    assert "pairs_config.json.cooling" in caplog.text


def test_an_error_in_the_renewal_does_not_stop_the_loop(stage, caplog):
    stage.scan.poll = lambda: 1 / 0
    stage.renewal.loop(NOW_MS)
    assert "BookRenewal.loop failed" in caplog.text
