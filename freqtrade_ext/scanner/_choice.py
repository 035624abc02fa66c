"""Choose spreads that share no market, best first, and say why each is trusted."""

import re
from collections.abc import Mapping
from dataclasses import replace

from freqtrade_ext.scanner._cards import Candidate, SpreadCard
from freqtrade_ext.scanner._funnel import Stage
from freqtrade_ext.scanner._histories import Span
from freqtrade_ext.scanner._settings import ScanSettings

__all__ = ["choose", "to_card"]


def choose(
    candidates: tuple[Candidate, ...], groups: Mapping[str, str], most: int
) -> tuple[Candidate, ...]:
    """
    Choose among confirmed candidates; the others are returned as they were, with the reason.

    Parameters
    ----------
    candidates : tuple of Candidate
        All of them; those whose stage is ``CONFIRMED`` can be chosen.
    groups : mapping of str to str
        Markets that have twins, and the name that stands for all of them: twins count as one leg.
    most : int
        How many are chosen at most.

    Returns
    -------
    tuple of Candidate
        In the order given.

    Notes
    -----
    Best first means the highest expected move per cost and half-life: what a slot of the
    portfolio earns in a given time. The p-value has done its work before; among true spreads it
    says little about profit.
    """
    order = sorted(
        (place for place, each in enumerate(candidates) if each.stage is Stage.CONFIRMED),
        key=lambda place: (-_score(candidates[place]), candidates[place].fit.pvalue),
    )
    taken: dict[str, str] = {}
    result = list(candidates)
    chosen = 0
    for place in order:
        fit = candidates[place].fit
        legs = [groups.get(leg, leg) for leg in (fit.leg_a, fit.leg_b)]
        rivals = [taken[leg] for leg in legs if leg in taken]
        if rivals:
            reason = f"a leg is in {rivals[0]}, which comes first"
            result[place] = replace(candidates[place], dropped=reason)
        elif chosen >= most:
            reason = f"{most} spreads are chosen already"
            result[place] = replace(candidates[place], dropped=reason)
        else:
            chosen += 1
            taken |= dict.fromkeys(legs, f"{fit.leg_a} / {fit.leg_b}")
            result[place] = replace(candidates[place], stage=Stage.CHOSEN, dropped="")
    return tuple(result)


def _score(candidate: Candidate) -> float:
    return candidate.diagnosis.score if candidate.diagnosis else 0.0


def to_card(
    candidate: Candidate,
    *,
    family_size: int,
    confirmation_span: Span,
    settings: ScanSettings,
    taken: frozenset[str],
) -> SpreadCard:
    """
    Write the card of a chosen candidate.

    Parameters
    ----------
    candidate : Candidate
        Chosen, hence diagnosed and confirmed.
    family_size : int
        Combinations that were tested.
    confirmation_span : Span
        Dates of the confirmation.
    settings : ScanSettings
        Of the scan.
    taken : frozenset of str
        Names that other spreads have.

    Raises
    ------
    ValueError
        If the candidate has not been diagnosed and confirmed.
    """
    diagnosis, confirmation = candidate.diagnosis, candidate.confirmation
    if diagnosis is None or confirmation is None:
        raise ValueError(f"{candidate.fit.leg_a} / {candidate.fit.leg_b} has not been confirmed")
    return SpreadCard(
        spread_id=_spread_id(candidate.fit.leg_a, candidate.fit.leg_b, taken),
        fit=candidate.fit,
        diagnosis=diagnosis,
        johansen=candidate.johansen,
        bootstrap_pvalue=candidate.bootstrap_pvalue,
        confirmation=confirmation,
        steady_pvalue=candidate.steady_pvalue,
        trusted_because=_trusted_because(candidate, family_size, confirmation_span),
        trust_ends_when=_trust_ends_when(candidate, settings),
    )


def _trusted_because(candidate: Candidate, family_size: int, span: Span) -> tuple[str, ...]:
    fit, test = candidate.fit, candidate.confirmation
    reasons = [
        f"Both regression directions reject no cointegration; the weaker one has p = "
        f"{fit.pvalue:.2g}.",
        f"Among {family_size} tested combinations its false discovery rate is {fit.qvalue:.2g} "
        f"(under any dependence: {fit.qvalue_by:.2g}).",
    ]
    if candidate.steady_pvalue is not None:
        reasons.append(
            "It is no product of clustered volatility: with volatility made steady p = "
            f"{candidate.steady_pvalue:.2g}."
        )
    if candidate.johansen is not None:
        reasons.append(
            f"Johansen's trace test agrees: {candidate.johansen.trace:.1f} against "
            f"{candidate.johansen.critical_value:.1f}."
        )
    if candidate.bootstrap_pvalue is not None:
        reasons.append(
            "With the tails and volatility of its own returns (stationary bootstrap) p = "
            f"{candidate.bootstrap_pvalue:.2g}."
        )
    if test is not None:
        reasons.append(
            f"With frozen coefficients it went on reverting from {span.start:%Y-%m-%d} to "
            f"{span.end:%Y-%m-%d}, which took no part in the discovery: p = {test.pvalue:.2g}, "
            f"demanded {test.level:.2g}. Traded are the coefficients of later fits: the strategy "
            "fits anew at every refit."
        )
    return tuple(reasons)


def _trust_ends_when(candidate: Candidate, settings: ScanSettings) -> tuple[str, ...]:
    fit, diagnosis = candidate.fit, candidate.diagnosis
    sentences = [
        f"A re-test over the then latest window has p above {settings.retest_pvalue:g}. It shares "
        "most candles with this one and notices a break only weeks later; until then, entries are "
        "limited by the p-value of the strategy's own fit (ext.spreads.max_pvalue).",
        f"The spread value moves {settings.stop_z:g} deviations away from its mean "
        f"(log units beyond ±{settings.stop_z * fit.resid_std:.3g} on the discovery's scale).",
        f"{fit.leg_a} or {fit.leg_b} is delisted, halted, or no longer in the universe.",
    ]
    if diagnosis is not None:
        sentences.insert(
            1,
            f"The hedge ratio leaves {fit.hedge_ratio:.3g} by more than it has already moved "
            f"between parts of the window ({diagnosis.beta.drift(fit.hedge_ratio):.0%}).",
        )
        sentences.insert(
            2,
            f"A deviation has not reverted after {settings.max_holding_half_lives:g} half-lives "
            f"({settings.max_holding_half_lives * diagnosis.half_life:.0f} candles).",
        )
    return tuple(sentences)


def _spread_id(leg_a: str, leg_b: str, taken: frozenset[str]) -> str:
    names = [re.sub(r"[^A-Za-z0-9_.]", "_", leg.split("/")[0])[:24] for leg in (leg_a, leg_b)]
    plain = "-".join(names)
    if plain not in taken:
        return plain
    number = 2
    while f"{plain}-{number}" in taken:
        number += 1
    return f"{plain}-{number}"
