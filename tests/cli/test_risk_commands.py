"""``freqtrade-ext killswitch`` and ``stoploss-guard``: what a person sees and wishes.

Bugs planted by hand, each caught by the test named:

1. a command writes the bot's state itself -> test_a_reset_is_a_wish
2. a stop needs no confirmation -> test_a_stop_is_confirmed
3. ended locks are shown -> test_locks_that_hold_are_shown
4. a wrong setting is kept -> test_a_wrong_setting_changes_nothing
5. a database is made -> test_without_a_database_nothing_is_made
"""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from freqtrade_ext.adapters.risk_store import RiskTable

STOPPED = {
    "version": 1, "peak_equity": 10_000.0, "net_deposits": 0.0, "breaches": 2,
    "stopped_since_ms": 1_709_251_200_000, "reason": "equity 7900.00 is 21.0% below",
}  # fmt: skip


class Bot:
    """A bot's database, and the person who looks after it."""

    def __init__(self, desk):
        self.desk = desk
        self.path = desk.folder / "trades.sqlite"
        desk.configure(db_url=f"sqlite:///{self.path}", dry_run=False)
        self.engine = None

    def began(self):
        self.engine = create_engine(f"sqlite:///{self.path}")
        self.table = RiskTable(self.engine)
        return self

    def run(self, *arguments, code=0):
        result = self.desk.run(*arguments, "-c", str(self.desk.config))
        assert result.exit_code == code, result.output
        return result.output

    def end(self):
        if self.engine is not None:
            self.engine.dispose()


@pytest.fixture
def fresh(desk):
    bot = Bot(desk)
    yield bot
    bot.end()


@pytest.fixture
def bot(fresh):
    return fresh.began()


# Kill switch


def test_a_trading_account(bot):
    assert bot.run("killswitch", "show") == "account: trading\npeak of equity: not known yet\n"
    assert "nothing to reset" in bot.run("killswitch", "reset")
    assert bot.table.read("account_wish") is None


def test_a_stopped_account_says_since_when_and_why(bot):
    bot.table.save({"account": STOPPED}, 1)
    shown = bot.run("killswitch", "show")
    assert "account: STOPPED since 2024-03-01 00:00:00 UTC: equity 7900.00 is 21.0% below" in shown
    assert "peak of equity: 10000.00" in shown


def test_a_reset_is_a_wish(bot):
    bot.table.save({"account": STOPPED}, 1)
    assert "the bot obeys in its next loop" in bot.run("killswitch", "reset")
    assert bot.table.read("account_wish") == {"kind": "reset"}
    assert bot.table.read("account") == STOPPED
    assert "asked for, not done yet: reset" in bot.run("killswitch", "show")


def test_a_stop_is_confirmed(bot):
    refused = bot.desk.run("killswitch", "stop", "-c", str(bot.desk.config))
    assert refused.exit_code == 1
    assert bot.table.read("account_wish") is None
    bot.run("killswitch", "stop", "--yes", "--reason", "leaving")
    assert bot.table.read("account_wish") == {"kind": "stop", "reason": "leaving"}


def test_locks_that_hold_are_shown(bot):
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [("*", 2, True, "entries are stopped"), ("A/B:B", -2, True, "over"),
            ("C/D:D", 2, False, "released")]  # fmt: skip
    with bot.engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE pairlocks (pair TEXT, lock_end_time DATETIME, active BOOLEAN,"
                 " reason TEXT)")
        )  # fmt: skip
        for pair, hours, active, reason in rows:
            end = (now + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S.%f")
            connection.execute(
                text("INSERT INTO pairlocks VALUES (:pair, :end, :active, :reason)"),
                {"pair": pair, "end": end, "active": active, "reason": reason},
            )
    shown = bot.run("killswitch", "show")
    assert "all markets: entries are stopped" in shown
    assert "over" not in shown
    assert "released" not in shown


def test_a_portfolio_under_water_is_shown(bot):
    below = {"version": 1, "below_since_ms": 1_709_251_200_000, "candidate": True, "peak": 4.5,
             "closing": False, "resting_until_ms": None}  # fmt: skip
    bot.table.save({"recovery": below}, 1)
    shown = bot.run("killswitch", "show")
    assert "portfolio under water since 2024-03-01 00:00:00 UTC" in shown
    assert "portfolio recovery trails a peak of 4.50" in shown


def test_a_state_that_cannot_be_read_says_what_to_do(bot):
    bot.table.save({"account": {"version": 9}}, 1)
    assert "version 9" in bot.run("killswitch", "show", code=2)


# Stop-loss guard


def test_the_configuration_holds_until_it_is_changed(bot):
    bot.desk.configure(ext={"risk": {"stoploss_guard": {"stops": 7}}})
    assert "stops: 7" in bot.run("stoploss-guard", "show")
    shown = bot.run("stoploss-guard", "set", "--stops", "4", "--disabled")
    assert "stops: 4" in shown
    assert "enabled: False" in shown
    assert "stops: 4" in bot.run("stoploss-guard", "show")
    assert "stops: 7" in bot.run("stoploss-guard", "reset")


def test_a_wrong_setting_changes_nothing(bot):
    told = bot.run("stoploss-guard", "set", "--stops", "0", code=2)
    assert "ext.risk.stoploss_guard.stops" in told
    assert "stops: 3" in bot.run("stoploss-guard", "show")
    assert "name at least one setting" in bot.run("stoploss-guard", "set", code=2)


def test_without_a_database_nothing_is_made(fresh):
    assert "no database yet" in fresh.run("killswitch", "show", code=2)
    assert not fresh.path.exists()
