"""The user's configuration and strategy on the crash lab's stage.

Bugs planted by hand in ``lab_configuration.py``, ``_stage.py`` and ``_market.py``, each
killed by the test named:

- telegram kept: ``test_nothing_that_talks_to_anybody_is_left``
- the user's database kept: ``test_exchange_database_and_markets_are_the_lab_s``
- order types dropped: ``test_what_the_user_decided_stays``
- the guard's switch ignored: ``test_the_guard_is_switched_only_if_asked``
- one trade slot kept: ``test_two_legs_need_two_slots``
- the user's other settings of our section dropped:
  ``test_our_section_keeps_what_the_lab_need_not_change``
- the edge rule left on, which ends entries after some losses:
  ``test_a_bot_that_loses_by_faults_goes_on_entering``
- a spot configuration let through: ``test_a_configuration_that_cannot_be_rehearsed_says_why``
- the user's folder used in place of a copy: ``test_the_strategies_are_copied_and_never_linked``
- Freqtrade's own `Configuration` asked, which makes folders:
  ``test_reading_leaves_the_user_s_folder_as_it_was``
- a leg of two spreads named twice: ``test_a_coin_of_two_spreads_is_taken_once``
- a drawn coin and a wanted one of one name: ``test_names_of_the_book_never_collide``
- legs of the names swapped: ``test_the_planted_spreads_have_the_names_of_the_book``
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freqtrade_ext.adapters.lab_configuration import UserConfiguration, load_user_configuration
from freqtrade_ext.cli.crashlab._market import NamedMarket, lab_market, names_of_book
from freqtrade_ext.cli.crashlab._stage import CrashStage, lab_configuration
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.sandbox.market import SyntheticSpec
from freqtrade_ext.settings import load_settings
from freqtrade_ext.spreads import SpreadBook, SpreadSpec, save_book

NOW_MS = 1_704_448_800_000
USER: dict[str, Any] = {
    "strategy": "Mine",
    "timeframe": "1h",
    "trading_mode": "futures",
    "margin_mode": "isolated",
    "stake_currency": "USDT",
    "stake_amount": 250,
    "max_open_trades": 6,
    "dry_run": True,
    "dry_run_wallet": 3_000,
    "db_url": "sqlite:////home/me/trades.sqlite",
    "order_types": {"entry": "limit", "exit": "market", "stoploss": "market",
                    "stoploss_on_exchange": True},
    "unfilledtimeout": {"entry": 2, "exit": 2, "unit": "minutes"},
    "entry_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
    "exit_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
    "exchange": {"name": "binance", "key": "MY KEY", "secret": "MY SECRET",
                 "pair_whitelist": ["ETH/USDT:USDT"], "pair_blacklist": ["BNB/.*"]},
    "pairlists": [{"method": "VolumePairList", "number_assets": 20, "sort_key": "quoteVolume"}],
    "telegram": {"enabled": True, "token": "MY TOKEN", "chat_id": "1"},
    "webhook": {"enabled": True, "url": "https://example.org"},
    "discord": {"enabled": True, "webhook_url": "https://example.org"},
    "external_message_consumer": {"enabled": True},
    "api_server": {"enabled": True, "listen_port": 8080, "password": "MINE"},
    "ext": {"spreads": {"leg_timeout_seconds": 12.0, "fit_window": 1440,
                        "sizing": {"leverage": 3.0}},
            "execution": {"patience_seconds": 7.0}},
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A user's folder with a configuration; keys set to None are left out."""
    home = tmp_path / "home"
    (home / "user_data" / "strategies").mkdir(parents=True)
    (home / "user_data" / "strategies" / "mine.py").write_text("# the user's strategy\n")

    def write_config(**changes: Any) -> Path:
        document = USER | {"user_data_dir": str(home / "user_data")} | changes
        path = home / "config.json"
        kept = {key: value for key, value in document.items() if value is not None}
        path.write_text(json.dumps(kept))
        return path

    return write_config


def load(path: Path) -> UserConfiguration:
    return load_user_configuration([str(path)])


def staged(folder: Path, user: UserConfiguration) -> CrashStage:
    """A stage whose journal is closed; its server was never started."""
    stage = CrashStage(folder, user, seed=1)
    stage.stage.rehearsal.journal.close()
    return stage


def for_the_lab(raw: dict[str, Any] = USER, guard: bool | None = None) -> dict[str, Any]:
    return lab_configuration(
        raw, folder=Path("/lab"), exchange={"name": "binance", "key": "rehearsal"},
        api={"enabled": True, "listen_port": 5_000}, guard=guard,
    )  # fmt: skip


# Reading what the user has


def test_reading_finds_strategy_folders_and_book(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    user = load(write())
    assert user.strategy == "Mine"
    assert user.folders == (tmp_path / "home" / "user_data" / "strategies",)
    assert user.book == tmp_path / "home" / "user_data" / "pairs_config.json"
    assert user.raw["stake_amount"] == 250


def test_a_strategy_path_comes_before_the_user_data_folder(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    folders = load(write(strategy_path=str(other))).folders
    assert [folder.name for folder in folders] == ["other", "strategies"]


def test_reading_leaves_the_user_s_folder_as_it_was(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write()
    before = sorted((tmp_path / "home").rglob("*"))
    load(path)
    assert sorted((tmp_path / "home").rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": None}, "strategy: is missing"),
        ({"trading_mode": "spot"}, "trading_mode: must be 'futures'"),
        ({"stake_currency": "USDC"}, "stake_currency: must be 'USDT'"),
        ({"ext": {"spreads": {"fit_windw": 3}}}, "did you mean 'fit_window'?"),
    ],
)
def test_a_configuration_that_cannot_be_rehearsed_says_why(
    write: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(**changes))
    assert message in str(error.value)


def test_every_reason_is_told_at_once(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(strategy=None, trading_mode="spot"))
    assert len(str(error.value).splitlines()) == 2


def test_a_file_that_is_not_there_is_freqtrade_s_own_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Config file .* not found"):
        load(tmp_path / "none.json")


# What becomes of it


def test_nothing_that_talks_to_anybody_is_left() -> None:
    text = json.dumps(for_the_lab())
    for word in ("MY TOKEN", "example.org", "external_message_consumer", "MY KEY", "MY SECRET"):
        assert word not in text


def test_exchange_database_and_markets_are_the_lab_s() -> None:
    lab = for_the_lab()
    assert lab["db_url"] == "sqlite:////lab/trades.sqlite"
    assert lab["exchange"] == {"name": "binance", "key": "rehearsal"}
    assert lab["pairlists"] == [{"method": "StaticPairList"}]
    assert lab["api_server"] == {"enabled": True, "listen_port": 5_000}
    assert (lab["dry_run"], lab["timeframe"]) == (False, "1m")
    assert (lab["user_data_dir"], lab["strategy_path"]) == ("/lab", "/lab/strategies")


@pytest.mark.parametrize(
    "key",
    ["strategy", "order_types", "stake_amount", "unfilledtimeout", "entry_pricing",
     "exit_pricing", "max_open_trades", "margin_mode"],
)  # fmt: skip
def test_what_the_user_decided_stays(key: str) -> None:
    assert for_the_lab()[key] == USER[key]


@pytest.mark.parametrize(("slots", "kept"), [(1, 2), (2, 2), (7, 7), (-1, -1)])
def test_two_legs_need_two_slots(slots: int, kept: int) -> None:
    assert for_the_lab(USER | {"max_open_trades": slots})["max_open_trades"] == kept


def test_our_section_keeps_what_the_lab_need_not_change() -> None:
    section = for_the_lab()["ext"]
    assert section["execution"] == {"patience_seconds": 7.0}
    assert section["spreads"]["leg_timeout_seconds"] == 12.0
    assert section["spreads"]["sizing"]["leverage"] == 3.0
    assert section["spreads"]["fit_window"] == 380
    assert section["spreads"]["max_open_spreads"] == 1


def test_a_bot_that_loses_by_faults_goes_on_entering() -> None:
    """What it has lost neither forbids an entry nor makes it smaller."""
    spreads = load_settings(for_the_lab()["ext"]).spreads
    assert spreads.edge.cost_multiple == 0
    assert spreads.sizing.kelly_min_spreads == 1_000


@pytest.mark.parametrize("guard", [True, False])
def test_the_guard_is_switched_only_if_asked(guard: bool) -> None:
    assert for_the_lab(guard=guard)["ext"]["execution"]["guard"] is guard
    assert "guard" not in for_the_lab()["ext"]["execution"]


def test_the_user_s_own_configuration_is_not_changed() -> None:
    before = json.dumps(USER)
    for_the_lab(guard=False)
    assert json.dumps(USER) == before


def test_the_strategies_are_copied_and_never_linked(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    user = load(write())
    stage = staged(tmp_path / "lab", user)
    copy = stage.folder / "strategies" / "mine.py"
    assert copy.read_text() == "# the user's strategy\n"
    copy.write_text("changed\n")
    assert (user.folders[0] / "mine.py").read_text() == "# the user's strategy\n"


def test_protections_are_copied_where_there_are_some(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """A strategy that names a protection of the user's does not start without it."""
    stage = staged(tmp_path / "lab", load(write()))
    assert not (stage.folder / "protections").exists()
    own = tmp_path / "home" / "user_data" / "protections"
    own.mkdir()
    (own / "Mine.py").write_text("# the user's protection\n")
    stage = staged(tmp_path / "lab", load(write()))
    assert (stage.folder / "protections" / "Mine.py").read_text() == "# the user's protection\n"


def test_of_two_strategies_of_one_name_the_first_found_counts(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.py").write_text("# first\n")
    user = load(write(strategy_path=str(other)))
    stage = staged(tmp_path / "lab", user)
    assert (stage.folder / "strategies" / "mine.py").read_text() == "# first\n"


@pytest.mark.parametrize(("wallet", "balance"), [(3_000, 3_000), ({"USDT": 5}, 10_000)])
def test_the_exchange_pays_the_wallet_of_the_dry_run(
    write: Callable[..., Path], tmp_path: Path, wallet: object, balance: int
) -> None:
    user = load(write())
    user = replace(user, raw=user.raw | {"dry_run_wallet": wallet})
    stage = staged(tmp_path / "lab", user)
    assert stage.stage.rehearsal.exchange.balances().wallet == balance


# The market


def test_the_planted_spreads_have_the_names_of_the_book() -> None:
    market = lab_market(1, NOW_MS, groups=2, names=[("PEPE", "DOGE")])
    first, second = market.planted_spreads()
    assert (first.symbol_a, first.symbol_b) == ("PEPEUSDT", "DOGEUSDT")
    assert (second.symbol_a, second.symbol_b) == ("AVAXUSDT", "SOLUSDT")
    instrument = market.instruments["PEPEUSDT"]
    assert (instrument.symbol, instrument.base, instrument.quote) == ("PEPEUSDT", "PEPE", "USDT")


def test_a_market_under_another_name_has_the_same_prices() -> None:
    plain = lab_market(1, NOW_MS, groups=1, names=[])
    named = lab_market(1, NOW_MS, groups=1, names=[("PEPE", "DOGE")])
    assert named.price("DOGEUSDT", NOW_MS) == plain.price("BTCUSDT", NOW_MS)


COINS = st.sampled_from(["BTC", "ETH", "SOL", "AVAX", "LINK", "UNI", "PEPE", "LABBTCUSDT"])


@settings(max_examples=25, deadline=None)
@given(st.lists(COINS, min_size=2, max_size=6, unique=True))
def test_names_of_the_book_never_collide(coins: list[str]) -> None:
    names = list(zip(coins[::2], coins[1::2], strict=False))
    spec = SyntheticSpec(
        seed=1, anchor_ms=NOW_MS, groups=3, markets_per_group=2, extra_markets=0,
        history_minutes=10, horizon_minutes=10,
    )  # fmt: skip
    market = NamedMarket(spec, names)
    assert len(market.instruments) == 6
    for spread, (coin_a, coin_b) in zip(market.planted_spreads(), names, strict=False):
        assert (spread.symbol_a, spread.symbol_b) == (f"{coin_a}USDT", f"{coin_b}USDT")
    for symbol, instrument in market.instruments.items():
        assert symbol == instrument.symbol == f"{instrument.base}USDT"


def test_a_user_without_a_book_gets_drawn_names(tmp_path: Path) -> None:
    assert names_of_book(tmp_path / "none.json") == []
    (tmp_path / "broken.json").write_text("{")
    assert names_of_book(tmp_path / "broken.json") == []


def test_a_coin_of_two_spreads_is_taken_once(tmp_path: Path) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    book = SpreadBook(created_at=now, timeframe="1h", data_source="by hand", family_size=3)
    for coin_a, coin_b in (("ETH", "BTC"), ("SOL", "BTC"), ("ADA", "XRP")):
        book = book.add(
            SpreadSpec(
                spread_id=f"{coin_a}-{coin_b}",
                leg_a=f"{coin_a}/USDT:USDT",
                leg_b=f"{coin_b}/USDT:USDT",
                hedge_ratio=1.0,
                intercept=0.0,
                cointegration_stat=-5.0,
                pvalue=0.001,
                half_life=10.0,
                mean_reversion_window=20,
                fit_start=now,
                fit_end=now + timedelta(days=9),
                last_updated=now + timedelta(days=9),
            )
        )
    save_book(book, tmp_path / "book.json")
    assert names_of_book(tmp_path / "book.json") == [("ETH", "BTC"), ("ADA", "XRP")]
