"""Bugs of the signals: gate, layers, score."""

from typing import Final

from rehearsals.planted_bugs._bug import PlantedBug, planted_in

__all__ = ["SIGNAL_BUGS"]

_GATE: Final = planted_in(
    "signals/_gate.py",
    "signals/test_gate.py",
    (
        "gate: reverting markets are traded against the price",
        "hurst < part.reversion, -1.0,",
        "hurst < part.reversion, 0.0,",
        "test_direction_follows_regime_and_z_score",
    ),
    (
        "gate: trending markets are traded with the price",
        "np.where(hurst > part.trend, 1.0, 0.0)",
        "np.where(hurst > part.trend, 0.0, 0.0)",
        "test_direction_follows_regime_and_z_score",
    ),
    (
        "gate: a neutral market ignores the z-score",
        "measure = np.where(neutral, of_book, z_score / settings.z_threshold)",
        "measure = z_score / settings.z_threshold",
        "test_a_neutral_market_ignores_the_z_score",
    ),
    (
        "gate: a neutral market follows its order book",
        "of_book = imbalance / settings.imbalance_threshold",
        "of_book = imbalance * 0.0",
        "test_a_neutral_market_follows_its_order_book_beyond_the_threshold",
    ),
    (
        "gate: threshold of the z-score",
        "beyond = ~unknown & (np.abs(measure) > 1.0)",
        "beyond = ~unknown & (np.abs(measure) > 0.0)",
        "test_within_the_threshold_there_is_no_direction",
    ),
    (
        "gate: Hurst exponent from 0.15 to 0.85",
        "hurst=np.clip(exponents, HURST_FLOOR, HURST_CAP),",
        "hurst=exponents,",
        "test_the_exponent_is_clipped",
    ),
    (
        "gate: quiet hours",
        "reasons = [unknown, ~traded, quiet, neutral & ~beyond, ~beyond]",
        "reasons = [unknown, ~traded, quiet & False, neutral & ~beyond, ~beyond]",
        "test_a_quiet_hour_or_a_candle_without_trades_stops_a_direction_that_stays_visible",
    ),
    (
        "gate: candles without trades",
        "reasons = [unknown, ~traded, quiet, neutral & ~beyond, ~beyond]",
        "reasons = [unknown, ~traded & False, quiet, neutral & ~beyond, ~beyond]",
        "test_a_quiet_hour_or_a_candle_without_trades_stops_a_direction_that_stays_visible",
    ),
    (
        "gate: no direction in the warm-up",
        "reasons = [unknown, ~traded, quiet, neutral & ~beyond, ~beyond]",
        "reasons = [unknown & False, ~traded, quiet, neutral & ~beyond, ~beyond]",
        "test_an_unknown_measure_is_a_warm_up",
    ),
    (
        "gate: BTC and ETH have no quiet hours",
        "if not settings.enabled or coin in settings.exempt:",
        "if not settings.enabled:",
        "test_liquid_coins_have_no_quiet_hours",
    ),
    (
        "gate: quiet hours are asked about at all",
        "quiet=quiet_hours(candles.closed_ms, settings.quiet, inputs.coin),",
        "quiet=np.zeros(len(candles), bool),",
        "test_no_signal_in_quiet_hours_but_for_bitcoin",
    ),
    (
        "gate: distance of two signals",
        "if min(now - barred_by_yesterday, now - last_kept) >= interval_ms:",
        "if True:",
        "test_signals_keep_their_distance",
    ),
    (
        "gate: distance over midnight",
        "now // _DAY_MS, last_candidate, -np.inf",
        "now // _DAY_MS, -np.inf, -np.inf",
        "test_two_signals_are_never_closer_and_the_first_one_stands",
    ),
)
_THRESHOLD: Final = planted_in(
    "signals/_settings.py",
    "signals/test_gate.py",
    (
        "gate: entry_tightness",
        "return self.z_score_threshold * self.entry_tightness",
        "return self.z_score_threshold",
        "test_the_default_threshold_is_the_product_of_both_settings",
    ),
)
_DEFAULTS: Final = planted_in(
    "signals/_settings.py",
    "signals/test_settings.py",
    (
        "gate: quiet from 02:00",
        "from_hour: Annotated[int, Field(ge=0, le=23)] = 2",
        "from_hour: Annotated[int, Field(ge=0, le=23)] = 3",
        "test_defaults_are_those_specified",
    ),
    (
        "score: required score of 68",
        "min_score: Annotated[float, Field(ge=50, le=95)] = 68.0",
        "min_score: Annotated[float, Field(ge=50, le=95)] = 60.0",
        "test_defaults_are_those_specified",
    ),
)
_REGIME: Final = planted_in(
    "signals/_layers_regime.py",
    "signals/test_layers_regime.py",
    (
        "regime veto",
        "veto=strong & (view.direction * view.indicators.trend_side < 0.0),",
        "veto=strong & False,",
        "test_regime_veto",
    ),
    (
        "regime veto: strong trends only",
        "strong = (view.indicators.adx > part.adx) & ",
        "strong = ",
        "test_regime_veto",
    ),
    (
        "regime veto: trending markets only",
        "trending = (view.hurst > part.hurst) | ",
        "trending = True | ",
        "test_regime_veto",
    ),
    (
        "regime veto: Hurst exponent of a higher timeframe",
        "| (_higher_hurst(view, part) > part.hurst)",
        "",
        "test_a_higher_timeframe_may_say_that_a_reverting_market_trends",
    ),
    (
        "regime veto: higher closes from their close on",
        "return known_at(exponents, closes.closed_ms, view.candles.closed_ms)",
        "return known_at(exponents, closes.closed_ms, view.candles.closed_ms + 3_600_000)",
        "test_a_higher_close_after_the_candle_says_nothing",
    ),
    (
        "multi-timeframe: points",
        "np.where(veto, -part.veto_points, part.points * agreement)",
        "np.where(veto, -part.veto_points, 0.0 * agreement)",
        "test_higher_timeframes_give_points_and_leverage",
    ),
    (
        "multi-timeframe: leverage",
        "leverage_factor=1.0 + part.leverage_change * agreement,",
        "leverage_factor=np.ones(agreement.size),",
        "test_higher_timeframes_give_points_and_leverage",
    ),
    (
        "multi-timeframe: veto",
        "        veto=veto,\n",
        "        veto=veto & False,\n",
        "test_strong_disagreement_is_a_veto_of_minus_100",
    ),
    (
        "multi-timeframe: -100 points",
        "np.where(veto, -part.veto_points, part.points * agreement)",
        "part.points * agreement",
        "test_strong_disagreement_is_a_veto_of_minus_100",
    ),
    (
        "multi-timeframe: the veto needs Bitcoin",
        "veto = (agreement <= -1.0) & (_btc_trend(view) * view.direction < 0.0)",
        "veto = agreement <= -1.0",
        "test_strong_disagreement_is_a_veto_of_minus_100",
    ),
    (
        "strong trend: beyond 20 %",
        "steps = [against > part.extreme, against > part.strong, against > part.mild]",
        "steps = [against > 9.0, against > part.strong, against > part.mild]",
        "test_a_strong_trend_against_the_signal_costs_points_and_size",
    ),
    (
        "strong trend: beyond 10 %",
        "steps = [against > part.extreme, against > part.strong, against > part.mild]",
        "steps = [against > part.extreme, against > 9.0, against > part.mild]",
        "test_a_strong_trend_against_the_signal_costs_points_and_size",
    ),
    (
        "strong trend: beyond 5 %",
        "steps = [against > part.extreme, against > part.strong, against > part.mild]",
        "steps = [against > part.extreme, against > part.strong, against > 9.0]",
        "test_a_strong_trend_against_the_signal_costs_points_and_size",
    ),
    (
        "strong trend: points",
        "steps, [-part.extreme_points, -part.strong_points, -part.mild_points], 0.0",
        "steps, [0.0, 0.0, 0.0], 0.0",
        "test_a_strong_trend_against_the_signal_costs_points_and_size",
    ),
    (
        "strong trend: size",
        "steps, [part.extreme_size, part.strong_size, part.mild_size], 1.0",
        "steps, [1.0, 1.0, 1.0], 1.0",
        "test_a_strong_trend_against_the_signal_costs_points_and_size",
    ),
    (
        "volatile market: required score",
        "[part.volatile_factor, part.calm_factor],",
        "[1.0, part.calm_factor],",
        "test_a_volatile_market_requires_more",
    ),
)
_PRICE: Final = planted_in(
    "signals/_layers_price.py",
    "signals/test_layers_price.py",
    (
        "RSI momentum: points",
        "points=part.points * np.where(view.mode < 0.0, reverting, trending)",
        "points=0.0 * np.where(view.mode < 0.0, reverting, trending)",
        "test_rsi_is_read_for_the_side_and_the_regime",
    ),
    (
        "volume spike: points",
        "return LayerOutput(points=part.points * shares,",
        "return LayerOutput(points=0.0 * shares,",
        "test_volume_confirms_either_side",
    ),
    (
        "VWAP distance: points",
        "        points=part.points * _with_mode(view, distance, part.near, part.far),\n"
        "        known=~np.isnan(distance),\n    )\n\n\ndef vwap(",
        "        points=0.0 * distance,\n        known=~np.isnan(distance),\n    )\n\n\ndef vwap(",
        "test_distance_from_vwap_in_standard_deviations",
    ),
    (
        "point of control: points",
        "        points=part.points * _with_mode(view, distance, part.near, part.far),\n"
        "        known=~np.isnan(distance),\n    )\n\n\ndef point_of_control_price(",
        "        points=0.0 * distance,\n"
        "        known=~np.isnan(distance),\n    )\n\n\ndef point_of_control_price(",
        "test_distance_from_the_point_of_control_in_ranges",
    ),
)
_DIVERGENCE: Final = planted_in(
    "signals/_layers_divergence.py",
    "signals/test_layers_divergence.py",
    (
        "SMT divergence: points",
        "points=np.where(rewarded, part.points, 0.0),",
        "points=np.where(rewarded, 0.0, 0.0),",
        "test_a_disagreement_rewards_the_side_of_the_reversal",
    ),
    (
        "SMT divergence: Bitcoin with Ether",
        'if macro.eth is not None and view.inputs.coin != "ETH":',
        "if macro.eth is None:",
        "test_bitcoin_against_ether_counts_for_every_coin",
    ),
)
_POSITIONING: Final = planted_in(
    "signals/_layers_positioning.py",
    "signals/test_layers_positioning.py",
    *(
        (
            f"layer 16: {step}",
            "[part.strong_points, part.points, -part.against_points]",
            instead,
            "test_layer_16_by_the_change_of_the_mean",
        )
        for step, instead in (
            ("strong +8", "[part.points, part.points, -part.against_points]"),
            ("same direction +5", "[part.strong_points, 0.0, -part.against_points]"),
            ("opposite -5", "[part.strong_points, part.points, 0.0]"),
        )
    ),
    *(
        (
            f"layer 17: {step}",
            "[part.extreme_points, part.strong_points, part.mild_points, -part.crowd_points]",
            instead,
            "test_layer_17_by_the_rate_in_the_signals_direction",
        )
        for step, instead in (
            ("squeeze +10", "[8.0, part.strong_points, part.mild_points, -part.crowd_points]"),
            ("contrarian +8", "[part.extreme_points, 3.0, part.mild_points, -part.crowd_points]"),
            ("contrarian +3", "[part.extreme_points, part.strong_points, 0, -part.crowd_points]"),
            ("crowd -5", "[part.extreme_points, part.strong_points, part.mild_points, 0.0]"),
        )
    ),
    (
        "layer 17: veto of funding",
        "veto=with_crowd > part.extreme,",
        "veto=with_crowd > 9.0,",
        "test_layer_17_by_the_rate_in_the_signals_direction",
    ),
    (
        "layer 17: an old rate says nothing",
        "known = (last >= 0) & recent & ~np.isnan(rate)",
        "known = (last >= 0) & ~np.isnan(rate)",
        "test_layer_17_forgets_an_old_rate",
    ),
)
_EXPERIENCE: Final = planted_in(
    "signals/_layers_experience.py",
    "signals/test_layers_experience.py",
    *(
        (f"layer 18: {step}", text, instead, "test_layer_18_by_the_win_rate_of_the_coin")
        for step, text, instead in (
            ("worst record -15", "return -part.worst_points", "return -part.bad_points"),
            ("bad record -10", "return -part.bad_points", "return -part.poor_points"),
            ("poor record -5", "return -part.poor_points", "return 0.0"),
            ("good record +5", "part.good_points if win_rate >= part.good else 0.0", "0.0"),
        )
    ),
    (
        "layer 18: weaker side -5",
        "points = _coin_points(record.total.win_rate, part) - weaker",
        "points = _coin_points(record.total.win_rate, part) - 0.0 * weaker",
        "test_layer_18_takes_5_from_the_weaker_side",
    ),
    (
        "layer 18: after 20 trades",
        "if record.total.trades < part.min_trades:",
        "if record.total.trades < 1:",
        "test_layer_18_begins_with_20_closed_trades",
    ),
    (
        "layer 18: no older candle is judged",
        'points=np.where(known, points, 0.0),\n        known=known,\n        neutral="" if known'
        '.any() else "the record was made after all candles",',
        'points=np.where(known, points, points),\n        known=known,\n        neutral="" if '
        'known.any() else "the record was made after all candles",',
        "test_layer_18_judges_no_candle_before_the_record",
    ),
)
_MODEL: Final = planted_in(
    "signals/_layers_experience.py",
    "signals/test_model_confidence.py",
    (
        "layer 23: points",
        "points=np.where(answered, part.points * (confidence - part.neutral) / span, 0.0),",
        "points=np.where(answered, 0.0 * confidence, 0.0),",
        "test_the_confidence_is_scaled",
    ),
    (
        "layer 23: veto below the floor",
        "veto=refused | (answered & (confidence < part.floor)),",
        "veto=refused,",
        "test_the_confidence_is_scaled",
    ),
    (
        "layer 23: a state that vetoes",
        "veto=refused | (answered & (confidence < part.floor)),",
        "veto=answered & (confidence < part.floor),",
        "test_a_state_that_vetoes_rejects_any_confidence",
    ),
)
_CROSS: Final = planted_in(
    "signals/_layers_cross.py",
    "signals/test_layers_cross.py",
    (
        "layer 19: MACD cross +8",
        "return _crossed(view, line, signal, part.fresh, part.points)",
        "return _crossed(view, line, signal, part.fresh, 0.0)",
        "test_macd_cross_happens_where_the_line_crosses_its_average",
    ),
    (
        "layer 20: Bollinger position +8",
        "points=np.where(-position * view.direction > part.position, part.points, 0.0),",
        "points=np.where(-position * view.direction > part.position, 0.0, 0.0),",
        "test_bollinger_position_by_hand",
    ),
    (
        "layer 21: stochastic RSI cross +8",
        "points=np.where(extreme & crossed, part.points, 0.0)",
        "points=np.where(extreme & crossed, 0.0, 0.0)",
        "test_stochastic_rsi_crosses_at_the_extreme_of_the_side",
    ),
    (
        "layer 21: at an extreme only",
        "points=np.where(extreme & crossed, part.points, 0.0)",
        "points=np.where(crossed, part.points, 0.0)",
        "test_stochastic_rsi_crosses_at_the_extreme_of_the_side",
    ),
    (
        "layer 22: EMA cross +5",
        "return _crossed(view, fast, slow, part.fresh, part.points)",
        "return _crossed(view, fast, slow, part.fresh, 0.0)",
        "test_ema_cross_happens_where_the_averages_of_8_and_21_cross",
    ),
)
_SCORE: Final = planted_in(
    "signals/_score.py",
    "signals/test_score.py",
    (
        "score: distance of two signals is kept",
        "kept = spaced(stands, view.candles.closed_ms, settings.min_signal_interval_minutes)",
        "kept = stands",
        "test_a_signal_too_close_to_the_one_before_is_marked",
    ),
    (
        "score: the required score is required",
        "stands = (gating.gate == Gate.PASSED) & (score >= required)",
        "stands = gating.gate == Gate.PASSED",
        "test_a_signal_reaches_the_required_score",
    ),
    (
        "score: a veto is heard",
        "        stands &= ~veto\n",
        "        pass\n",
        "test_a_veto_stops_a_signal_whatever_its_score",
    ),
    (
        "score: clipped to 0 to 100",
        "score = np.clip(pre_score, 0.0, 100.0)",
        "score = pre_score",
        "test_the_score_is_clipped_and_the_sum_is_kept",
    ),
    (
        "score: points of layers count",
        "base_points(gating.strength, settings) + sum(points.values())",
        "base_points(gating.strength, settings)",
        "test_the_score_is_base_plus_strength_plus_layers",
    ),
    (
        "score: weights",
        "points[layer.name] = np.where(directed, weight * output.points, 0.0)",
        "points[layer.name] = np.where(directed, output.points, 0.0)",
        "test_a_weight_multiplies_points_and_leaves_vetoes_and_factors",
    ),
    (
        "score: switches",
        "if settings.layers.of(layer.name).enabled:",
        "if True:",
        "test_every_layer_can_be_switched_off_alone",
    ),
    (
        "score: factors of the required score",
        "            required *= output.score_factor",
        "            pass",
        "test_the_required_score_stays_between_its_bounds",
    ),
    (
        "score: bounds of the required score",
        "np.clip(required, settings.min_score_low, settings.min_score_high)",
        "required",
        "test_the_required_score_stays_between_its_bounds",
    ),
    (
        "score: factors of size and leverage",
        "            product *= np.where(directed, values, 1.0)",
        "            pass",
        "test_factors_multiply",
    ),
    (
        "score: a failed layer is an error",
        "                outputs[layer.name] = layer.judge(view, settings)",
        "                try:\n"
        "                    outputs[layer.name] = layer.judge(view, settings)\n"
        "                except Exception:\n                    pass",
        "test_a_layer_that_fails_is_named_with_market_and_cause",
    ),
)
_GATE_HEARD: Final = planted_in(
    "signals/_score.py",
    "signals/test_gate.py",
    (
        "score: the gate is heard",
        "stands = (gating.gate == Gate.PASSED) & (score >= required)",
        "stands = score >= required",
        "test_no_signal_in_quiet_hours_but_for_bitcoin",
    ),
)


def _layer(name: str, text: str) -> PlantedBug:
    (bug,) = planted_in(
        "signals/_registry.py",
        "signals/test_settings.py",
        (
            f"registry: {name} is asked",
            f"    {text}\n",
            "",
            "test_every_layer_of_the_registry_has_a_switch_and_nothing_else_has",
        ),
    )
    return bug


_REGISTRY: Final = (
    _layer("regime_veto", 'Layer("regime_veto", regime.regime_veto, _CANDLES, vetoes=True),'),
    _layer(
        "multi_timeframe",
        'Layer("multi_timeframe", regime.multi_timeframe, "higher candles, Bitcoin\'s", '
        "vetoes=True),",
    ),
    _layer("strong_trend", 'Layer("strong_trend", regime.strong_trend, "candles of 4 hours"),'),
    _layer("volatile_market", 'Layer("volatile_market", regime.volatile_market, _BITCOIN),'),
    _layer("rsi_momentum", 'Layer("rsi_momentum", price.rsi_momentum, _CANDLES),'),
    _layer("volume_spike", 'Layer("volume_spike", price.volume_spike, _CANDLES),'),
    _layer("vwap_distance", 'Layer("vwap_distance", price.vwap_distance, _CANDLES),'),
    _layer("point_of_control", 'Layer("point_of_control", price.point_of_control, _CANDLES),'),
    _layer(
        "smt_divergence",
        'Layer("smt_divergence", divergence.smt_divergence, "candles of Bitcoin and Ether"),',
    ),
    _layer(
        "imbalance_trend",
        'Layer("imbalance_trend", positioning.imbalance_trend, "order book (live only)", 16),',
    ),
    _layer("funding", 'Layer("funding", positioning.funding, "funding rates", 17, vetoes=True),'),
    _layer(
        "own_record",
        'Layer("own_record", experience.own_record_layer, "own closed trades (live only)", 18),',
    ),
    _layer("macd_cross", 'Layer("macd_cross", cross.macd_cross, _CANDLES, 19),'),
    _layer(
        "bollinger_position",
        'Layer("bollinger_position", cross.bollinger_position, _CANDLES, 20),',
    ),
    _layer(
        "stochastic_rsi_cross",
        'Layer("stochastic_rsi_cross", cross.stochastic_rsi_cross, _CANDLES, 21),',
    ),
    _layer("ema_cross", 'Layer("ema_cross", cross.ema_cross, _CANDLES, 22),'),
    _layer(
        "model_confidence",
        'Layer("model_confidence", experience.model_confidence, "model", 23, '
        "vetoes=True, measures=True),",
    ),
)
_VETOES_KNOWN: Final = planted_in(
    "signals/_registry.py",
    "signals/test_laws.py",
    *(
        (
            f"registry: the veto of {name}",
            text,
            text.replace(", vetoes=True", ""),
            "test_a_veto_of_every_layer_that_has_one_is_heard",
        )
        for name, text in (
            ("regime_veto", "regime.regime_veto, _CANDLES, vetoes=True"),
            (
                "multi_timeframe",
                'regime.multi_timeframe, "higher candles, Bitcoin\'s", vetoes=True',
            ),
            ("funding", 'positioning.funding, "funding rates", 17, vetoes=True'),
            ("model_confidence", 'experience.model_confidence, "model", 23, vetoes=True'),
        )
    ),
)
_RECORD: Final = planted_in(
    "signals/_record.py",
    "signals/test_layers_experience.py",
    (
        "layer 18: win rate by hour",
        "by_hour[hour] = by_hour.get(hour, WinCount()).plus(won)",
        "by_hour[hour] = WinCount()",
        "test_own_trades_are_counted_by_side_hour_and_score",
    ),
    (
        "layer 18: win rate by score band",
        "by_score[band] = by_score.get(band, WinCount()).plus(won)",
        "by_score[band] = WinCount()",
        "test_own_trades_are_counted_by_side_hour_and_score",
    ),
)

SIGNAL_BUGS: Final[tuple[PlantedBug, ...]] = (
    *_GATE, *_THRESHOLD, *_DEFAULTS, *_REGIME, *_PRICE, *_DIVERGENCE, *_POSITIONING, *_EXPERIENCE,
    *_MODEL, *_CROSS, *_SCORE, *_GATE_HEARD, *_REGISTRY, *_VETOES_KNOWN, *_RECORD,
)  # fmt: skip
