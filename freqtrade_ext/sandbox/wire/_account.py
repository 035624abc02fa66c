"""Signed endpoints for the account: balances, positions, settings, income."""

from typing import Any

from freqtrade_ext.sandbox.engine import (
    AdjustIsolatedMargin,
    LedgerEntry,
    SetLeverage,
    SetMarginMode,
)
from freqtrade_ext.sandbox.market import Instrument
from freqtrade_ext.sandbox.wire._call import WEEK_MS, Call
from freqtrade_ext.sandbox.wire._errors import (
    BAD_PARAMETER,
    POSITION_SIDE_UNCHANGED,
    ApiFailure,
)
from freqtrade_ext.sandbox.wire._positions import (
    every_position,
    positions_in_use,
    render_v2,
    render_v3,
)
from freqtrade_ext.sandbox.wire._words import (
    ASSET,
    MARGIN_TYPES,
    amount,
    margin_mode_of,
    number,
    word_of,
)

INCOME_TYPES = {
    "COMMISSION": "commission",
    "REALIZED_PNL": "realized_pnl",
    "FUNDING_FEE": "funding",
    "INSURANCE_CLEAR": "insurance",
    "TRANSFER": "transfer",
}
SUCCESS = {"code": 200, "msg": "success"}
ADD_MARGIN = 1


def account_v2(call: Call) -> Any:
    """Balances, settings and the positions of every instrument."""
    rendered = _account(call)
    return (
        _permissions()
        | rendered
        | {"positions": [render_v2(call, p) for p in every_position(call)]}
    )


def account_v3(call: Call) -> Any:
    """Balances and the positions in use."""
    positions = [render_v3(call, p) for p in positions_in_use(call)]
    return _account(call) | {"positions": positions}


def _permissions() -> dict[str, Any]:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "feeBurn": False,
        "tradeGroupId": -1,
        "updateTime": 0,
        "multiAssetsMargin": False,
    }


def _account(call: Call) -> dict[str, Any]:
    b = call.exchange.balances()
    initial = b.position_initial_margin + b.order_initial_margin
    return {
        "totalInitialMargin": amount(initial),
        "totalMaintMargin": amount(b.maintenance_margin),
        "totalWalletBalance": amount(b.wallet),
        "totalUnrealizedProfit": amount(b.unrealized_pnl),
        "totalMarginBalance": amount(b.wallet + b.unrealized_pnl),
        "totalPositionInitialMargin": amount(b.position_initial_margin),
        "totalOpenOrderInitialMargin": amount(b.order_initial_margin),
        "totalCrossWalletBalance": amount(b.cross_wallet),
        "totalCrossUnPnl": amount(b.cross_unrealized_pnl),
        "availableBalance": amount(b.available),
        "maxWithdrawAmount": amount(b.available),
        "assets": [
            {
                "asset": ASSET,
                "walletBalance": amount(b.wallet),
                "unrealizedProfit": amount(b.unrealized_pnl),
                "marginBalance": amount(b.wallet + b.unrealized_pnl),
                "maintMargin": amount(b.maintenance_margin),
                "initialMargin": amount(initial),
                "positionInitialMargin": amount(b.position_initial_margin),
                "openOrderInitialMargin": amount(b.order_initial_margin),
                "crossWalletBalance": amount(b.cross_wallet),
                "crossUnPnl": amount(b.cross_unrealized_pnl),
                "availableBalance": amount(b.available),
                "maxWithdrawAmount": amount(b.available),
                "marginAvailable": True,
                "updateTime": call.now_ms,
            }
        ],
    }


def balance(call: Call) -> Any:
    """Balances alone."""
    b = call.exchange.balances()
    return [
        {
            "accountAlias": "sandbox",
            "asset": ASSET,
            "balance": amount(b.wallet),
            "crossWalletBalance": amount(b.cross_wallet),
            "crossUnPnl": amount(b.cross_unrealized_pnl),
            "availableBalance": amount(b.available),
            "maxWithdrawAmount": amount(b.available),
            "marginAvailable": True,
            "updateTime": call.now_ms,
        }
    ]


def position_mode(call: Call) -> Any:
    """Tell that the account is in one-way mode."""
    return {"dualSidePosition": False}


def set_position_mode(call: Call) -> Any:
    """Refuse hedge mode; asking for one-way mode changes nothing."""
    if call.params.text("dualSidePosition").lower() == "false":
        raise ApiFailure(POSITION_SIDE_UNCHANGED)
    raise ApiFailure(BAD_PARAMETER, "dualSidePosition")


def multi_assets_margin(call: Call) -> Any:
    """Tell that the account is in single-asset mode."""
    return {"multiAssetsMargin": False}


def account_config(call: Call) -> Any:
    """Settings of the account."""
    return _permissions() | {"dualSidePosition": False}


def symbol_config(call: Call) -> Any:
    """Settings of one or every instrument."""
    return [
        {
            "symbol": position.symbol,
            "marginType": word_of(MARGIN_TYPES, position.margin_mode),
            "isAutoAddMargin": False,
            "leverage": position.leverage,
            "maxNotionalValue": number(call.exchange.max_notional(position.symbol)),
        }
        for position in every_position(call)
    ]


def set_leverage(call: Call) -> Any:
    """Choose the leverage of an instrument."""
    symbol, leverage = call.instrument().symbol, call.params.integer("leverage")
    call.exchange.handle(SetLeverage(symbol, leverage), call.now_ms)
    return {
        "symbol": symbol,
        "leverage": leverage,
        "maxNotionalValue": number(call.exchange.max_notional(symbol)),
    }


def set_margin_type(call: Call) -> Any:
    """Choose the margin mode of an instrument."""
    mode = margin_mode_of(call.params.text("marginType"))
    call.exchange.handle(SetMarginMode(call.instrument().symbol, mode), call.now_ms)
    return SUCCESS


def adjust_position_margin(call: Call) -> Any:
    """Move money into (type 1) or out of (type 2) an isolated position."""
    asked, direction = call.params.decimal("amount"), call.params.integer("type")
    signed = asked if direction == ADD_MARGIN else -asked
    call.exchange.handle(AdjustIsolatedMargin(call.instrument().symbol, signed), call.now_ms)
    return {
        "amount": float(asked),
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": direction,
    }


def leverage_bracket(call: Call) -> Any:
    """Leverage tables of one or every instrument."""
    return [_brackets(one) for one in call.instruments()]


def _brackets(one: Instrument) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "brackets": [
            {
                "bracket": number_from_one,
                "initialLeverage": row.max_leverage,
                "notionalCap": float(row.notional_cap),
                "notionalFloor": float(row.notional_floor),
                "maintMarginRatio": float(row.maintenance_margin_rate),
                "cum": float(row.maintenance_amount),
            }
            for number_from_one, row in enumerate(one.brackets, start=1)
        ],
    }


def commission_rate(call: Call) -> Any:
    """Fees of an instrument."""
    one = call.instrument()
    return {
        "symbol": one.symbol,
        "makerCommissionRate": number(one.maker_fee),
        "takerCommissionRate": number(one.taker_fee),
    }


def income(call: Call) -> Any:
    """Ledger of the wallet, oldest first."""
    start_ms, end_ms = call.params.span(call.now_ms)
    start_ms = start_ms or end_ms - WEEK_MS
    symbol, kind = call.params.get("symbol"), call.params.get("incomeType")
    rows = [
        entry
        for entry in call.exchange.account.ledger
        if start_ms <= entry.time_ms <= end_ms
        and symbol in (None, entry.symbol)
        and kind in (None, word_of(INCOME_TYPES, entry.kind))
    ]
    return [_income(entry) for entry in rows[: call.params.limit(100, 1000)]]


def _income(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "symbol": entry.symbol,
        "incomeType": word_of(INCOME_TYPES, entry.kind),
        "income": amount(entry.amount),
        "asset": ASSET,
        "info": word_of(INCOME_TYPES, entry.kind),
        "time": entry.time_ms,
        "tranId": entry.entry_id,
        "tradeId": str(entry.fill_id or ""),
    }


def nothing(call: Call) -> Any:
    """Answer an empty list, for histories that the sandbox does not keep."""
    return []
