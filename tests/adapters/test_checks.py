"""What the doctor checks, each rule on a sound installation with one thing wrong.

Bugs planted by hand, each caught by the test named:

1. `run_checks` does not redact -> test_no_text_shows_a_secret
2. secrets of the environment are told of as if they were in the file ->
   test_secrets_of_the_environment_are_no_secrets_in_the_file
3. an open API without a password is OK -> test_the_rest_interface
4. max_open_trades compared with the number of spreads, not legs -> test_places_for_trades
5. the age of candles is ignored -> test_old_candles_are_named_with_their_day
6. a dry-run's trades in a live database are OK ->
   test_trades_of_a_dry_run_in_a_live_database_fail
7. closed trades of a dry-run count -> test_closed_trades_of_a_dry_run_do_not_matter
8. a running bot's lease is free -> test_the_lease_of_a_running_bot_is_a_warning
9. an unreachable database leaves its checks out -> test_a_broken_database_leaves_no_check_out
10. clock: sign lost, only clocks that are ahead fail -> test_the_clock
11. clock: the slowest answer counts -> test_the_fastest_answer_tells_the_time
12. `hedged` ignored -> test_hedge_mode_fails
13. a market that is listed and not active is traded -> test_markets_that_are_not_traded
14. a report of FAILED is a warning -> test_the_last_recovery
15. the exchange object keeps the configuration's live mode ->
    test_the_exchange_object_is_always_one_of_a_dry_run
16. without an answer the checks behind it are left out -> test_an_exchange_that_does_not_answer
"""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ccxt
import numpy as np
import pandas as pd
import pytest
from freqtrade.persistence import Order, Trade
from sqlalchemy import create_engine

from freqtrade_ext.adapters import _exchange_checks, checks
from freqtrade_ext.adapters._check_result import Check
from freqtrade_ext.adapters._exchange_checks import exchange_checks, guard_check
from freqtrade_ext.adapters._lease import account_of, this_process
from freqtrade_ext.adapters.checks import open_database, run_checks
from freqtrade_ext.adapters.execution_store import InboxTable, LeaseTable
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.execution import DifferenceKind, InboxItem

NOW = datetime(2024, 3, 1, tzinfo=UTC)
LEGS = ["AAA/USDT:USDT", "BBB/USDT:USDT"]
ROOT = Path(__file__).parents[2]
STRATEGY = (ROOT / "user_data/strategies/SpreadArbitrage.py").read_text()
BOOK = {
    "created_at": "2024-02-01T00:00:00Z",
    "timeframe": "1h",
    "spreads": [
        {
            "spread_id": "AAA-BBB",
            "leg_a": LEGS[0],
            "leg_b": LEGS[1],
            "hedge_space": "log",
            "hedge_ratio": 1.12,
            "intercept": -4.3,
            "cointegration_stat": -4.21,
            "pvalue": 0.003,
            "half_life": 31.5,
            "z_score_threshold": 2.0,
            "z_exit": 0.5,
            "stop_loss_z": 4.0,
            "mean_reversion_window": 50,
            "fit_start": "2023-07-01T00:00:00Z",
            "fit_end": "2024-01-31T23:00:00Z",
            "last_updated": "2024-02-01T00:00:00Z",
        }
    ],
}


class Installation:
    """A user folder in which everything is right."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "config.json"
        document = json.loads((ROOT / "config.json").read_text())
        exchange = document["exchange"] | {"pair_whitelist": LEGS}
        self.document = document | {
            "user_data_dir": str(folder),
            "strategy_path": str(folder / "strategies"),
            "db_url": f"sqlite:///{folder}/trades.sqlite",
            "exchange": exchange,
        }
        (folder / "strategies").mkdir()
        (folder / "strategies" / "SpreadArbitrage.py").write_text(STRATEGY)
        (folder / "logs").mkdir()
        self.write_book(BOOK)
        for coin in ("AAA", "BBB"):
            self.write_candles(coin, NOW)
        self.change()

    def change(self, **changes):
        """Change keys; a name with __ goes into a section."""
        for name, value in changes.items():
            section, _, key = name.partition("__")
            if key:
                self.document.setdefault(section, {})[key] = value
            else:
                self.document[section] = value
        self.config.write_text(json.dumps(self.document))

    def write_book(self, book):
        (self.folder / "pairs_config.json").write_text(json.dumps(book))

    def write_candles(self, coin, end):
        folder = self.folder / "data" / "binance" / "futures"
        folder.mkdir(parents=True, exist_ok=True)
        dates = pd.date_range(end=end, periods=10, freq="1h")
        frame = pd.DataFrame({"date": dates} | dict.fromkeys(["open", "high"], np.ones(10)))
        frame = frame.assign(low=1.0, close=1.0, volume=1.0)
        frame.to_feather(folder / f"{coin}_USDT_USDT-1h-futures.feather")

    def checks(self):
        found = list(run_checks([str(self.config)], now=NOW, clock_ms=lambda: 0.0))
        return {check.name: check for check in found}

    def check(self, name):
        return self.checks()[name]

    @property
    def engine(self):
        return create_engine(f"sqlite:///{self.folder}/trades.sqlite")


@pytest.fixture(autouse=True)
def exchange_asked(monkeypatch):
    """No network: what the exchange is asked for is tested apart, below."""
    asked = []

    def ask(config, markets, clock_ms):
        asked.append(markets)
        yield Check.ok("exchange", "answers")

    monkeypatch.setattr(checks, "exchange_checks", ask)
    return asked


@pytest.fixture
def sound(tmp_path):
    return Installation(tmp_path)


def statuses(found):
    return {name: str(check.status) for name, check in found.items() if check.status != "OK"}


def test_a_sound_installation_has_nothing_to_complain_of(sound, exchange_asked):
    found = sound.checks()
    assert statuses(found) == dict.fromkeys(
        ["last recovery", "mode of the database", "lease", "inbox"], "SKIP"
    )
    assert exchange_asked == [LEGS]
    assert [found[name].text for name in ("strategy", "mode", "timeframe")] == [
        "SpreadArbitrage on 1h",
        "dry-run: no real orders",
        "1h in the configuration and in the book",
    ]


def test_every_complaint_says_what_to_do(sound):
    sound.change(strategy="Nowhere", trading_mode="spot", margin_mode="", max_open_trades=1)
    sound.write_book({"spreads": "none"})
    complaints = [each for each in sound.checks().values() if each.status in ("WARN", "FAIL")]
    assert len(complaints) >= 4
    assert all(each.advice for each in complaints)


def test_checking_changes_nothing_in_the_folder(sound):
    sound.checks()
    before = {path: path.stat().st_mtime_ns for path in sound.folder.rglob("*.*")}
    sound.checks()
    assert {path: path.stat().st_mtime_ns for path in sound.folder.rglob("*.*")} == before
    assert not (sound.folder / "trades.sqlite").exists()


def test_logging_is_as_before(sound):
    sound.checks()
    assert logging.root.manager.disable == logging.NOTSET


@pytest.mark.parametrize("text", ["{", "[]", '{"user_data_dir": "/nowhere/at/all"}'])
def test_a_configuration_that_cannot_be_read_is_one_error(tmp_path, text):
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json: "):
        list(run_checks([str(file)], now=NOW, clock_ms=lambda: 0.0))


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.json"):
        list(run_checks([str(tmp_path / "nothing.json")], now=NOW, clock_ms=lambda: 0.0))


@pytest.mark.parametrize(("found", "status"), [("2026.9.1", "OK"), ("2026.10", "FAIL")])
def test_the_version_of_freqtrade(monkeypatch, found, status):
    monkeypatch.setattr(checks, "version", lambda name: found)
    _, freqtrade = checks._versions()
    assert freqtrade.status == status


@pytest.mark.parametrize("found", ["2026.8", "2025.9", "2026.90"])
def test_other_versions_of_freqtrade_fail(monkeypatch, found):
    monkeypatch.setattr(checks, "version", lambda name: found)
    assert [each.status for each in checks._versions()] == ["OK", "FAIL"]


# Configuration


def test_a_strategy_that_does_not_load_is_named(sound):
    sound.change(strategy="Nowhere")
    found = sound.checks()
    assert found["strategy"].status == "FAIL"
    assert "Nowhere" in found["strategy"].text
    assert found["configuration"].status == "SKIP"


def test_no_strategy_at_all_fails(sound):
    sound.change(strategy="")
    assert sound.check("strategy").status == "FAIL"


def test_what_freqtrade_does_not_accept_fails(sound):
    sound.change(entry_pricing={"price_side": "same", "use_order_book": True})
    check = sound.check("configuration")
    assert (check.status, "price_side" in check.text) == ("FAIL", True)


def test_a_wrong_key_of_our_section_is_named_with_file_and_range(sound):
    sound.change(ext={"spreads": {"max_pvalue": 7}})
    found = sound.checks()
    assert found["section ext"].status == "FAIL"
    assert f"{sound.config}: ext.spreads.max_pvalue" in found["section ext"].text
    assert found["max_open_trades"].status == "SKIP"


def test_live_mode_is_said_loudly(sound):
    sound.change(dry_run=False)
    assert sound.check("mode").text == "LIVE: real orders are sent"


def test_secrets_in_the_file_are_named_with_their_variable(sound):
    sound.change(exchange__secret="the secret of the account", telegram__token="12:ab")
    check = sound.check("secrets")
    assert check.status == "WARN"
    assert "exchange.secret" in check.text
    assert "FREQTRADE__EXCHANGE__SECRET" in check.advice
    assert "FREQTRADE__TELEGRAM__TOKEN" in check.advice


def test_the_password_of_a_database_is_a_secret(sound):
    sound.change(db_url="postgresql://bot:password@db/x")
    checks_of_files = checks._secrets([str(sound.config)])
    assert checks_of_files.text == "in the configuration files: db_url"


def test_secrets_of_the_environment_are_no_secrets_in_the_file(sound, monkeypatch):
    monkeypatch.setenv("FREQTRADE__EXCHANGE__KEY", "a key of the environment")
    assert sound.check("secrets").status == "OK"


def test_no_text_shows_a_secret(sound, monkeypatch):
    secret = "the secret of the account"

    def ask(config, markets, clock_ms):
        yield Check.fail("exchange", f"401 for {secret}", f"GET /x?signature=ab12&s={secret}")

    monkeypatch.setattr(checks, "exchange_checks", ask)
    sound.change(exchange__secret=secret, dry_run=False)
    found = sound.checks()
    shown = " ".join(each.text + each.advice for each in found.values())
    assert secret not in shown
    assert "ab12" not in shown
    assert found["exchange"].text == "401 for ***"


LOGIN = {"enabled": True, "username": "me", "password": "secret-password"}
API = [
    ({"enabled": False, "listen_ip_address": "0.0.0.0"}, "OK"),
    (LOGIN | {"listen_ip_address": "127.0.0.1"}, "OK"),
    (LOGIN | {"listen_ip_address": "::1"}, "OK"),
    (LOGIN | {"listen_ip_address": "localhost"}, "OK"),
    (LOGIN | {"listen_ip_address": "0.0.0.0"}, "FAIL"),
    (LOGIN | {"listen_ip_address": "192.168.1.4"}, "FAIL"),
    (LOGIN | {"listen_ip_address": "127.0.0.1", "password": ""}, "FAIL"),
    (LOGIN | {"listen_ip_address": "127.0.0.1", "username": ""}, "FAIL"),
]


@pytest.mark.parametrize(("section", "status"), API)
def test_the_rest_interface(section, status):
    assert checks._api(section).status == status


def test_in_a_container_the_host_decides_who_reaches_the_interface(monkeypatch):
    monkeypatch.setenv("FT_APP_ENV", "docker")
    check = checks._api(LOGIN | {"listen_ip_address": "0.0.0.0"})
    assert (check.status, "127.0.0.1 only" in check.text) == ("OK", True)


@pytest.mark.parametrize(
    ("trades", "spreads", "status"),
    [
        (4, 2, "OK"),
        (6, 2, "OK"),
        (2, 1, "OK"),
        (-1, 2, "OK"),
        (float("inf"), 2, "OK"),
        (5, 2, "WARN"),
        (3, 2, "FAIL"),
        (2, 2, "FAIL"),
        (0, 1, "FAIL"),
    ],
)
def test_places_for_trades(trades, spreads, status):
    config = {"max_open_trades": trades, "ext": {"spreads": {"max_open_spreads": spreads}}}
    assert checks._slots(config).status == status


@pytest.mark.parametrize(
    ("trading", "margin", "status"),
    [("futures", "isolated", "OK"), ("futures", "cross", "WARN"), ("spot", "", "FAIL")],
)
def test_margin(trading, margin, status):
    assert checks._margin({"trading_mode": trading, "margin_mode": margin}).status == status


@pytest.mark.parametrize(("on", "status"), [(True, "OK"), (False, "WARN"), (None, "WARN")])
def test_the_stop_on_the_exchange(on, status):
    assert checks._stop({"order_types": {"stoploss_on_exchange": on}}).status == status
    assert checks._stop({}).status == "WARN"


@pytest.mark.parametrize(
    ("url", "dry_run", "status"),
    [
        ("sqlite:///{}/deep/trades.sqlite", True, "OK"),
        ("sqlite:////elsewhere/trades.sqlite", False, "WARN"),
        ("sqlite:///{}/../trades.sqlite", False, "WARN"),
        ("sqlite://", True, "WARN"),
        ("sqlite://", False, "FAIL"),
        ("postgresql+psycopg2://bot:word@db.example/x", False, "OK"),
    ],
)
def test_where_the_database_is(tmp_path, url, dry_run, status):
    config = {"db_url": url.format(tmp_path), "user_data_dir": str(tmp_path), "dry_run": dry_run}
    check = checks._database_place(config)
    assert check.status == status
    assert "word" not in check.text


# Book and candles


def test_a_missing_book_fails_and_skips_what_needs_it(sound):
    (sound.folder / "pairs_config.json").unlink()
    found = sound.checks()
    assert found["spread book"].status == "FAIL"
    assert [str(found[name].status) for name in ("timeframe", "whitelist", "candles")] == [
        "SKIP"
    ] * 3


def test_a_wrong_field_of_the_book_is_named(sound):
    sound.write_book(BOOK | {"spreads": [BOOK["spreads"][0] | {"z_exit": 3.0}]})
    check = sound.check("spread book")
    assert (check.status, "z_exit" in check.text) == ("FAIL", True)


def test_an_empty_book_is_a_warning(sound):
    sound.write_book(BOOK | {"spreads": []})
    found = sound.checks()
    assert found["spread book"].status == "WARN"
    assert found["candles"].status == "SKIP"


def test_the_book_of_another_timeframe_fails(sound):
    sound.write_book(BOOK | {"timeframe": "5m"})
    check = sound.check("timeframe")
    assert check.status == "FAIL"
    assert check.text == "the bot runs on 1h, the spreads were fitted on 5m"


@pytest.mark.parametrize(
    ("entries", "status"),
    [(LEGS, "OK"), ([".*/USDT:USDT"], "OK"), (LEGS[:1], "FAIL"), ([], "FAIL"), (["AAA"], "FAIL")],
)
def test_the_whitelist_has_the_legs(entries, status):
    config = {"exchange": {"pair_whitelist": entries}}
    assert checks._whitelist(config, LEGS).status == status


def test_a_name_that_is_no_pattern_is_compared_as_it_is():
    assert checks._matches("1(/USDT", "1(/USDT")


def test_old_candles_are_named_with_their_day(sound):
    sound.write_candles("BBB", NOW - timedelta(days=3, hours=1))
    check = sound.check("candles")
    assert check.status == "WARN"
    assert check.text == "old: BBB/USDT:USDT (2024-02-26)"


def test_missing_candles_are_named_with_the_command(sound):
    (sound.folder / "data/binance/futures/AAA_USDT_USDT-1h-futures.feather").unlink()
    check = sound.check("candles")
    assert check.text == "no 1h candles of AAA/USDT:USDT"
    assert "freqtrade download-data" in check.advice


# Folder and report


def test_a_folder_that_cannot_be_written_fails(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError("read-only")

    monkeypatch.setattr(checks.tempfile, "TemporaryFile", refuse)
    first, second = checks._folder(tmp_path)
    assert (first.status, second.name) == ("FAIL", "disk space")
    assert "read-only" in first.text


@pytest.mark.parametrize(
    ("free", "status"), [(5e9, "OK"), (9e8, "WARN"), (2e8, "WARN"), (1.9e8, "FAIL"), (0, "FAIL")]
)
def test_disk_space(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert list(checks._folder(tmp_path))[1].status == status


def test_a_disk_that_cannot_be_measured_is_said(tmp_path):
    first, second = checks._folder(tmp_path / "nothing")
    assert (first.status, second.status) == ("FAIL", "SKIP")


@pytest.mark.parametrize(("told", "status"), [("SUCCESS", "OK"), ("ALERT", "WARN")])
def test_the_last_recovery(sound, told, status):
    report = {"recovery_status": told, "timestamp": "T", "next_action": "close ETH"}
    path = sound.folder / "logs" / "recovery_report.json"
    path.write_text(json.dumps(report))
    check = sound.check("last recovery")
    assert (check.status, check.text) == (status, f"{told} at T")
    path.write_text(json.dumps(report | {"recovery_status": "FAILED"}))
    check = sound.check("last recovery")
    assert check.status == "FAIL"
    assert check.advice == f"close ETH ({path})"


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_report_that_cannot_be_read_is_a_warning(sound, text):
    (sound.folder / "logs" / "recovery_report.json").write_text(text)
    assert sound.check("last recovery").status == "WARN"


# Database


def add_trade(*, order_id, is_open=True):
    order = Order(
        ft_order_side="buy",
        ft_pair=LEGS[0],
        ft_is_open=False,
        ft_amount=1,
        ft_price=1,
        order_id=order_id,
        symbol=LEGS[0],
    )
    trade = Trade(
        pair=LEGS[0],
        stake_amount=1,
        amount=1,
        open_rate=1,
        open_date=NOW.replace(tzinfo=None),
        fee_open=0,
        fee_close=0,
        exchange="binance",
        is_open=is_open,
        orders=[order],
    )
    Trade.session.add(trade)
    Trade.commit()


@pytest.fixture
def bots(sound, database):
    """An installation whose bot has run: Freqtrade's database is there."""
    return sound


def test_a_database_without_a_mix_up_is_fine(bots):
    add_trade(order_id="8389765591")
    bots.change(dry_run=False)
    found = bots.checks()
    assert statuses(found) == {"last recovery": "SKIP"}
    assert found["lease"].text == "free"
    assert found["inbox"].text == "empty"


def test_trades_of_a_dry_run_in_a_live_database_fail(bots):
    add_trade(order_id="dry_run_buy_AAA_1")
    assert bots.check("mode of the database").status == "OK"
    bots.change(dry_run=False)
    check = bots.check("mode of the database")
    assert (check.status, check.text[:12]) == ("FAIL", "1 open trade")


def test_closed_trades_of_a_dry_run_do_not_matter(bots):
    add_trade(order_id="dry_run_buy_AAA_1", is_open=False)
    bots.change(dry_run=False)
    assert bots.check("mode of the database").status == "OK"


def test_the_lease_of_a_running_bot_is_a_warning(bots):
    table = LeaseTable(bots.engine)
    lease = this_process(account_of(bots.document), round(NOW.timestamp() * 1000))
    elsewhere = replace(lease, host="elsewhere", instance_id="other", pid=4711)
    assert table.take(None, elsewhere)
    check = bots.check("lease")
    assert check.status == "WARN"
    assert "process 4711 on elsewhere" in check.text


def test_the_lease_of_a_bot_that_was_killed_is_free(bots):
    lease = this_process(account_of(bots.document), round(NOW.timestamp() * 1000))
    table = LeaseTable(bots.engine)
    table.take(None, replace(lease, instance_id="before", process_started="1.00"))
    assert bots.check("lease").status == "OK"


def test_open_items_of_the_inbox_are_counted(bots):
    table = InboxTable(bots.engine)
    item = InboxItem("k", 1, DifferenceKind.MANUAL_ADD, LEGS[0], "text", "report")
    table.save(item)
    check = bots.check("inbox")
    assert (check.status, check.text) == ("WARN", "1 open")
    assert check.advice.startswith("freqtrade-ext inbox")


def test_a_database_of_something_else_is_said(sound):
    with sound.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE something (id INTEGER)")
    found = sound.checks()
    assert found["mode of the database"].status == "SKIP"


def test_a_broken_database_leaves_no_check_out(sound):
    (sound.folder / "trades.sqlite").write_text("this is no database, it is a text " * 100)
    found = sound.checks()
    assert found["database content"].status == "FAIL"
    assert [str(found[name].status) for name in checks._DATABASE_CHECKS] == ["SKIP"] * 3
    assert "exchange" in found


def test_one_table_that_fails_does_not_hide_the_others(bots):
    with bots.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE ext_lease (something INTEGER)")
    found = bots.checks()
    assert found["lease"].status == "FAIL"
    assert found["inbox"].status == "OK"


def test_a_database_is_opened_only_if_it_exists(sound):
    with pytest.raises(ConfigError, match="no database yet"), open_database([str(sound.config)]):
        pass
    sound.change(db_url="sqlite://")
    with pytest.raises(ConfigError, match="in memory"), open_database([str(sound.config)]):
        pass


def test_a_database_that_cannot_be_reached_hides_its_password(sound):
    sound.change(db_url=f"sqlite:///{sound.folder}")
    with pytest.raises(ConfigError, match="cannot be read"), open_database([str(sound.config)]):
        pass


# Exchange


class Api:
    """A ccxt exchange that answers what it is told to."""

    def __init__(self, **answers):
        self.id = "binance"
        self.has = {"fetchTime": True, "fetchPositionMode": True}
        self.apiKey = self.secret = self.password = self.walletAddress = None
        self.answers = {
            "load_markets": {leg: {"active": True} for leg in LEGS},
            "fetch_time": 0,
            "fetch_balance": {"USDT": {"total": 100.0, "free": 60.0}},
            "fetch_positions": [],
            "fetch_position_mode": {"hedged": False},
            "fapiPrivateGetMultiAssetsMargin": {"multiAssetsMargin": False},
        } | answers
        self.asked = []

    def __getattr__(self, name):
        if name not in self.answers:
            raise AssertionError(f"the doctor must not call {name}")

        def answer():
            self.asked.append(name)
            told = self.answers[name]
            if isinstance(told, Exception):
                raise told
            return told.pop(0) if name == "fetch_time" and isinstance(told, list) else told

        return answer


CONFIG = {
    "dry_run": False,
    "stake_currency": "USDT",
    "exchange": {"name": "binance", "key": "k", "secret": "s"},
}


@pytest.fixture
def ask(monkeypatch):
    def run(api, config=CONFIG, markets=LEGS, clock_ms=lambda: 0.0):
        loaded = []

        class Exchange:
            _api = api

            def close(self):
                loaded.append("closed")

        def load(config, *, validate):
            assert not validate
            loaded.append(config)
            return Exchange()

        monkeypatch.setattr(_exchange_checks.ExchangeResolver, "load_exchange", load)
        found = {each.name: each for each in exchange_checks(config, markets, clock_ms)}
        run.loaded = loaded
        return found

    return run


def test_a_good_account_passes_every_check(ask):
    api = Api()
    found = ask(api)
    assert statuses(found) == {}
    assert (api.apiKey, api.secret) == ("k", "s")
    assert found["balance"].text == "100.00 USDT, 60.00 free"
    assert ask.loaded[-1] == "closed"


def test_the_exchange_object_is_always_one_of_a_dry_run(ask):
    ask(Api())
    assert ask.loaded[0]["dry_run"] is True
    assert CONFIG["dry_run"] is False


def test_without_a_key_only_public_things_are_asked(ask):
    api = Api()
    found = ask(api, CONFIG | {"dry_run": True, "exchange": {"name": "binance", "key": ""}})
    assert set(api.asked) == {"load_markets", "fetch_time"}
    assert statuses(found) == dict.fromkeys(_exchange_checks._WITH_KEY, "SKIP")
    assert found["balance"].text == "not checked: no API key (dry-run needs none)"


def test_an_exchange_that_does_not_answer(ask):
    found = ask(Api(load_markets=ccxt.NetworkError("no route")))
    assert found["exchange"].status == "FAIL"
    assert found["exchange"].text == "binance does not answer: NetworkError: no route"
    rest = (*_exchange_checks._AFTER_REACHED, *_exchange_checks._WITH_KEY)
    assert [str(found[name].status) for name in rest] == ["SKIP"] * 6


def test_an_exchange_that_freqtrade_does_not_know():
    config = CONFIG | {"exchange": {"name": "nowhere"}, "trading_mode": "futures"}
    config |= {"margin_mode": "isolated", "runmode": "live"}
    found = {each.name: each for each in exchange_checks(config, LEGS, lambda: 0.0)}
    assert found["exchange"].status == "FAIL"
    assert found["asset mode"].status == "SKIP"


@pytest.mark.parametrize(
    ("difference_ms", "status"),
    [(0, "OK"), (500, "OK"), (501, "WARN"), (1000, "WARN"), (1001, "FAIL")],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_clock(ask, difference_ms, status, sign):
    check = ask(Api(fetch_time=10_000 - sign * difference_ms), clock_ms=lambda: 10_000.0)["clock"]
    assert check.status == status
    assert check.text.startswith(f"{sign * difference_ms:+d} ms against the exchange")


def test_the_fastest_answer_tells_the_time(ask):
    """Answers after 3000, 100 and 2000 ms, each with the time of the middle of the fast one."""
    times = iter([0.0, 3000.0, 10_000.0, 10_100.0, 20_000.0, 22_000.0])
    check = ask(Api(fetch_time=[0, 10_050, 20_000]), clock_ms=lambda: next(times))["clock"]
    assert check.text == "+0 ms against the exchange (answer in 100 ms)"


def test_an_exchange_without_a_clock_is_said(ask):
    api = Api(fetch_time=ccxt.NetworkError("x"))
    assert ask(api)["clock"].status == "FAIL"
    api.has = {}
    assert ask(api)["clock"].status == "SKIP"


def test_markets_that_are_not_traded(ask):
    api = Api(load_markets={LEGS[0]: {"active": False}})
    check = ask(api)["markets"]
    assert (check.status, all(leg in check.text for leg in LEGS)) == ("FAIL", True)
    assert ask(Api(), markets=[])["markets"].status == "SKIP"


def test_an_empty_wallet_is_a_warning(ask):
    assert ask(Api(fetch_balance={}))["balance"].status == "WARN"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("fetch_balance", "balance"),
        ("fetch_positions", "positions"),
        ("fetch_position_mode", "position mode"),
        ("fapiPrivateGetMultiAssetsMargin", "asset mode"),
    ],
)
def test_a_key_without_permission_fails_and_hides_nothing(ask, call, name):
    found = ask(Api(**{call: ccxt.AuthenticationError("-2015")}))
    assert statuses(found) == {name: "FAIL"}
    assert "futures trading" in found[name].advice


def test_open_positions_are_named(ask):
    held = [{"symbol": LEGS[0], "contracts": 2.0}, {"symbol": LEGS[1], "contracts": 0.0}]
    assert ask(Api(fetch_positions=held))["positions"].text == f"1 open: {LEGS[0]}"


def test_hedge_mode_fails(ask):
    check = ask(Api(fetch_position_mode={"hedged": True}))["position mode"]
    assert (check.status, "one-way" in check.advice) == ("FAIL", True)


@pytest.mark.parametrize(("told", "status"), [(True, "FAIL"), ("true", "FAIL"), ("false", "OK")])
def test_multi_assets_mode_fails(ask, told, status):
    api = Api(fapiPrivateGetMultiAssetsMargin={"multiAssetsMargin": told})
    assert ask(api)["asset mode"].status == status


def test_other_exchanges_are_asked_only_for_what_they_know(ask):
    api = Api()
    api.id, api.has = "okx", {"fetchTime": True}
    found = ask(api)
    assert statuses(found) == {"position mode": "SKIP", "asset mode": "SKIP"}


@pytest.mark.parametrize(
    ("exchange", "is_wanted", "status"),
    [("binance", True, "OK"), ("nowhere", True, "FAIL"), ("binance", False, "WARN")],
)
def test_the_order_guard(exchange, is_wanted, status):
    check = guard_check({"exchange": {"name": exchange}}, is_wanted=is_wanted)
    assert check.status == status
