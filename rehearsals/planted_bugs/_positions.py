"""Bugs of the risk rules: exits, kill switch, guard, recovery, balance."""

from typing import Final

from rehearsals.planted_bugs._bug import PlantedBug, planted_in

__all__ = ["POSITION_BUGS"]

_STOPS_FOUND: Final = "for state, price in ((before, view.worst), (after, view.price)):"
_RULES: Final = "for rule in (_target, _recovery, _forced, _adverse):"

_EXITS: Final = planted_in(
    "risk/_exits.py",
    "risk/test_exits.py",
    ("exit: SL", _STOPS_FOUND, "for state, price in ():", "test_stop_loss_closes"),
    (
        "exit: SL on the worst price of a candle",
        _STOPS_FOUND,
        "for state, price in ((after, view.price),):",
        "test_candle_that_touches_stop_and_target_is_stopped",
    ),
    (
        "exit: SL on the price of now",
        _STOPS_FOUND,
        "for state, price in ((before, view.worst),):",
        "test_close_below_the_trailing_stop_of_the_same_candle_closes",
    ),
    (
        "exit: EMERGENCY_SL",
        "if view.move(view.price) <= -settings.exits.emergency_loss:",
        "if False:",
        "test_gap_through_stop_and_emergency_has_the_graver_reason",
    ),
    (
        "exit: KILL_SWITCH_FULL",
        "    if isinstance(killed, Close):\n",
        "    if False:\n",
        "test_gap_through_everything_is_the_kill_switch",
    ),
    (
        "exit: KILL_SWITCH_PARTIAL",
        "    after, halved = position_kill_switch(\n"
        "        view.margin_loss, view.held_share, after, settings.kill_switch\n    )\n",
        "    halved = None\n",
        "test_kill_switch_is_one_of_the_exits",
    ),
    (
        "exit: KILL_SWITCH_PARTIAL before the target",
        "if halved is not None and not view.in_transit:",
        "if False:",
        "test_the_first_rule_of_the_order_decides",
    ),
    (
        "exit: TP",
        "    if is_reached(0):\n        return CloseReason.TP\n",
        "",
        "test_target_closes",
    ),
    (
        "exit: TIME_REDUCE_4H",
        "_LOWERED = {1: CloseReason.TIME_REDUCE_4H,",
        "_LOWERED = {1: None,",
        "test_lowered_target_closes",
    ),
    (
        "exit: TIME_REDUCE_8H",
        "2: CloseReason.TIME_REDUCE_8H}",
        "2: None}",
        "test_lowered_target_closes",
    ),
    (
        "exit: RECOVERY_EXIT",
        _RULES,
        "for rule in (_target, _forced, _adverse):",
        "test_deep_loser_back_at_break_even_is_closed",
    ),
    (
        "exit: RECOVERY_EXIT of deep losers only",
        "CloseReason.RECOVERY_EXIT if was_deep and",
        "CloseReason.RECOVERY_EXIT if",
        "test_shallow_loser_back_at_break_even_is_held",
    ),
    (
        "exit: TIME_FORCE",
        _RULES,
        "for rule in (_target, _recovery, _adverse):",
        "test_old_position_is_closed_whatever_it_earns",
    ),
    (
        "exit: ADVERSE_TIME_EXIT",
        _RULES,
        "for rule in (_target, _recovery, _forced):",
        "test_loser_is_closed_after_eight_hours",
    ),
    (
        "exit: TIME_GRADUAL",
        "after = _grown_old(view, observe(view, before, settings), settings)",
        "after = observe(view, before, settings)",
        "test_gradual_exit_closes_a_quarter_every_four_hours",
    ),
    (
        "exit: a reduction that failed is asked for again",
        "    return after, _reduction(view, after)",
        "    return after, None",
        "test_reduction_that_failed_is_asked_for_again",
    ),
    (
        "exit: one reduction at a time",
        "if state.aim_reason is None or view.in_transit or excess",
        "if state.aim_reason is None or excess",
        "test_nothing_is_reduced_while_an_order_works_but_all_may_be_closed",
    ),
    (
        "exit: a stop that was reached stands",
        "    if state.closing is not None:\n        return state, Close(state.closing)\n",
        "",
        "test_a_stop_that_was_reached_stands_until_the_position_is_gone",
    ),
    (
        "exit: order of the rules",
        _RULES,
        "for rule in (_adverse, _forced, _recovery, _target):",
        "test_the_first_rule_of_the_order_decides",
    ),
)
_LEVELS: Final = planted_in(
    "risk/_levels.py",
    "risk/test_exit_levels.py",
    (
        "stop: ATR stop",
        "        stops.append((entry - sign * distance, CloseReason.SL))\n",
        "",
        "test_stop_and_target_of_a_new_position",
    ),
    (
        "stop: BREAKEVEN",
        "    if state.break_even:\n",
        "    if False:\n",
        "test_break_even_stop_covers_the_costs",
    ),
    (
        "stop: break-even pays the costs",
        "view.at_move(view.round_trip_cost), CloseReason.BREAKEVEN",
        "view.at_move(0.0), CloseReason.BREAKEVEN",
        "test_break_even_stop_covers_the_costs",
    ),
    (
        "stop: TRAILING",
        "if state.trailing and state.best_price is not None:",
        "if False:",
        "test_trailing_stop_follows_the_best_price",
    ),
    (
        "stop: trailing begins at its activation",
        "trailing=state.trailing or _has_earned(view, state, exits, exits.trail_activation),",
        "trailing=True,",
        "test_trailing_stop_follows_the_best_price",
    ),
    (
        "stop: trailing begins by ROI, after costs",
        "return view.roi(view.best) >= view.leverage * distance / view.entry_price",
        "return view.move(view.best) >= distance / view.entry_price",
        "test_trailing_is_activated_by_profit_after_costs",
    ),
    (
        "stop: emergency level",
        "emergency = view.at_move(-settings.exits.emergency_loss), CloseReason.EMERGENCY_SL",
        "emergency = view.at_move(-0.9), CloseReason.EMERGENCY_SL",
        "test_without_an_atr_emergency_and_kill_switch_remain",
    ),
    (
        "stop: kill-switch level, before liquidation",
        "    if kill.enabled:\n",
        "    if False:\n",
        "test_stop_lies_before_liquidation_at_any_leverage",
    ),
    (
        "stop: it never moves away",
        "        kept = state.stop, state.stop_reason\n",
        "        pass\n",
        "test_stop_never_moves_away_when_the_market_grows_wilder",
    ),
    *(
        (
            f"exit_tightness: {level}",
            text,
            text.replace("exits.exit_tightness * ", ""),
            "test_tightness_scales_every_distance",
        )
        for level, text in (
            ("stop", "exits.exit_tightness * exits.sl_atr * state.atr"),
            ("target", "exits.exit_tightness * exits.tp_atr * state.atr * kept"),
            ("trailing distance", "exits.exit_tightness * exits.trail_distance * atr"),
        )
    ),
    (
        "exit_tightness: activation",
        "exits.exit_tightness * multiple * state.atr",
        "multiple * state.atr",
        "test_tightness_scales_every_distance",
    ),
    (
        "target: lowered with age",
        "kept = (1 - exits.target_reduction) ** reductions",
        "kept = 1.0",
        "test_target_moves_in_after_four_and_after_eight_hours",
    ),
    (
        "target: a reduction is not undone",
        "target_reductions=max(state.target_reductions, _reductions_due(view, exits)),",
        "target_reductions=_reductions_due(view, exits),",
        "test_target_reductions_are_not_undone_by_a_clock_that_goes_back",
    ),
    (
        "stop and target keep the first ATR",
        "    if state.atr is not None:\n        return state\n    atr =",
        "    atr =",
        "test_first_known_atr_is_kept",
    ),
)
_KILL: Final = planted_in(
    "risk/_kill_switch.py",
    "risk/test_position_kill_switch.py",
    (
        "kill switch: half at 30 %",
        "if margin_loss >= settings.partial_loss and not state.halved:",
        "if False:",
        "test_levels",
    ),
    ("kill switch: all at 50 %", "if margin_loss >= settings.full_loss:", "if False:",
     "test_levels"),
    (
        "kill switch: the half goes once",
        "if margin_loss >= settings.partial_loss and not state.halved:",
        "if margin_loss >= settings.partial_loss:",
        "test_the_half_goes_once",
    ),
    (
        "kill switch: half of what is held",
        "return state, Reduce(0.5, reason)",
        "return state, Reduce(0.25, reason)",
        "test_levels",
    ),
    (
        "kill switch: switched off",
        "if not settings.enabled or math.isnan(margin_loss):",
        "if math.isnan(margin_loss):",
        "test_switched_off_or_unknown_decides_nothing",
    ),
    (
        "coin lock: after the kill switch",
        "    return Lock(market, now_ms + round(settings.lock_hours * HOUR_MS), reason.sentence)",
        "    return None",
        "test_the_market_is_locked_for_a_day",
    ),
    (
        "coin lock: 24 hours",
        "now_ms + round(settings.lock_hours * HOUR_MS)",
        "now_ms + HOUR_MS",
        "test_the_market_is_locked_for_a_day",
    ),
    (
        "coin lock: after the half too",
        "frozenset({CloseReason.KILL_SWITCH_PARTIAL, CloseReason.KILL_SWITCH_FULL})",
        "frozenset({CloseReason.KILL_SWITCH_FULL})",
        "test_the_market_is_locked_for_a_day",
    ),
)  # fmt: skip
_LEVERAGE_AWARE: Final = planted_in(
    "risk/_position.py",
    "risk/test_position_kill_switch.py",
    (
        "kill switch: by margin loss, not by price",
        "return max(0.0, -self.leverage * self.move(price))",
        "return max(0.0, -self.move(price))",
        "test_margin_loss_is_unrealised_loss_over_margin",
    ),
    (
        "kill switch: by the worst price since the last look",
        "return self.margin_loss_at(self.worst)",
        "return self.margin_loss_at(self.price)",
        "test_margin_loss_is_that_of_the_worst_price_since_the_last_look",
    ),
)
_ACCOUNT: Final = planted_in(
    "risk/_account.py",
    "risk/test_account.py",
    (
        "account: a drawdown stops",
        "    if not _is_beyond(equity, state, settings):\n",
        "    if True:\n",
        "test_drawdown_of_the_limit_stops",
    ),
    (
        "account: two looks in a row",
        "    if state.breaches < settings.confirm_looks:\n        return state, []\n",
        "",
        "test_one_wrong_price_does_not_close_an_account",
    ),
    (
        "account: looks in a row only",
        "        return replace(state, breaches=0), []",
        "        return state, []",
        "test_one_wrong_price_does_not_close_an_account",
    ),
    (
        "account: everything is closed",
        "return [CloseAll(CloseReason.KILL_SWITCH_FULL), StopEntries(None, state.reason)]",
        "return [StopEntries(None, state.reason)]",
        "test_it_stays_stopped_and_closes_in_every_look_but_tells_once",
    ),
    (
        "account: entries are stopped",
        "return [CloseAll(CloseReason.KILL_SWITCH_FULL), StopEntries(None, state.reason)]",
        "return [CloseAll(CloseReason.KILL_SWITCH_FULL)]",
        "test_it_stays_stopped_and_closes_in_every_look_but_tells_once",
    ),
    (
        "account: a person is told",
        "return state, [*_standing(state), Notify(text)]",
        "return state, _standing(state)",
        "test_drawdown_of_the_limit_stops",
    ),
    (
        "account: it stays stopped",
        "        return state, _standing(state)\n",
        "        return state, []\n",
        "test_it_stays_stopped_and_closes_in_every_look_but_tells_once",
    ),
    (
        "account: the peak rises",
        "return replace(state, peak_equity=equity)",
        "return state if state.peak_equity else replace(state, peak_equity=equity)",
        "test_it_stops_exactly_when_the_drawdown_reaches_the_limit",
    ),
    (
        "account: a reset begins a new peak",
        "return AccountState(peak_equity=peak, net_deposits=state.net_deposits)",
        "return replace(state, stopped_since_ms=None)",
        "test_a_reset_begins_a_new_peak",
    ),
)
_GUARD: Final = planted_in(
    "risk/_stoploss_guard.py",
    "risk/test_stoploss_guard.py",
    (
        "guard: legs of a spread are one",
        "groups[number if trade.owner is None else trade.owner].append(trade)",
        "groups[number].append(trade)",
        "test_two_legs_are_one_stop",
    ),
    (
        "guard: a spread counts when it is complete",
        "        if len(legs) >= legs[0].legs\n        and any",
        "        if any",
        "test_a_spread_counts_when_its_last_leg_is_closed",
    ),
    (
        "guard: stop-like reasons only",
        "        and any(leg.reason.is_stop_like for leg in legs)\n",
        "",
        "test_every_stop_like_reason_counts_and_no_other",
    ),
    (
        "guard: losses only",
        "        and sum(leg.profit for leg in legs) < 0\n",
        "",
        "test_a_stop_in_profit_does_not_count",
    ),
    (
        "guard: window",
        "        if last - first <= window\n",
        "",
        "test_stops_further_apart_than_the_window_do_not_lock",
    ),
    (
        "guard: number of stops",
        "zip(times, times[settings.stops - 1 :], strict=False)",
        "zip(times, times, strict=False)",
        "test_three_stops_in_an_hour_lock_for_half_an_hour_after_the_last",
    ),
    (
        "guard: length of the lock",
        "lock = settings.lock_minutes * MINUTE_MS",
        "lock = 2 * settings.lock_minutes * MINUTE_MS",
        "test_three_stops_in_an_hour_lock_for_half_an_hour_after_the_last",
    ),
    (
        "guard: scope",
        'if not settings.enabled or (market is not None) != (settings.scope == "market"):',
        "if not settings.enabled:",
        "test_each_scope_answers_its_own_question_only",
    ),
    (
        "guard: each market for itself",
        "if market is None or market in s.markets)",
        "if True)",
        "test_per_market_counts_and_locks_each_market_for_itself",
    ),
    (
        "guard: the future is not known",
        "[trade for trade in closed if trade.closed_ms <= now_ms]",
        "list(closed)",
        "test_the_future_is_not_known",
    ),
)
_RECOVERY: Final = planted_in(
    "risk/_portfolio_recovery.py",
    "risk/test_portfolio_recovery.py",
    (
        "recovery: 12 hours under water",
        "long_enough = now_ms - since >= settings.under_water_hours * HOUR_MS",
        "long_enough = True",
        "test_less_than_twelve_hours_is_no_candidate",
    ),
    (
        "recovery: without interruption",
        "    state = replace(state, below_since_ms=None)\n",
        "",
        "test_a_moment_above_zero_begins_the_wait_anew",
    ),
    (
        "recovery: candidates only",
        "if state.candidate and equity > 0 and unrealised >= activation:",
        "if equity > 0 and unrealised >= activation:",
        "test_less_than_twelve_hours_is_no_candidate",
    ),
    (
        "recovery: activation",
        "if state.candidate and equity > 0 and unrealised >= activation:",
        "if state.candidate and unrealised > 0:",
        "test_a_candidate_stays_one_under_water_and_above",
    ),
    (
        "recovery: activation scaled to equity",
        "activation = settings.activation * equity / settings.reference_equity",
        "activation = settings.activation",
        "test_activation_is_scaled_to_equity",
    ),
    (
        "recovery: the peak is trailed",
        "return replace(state, peak=max(state.peak, unrealised))",
        "return state",
        "test_the_whole_story",
    ),
    (
        "recovery: the pull-back closes",
        "if state.peak is not None and unrealised <= state.peak * (1 - distance):",
        "if False:",
        "test_the_whole_story",
    ),
    (
        "recovery: distance of 1.5 % at least, 5 % at most",
        "return min(max(mean, settings.min_distance), settings.max_distance)",
        "return mean",
        "test_distance_is_the_mean_atr_within_its_limits",
    ),
    (
        "recovery: distance by the ATR of BTC and ETH",
        "mean = sum(known) / len(known) if known else 0.0",
        "mean = 0.0",
        "test_distance_is_the_mean_atr_within_its_limits",
    ),
    (
        "recovery: everything is closed, again in each look",
        "        commands.append(CloseAll(CloseReason.RECOVERY_EXIT))\n",
        "        pass\n",
        "test_the_whole_story",
    ),
    (
        "recovery: entries rest",
        'commands.append(StopEntries(until_ms, "rest after a portfolio recovery exit"))',
        "pass",
        "test_the_whole_story",
    ),
    (
        "recovery: for 6 hours",
        "until_ms = now_ms + round(settings.rest_hours * HOUR_MS)",
        "until_ms = now_ms + HOUR_MS",
        "test_the_whole_story",
    ),
)
_BALANCE: Final = planted_in(
    "risk/_balance.py",
    "risk/test_balance.py",
    (
        "balance: size shrinks with drawdown",
        "return 1 - (1 - settings.min_factor) * min(max(used, 0.0), 1.0)",
        "return 1.0",
        "test_balance_factor",
    ),
    (
        "balance: 1 % of risk a trade",
        '        "risk": factor * notional_at_risk(equity, settings.risk_per_trade, loss),\n',
        '        "risk": math.inf,\n',
        "test_size",
    ),
    (
        "balance: costs are part of the loss",
        "loss = stop_distance + 2 * cost_per_fill",
        "loss = stop_distance",
        "test_size",
    ),
    (
        "balance: share of equity",
        '"equity_share": factor * settings.max_equity_share * equity,',
        '"equity_share": math.inf,',
        "test_size",
    ),
    (
        "balance: free margin",
        '"margin": available / (1 / leverage + cost_per_fill),',
        '"margin": math.inf,',
        "test_size",
    ),
    (
        "balance: most positions",
        "return open_positions < settings.max_positions",
        "return True",
        "test_max_positions",
    ),
    (
        "excluded: coins",
        "return market.strip().upper() in names or coin_of(market) in names",
        "return market.strip().upper() in names",
        "test_excluded",
    ),
    (
        "excluded: markets",
        "return market.strip().upper() in names or coin_of(market) in names",
        "return coin_of(market) in names",
        "test_excluded",
    ),
)
POSITION_BUGS: Final[tuple[PlantedBug, ...]] = (
    *_EXITS, *_LEVELS, *_KILL, *_LEVERAGE_AWARE, *_ACCOUNT, *_GUARD, *_RECOVERY, *_BALANCE,
    )  # fmt: skip
