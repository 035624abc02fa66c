"""Every endpoint that the sandbox serves, what it costs and who may call it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from freqtrade_ext.sandbox.wire import (
    _account,
    _algo_orders,
    _candles,
    _instruments,
    _market_data,
    _orders,
    _positions,
    _public_trades,
)
from freqtrade_ext.sandbox.wire._call import Call
from freqtrade_ext.sandbox.wire._messages import Params

Handler = Callable[[Call], Any]


class Access(Enum):
    """What a caller has to show."""

    PUBLIC = auto()
    KEY = auto()
    SIGNED = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint; `all_weight` is its cost when no symbol is given."""

    handler: Handler
    access: Access
    weight: int = 1
    all_weight: int | None = None

    def weight_of(self, params: Params) -> int:
        """Cost of a request."""
        if self.all_weight is not None and "symbol" not in params:
            return self.all_weight
        return self.weight


def _public(handler: Handler, weight: int = 1, all_weight: int | None = None) -> Route:
    return Route(handler, Access.PUBLIC, weight, all_weight)


def _signed(handler: Handler, weight: int = 1, all_weight: int | None = None) -> Route:
    return Route(handler, Access.SIGNED, weight, all_weight)


ROUTES: dict[str, Route] = {
    "GET /fapi/v1/ping": _public(_market_data.ping),
    "GET /fapi/v1/time": _public(_market_data.time),
    "GET /fapi/v1/exchangeInfo": _public(_instruments.exchange_info),
    "GET /fapi/v1/klines": _public(_candles.klines, 5),
    "GET /fapi/v1/markPriceKlines": _public(_candles.mark_price_klines, 5),
    "GET /fapi/v1/indexPriceKlines": _public(_candles.index_price_klines, 5),
    "GET /fapi/v1/ticker/24hr": _public(_market_data.ticker_24hr, 1, 40),
    "GET /fapi/v1/ticker/price": _public(_market_data.ticker_price, 1, 2),
    "GET /fapi/v2/ticker/price": _public(_market_data.ticker_price, 1, 2),
    "GET /fapi/v1/ticker/bookTicker": _public(_market_data.book_ticker, 2, 5),
    "GET /fapi/v1/depth": _public(_market_data.depth, 5),
    "GET /fapi/v1/rpiDepth": _public(_market_data.depth, 20),
    "GET /fapi/v1/trades": _public(_public_trades.trades, 5),
    "GET /fapi/v1/aggTrades": _public(_public_trades.aggregate_trades, 20),
    "GET /fapi/v1/historicalTrades": Route(_public_trades.trades, Access.KEY, 20),
    "GET /fapi/v1/premiumIndex": _public(_market_data.premium_index, 1, 10),
    "GET /fapi/v1/fundingRate": _public(_market_data.funding_rate),
    "GET /fapi/v1/fundingInfo": _public(_market_data.funding_info, 0),
    "GET /fapi/v1/openInterest": _public(_market_data.open_interest),
    "GET /futures/data/openInterestHist": _public(_market_data.open_interest_history, 0),
    "GET /fapi/v2/account": _signed(_account.account_v2, 5),
    "GET /fapi/v3/account": _signed(_account.account_v3, 5),
    "GET /fapi/v2/balance": _signed(_account.balance, 5),
    "GET /fapi/v3/balance": _signed(_account.balance, 5),
    "GET /fapi/v2/positionRisk": _signed(_positions.position_risk_v2, 5),
    "GET /fapi/v3/positionRisk": _signed(_positions.position_risk_v3, 5),
    "GET /fapi/v1/positionSide/dual": _signed(_account.position_mode, 30),
    "POST /fapi/v1/positionSide/dual": _signed(_account.set_position_mode),
    "GET /fapi/v1/multiAssetsMargin": _signed(_account.multi_assets_margin, 30),
    "GET /fapi/v1/accountConfig": _signed(_account.account_config, 5),
    "GET /fapi/v1/symbolConfig": _signed(_account.symbol_config, 5),
    "POST /fapi/v1/leverage": _signed(_account.set_leverage),
    "POST /fapi/v1/marginType": _signed(_account.set_margin_type),
    "POST /fapi/v1/positionMargin": _signed(_account.adjust_position_margin),
    "GET /fapi/v1/leverageBracket": _signed(_account.leverage_bracket),
    "GET /fapi/v1/commissionRate": _signed(_account.commission_rate, 20),
    "GET /fapi/v1/income": _signed(_account.income, 30),
    "GET /fapi/v1/forceOrders": _signed(_account.nothing, 20, 50),
    "POST /fapi/v1/order": _signed(_orders.place, 0),
    "GET /fapi/v1/order": _signed(_orders.query),
    "PUT /fapi/v1/order": _signed(_orders.amend),
    "DELETE /fapi/v1/order": _signed(_orders.cancel),
    "POST /fapi/v1/batchOrders": _signed(_orders.place_batch, 5),
    "DELETE /fapi/v1/batchOrders": _signed(_orders.cancel_batch),
    "GET /fapi/v1/openOrder": _signed(_orders.query_open),
    "GET /fapi/v1/openOrders": _signed(_orders.open_orders, 1, 40),
    "DELETE /fapi/v1/allOpenOrders": _signed(_orders.cancel_all),
    "GET /fapi/v1/allOrders": _signed(_orders.all_orders, 5),
    "GET /fapi/v1/userTrades": _signed(_orders.user_trades, 5),
    "POST /fapi/v1/algoOrder": _signed(_algo_orders.place, 0),
    "GET /fapi/v1/algoOrder": _signed(_algo_orders.query),
    "DELETE /fapi/v1/algoOrder": _signed(_algo_orders.cancel),
    "GET /fapi/v1/openAlgoOrders": _signed(_algo_orders.open_orders, 1, 40),
    "GET /fapi/v1/allAlgoOrders": _signed(_algo_orders.all_orders, 5),
    "DELETE /fapi/v1/algoOpenOrders": _signed(_algo_orders.cancel_all),
}
