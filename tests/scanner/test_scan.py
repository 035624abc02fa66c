"""
The whole funnel on small worlds whose truth is known.

Planted bugs that turn this file red: confirmation data used in the discovery; the null scan left
out or run on unshuffled data; a step that is not counted; survivors that grow from step to step;
Bonferroni over the family instead of the survivors; markets of two currencies combined; a twin or
a stationary market traded; a candidate dropped without a reason; the steady-volatility step or the
bootstrap skipped; cards out of order; the report depending on the order of the histories; an error
of the listener swallowed.
"""

from dataclasses import replace

import numpy as np
import pytest

from freqtrade_ext.scanner import (
    MarketHistory,
    RefusalReason,
    ScanReport,
    Stage,
    TwinKind,
    scan,
    scan_universe,
)

from .doubles import HOUR_MS, START_MS, histories, history, market, planted_world, settings

PRICES = planted_world()
PLANTED = {frozenset((market(0), market(1))), frozenset((market(2), market(3)))}


def scanned(log_prices=PRICES, *, seed=1, wanted=None, extra=(), **options) -> ScanReport:
    return scan(
        [*histories(log_prices), *extra],
        wanted or settings(),
        timeframe="1h",
        seed=seed,
        **options,
    )


def legs(report: ScanReport) -> set[frozenset[str]]:
    return {frozenset((card.fit.leg_a, card.fit.leg_b)) for card in report.cards}


@pytest.fixture(scope="module")
def report() -> ScanReport:
    return scanned(wanted=settings(null_scan=True))


def test_what_was_planted_is_found_and_nothing_else(report):
    assert legs(report) == PLANTED
    assert {frozenset((c.fit.leg_a, c.fit.leg_b)) for c in report.candidates} == PLANTED
    assert not report.is_empty


def test_every_step_is_counted_and_survivors_never_grow(report):
    assert [step.stage for step in report.funnel.steps] == list(Stage)
    count = report.funnel.count
    assert count(Stage.COMBINATIONS) == 14 * 13 // 2
    assert count(Stage.FAMILY) == report.family_size == 91
    assert report.funnel.expected_by_chance == pytest.approx(91 * 0.05)
    filters = list(Stage)[list(Stage).index(Stage.BH) :]
    counts = [count(stage) for stage in filters]
    assert counts == sorted(counts, reverse=True)
    assert count(Stage.RAW_ONE) >= count(Stage.RAW) >= count(Stage.BH) >= count(Stage.BY)
    assert count(Stage.CHOSEN) == len(report.cards) == 2


def test_the_null_scan_finds_nothing_on_the_same_markets(report):
    assert report.null_funnel is not None
    assert report.null_funnel.count(Stage.COMBINATIONS) > 60
    assert report.null_funnel.count(Stage.BH) == 0
    assert report.null_funnel.count(Stage.CHOSEN) == 0


def test_the_null_scan_can_be_left_out():
    assert scanned().null_funnel is None


def test_dates_of_both_parts_are_told(report):
    assert (report.discovery.candles, report.confirmation.candles) == (600, 300)
    assert report.discovery.start_ms == START_MS
    assert report.discovery.end == report.confirmation.start
    assert report.data_end == report.confirmation.end
    assert report.confirmation.end_ms == START_MS + 900 * HOUR_MS


def test_pvalues_are_there_for_the_heat_map(report):
    assert report.pvalues.shape == (14, 14)
    np.testing.assert_array_equal(report.pvalues, report.pvalues.T)
    assert np.isnan(report.pvalues.diagonal()).all()
    card = report.cards[0]
    place = [report.universe.markets.index(leg) for leg in (card.fit.leg_a, card.fit.leg_b)]
    assert report.pvalues[tuple(place)] == card.fit.pvalue
    assert report.qvalues[tuple(place)] == card.fit.qvalue


def test_cards_are_complete_and_best_first(report):
    scores = [card.diagnosis.score for card in report.cards]
    assert scores == sorted(scores, reverse=True)
    for card in report.cards:
        assert card.confirmation.passed
        assert card.confirmation.level == pytest.approx(0.05 / 2)
        assert card.confirmation.nobs == 300
        assert card.bootstrap_pvalue == pytest.approx(0.01)
        assert card.johansen.trace > card.johansen.critical_value
        assert card.steady_pvalue < 1e-3
        assert card.diagnosis.half_life == pytest.approx(4.0, rel=0.6)
        assert (len(card.trusted_because), len(card.trust_ends_when)) == (6, 5)


def test_the_hedge_ratio_is_the_planted_one(report):
    for card in report.cards:
        a, b = int(card.fit.leg_a[1:4]), int(card.fit.leg_b[1:4])
        planted = {1: 0.8, 3: 1.4}[max(a, b)]
        expected = planted if a > b else 1.0 / planted
        assert card.fit.hedge_ratio == pytest.approx(expected, rel=0.1)


def test_the_same_seed_gives_the_same_report(report):
    assert scanned(wanted=settings(null_scan=True)) == report


def test_the_order_of_the_histories_does_not_matter(report):
    again = scan(
        list(reversed(histories(PRICES))), settings(null_scan=True), timeframe="1h", seed=1
    )
    assert again == report


def test_relabelled_markets_give_the_same_spreads(report):
    """Market k becomes market 13 - k."""
    other = scanned(PRICES[:, ::-1])
    back = {
        frozenset(market(13 - int(leg[1:4])) for leg in combination) for combination in legs(other)
    }
    assert back == legs(report)
    assert other.funnel.count(Stage.RAW) == report.funnel.count(Stage.RAW)
    assert sorted(card.fit.pvalue for card in other.cards) == pytest.approx(
        sorted(card.fit.pvalue for card in report.cards), rel=1e-5
    )


def test_prices_in_other_units_change_nothing_but_the_intercept(report):
    scaled = scanned(PRICES + np.linspace(-5.0, 5.0, 14))
    assert legs(scaled) == legs(report)
    for ours, theirs in zip(report.cards, scaled.cards, strict=True):
        assert theirs.fit.stat == pytest.approx(ours.fit.stat, abs=1e-5)
        assert theirs.fit.hedge_ratio == pytest.approx(ours.fit.hedge_ratio, rel=1e-7)
        assert theirs.diagnosis.score == pytest.approx(ours.diagnosis.score, rel=1e-6)


def test_later_data_do_not_change_a_scan_of_a_fixed_window(report):
    longer = np.vstack([PRICES, PRICES[-1] + np.random.default_rng(5).normal(size=(50, 14))])
    again = scanned(longer, end_ms=START_MS + 900 * HOUR_MS, wanted=settings(null_scan=True))
    assert again == report


def test_data_of_the_confirmation_take_no_part_in_the_discovery(report):
    changed = PRICES.copy()
    changed[600:] += np.random.default_rng(6).standard_normal((300, 14)).cumsum(axis=0)
    other = scanned(changed)
    assert [c.fit for c in other.candidates] == [c.fit for c in report.candidates]
    np.testing.assert_array_equal(other.pvalues, report.pvalues)
    assert other.is_empty
    for each in other.candidates:
        assert each.stage is Stage.BOOTSTRAP
        assert each.dropped.startswith("later data: p-value")


def test_every_candidate_that_is_dropped_says_why():
    strict = settings(edge={"cost_multiple": 20.0})
    report = scanned(wanted=strict)
    assert {each.stage for each in report.candidates} == {Stage.VOLATILITY}
    assert all("does not pay 20 × the cost" in each.dropped for each in report.candidates)
    assert report.funnel.count(Stage.VOLATILITY) == 2
    assert report.funnel.count(Stage.TRADABLE) == 0


def test_johansen_can_refuse(monkeypatch):
    from freqtrade_ext.scanner import JohansenResult, _funnel_run

    monkeypatch.setattr(_funnel_run, "johansen", lambda *_: JohansenResult(10.0, 15.5))
    report = scanned()
    assert {each.stage for each in report.candidates} == {Stage.TRADABLE}
    assert report.candidates[0].dropped == "Johansen's trace 10.0 is not above 15.5"


def test_johansen_without_an_answer_does_not_agree(monkeypatch):
    from freqtrade_ext.scanner import JohansenResult, _funnel_run

    monkeypatch.setattr(_funnel_run, "johansen", lambda *_: JohansenResult(np.nan, np.nan))
    assert scanned().funnel.count(Stage.JOHANSEN) == 0


def test_the_bootstrap_can_refuse(monkeypatch):
    from freqtrade_ext.scanner import _funnel_run

    monkeypatch.setattr(_funnel_run, "bootstrap_pvalue", lambda *_, **__: 0.02)
    report = scanned()
    assert {each.stage for each in report.candidates} == {Stage.JOHANSEN}
    assert report.candidates[0].dropped == "bootstrap p-value 0.02 is above 0.01"


def test_clustered_volatility_can_be_all_there_is(monkeypatch):
    from freqtrade_ext.scanner import _funnel_run

    monkeypatch.setattr(_funnel_run, "steady_pvalue", lambda *_, **__: 0.03)
    report = scanned()
    assert {each.stage for each in report.candidates} == {Stage.BH}
    assert report.candidates[0].dropped.startswith("with steady volatility the p-value is 0.03")


def test_steps_can_be_left_out():
    report = scanned(
        wanted=settings(
            family={"johansen_level": None, "volatility_bandwidth": None},
            bootstrap={"replications": 0},
        )
    )
    assert legs(report) == PLANTED
    for card in report.cards:
        assert (card.johansen, card.bootstrap_pvalue, card.steady_pvalue) == (None, None, None)


def test_the_family_can_be_screened():
    report = scanned(wanted=settings(family={"size": 10}))
    assert report.family_size == 10
    assert report.screen == (
        "10 of 91 combinations, those with the highest partial correlation of returns given all "
        "other markets"
    )
    assert legs(report) == PLANTED
    assert np.isfinite(report.pvalues).sum() == 20


def test_yekutieli_can_be_in_control():
    report = scanned(wanted=settings(family={"control": "by"}))
    assert legs(report) == PLANTED
    assert report.funnel.count(Stage.BY) == 2


def test_twins_are_reported_and_not_traded_against_each_other():
    wrapped = PRICES[:, 0] + 0.0003 * np.random.default_rng(3).standard_normal(900)
    report = scanned(extra=[history("WRAPPED/USDT", wrapped)])
    assert [(twin.market_a, twin.market_b, twin.kind) for twin in report.twins] == [
        (market(0), "WRAPPED/USDT", TwinKind.PEGGED)
    ]
    assert report.funnel.count(Stage.COMBINATIONS) == 15 * 14 // 2 - 1
    used = [leg for card in report.cards for leg in (card.fit.leg_a, card.fit.leg_b)]
    assert (market(0) in used) + ("WRAPPED/USDT" in used) == 1


def test_the_choice_is_told_which_markets_are_twins(monkeypatch):
    from freqtrade_ext.scanner import _funnel_run

    told = []

    def spy(candidates, groups, most):
        told.append((dict(groups), most))
        return candidates

    monkeypatch.setattr(_funnel_run, "choose", spy)
    scanned(np.column_stack([PRICES[:, 4], PRICES[:, 4] + 1.0, PRICES[:, 5]]))
    assert told == [({market(0): market(0), market(1): market(0)}, 10)]


def test_a_stationary_market_is_reported_and_not_traded():
    pegged = 1e-3 * np.random.default_rng(3).standard_normal(900)
    report = scanned(extra=[history("USDC/USDT", pegged)])
    assert [(each.market, each.pegged) for each in report.stationary] == [("USDC/USDT", True)]
    assert report.funnel.count(Stage.COMBINATIONS) == 91
    assert np.isnan(report.pvalues[report.universe.markets.index("USDC/USDT")]).all()


def test_markets_of_two_currencies_are_not_combined():
    report = scanned(extra=[history("M001/USDC", PRICES[:, 1] + 0.001)])
    assert report.funnel.count(Stage.COMBINATIONS) == 91


def test_a_bad_history_is_refused_and_the_others_are_scanned():
    bad = MarketHistory("BAD/USDT", np.array([START_MS]), np.array([-1.0]), np.array([1e9]))
    report = scanned(extra=[bad], excluded={market(13): "to be delisted"})
    assert [(each.market, each.reason) for each in report.refusals] == [
        ("BAD/USDT", RefusalReason.NON_POSITIVE_PRICE),
        (market(13), RefusalReason.EXCLUDED),
    ]
    assert legs(report) == PLANTED


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_combine_is_a_valid_result(count):
    report = scan(histories(PRICES[:, :count]), settings(), timeframe="1h", seed=1)
    assert report.is_empty
    assert report.funnel.count(Stage.COMBINATIONS) == 0
    assert (report.discovery is None) == (count == 0)
    assert (report.data_end is None) == (count == 0)
    assert report.screen == "no combinations"


def test_two_markets_are_enough():
    report = scanned(PRICES[:, :2])
    assert legs(report) == {frozenset((market(0), market(1)))}


def test_pure_noise_gives_an_empty_report():
    for seed in range(3):
        walks = 0.01 * np.random.default_rng(seed).standard_normal((900, 30)).cumsum(axis=0)
        assert scanned(walks).is_empty


def test_both_scans_test_where_the_caller_says(monkeypatch):
    from freqtrade_ext.scanner import _discovery

    heard, real = [], _discovery.engle_granger_matrix

    def watched(prices, *, jobs, backend, **options):
        heard.append((jobs, backend))
        return real(prices, **options)

    monkeypatch.setattr(_discovery, "engle_granger_matrix", watched)
    scanned(wanted=settings(null_scan=True), jobs=3, backend="ray")
    assert heard == [(3, "ray"), (3, "ray")]


def test_progress_is_told_step_by_step():
    heard: list[tuple[str, int, int]] = []
    scanned(
        progress=lambda step, done, total: heard.append((step, done, total)),
        wanted=settings(null_scan=True),
    )
    steps = list(dict.fromkeys(step for step, *_ in heard))
    assert steps == [
        "scan: testing",
        "scan: steady volatility",
        "scan: tradable",
        "scan: Johansen",
        "scan: bootstrap",
        "scan: confirmed",
        "null scan: testing",
    ]
    for step in steps:
        last = [each for each in heard if each[0] == step][-1]
        assert last[1] == last[2] > 0


def test_a_listener_can_end_the_scan():
    class StoppedError(Exception):
        pass

    def stop(step: str, done: int, total: int) -> None:
        if "Johansen" in step:
            raise StoppedError

    with pytest.raises(StoppedError):
        scanned(progress=stop)


def test_standing_spreads_are_tested_again_whatever_else_is_found(report):
    standing = [(market(1), market(0)), (market(4), market(5)), (market(1), "GONE/USDT")]
    with_standing = scanned(standing=standing, wanted=settings(null_scan=True))
    assert replace(with_standing, retests=()) == report
    good, broken, gone = with_standing.retests
    assert good.pvalue < 1e-6
    assert good.hedge_ratio == pytest.approx(0.8, rel=0.1)
    assert broken.pvalue > 0.05
    assert gone.reason == "GONE/USDT: was not among the histories"


def test_a_universe_can_be_scanned_directly(report):
    again = scan_universe(report.universe, settings(null_scan=True), seed=1)
    assert again == report
