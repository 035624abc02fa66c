"""
The simulation: its episodes, and that its clock, its exchange, its host and its judge are right.

Bugs planted in the product by hand, one at a time, and the first seed (counted from 0) that found
each; all below 2 000:

- an unknown answer counts as a rejection: 7
- an intent is not saved before its order is sent: 103
- a restart forgets open questions: 80; forgets ghosts: 80
- absent after one denial: 62; without the settling time: 62; though the position moved: 629
- found orders are not taken up into the books: 7
- no reduce-only: 0; a repair that is not reduce-only: 1635
- a rejected leg unwinds leg A only: 3; an exit closes leg A only: 133
- an external close is ignored, by the desk: 13, by reconciliation: 13
- the second pass is not silent, an excess is repaired again: 15
- a difference is repaired while an order has an open question: 62, or is not booked yet: 35
- the fill of our own stop is adopted at once: 668
- the hedge is on what was ordered, not on what was filled: 118; a fill is booked twice: 10
- what was sent is not remembered: 4; records are not saved: 22
- no retry after a partial fill: 38; the fuller leg is not trimmed: 41
- orders at work do not time out: 38; a lost cancel is not repeated: 5
- an order with an unknown outcome is told as ended: 604; stale orders are left open: 195
- a young order explains nothing: 36

The seeds were counted while the simulation was still being changed; another version may need
  others.

Not found within 2 000 episodes: sending a known order again within a process, adopting twice,
counting a failed question as a denial, one look instead of two, no grace for what has just changed.
Whether something else prevents the harm or the simulation cannot see it has not been examined.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from click.testing import CliRunner

from freqtrade_ext.errors import StoreError, VenueError
from freqtrade_ext.execution import (
    Accepted,
    DifferenceKind,
    InboxItem,
    Intent,
    IntentPurpose,
    OrderKind,
    OrderSide,
    OrderStatus,
    Rejected,
    Unanswered,
)
from freqtrade_ext.sandbox.journal import OrderFilled
from freqtrade_ext.spreads import LegName
from rehearsals.simulation import FaultClass, Outcome, Summary, fault_of, run_episode
from rehearsals.simulation import __main__ as command
from rehearsals.simulation._books import HostBooks, HostOrder, HostTrade
from rehearsals.simulation._faults import BLOWS, KILL_POINTS, Odds, draw
from rehearsals.simulation._invariants import Ledger
from rehearsals.simulation._market import MARKETS, StandingMarket
from rehearsals.simulation._naked import naked
from rehearsals.simulation._stage import spreads_of
from rehearsals.simulation._stores import Database, InboxStore, Intents, Records
from rehearsals.simulation._venue import SimulatedVenue
from rehearsals.simulation._weather import Weather
from rehearsals.simulation._world import START_MS, Killed, World

D = Decimal
ONE, TWO = MARKETS[0], MARKETS[1]
EPISODES = 324  # twelve of each fault class


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep out of the report what the product logs about each fault."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def an_intent(name="x-1", **changes):
    fields = {
        "client_order_id": name,
        "market": ONE,
        "side": OrderSide.BUY,
        "kind": OrderKind.MARKET,
        "quantity": D(2),
        "reduce_only": False,
        "purpose": IntentPurpose.ENTRY,
        "attempt": 1,
        "created_ms": START_MS,
    }
    return Intent(**(fields | changes))


def a_venue(world, *, batch=True, **odds):
    weather = Weather(world, Odds(**odds), START_MS + 1_000_000)
    return SimulatedVenue(world, weather, batch=batch)


# Episodes.


@pytest.mark.parametrize("begin", range(0, EPISODES, 27))
def test_every_invariant_holds_in_seeded_episodes_of_every_fault_class(begin):
    outcomes = [run_episode(seed) for seed in range(begin, begin + 27)]
    assert {outcome.fault for outcome in outcomes} == set(FaultClass)
    assert {o.seed: o.problems for o in outcomes if o.problems} == {}


@pytest.mark.parametrize("seed", command.regressions())
def test_what_was_once_found_is_not_found_again(seed):
    assert run_episode(seed).problems == []


def test_every_regression_says_what_it_found():
    rows = json.loads(command.REGRESSIONS.read_text(encoding="utf-8"))
    assert rows
    assert all(len(row["found"]) > 20 for row in rows)


@pytest.mark.parametrize("seed", [1, 8, 22, 26, 53])
def test_a_seed_is_always_the_same_episode(seed):
    assert run_episode(seed) == run_episode(seed)


def test_the_order_of_episodes_does_not_matter():
    alone = run_episode(26)
    run_episode(7)
    assert run_episode(26) == alone


def test_every_planned_fault_fires_in_some_episode():
    fired: set[str] = set()
    for seed in range(270):
        fired |= run_episode(seed).fired.keys()
    assert fired == set(Odds.__slots__)


def test_killed_processes_start_again_and_trade():
    kills = [o for o in map(run_episode, range(22, 400, 27)) if o.kills]
    assert len(kills) > 5
    assert any(outcome.fills >= 4 for outcome in kills)


def test_every_class_of_faults_trades():
    filled = dict.fromkeys(FaultClass, 0)
    for seed in range(54):
        filled[fault_of(seed)] += run_episode(seed).fills
    assert all(filled.values())


def test_plans_of_blows_and_kills_use_every_kind():
    plans = [draw(Random(n), FaultClass.MIXED) for n in range(400)]
    plans += [draw(Random(n), FaultClass.KILL_TWICE) for n in range(400)]
    assert {kind for plan in plans for _, kind, _ in plan.blows} == set(BLOWS.values())
    assert {point for plan in plans for point, _ in plan.kills} == set(KILL_POINTS)


def test_an_episode_without_faults_is_never_naked_for_long():
    outcomes = [run_episode(seed) for seed in range(0, 540, 27)]
    assert all(outcome.longest_seconds < 1.0 for outcome in outcomes)
    assert all(not outcome.fired and not outcome.ghosts for outcome in outcomes)


# Time, death, durability.


def test_what_is_due_happens_in_order_while_time_passes():
    world, seen = World(0), []
    world.at(START_MS + 200, lambda: seen.append(("b", world.now - START_MS)))
    world.at(START_MS + 100, lambda: seen.append(("a", world.now - START_MS)))
    world.at(START_MS + 900, lambda: seen.append(("c", world.now - START_MS)))
    world.sleep(0.5)
    assert seen == [("a", 100), ("b", 200)]
    assert world.now == START_MS + 500


def test_what_happens_may_take_time_itself():
    world = World(0)
    world.at(START_MS + 100, lambda: world.advance(5_000))
    world.advance(200)
    assert world.now == START_MS + 5_100


def test_a_process_dies_at_the_named_point_after_so_many_passes_and_stays_dead():
    world = World(0)
    world.kills = [("after_send", 1)]
    world.reach("before_send")
    world.reach("after_send")
    with pytest.raises(Killed):
        world.reach("after_send")
    assert world.killed_at == ["after_send"]
    with pytest.raises(Killed):
        world.sleep(1)
    with pytest.raises(Killed):
        Intents(Database(world)).save(an_intent())


def test_a_killed_process_leaves_what_was_saved_before_and_nothing_else():
    world = World(0)
    database = Database(world)
    world.kills = [("after_intent", 1)]
    intents = Intents(database)
    intents.save(an_intent("x-1"))
    with pytest.raises(Killed):
        intents.save(an_intent("x-2"))
    assert set(database.intents) == {"x-1", "x-2"}
    world.is_dead, world.kills = False, [("before_intent", 0)]
    with pytest.raises(Killed):
        intents.save(an_intent("x-3"))
    assert "x-3" not in database.intents


def test_a_database_that_is_down_refuses_to_write_and_can_be_read():
    world = World(0)
    database = Database(world)
    Intents(database).save(an_intent())
    database.down_until_ms = world.now + 1_000
    with pytest.raises(StoreError):
        Records(database).save("a", {})
    assert Intents(database).find("x-1") is not None
    world.advance(1_000)
    Records(database).save("a", {})
    assert Records(database).load() == {"a": {}}


def a_trade(books):
    trade = books.new_trade(ONE, OrderSide.BUY, "ONE-TWO long A", D(20))
    order = HostOrder("1", OrderSide.BUY, "entry", D(2), D(20), START_MS, START_MS)
    trade.orders.append(order)
    return trade, order


def test_what_was_not_committed_is_gone_after_a_crash():
    world = World(0)
    books = HostBooks(world, Database(world))
    trade, order = a_trade(books)
    books.commit()
    order.status, order.filled = OrderStatus.FILLED, D(2)
    trade.count(order)
    books.reopen()
    assert books.trades[0].amount == 0
    assert books.trades[0].orders[0].is_open


def test_a_database_that_fails_at_the_commit_ends_the_process():
    world = World(0)
    database = Database(world)
    books = HostBooks(world, database)
    a_trade(books)
    database.down_until_ms = world.now + 1
    with pytest.raises(Killed):
        books.commit()


def filled(trade: HostTrade, number: str, role: str, quantity: str) -> HostOrder:
    side = trade.entry_side if role == "entry" else trade.exit_side
    order = HostOrder(number, side, role, D(quantity), D(20), START_MS, START_MS, D(quantity))
    order.status = OrderStatus.FILLED
    trade.orders.append(order)
    trade.count(order)
    return order


def test_the_host_closes_a_trade_with_the_exit_that_empties_it():
    trade = HostTrade(1, ONE, False, "", START_MS, D(20))
    filled(trade, "1", "entry", "2")
    filled(trade, "2", "exit", "0.5")
    assert (trade.amount, trade.is_open) == (D("1.5"), True)
    filled(trade, "3", "exit", "1.5")
    assert not trade.is_open


def test_the_host_averages_its_entries():
    trade = HostTrade(1, ONE, True, "", START_MS, D(20))
    filled(trade, "1", "entry", "1").price = D(10)
    filled(trade, "2", "entry", "3")
    assert trade.open_rate == D("17.5")
    assert trade.held == D(-4)


# The exchange.


def test_an_order_is_accepted_filled_and_found():
    world = World(0)
    venue = a_venue(world)
    (answer,) = venue.submit([an_intent()])
    assert isinstance(answer, Accepted)
    assert venue.look_up(an_intent()) == answer.report
    assert venue.positions()[ONE].quantity == D(2)
    assert [fill.quantity for fill in venue.fills(ONE, START_MS)] == [D(2)]


@pytest.mark.parametrize(("fault", "is_executed"), [("lost_after", True), ("lost_before", False)])
def test_an_answer_is_lost_after_or_before_the_order_is_executed(fault, is_executed):
    world = World(0)
    venue = a_venue(world, **{fault: 1.0})
    (answer,) = venue.submit([an_intent()])
    assert isinstance(answer, Unanswered)
    assert bool(world.exchange.position(ONE).quantity) == is_executed


def test_one_answer_of_a_batch_may_be_unreadable():
    world = World(3)
    venue = a_venue(world, lost_in_batch=0.5)
    kinds = set()
    for number in range(20):
        both = [an_intent(f"a{number}"), an_intent(f"b{number}", market=TWO)]
        kinds.add(tuple(type(answer) for answer in venue.submit(both)))
    assert {(Accepted, Unanswered), (Unanswered, Accepted)} <= kinds


def test_a_rejection_changes_nothing():
    world = World(0)
    (answer,) = a_venue(world, reject=1.0).submit([an_intent()])
    assert isinstance(answer, Rejected)
    assert not world.exchange.account.held


def test_a_rate_limit_turns_orders_away_and_fails_queries_until_it_ends():
    world = World(0)
    venue = a_venue(world, rate_limit=1.0)
    (answer,) = venue.submit([an_intent()])
    assert isinstance(answer, Rejected)
    with pytest.raises(VenueError):
        venue.positions()


def test_the_weather_is_fair_when_its_time_is_over():
    world = World(0)
    weather = Weather(world, Odds(outage=1.0, reject=1.0, hide=1.0), START_MS + 10_000)
    venue = SimulatedVenue(world, weather, batch=True)
    assert weather.is_out()
    world.advance(10_000)
    assert not weather.is_out()
    (answer,) = venue.submit([an_intent()])
    assert isinstance(answer, Accepted)
    assert venue.look_up(an_intent()) is not None


def test_a_hidden_order_is_denied_while_its_position_shows():
    world = World(0)
    venue = a_venue(world, hide=1.0)
    venue.submit([an_intent()])
    assert venue.look_up(an_intent()) is None
    assert venue.positions()[ONE].quantity == D(2)
    world.advance(26_000)
    assert venue.look_up(an_intent()) is not None


def test_late_fills_show_in_the_position_first():
    world = World(0)
    venue = a_venue(world, late=1.0)
    venue.submit([an_intent()])
    report = venue.look_up(an_intent())
    assert report is not None
    assert (report.filled_quantity, report.status) == (0, OrderStatus.OPEN)
    assert venue.positions()[ONE].quantity == D(2)


def test_a_lost_cancel_has_canceled():
    world = World(1)
    venue = a_venue(world, lost_cancel=1.0)
    limit = an_intent(kind=OrderKind.LIMIT, price=D(10))
    (answer,) = venue.submit([limit])
    assert isinstance(answer, Accepted)
    with pytest.raises(VenueError):
        venue.cancel(answer.report)
    report = venue.look_up(limit)
    assert report is not None
    assert report.status is OrderStatus.CANCELED


def test_a_cancel_that_comes_too_late_meets_a_filled_order():
    world = World(1)
    venue = a_venue(world, cancel_race=1.0)
    limit = an_intent(kind=OrderKind.LIMIT, price=D(10))
    (answer,) = venue.submit([limit])
    assert isinstance(answer, Accepted)
    venue.cancel(answer.report)
    report = venue.look_up(limit)
    assert report is not None
    assert report.status is OrderStatus.FILLED


def test_a_stop_becomes_an_order_that_the_host_finds_under_the_name_of_the_stop():
    world = World(0)
    venue = a_venue(world)
    venue.submit([an_intent()])
    stop = an_intent("s-1", kind=OrderKind.STOP, side=OrderSide.SELL, price=D(16), reduce_only=True)
    (answer,) = venue.submit([stop])
    assert isinstance(answer, Accepted)
    world.market.move(ONE, D(15), world.now + 1)
    world.advance(2_000)
    done = venue.order_of_stop(ONE, answer.report.venue_order_id)
    assert done is not None
    assert (done.venue_order_id, done.filled_quantity) == (answer.report.venue_order_id, D(2))
    assert not world.exchange.account.held


def test_the_price_stands_until_it_is_moved():
    market = StandingMarket()
    market.move(ONE, D(15), 1_000)
    market.move(ONE, D(21), 2_000)
    assert [market.price(ONE, at_ms) for at_ms in (0, 999, 1_000, 3_000)] == [20, 20, 15, 21]
    assert market.price_range(ONE, 500, 2_500) == (15, 21)
    assert market.price_range(ONE, 2_500, 3_000) == (21, 21)


# Judging.


def a_fill(symbol, side, quantity, position, time_ms, name="ONE-TWO.1-Ae1-x"):
    return OrderFilled(
        time_ms=time_ms,
        symbol=symbol,
        side=side,
        price=D(1),
        quantity=D(quantity),
        fee=D(0),
        realized_pnl=D(0),
        position=D(position),
        reduce_only=False,
        is_maker=False,
        fill_id=1,
        venue_order_id=1,
        client_order_id=name,
        origin="client",
    )


@pytest.fixture
def judged():
    """A closing order of ours, which filled when its trade was closed; what others did in it."""
    world = World(1)
    database = Database(world)
    exit_ = an_intent("exit", reduce_only=True, purpose=IntentPurpose.EXIT)
    database.intents["exit"] = exit_
    world.fills = [
        replace(a_fill(ONE, "sell", 9, -9, START_MS, "web-1"), origin="external"),
        a_fill(ONE, "buy", 9, 0, START_MS, "exit"),
    ]
    InboxStore(database).save(
        InboxItem(
            "key",
            START_MS,
            DifferenceKind.UNKNOWN,
            ONE,
            f"{ONE}: order exit is not in the books",
            "report",
        )
    )
    return Ledger(world, database), world, database


def test_a_closing_order_that_met_only_what_another_added_is_not_lost(judged):
    ledger, world, database = judged
    assert ledger.closed_what_others_added(world.fills[1])
    assert ledger.left_by_others(ONE, HostBooks(world, database)) == 0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(DifferenceKind.UNKNOWN_POSITION, True), (DifferenceKind.STALE_ORDER, False)],
)
def test_a_stop_that_met_only_what_another_added_is_named_with_what_is_left(judged, kind, expected):
    """Seed 7020512: what is left of the addition is nobody's, and the inbox says what made it."""
    ledger, world, database = judged
    text = (
        "Nobody manages this position. Orders: buy 15 by order 4 (web_4), sell 9 by order 6 (exit)."
    )
    database.items.clear()
    InboxStore(database).save(InboxItem("key", START_MS, kind, ONE, text, "report"))
    assert ledger.closed_what_others_added(world.fills[1]) is expected


@pytest.mark.parametrize(
    "but",
    [
        lambda world, database: world.fills.pop(0),
        lambda world, database: database.items.clear(),
        lambda world, database: database.intents.update(exit=an_intent("exit")),
        lambda world, database: database.intents.clear(),
    ],
    ids=["nobody added", "nobody was told", "an order that may add", "never written down"],
)
def test_any_other_order_that_the_books_do_not_show_is_lost(judged, but):
    ledger, world, database = judged
    but(world, database)
    assert not ledger.closed_what_others_added(world.fills[-1])


@pytest.fixture
def written_off():
    """A closing order of ours that was never written down, and a write-off of its quantity."""
    world = World(1)
    database = Database(world)
    database.failures = 1
    books = HostBooks(world, database)
    trade = books.new_trade(ONE, OrderSide.BUY, "tag", D(20))
    row = HostOrder("ext-1", OrderSide.SELL, "exit", D(9), D(1), START_MS + 1, START_MS + 1, D(9))
    trade.orders.append(row)
    fill = replace(a_fill(ONE, "sell", 9, 0, START_MS, "exit"), reduce_only=True)
    return Ledger(world, database), database, books, fill


def test_a_closing_order_that_was_never_written_down_may_be_written_off(written_off):
    ledger, _, books, fill = written_off
    assert ledger.was_written_off(fill, books)


def test_less_is_written_off_where_another_hand_has_added_the_rest(written_off):
    ledger, _, books, fill = written_off
    books.trades[0].orders[0].filled = D(8)
    ledger._world.fills = [replace(a_fill(ONE, "buy", 1, 1, START_MS, "web-1"), origin="external")]
    assert ledger.was_written_off(fill, books)


@pytest.mark.parametrize(
    "but",
    [
        lambda database, books: books.trades.clear(),
        lambda database, books: setattr(books.trades[0].orders[0], "filled", D(8)),
        lambda database, books: setattr(books.trades[0].orders[0], "order_id", "77"),
        lambda database, books: setattr(books.trades[0].orders[0], "created_ms", START_MS - 1),
        lambda database, books: setattr(books.trades[0], "market", TWO),
        lambda database, books: setattr(database, "failures", 0),
        lambda database, books: database.intents.update(exit=an_intent("exit")),
    ],
    ids=["none", "less", "an order", "before it", "elsewhere", "could be written", "was written"],
)
def test_any_other_order_was_not_written_off(written_off, but):
    ledger, database, books, fill = written_off
    but(database, books)
    assert not ledger.was_written_off(fill, books)


def a_spread():
    plan = draw(Random(0), FaultClass.NONE)
    plan.is_small = plan.shared_leg = False
    return spreads_of(plan)[0]


def test_naked_exposure_is_what_exceeds_five_percent_of_a_leg_over_time():
    # By hand: 30 units at 20 are 600; for two seconds nothing hedges them: (600 - 30) * 2 = 1140
    # USDT·s, per 1000 of the planned 1200 (both legs): 950.
    fills = [
        a_fill(ONE, "buy", 30, 30, 1_000),
        a_fill(TWO, "sell", 12, -12, 3_000, "ONE-TWO.1-Be1-x"),
    ]
    measured = naked(fills, a_spread(), 60_000)
    assert measured.exposure == pytest.approx(950.0)
    assert measured.longest_seconds == pytest.approx(2.0)
    assert a_spread().market(LegName.A) == ONE


def test_a_leg_that_is_never_hedged_is_naked_to_the_end():
    measured = naked([a_fill(ONE, "buy", 30, 30, 1_000)], a_spread(), 11_000)
    assert measured.longest_seconds == pytest.approx(10.0)


def test_nothing_traded_is_never_naked():
    assert naked([], a_spread(), 1_000).exposure == 0.0


def test_the_table_counts_a_problem_in_its_column_and_keeps_the_failure():
    summary = Summary()
    summary.add(Outcome(0, FaultClass.NONE))
    summary.add(Outcome(1, FaultClass.KILL, ["duplicate: x", "duplicate: y", "lost: z"]))
    lines = summary.table().splitlines()
    assert lines[-1].split()[:7] == ["all", "2", "0", "1", "1", "0", "0"]
    assert [outcome.seed for outcome in summary.failures] == [1]


# The command.


def test_the_command_runs_episodes_and_prints_the_table():
    result = CliRunner().invoke(command.main, ["--episodes", "27", "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert "naked p50" in result.output


def test_the_command_traces_one_episode():
    result = CliRunner().invoke(command.main, ["--seed", "22", "--trace"])
    assert result.exit_code == 0, result.output
    assert "process starts" in result.output
    assert "KILLED" in CliRunner().invoke(command.main, ["--seed", "49", "--trace"]).output


def test_workers_change_nothing_but_the_time():
    tables = {
        workers: CliRunner().invoke(command.main, ["--episodes", "300", "--workers", workers])
        for workers in ("1", "2")
    }
    assert tables["1"].stdout == tables["2"].stdout


def test_a_failing_episode_ends_the_command_with_an_error(monkeypatch):
    failed = Summary()
    failed.add(Outcome(7, FaultClass.NONE, ["lost: x"]))
    monkeypatch.setattr(command, "_run", lambda *_: failed)
    result = CliRunner().invoke(command.main, ["--episodes", "1"])
    assert result.exit_code == 1
    assert "seed 7 (none): lost: x" in result.output
