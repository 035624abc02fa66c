"""Risk settings: the configuration's, under what a person has changed since.

Bugs planted by hand, each caught by the test named:

1. a change does not survive a restart -> test_a_change_holds_and_survives
2. a change forgets the one before -> test_changes_add_up
3. a wrong change is kept -> test_a_wrong_change_changes_nothing
4. taking back keeps a change -> test_changes_can_be_taken_back
5. a backtest reads the database -> test_without_a_store_only_the_configuration_counts
"""

import pytest
from freqtrade.persistence import Trade

from freqtrade_ext.adapters.risk_settings import (
    change_stoploss_guard,
    risk_settings_of,
    stoploss_guard_of,
)
from freqtrade_ext.adapters.risk_store import RiskTable
from freqtrade_ext.errors import ConfigError
from freqtrade_ext.risk import RiskSettings

CONFIG = {"ext": {"risk": {"stoploss_guard": {"stops": 5}}}}


@pytest.fixture
def store(database):
    return RiskTable(Trade.session.get_bind())


@pytest.fixture
def settings():
    return risk_settings_of(CONFIG, None)


def test_without_a_store_only_the_configuration_counts(store, settings):
    change_stoploss_guard(settings, store, {"stops": 2}, 1)
    assert risk_settings_of(CONFIG, None).stoploss_guard.stops == 5


def test_a_change_holds_and_survives(store, settings):
    guard = change_stoploss_guard(settings, store, {"stops": 2}, 1)
    assert (guard.stops, guard.window_minutes) == (2, 60)
    again = RiskTable(Trade.session.get_bind())
    assert risk_settings_of(CONFIG, again).stoploss_guard == guard


def test_changes_add_up(store, settings):
    change_stoploss_guard(settings, store, {"stops": 2}, 1)
    guard = change_stoploss_guard(settings, store, {"lock_minutes": 90}, 2)
    assert (guard.stops, guard.lock_minutes) == (2, 90)


def test_changes_can_be_taken_back(store, settings):
    change_stoploss_guard(settings, store, {"stops": 2}, 1)
    assert change_stoploss_guard(settings, store, None, 2).stops == 5
    assert store.read("stoploss_guard") is None


def test_a_wrong_change_changes_nothing(store, settings):
    change_stoploss_guard(settings, store, {"stops": 2}, 1)
    with pytest.raises(ConfigError, match=r"ext\.risk\.stoploss_guard\.stops: .*from 1 up to 100"):
        change_stoploss_guard(settings, store, {"stops": 0}, 2)
    assert stoploss_guard_of(settings, store).stops == 2


def test_a_change_that_no_longer_fits_says_how_to_go_on(store, settings):
    store.save({"stoploss_guard": {"shots": 3}}, 1)
    with pytest.raises(ConfigError, match="freqtrade-ext stoploss-guard reset takes them back"):
        stoploss_guard_of(settings, store)
    assert change_stoploss_guard(settings, store, None, 2).stops == 5


def test_a_wrong_configuration_is_named():
    with pytest.raises(ConfigError, match=r"ext\.risk\.exits\.sl_art: unknown key"):
        risk_settings_of({"ext": {"risk": {"exits": {"sl_art": 2.0}}}}, None)
    assert risk_settings_of({}, None) == RiskSettings()
