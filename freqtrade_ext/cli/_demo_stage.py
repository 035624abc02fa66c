"""The stage of the demo: a synthetic market, a bot's folder, a spread book, a configuration."""

import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from freqtrade_ext.cli._bot_process import api_server_section
from freqtrade_ext.sandbox import Credentials, SpreadLegs
from freqtrade_ext.sandbox.market import SyntheticMarket, SyntheticSpec
from freqtrade_ext.sandbox.rehearsal import Rehearsal, current_minute
from freqtrade_ext.spreads import FittedMarkets, SpreadBook, fit_spec, save_book

__all__ = ["SHIM", "Stage", "StageOptions"]

SHIM = '''"""Freqtrade loads only classes that this file defines, hence the subclass."""

from freqtrade_ext.adapters.strategies import SpreadStrategy


class SpreadArbitrage(SpreadStrategy):
    """Market-neutral trading of the cointegrated spreads in pairs_config.json."""
'''


@dataclass(frozen=True, slots=True)
class StageOptions:
    """What is played: seed, planted spreads, how many at once, delay of each answer."""

    seed: int = 3
    spreads: int = 12
    max_open_spreads: int = 4
    half_life_minutes: float = 1.2
    spread_sigma: float = 0.006
    factor_volatility: float = 3e-3
    entry_z: float = 1.5
    history_minutes: int = 2 * 1_440
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that the demo needs, in one folder."""

    folder: Path
    rehearsal: Rehearsal
    options: StageOptions
    api: dict[str, Any]

    @classmethod
    def set_up(cls, folder: Path, options: StageOptions) -> "Stage":
        """Make the folder anew and a market that begins with the current minute."""
        if folder.exists():
            shutil.rmtree(folder)
        (folder / "strategies").mkdir(parents=True)
        (folder / "strategies" / "SpreadArbitrage.py").write_text(SHIM, encoding="utf-8")
        market = SyntheticMarket(
            SyntheticSpec(
                seed=options.seed,
                anchor_ms=current_minute(),
                groups=options.spreads,
                markets_per_group=2,
                extra_markets=0,
                half_life_minutes=options.half_life_minutes,
                spread_sigma=options.spread_sigma,
                factor_volatility=options.factor_volatility,
                history_minutes=options.history_minutes,
                horizon_minutes=2 * 1_440,
            )
        )
        # An account of its own: another rehearsal may run on this machine.
        account = Credentials(key=f"sandbox-{secrets.token_hex(8)}")
        rehearsal = Rehearsal.on(
            market,
            journal_file=folder / "exchange.jsonl",
            latency_ms=options.latency_ms,
            credentials=account,
        )
        return cls(folder, rehearsal, options, api_server_section())

    @property
    def config(self) -> Path:
        """The bot's configuration file."""
        return self.folder / "config.json"

    @property
    def database(self) -> Path:
        """The bot's database."""
        return self.folder / "trades.sqlite"

    @property
    def log(self) -> Path:
        """The log of every Freqtrade command."""
        return self.folder / "freqtrade.log"

    def write_config(self, *, execution: Mapping[str, Any] | None = None, **changes: Any) -> None:
        """Write the configuration of a live bot on the sandbox."""
        spreads = {
            "fit_window": 300,
            "refit_every_hours": 1.0,
            "max_open_spreads": self.options.max_open_spreads,
            "min_half_life": 0.2,
            "sizing": {"max_risk_per_trade": 0.002},
        }
        config: dict[str, Any] = {
            "user_data_dir": str(self.folder),
            "strategy": "SpreadArbitrage",
            "timeframe": "1m",
            "trading_mode": "futures",
            "margin_mode": "isolated",
            "stake_currency": "USDT",
            "stake_amount": "unlimited",
            "tradable_balance_ratio": 0.9,
            "max_open_trades": 2 * self.options.max_open_spreads,
            "dry_run": False,
            "dry_run_wallet": 10_000,
            "db_url": f"sqlite:///{self.database}",
            "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
            "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
            "order_types": {
                "entry": "market",
                "exit": "market",
                "stoploss": "market",
                "stoploss_on_exchange": True,
            },
            "pairlists": [{"method": "StaticPairList"}],
            "exchange": self.rehearsal.exchange_section("proxy"),
            "api_server": self.api,
            "initial_state": "running",
            "internals": {"process_throttle_secs": 2},
            "ext": {"spreads": spreads, "execution": dict(execution or {})},
        } | changes
        self.config.write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")

    def write_book(self) -> int:
        """Fit the planted markets on downloaded candles and write the book; how many it has."""
        from freqtrade_ext.adapters.market_data import load_bot_configuration, load_leg_candles

        configuration = load_bot_configuration([str(self.config)])
        now = datetime.now(UTC).replace(microsecond=0)
        book = SpreadBook(
            created_at=now,
            timeframe="1m",
            data_source=f"synthetic market, seed {self.options.seed}",
            family_size=self.options.spreads,
        )
        for planted in self._planted():
            leg_a, leg_b = (self._market(symbol) for symbol in planted)
            candles = (load_leg_candles(configuration, leg) for leg in (leg_a, leg_b))
            spec = fit_spec(
                FittedMarkets(leg_a, leg_b, *candles),
                now=now,
                options={"z_score_threshold": self.options.entry_z},
            )
            book = book.add(spec)
        save_book(book, self.folder / "pairs_config.json")
        return len(book.spreads)

    def legs(self, hedge_ratios: dict[str, float] | None = None) -> list[SpreadLegs]:
        """Legs of every planted spread, for the exchange's audit."""
        known = hedge_ratios or {}
        return [SpreadLegs(a, b, known.get(f"{a[:-4]}-{b[:-4]}", 1.0)) for a, b in self._planted()]

    def _planted(self) -> list[tuple[str, str]]:
        market = self.rehearsal.market
        if not isinstance(market, SyntheticMarket):
            return []
        return [(spread.symbol_a, spread.symbol_b) for spread in market.planted_spreads()]

    def _market(self, symbol: str) -> str:
        instrument = self.rehearsal.market.instruments[symbol]
        return f"{instrument.base}/{instrument.quote}:{instrument.quote}"
