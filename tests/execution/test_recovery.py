"""The report of a recovery, as a person and a health check read it.

Planted bugs, each found by the test in brackets: SUCCESS in spite of an unknown order
(of_unknown_outcome); SUCCESS after errors (errors_in_the_last_pass); errors of an early pass fail
the whole (that_was_overcome); NaN in the JSON (is_null); a position without a price is shown as
worthless (is_null); the file is written in place (a_reader_never_sees); the temporary file is left
behind (leaves_the_old_one); P&L of the whole position for a part (part_of_a_position).
"""

import json
import os
from dataclasses import replace

import pytest

from freqtrade_ext.errors import StoreError
from freqtrade_ext.execution import (
    FillReport,
    OrderSide,
    PassReport,
    RecoveryStatus,
    failed_report,
    recovery_report,
    write_report,
)
from freqtrade_ext.settings import PolicySettings

from .reconcile_doubles import BTC, ETH, OWN, START_MS, D, World

KEYS = {
    "timestamp",
    "recovery_status",
    "orphaned_positions",
    "open_orders",
    "recent_trades",
    "reconciliation_status",
    "warnings",
    "next_action",
    "manual_review_required",
}


@pytest.fixture
def world():
    return World()


def recover(world, fills=()):
    passes = world.reconciler.run_until_quiet()
    return recovery_report(passes, world.books.read(), fills, START_MS)


def test_the_file_has_the_keys_of_the_specification_and_what_was_done(world):
    document = json.loads(recover(world).to_json())
    assert set(document) == KEYS | {"actions"}


def test_an_account_in_order_is_a_success(world):
    world.holds(BTC, "1")
    report = recover(world)
    assert report.timestamp == "2030-03-17T17:46:40.000+00:00"
    assert report.recovery_status is RecoveryStatus.SUCCESS
    assert not report.manual_review_required
    assert report.warnings == ()
    assert report.reconciliation_status == "IN_SYNC: 1 open trades, 0 repairs"
    assert report.next_action == "Start trading."


def test_a_repaired_account_is_a_success_that_says_what_was_done(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "0.5")
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.SUCCESS
    assert report.reconciliation_status == "REPAIRED: 1 open trades, 1 repairs"
    assert report.actions[0].startswith(f"{BTC}: closed the excess: sell 0.5")


def test_an_orphan_is_shown_with_what_to_do_about_it(world):
    world.exchange.mark = D(90)
    world.exchange.trade(BTC, "-2")
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.ALERT
    assert report.manual_review_required
    document = json.loads(report.to_json())
    assert document["orphaned_positions"] == [
        {
            "symbol": BTC,
            "amount": 2.0,
            "side": "short",
            "entry_price": 100.0,
            "current_price": 90.0,
            "pnl": 0.0,
            "recommendation": "Close it: 'freqtrade-ext inbox', or on the exchange.",
        }
    ]
    assert f"1 difference(s) in {BTC}" in report.next_action
    assert report.next_action.startswith("Trading may start.")
    assert "Nobody manages this position" in report.warnings[0]


def test_part_of_a_position_has_its_part_of_the_profit():
    world = World(PolicySettings(manual_add="report"))
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "3")
    passes = world.reconciler.run_until_quiet()
    seen = replace(passes.snapshot.positions[BTC], unrealized_pnl=D(40))
    passes = replace(passes, snapshot=replace(passes.snapshot, positions={BTC: seen}))
    (orphan,) = recovery_report(passes, world.books.read(), (), START_MS).orphaned_positions
    assert (orphan.amount, orphan.pnl, orphan.side) == (3.0, 30.0, "long")


def test_a_price_that_is_missing_is_null(world):
    world.exchange.mark = D("NaN")
    world.exchange.trade(BTC, "1")
    (orphan,) = json.loads(recover(world).to_json())["orphaned_positions"]
    assert (orphan["current_price"], orphan["entry_price"]) == (None, 100.0)


def test_an_order_of_unknown_outcome_needs_a_person(world):
    world.exchange.next_answers = ["dropped"]
    world.send(BTC, "1")
    world.exchange.failing = {"look_up"}
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.ALERT
    assert "order fx-1 (buy 1) may or may not exist" in report.warnings[0]
    assert f"1 order(s) of unknown outcome in {BTC}" in report.next_action


def test_errors_in_the_last_pass_mean_that_it_failed(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "1")
    world.exchange.failing = {"orders"}
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.FAILED
    assert report.reconciliation_status.startswith("NOT_DONE")
    assert report.warnings[0] == "not done: orders: no answer"
    assert report.next_action.startswith("Do not trade.")


def test_an_error_that_was_overcome_is_no_failure(world):
    passes = world.reconciler.run_until_quiet()
    early = PassReport(START_MS, errors=("later",))
    report = recovery_report(
        replace(passes, passes=(early, *passes.passes)), world.books.read(), (), START_MS
    )
    assert report.recovery_status is RecoveryStatus.SUCCESS


def test_an_exchange_that_never_answered_is_a_failure(world):
    world.exchange.failing = {"all"}
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.FAILED
    assert report.open_orders == ()


def test_repairs_that_do_not_end_need_a_person():
    world = World(PolicySettings(foreign_order="flatten"))
    world.exchange.place(BTC, "1")
    world.exchange.cancel = lambda order: None
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.ALERT
    assert report.warnings[-1] == "still repairing after 5 passes; the bot goes on"


def test_a_repair_that_nobody_has_looked_at_since_needs_a_person(world):
    world.holds(BTC, "1")
    world.exchange.trade(BTC, "-1")
    passes = world.reconciler.run_until_quiet(1)
    passes = replace(passes, passes=(replace(passes.last, differences=()),))
    report = recovery_report(passes, world.books.read(), (), START_MS)
    assert report.recovery_status is RecoveryStatus.ALERT
    assert "repairs that have not finished" in report.next_action


def test_what_the_bot_will_book_at_its_start_is_no_alert(world):
    world.exchange.next_answers = ["resting"]
    world.send(BTC, "1")
    world.reconciler.run_until_quiet()
    world.exchange.fill_resting("fx-1")
    world.clock.sleep(10)
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.SUCCESS
    assert report.reconciliation_status.endswith("1 to be booked by the bot at its start")
    assert "may be filling" in report.warnings[0]


def test_open_orders_and_recent_trades_are_listed(world):
    world.holds(BTC, "1")
    placed = world.exchange.place(BTC, "-2", "web_9")
    fill = FillReport("f1", "77", ETH, OrderSide.SELL, D("0.5"), D(10), START_MS)
    document = json.loads(recover(world, [fill]).to_json())
    assert document["open_orders"] == [
        {
            "symbol": BTC,
            "order_id": placed.venue_order_id,
            "client_order_id": "web_9",
            "side": "sell",
            "type": "limit",
            "amount": 2.0,
            "filled": 0.0,
            "reduce_only": False,
        }
    ]
    assert document["recent_trades"] == [
        {
            "timestamp": "2030-03-17T17:46:40.000+00:00",
            "symbol": ETH,
            "order_id": "77",
            "side": "sell",
            "amount": 0.5,
            "price": 10.0,
        }
    ]


def test_the_owners_positions_are_mentioned_and_need_nobody(world):
    world.exchange.trade(OWN, "500")
    report = recover(world)
    assert report.recovery_status is RecoveryStatus.SUCCESS
    assert report.warnings == (
        f"{OWN}: 500 is held in a market that this bot does not trade; it is left alone",
    )
    assert report.orphaned_positions == ()


def test_a_recovery_that_could_not_begin_has_a_report_too():
    report = failed_report("the database is locked", START_MS)
    document = json.loads(report.to_json())
    assert document["recovery_status"] == "FAILED"
    assert document["warnings"] == ["the database is locked"]
    assert document["manual_review_required"] is True


# The file.


def test_the_report_is_written_into_a_new_folder(world, tmp_path):
    path = tmp_path / "logs" / "recovery_report.json"
    write_report(recover(world), path)
    assert json.loads(path.read_text())["recovery_status"] == "SUCCESS"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_reader_never_sees_a_part_of_it(world, tmp_path, monkeypatch):
    path = tmp_path / "recovery_report.json"
    path.write_text("old")
    seen = []
    replace_file, sync = os.replace, os.fsync

    def watched(source, target):
        seen.append(("replace", path.read_text(), json.loads(source.read_text())["timestamp"]))
        replace_file(source, target)

    monkeypatch.setattr(os, "fsync", lambda number: (seen.append("fsync"), sync(number)))
    monkeypatch.setattr(os, "replace", watched)
    write_report(recover(world), path)
    assert seen == ["fsync", ("replace", "old", "2030-03-17T17:46:40.000+00:00")]


def test_a_report_that_cannot_be_written_leaves_the_old_one(world, tmp_path, monkeypatch):
    path = tmp_path / "recovery_report.json"
    path.write_text("old")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"recovery_report\.json could not be written.*No space"):
        write_report(recover(world), path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
