"""Signed endpoints for positions, and how the account shows them."""

from typing import Any

from freqtrade_ext.sandbox.engine import Position
from freqtrade_ext.sandbox.wire._call import Call
from freqtrade_ext.sandbox.wire._words import ASSET, amount, number


def every_position(call: Call) -> list[Position]:
    """Positions of the instruments asked for, flat ones too."""
    return [call.exchange.position(one.symbol) for one in call.instruments()]


def positions_in_use(call: Call) -> list[Position]:
    """Positions that are held or have open orders."""
    asked = {order.symbol for order in call.exchange.book.working()}
    wanted = {one.symbol for one in [call.instrument()]} if call.params.get("symbol") else None
    return [
        position
        for position in list(call.exchange.account.positions.values())
        if (position.quantity or position.symbol in asked)
        and (wanted is None or position.symbol in wanted)
    ]


def render_v3(call: Call, position: Position) -> dict[str, Any]:
    """Render a position as the third version of the account shows it."""
    mark = call.exchange.mark_price(position.symbol)
    pnl = position.unrealized_pnl(mark)
    isolated = position.isolated_wallet + pnl if position.is_isolated else position.isolated_wallet
    initial = abs(position.quantity) * mark / position.leverage
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": number(position.quantity),
        "unrealizedProfit": amount(pnl),
        "isolatedMargin": amount(isolated) if isolated else "0",
        "isolatedWallet": amount(position.isolated_wallet) if isolated else "0",
        "notional": amount(position.quantity * mark),
        "initialMargin": amount(initial + call.exchange.order_margin(position.symbol)),
        "maintMargin": amount(call.exchange.maintenance_margin(position.symbol)),
        "updateTime": position.updated_ms,
    }


def render_v2(call: Call, position: Position) -> dict[str, Any]:
    """Render a position as the second version of the account shows it."""
    mark = call.exchange.mark_price(position.symbol)
    return render_v3(call, position) | {
        "leverage": str(position.leverage),
        "isolated": position.is_isolated,
        "entryPrice": _price(call, position),
        "breakEvenPrice": _price(call, position),
        "maxNotional": number(call.exchange.max_notional(position.symbol)),
        "positionInitialMargin": amount(abs(position.quantity) * mark / position.leverage),
        "openOrderInitialMargin": amount(call.exchange.order_margin(position.symbol)),
        "bidNotional": "0",
        "askNotional": "0",
    }


def _price(call: Call, position: Position) -> str:
    return number(round(position.entry_price, 12))


def position_risk_v3(call: Call) -> Any:
    """Positions in use, with what threatens them."""
    return [_risk(call, position) for position in positions_in_use(call)]


def position_risk_v2(call: Call) -> Any:
    """Positions of every instrument, flat ones too, with their settings."""
    return [
        _risk(call, position)
        | {
            "leverage": str(position.leverage),
            "maxNotionalValue": number(call.exchange.max_notional(position.symbol)),
            "marginType": "isolated" if position.is_isolated else "cross",
            "isAutoAddMargin": "false",
            "isolated": position.is_isolated,
            "adlQuantile": 1,
        }
        for position in every_position(call)
    ]


def _risk(call: Call, position: Position) -> dict[str, Any]:
    mark = call.exchange.mark_price(position.symbol)
    liquidation = call.exchange.liquidation_price(position.symbol)
    general = render_v3(call, position)
    pnl = general.pop("unrealizedProfit")
    return general | {
        "entryPrice": _price(call, position),
        "breakEvenPrice": _price(call, position),
        "markPrice": amount(mark),
        "unRealizedProfit": pnl,
        "liquidationPrice": amount(liquidation) if liquidation else "0",
        "marginAsset": ASSET,
        "positionInitialMargin": amount(abs(position.quantity) * mark / position.leverage),
        "openOrderInitialMargin": amount(call.exchange.order_margin(position.symbol)),
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
    }
