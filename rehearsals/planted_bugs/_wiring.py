"""Bugs of the adapters: a rule that nobody asks, an answer that nobody follows, a state unsaved."""

from typing import Final

from rehearsals.planted_bugs._bug import PlantedBug, planted_in

__all__ = ["WIRING_BUGS"]

_DESK: Final = planted_in(
    "adapters/_regime_desk.py",
    "adapters/test_regime_desk.py",
    (
        "messages: what was not sent is said again",
        "self._outbox.resume()",
        "pass",
        "test_a_kill_loses_no_message",
    ),
    (
        "messages: what was sent is struck out",
        "self._outbox.settle(now_ms)",
        "pass",
        "test_a_message_that_was_sent_is_not_said_again",
    ),
    (
        "entry: excluded markets",
        "return exclusion(pair, self._risk())",
        'return ""',
        "test_a_market_may_be_refused",
    ),
    (
        "entry: markets of spreads",
        "if coin_of(pair) in {coin_of(market) for market in self.barred}:",
        "if False:",
        "test_a_market_may_be_refused",
    ),
    (
        "entry: unsettled orders",
        "if self.is_unsettled(pair):",
        "if False:",
        "test_a_market_may_be_refused",
    ),
    (
        "entry: most positions",
        "if not may_open(positions, self._risk().balance):",
        "if False:",
        "test_a_market_may_be_refused",
    ),
    (
        "entry: stopped entries",
        "        if self.watch.entries is not None:\n            return f",
        "        if False:\n            return f",
        "test_a_stopped_account_enters_nothing",
    ),
    (
        "entry: a refused market gets no stake",
        "if candle is None or reason:",
        "if candle is None:",
        "test_a_stopped_account_enters_nothing",
    ),
    (
        "entry: a stop of entries is a visible lock",
        "        self._show_stop(now_ms)\n",
        "",
        "test_a_stop_of_entries_is_a_visible_lock",
    ),
    (
        "size: factor of the layers",
        'factor=factor * min(candle.values["size_factor"], 1.0),',
        "factor=factor,",
        "test_a_size_loses_its_risk_at_the_stop",
    ),
    (
        "size: drawdown",
        'factor=factor * min(candle.values["size_factor"], 1.0),',
        'factor=min(candle.values["size_factor"], 1.0),',
        "test_a_drawdown_makes_positions_smaller",
    ),
    (
        "leverage: drawdown of the account",
        "            drawdown=self.watch.drawdown(self._equity),\n",
        "            drawdown=0.0,\n",
        "test_leverage_falls_with_drawdown_range_and_higher_timeframes",
    ),
    (
        "leverage: higher timeframes",
        'mtf_factor=candle.values["leverage_factor"],',
        "mtf_factor=1.0,",
        "test_leverage_falls_with_drawdown_range_and_higher_timeframes",
    ),
    (
        "leverage: range",
        'atr_pct=candle.values["atr_pct"],',
        "atr_pct=0.5,",
        "test_leverage_falls_with_drawdown_range_and_higher_timeframes",
    ),
    (
        "leverage: price",
        "            price=entry.rate,\n",
        "            price=100.0,\n",
        "test_leverage_falls_with_drawdown_range_and_higher_timeframes",
    ),
    (
        "leverage: spread of the order book",
        "            spread_bps=spread_bps,\n",
        "",
        "test_leverage_is_capped",
    ),
    (
        "wiring, leverage: bracket of the exchange",
        "exchange_max=max(largest, 1.0),",
        "exchange_max=125.0,",
        "test_leverage_is_capped",
    ),
    (
        "account: a position without a price is told of",
        "            self._warn_if_blind(trades, now_ms)\n",
        "",
        "test_a_position_without_a_price_is_told_once",
    ),
    (
        "exit: what holds for the account comes first",
        "        if self.watch.close_reason is not None:\n",
        "        if False:\n",
        "test_the_account_comes_first",
    ),
    (
        "coin lock: a kill switch locks",
        "            self._lock_killed(trade.pair, action, now_ms)\n",
        "            pass\n",
        "test_a_kill_switch_locks_and_tells_once",
    ),
    (
        "close reasons: the rule behind a stop",
        "return reason if rule is None or reason not in _STOPS else rule.value",
        "return reason",
        "test_the_rule_behind_a_stop_is_named",
    ),
    (
        "close reasons: SL_HIT",
        "            trade.exit_reason = CloseReason.SL_HIT.value\n",
        "            pass\n",
        "test_a_stop_on_the_exchange_gets_our_name",
    ),
    (
        "recovery: the ATR of Bitcoin and Ether is read",
        "atr_btc=self._inputs.reference_atr(BITCOIN, now_ms),",
        "atr_btc=None,",
        "test_the_recovery_trails_by_the_range_of_bitcoin_and_ether",
    ),
)
_KEEPER: Final = planted_in(
    "adapters/_exit_keeper.py",
    "adapters/test_exit_keeper.py",
    (
        "state of a position: on disk",
        "            trade.set_custom_data(_KEY, state.to_json())\n",
        "            pass\n",
        "test_the_trailing_stop_survives_a_restart",
    ),
    (
        "state of a position: kept at all",
        "            self._keep(trade, after)\n",
        "            pass\n",
        "test_a_killed_bot_halves_once",
    ),
    (
        "state of a position: read back",
        "text = trade.get_custom_data(_KEY) if Trade.use_db else None",
        "text = None",
        "test_a_decision_to_close_survives_a_restart",
    ),
    (
        "exit: extremes of a backtest's candle",
        "high=None if seen is None else seen.high,",
        "high=None,",
        "test_a_backtest_asks_twice_on_a_candle",
    ),
    (
        "exit: costs of both sides",
        "float(trade.fee_open or 0.0) + float(trade.fee_close or 0.0)",
        "float(trade.fee_open or 0.0)",
        "test_costs_are_those_of_both_sides",
    ),
    (
        "exit: shorts are shorts",
        "direction=Direction.SHORT if trade.is_short else Direction.LONG,",
        "direction=Direction.LONG,",
        "test_a_short_is_the_mirror",
    ),
)
_WATCH: Final = planted_in(
    "adapters/_account_watch.py",
    "adapters/test_account_watch.py",
    (
        "state of the account: on disk",
        "            changed[ACCOUNT] = _document(self.account)\n",
        "            pass\n",
        "test_a_stopped_account_is_stopped_after_a_restart",
    ),
    (
        "state of the recovery: on disk",
        "            changed[RECOVERY] = _document(self.recovery)\n",
        "            pass\n",
        "test_a_recovered_portfolio_is_closed_and_entries_rest",
    ),
    (
        "account: a person's wish",
        "        if wish is None:\n",
        "        if True:\n",
        "test_a_person_can_stop_an_account",
    ),
    (
        "account: a wish is done once",
        "documents = {ACCOUNT: _document(account), WISH: None}",
        "documents = {ACCOUNT: _document(account)}",
        "test_a_reset_is_done_once",
    ),
    (
        "wiring, account: everything is closed",
        "self.close_reason = closes[0] if closes else None",
        "self.close_reason = None",
        "test_a_fifth_below_the_peak_closes_everything",
    ),
    (
        "wiring, account: entries are stopped",
        "self.entries = max(stops, key=_end_of, default=None)",
        "self.entries = None",
        "test_a_fifth_below_the_peak_closes_everything",
    ),
    (
        "wiring, account: a person is told",
        "texts = [each.text for each in commands if isinstance(each, Notify)]",
        "texts: list[str] = []",
        "test_a_person_is_told_once",
    ),
)
_SPREADS: Final = planted_in(
    "adapters/strategies/_spread_strategy.py",
    "adapters/test_spread_strategy.py",
    (
        "entry: excluded coins of legs",
        "broker.refusal = self._exclusion",
        "pass",
        "test_a_leg_on_the_list_of_excluded_coins_is_not_entered",
    ),
)
_PROTECTIONS: Final = (
    *planted_in(
        "adapters/protections/_stoploss_frequency.py",
        "adapters/test_protections.py",
        (
            "guard: as a protection of all markets",
            "return self._lock(date_now, None)",
            "return None",
            "test_three_stops_lock_everything",
        ),
        (
            "guard: as a protection of one market",
            "return self._lock(date_now, pair)",
            "return None",
            "test_scope_market_counts_each_for_itself",
        ),
        (
            "guard: the window is read whole",
            "closed_since(now, guard.window_minutes + guard.lock_minutes)",
            "closed_since(now, guard.lock_minutes)",
            "test_the_whole_window_is_read",
        ),
    ),
    *planted_in(
        "adapters/protections/_kill_switch.py",
        "adapters/test_protections.py",
        (
            "coin lock: as a protection",
            "return locked(max(found, key=lambda lock: lock.until_ms, default=None))",
            "return None",
            "test_a_kill_switch_locks_its_market",
        ),
        (
            "coin lock: after a stop of the exchange",
            "lock = kill_switch_lock(pair, reason, closed_ms, rule, margin_loss=loss)",
            "lock = kill_switch_lock(pair, reason, closed_ms, rule)",
            "test_a_stop_with_the_kill_switchs_loss_locks_too",
        ),
    ),
    *planted_in(
        "adapters/protections/_rule_protection.py",
        "adapters/test_protections.py",
        (
            "guard: settings changed while running",
            "RiskTable(session.get_bind()) if session is not None else None",
            "None",
            "test_a_changed_setting_holds_at_once",
        ),
    ),
    *planted_in(
        "adapters/_closed_trades.py",
        "adapters/test_protections.py",
        (
            "guard: legs belong together",
            "owner, legs = owners.get(trade.id, (None, 1))",
            "owner, legs = None, 1",
            "test_the_two_legs_of_a_spread_are_one_stop",
        ),
        (
            "guard: two positions of a spread are two",
            "if positions and (end is None or trade.open_date_utc <= end):",
            "if positions:",
            "test_two_positions_of_a_spread_are_two_stops",
        ),
    ),
    *planted_in(
        "adapters/risk_settings.py",
        "adapters/test_risk_settings.py",
        (
            "guard: changed settings survive a restart",
            "    store.save({GUARD: changed}, now_ms)\n",
            "",
            "test_a_change_holds_and_survives",
        ),
        (
            "guard: a wrong change is refused",
            "    guard = _changed(settings.stoploss_guard, changed or {})\n",
            "    guard = settings.stoploss_guard\n",
            "test_a_wrong_change_changes_nothing",
        ),
    ),
)
_WORDS: Final = planted_in(
    "adapters/_exit_reasons.py",
    "adapters/test_exit_reasons.py",
    *(
        (f"close reasons: {word}", f'    "{word}": {reason},\n', "", test)
        for word, reason, test in (
            ("stop_loss", "CloseReason.SL", "test_stops_are_told_apart"),
            ("trailing_stop_loss", "CloseReason.TRAILING", "test_stops_are_told_apart"),
            ("stoploss_on_exchange", "CloseReason.SL_HIT", "test_stops_are_told_apart"),
            ("liquidation", "CloseReason.EMERGENCY_SL", "test_stops_are_told_apart"),
            ("emergency_exit", "CloseReason.EMERGENCY_SL",
             "test_every_exit_of_freqtrades_has_a_meaning"),
            ("roi", "CloseReason.TP", "test_every_exit_of_freqtrades_has_a_meaning"),
            ("exit_signal", "CloseReason.SIGNAL", "test_every_exit_of_freqtrades_has_a_meaning"),
            ("force_exit", "CloseReason.MANUAL", "test_stops_are_told_apart"),
            ("closed_on_exchange", "CloseReason.EXTERNAL", "test_stops_are_told_apart"),
        )
    ),
)  # fmt: skip
_STRATEGY: Final = planted_in(
    "adapters/strategies/_regime_strategy.py",
    "adapters/test_regime_strategy.py",
    (
        "a layer that fails ends a backtest",
        "            if not self._is_trading:\n                raise\n",
        "",
        "test_a_layer_that_fails_ends_a_backtest",
    ),
    (
        "a layer that fails live: no signal",
        "            self._alarm.failed(pair, error)\n            return None\n",
        "            raise\n",
        "test_a_layer_that_fails_is_a_veto_in_a_bot",
    ),
    (
        "a layer that fails live: counted and told",
        "            self._alarm.failed(pair, error)\n",
        "",
        "test_a_layer_that_fails_is_a_veto_in_a_bot",
    ),
    (
        "no exit is taken away by a configuration",
        'exit_switches = ("use_exit_signal", "use_custom_stoploss", "position_adjustment_enable")',
        'exit_switches = ("use_exit_signal",)',
        "test_no_exit_can_be_taken_away",
    ),
    (
        "a decision is traced at debug level",
        "if self._is_trading and logger.isEnabledFor(logging.DEBUG):",
        "if False:",
        "test_a_decision_is_traced_at_debug_level",
    ),
    (
        "closes are exits",
        "return action.reason.value if isinstance(action, Close) else None",
        "return None",
        "test_a_close_is_an_exit_and_a_reduction_is_not",
    ),
    (
        "reductions are negative stakes",
        "return -action.share * float(trade.stake_amount), action.reason.value",
        "return None",
        "test_a_reduction_is_a_negative_stake",
    ),
    (
        "the stop knows the leverage",
        "is_short=trade.is_short, leverage=trade.leverage or 1.0",
        "is_short=trade.is_short",
        "test_the_stop_is_where_the_rules_say",
    ),
    (
        "the stop lies on the exchange",
        '        "stoploss_on_exchange": True,\n',
        "",
        "test_spot_trading_is_long_only",
    ),
    (
        "nothing is entered on an account that nobody has looked at",
        "        if not self._books_are_read:\n            return 0.0\n",
        "",
        "test_without_a_look_nothing_is_entered",
    ),
    (
        "a forced entry is refused too",
        "        if not reason and not self._books_are_read:\n",
        "        if False:\n",
        "test_without_a_look_nothing_is_entered",
    ),
    (
        "no order book in a backtest",
        "        if not self._is_trading:\n            return None\n        try:\n            book",
        "        try:\n            book",
        "test_a_backtest_asks_for_no_order_book",
    ),
    (
        "its protections are ours",
        '[{"method": "StoplossFrequency"}, {"method": "KillSwitch"}]',
        '[{"method": "StoplossFrequency"}]',
        "test_its_protections_are_ours",
    ),
)
_INPUTS: Final = planted_in(
    "adapters/_regime_inputs.py",
    "adapters/test_regime_inputs.py",
    (
        "a rate is known after it was paid",
        'known = pd.DatetimeIndex(paid["date"]) + _PUBLISHED_AFTER',
        'known = pd.DatetimeIndex(paid["date"])',
        "test_a_rate_is_known_a_minute_after_it_was_paid",
    ),
    (
        "hours without a funding event are none",
        'paid = frame.loc[frame["open"] != 0] if len(frame) else frame',
        "paid = frame",
        "test_hours_between_two_events_are_left_out",
    ),
)
_FRAMES: Final = planted_in(
    "adapters/_regime_frames.py",
    "adapters/test_regime_frames.py",
    (
        "shorts are shorts",
        "enter_short=(signal < 0).astype(int)",
        "enter_short=(signal < -1).astype(int)",
        "test_signals_become_entries",
    ),
    (
        "a market without a score enters nothing",
        'frame["signal"].to_numpy() if "signal" in frame else np.zeros(len(frame))',
        'frame["signal"].to_numpy() if "signal" in frame else np.ones(len(frame))',
        "test_a_market_that_could_not_be_scored_enters_nothing",
    ),
)
_TABLE: Final = planted_in(
    "adapters/risk_store.py",
    "adapters/test_risk_store.py",
    (
        "states: all or nothing",
        "                    connection.execute(delete(_RISK).where(_RISK.c.name == name))\n",
        "                    connection.execute(delete(_RISK).where(_RISK.c.name == name))\n"
        "                    connection.commit()\n                    connection.begin()\n",
        "test_all_or_nothing",
    ),
)

WIRING_BUGS: Final[tuple[PlantedBug, ...]] = (
    *_DESK, *_KEEPER, *_WATCH, *_PROTECTIONS, *_WORDS, *_STRATEGY, *_SPREADS, *_INPUTS, *_FRAMES,
    *_TABLE,
)  # fmt: skip
