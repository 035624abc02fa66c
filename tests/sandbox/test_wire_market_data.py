"""Public endpoints: instruments, candles, tickers, books, trades, funding, open interest."""

import pytest

from .doubles import HOUR_MS, START_MS, Client, Desk

BTC = {"symbol": "BTCUSDT"}
MINUTE_MS = 60_000
INTERVALS = ["1m", "3m", "5m", "15m", "30m"]
INTERVALS += ["1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w"]


@pytest.fixture
def client() -> Client:
    client = Client(Desk(BTCUSDT=100, ETHUSDT=50))
    client.desk.wait(HOUR_MS)
    return client


@pytest.fixture
def ask(client):
    def asked(path: str, **params: object) -> object:
        return client.ok(f"GET {path}", signed=False, **params)

    return asked


NOW_MS = START_MS + HOUR_MS


class TestInstruments:
    def test_are_perpetuals_that_never_end(self, ask):
        btc = ask("/fapi/v1/exchangeInfo")["symbols"][0]
        expected = {
            "symbol": "BTCUSDT",
            "contractType": "PERPETUAL",
            "deliveryDate": 4_133_404_800_000,
            "status": "TRADING",
            "baseAsset": "BTC",
            "marginAsset": "USDT",
            "pricePrecision": 1,
            "quantityPrecision": 3,
        }
        assert {key: btc[key] for key in expected} == expected
        assert {"LIMIT", "MARKET", "STOP", "STOP_MARKET"} <= set(btc["orderTypes"])

    def test_tell_their_filters(self, ask):
        filters = {
            f["filterType"]: f for f in ask("/fapi/v1/exchangeInfo")["symbols"][0]["filters"]
        }
        assert filters["PRICE_FILTER"]["tickSize"] == "0.1"
        assert filters["LOT_SIZE"]["stepSize"] == "0.001"
        assert filters["LOT_SIZE"]["maxQty"] == "1000"
        assert filters["MARKET_LOT_SIZE"]["maxQty"] == "100"
        assert filters["MIN_NOTIONAL"]["notional"] == "5"

    def test_are_not_there_before_they_are_listed_and_settle_when_closed(self, client, ask):
        old = client.desk.market.instruments["ETHUSDT"]
        fields = {name: getattr(old, name) for name in old.__dataclass_fields__}
        later = type(old)(**fields | {"listed_at_ms": NOW_MS + 1})
        btc = client.desk.market.instruments["BTCUSDT"]
        client.desk.market.instruments = {"BTCUSDT": btc, "ETHUSDT": later}
        client.desk.market.closed.add("BTCUSDT")
        [only] = ask("/fapi/v1/exchangeInfo")["symbols"]
        assert (only["symbol"], only["status"]) == ("BTCUSDT", "SETTLING")
        assert ask("/fapi/v1/ticker/price") == [
            {"symbol": "ETHUSDT", "price": "50", "time": NOW_MS}
        ]

    def test_time_and_ping(self, ask):
        assert ask("/fapi/v1/time") == {"serverTime": NOW_MS}
        assert ask("/fapi/v1/ping") == {}


class TestCandles:
    def times(self, ask, **params: object) -> list[int]:
        rows = ask("/fapi/v1/klines", **BTC, interval="1m", **params)
        return [(row[0] - START_MS) // MINUTE_MS for row in rows]

    def test_have_twelve_columns(self, ask):
        [row] = ask("/fapi/v1/klines", **BTC, interval="1m", limit=1)
        assert row == [
            NOW_MS,
            "99.0",
            "102.0",
            "98.0",
            "100.0",
            "10.00000000",
            NOW_MS + MINUTE_MS - 1,
            "1000.00000000",
            7,
            "4.00000000",
            "398.00000000",
            "0",
        ]

    def test_are_the_latest_without_a_start(self, ask):
        assert self.times(ask, limit=3) == [58, 59, 60]

    def test_go_up_to_an_end(self, ask):
        end = START_MS + 10 * MINUTE_MS + 5
        assert self.times(ask, endTime=end, limit=3) == [8, 9, 10]

    def test_go_forward_from_a_start(self, ask):
        assert self.times(ask, startTime=START_MS, limit=3) == [0, 1, 2]
        assert self.times(ask, startTime=START_MS + 1, limit=2) == [1, 2]

    def test_lie_between_start_and_end(self, ask):
        span = {"startTime": START_MS + 2 * MINUTE_MS, "endTime": START_MS + 4 * MINUTE_MS}
        assert self.times(ask, **span) == [2, 3, 4]

    def test_never_come_from_the_future(self, ask):
        span = {"startTime": START_MS + 59 * MINUTE_MS, "endTime": NOW_MS + 10 * MINUTE_MS}
        assert self.times(ask, **span) == [59, 60]

    def test_from_the_beginning_start_at_the_listing(self, client, ask):
        old = client.desk.market.instruments["BTCUSDT"]
        fields = {name: getattr(old, name) for name in old.__dataclass_fields__}
        listed = type(old)(**fields | {"listed_at_ms": START_MS + MINUTE_MS + 1})
        client.desk.market.instruments = {"BTCUSDT": listed}
        assert self.times(ask, startTime=0, limit=2) == [1, 2]

    def test_are_500_by_default_and_1500_at_most(self, ask):
        rows = ask("/fapi/v1/klines", **BTC, interval="1m", startTime=START_MS - 10**9)
        assert len(rows) == 500
        rows = ask("/fapi/v1/klines", **BTC, interval="1m", limit=9_999, startTime=START_MS - 10**9)
        assert len(rows) == 1_500

    def test_of_mark_and_index_prices(self, ask):
        [mark] = ask("/fapi/v1/markPriceKlines", **BTC, interval="1h", limit=1)
        [index] = ask("/fapi/v1/indexPriceKlines", pair="BTCUSDT", interval="1h", limit=1)
        assert (mark[4], index[4]) == ("101.0", "102.0")

    @pytest.mark.parametrize("interval", INTERVALS)
    def test_of_every_interval(self, ask, interval):
        assert len(ask("/fapi/v1/klines", **BTC, interval=interval, limit=2)) == 2


class TestTickers:
    def test_24_hours(self, client, ask):
        client.desk.market.set_price("BTCUSDT", 110, NOW_MS)
        ticker = ask("/fapi/v1/ticker/24hr", **BTC)
        expected = {
            "lastPrice": "110",
            "openPrice": "109",
            "highPrice": "112.0",
            "lowPrice": "108.0",
            "priceChange": "1",
            "priceChangePercent": "0.917",
            "volume": "250.000",  # 25 candles of an hour, 10 each
            "quoteVolume": "25000.00",
            "closeTime": NOW_MS,
        }
        assert {key: ticker[key] for key in expected} == expected
        assert len(ask("/fapi/v1/ticker/24hr")) == 2

    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_price(self, ask, version):
        path = f"/fapi/{version}/ticker/price"
        assert ask(path, **BTC) == {"symbol": "BTCUSDT", "price": "100", "time": NOW_MS}
        assert len(ask(path)) == 2

    def test_book(self, ask):
        ticker = ask("/fapi/v1/ticker/bookTicker", **BTC)
        assert (ticker["bidPrice"], ticker["askPrice"]) == ("100", "100.1")
        assert (ticker["bidQty"], ticker["askQty"]) == ("100", "100")

    def test_an_empty_book(self, client, ask):
        client.desk.market.levels = 0
        ticker = ask("/fapi/v1/ticker/bookTicker", **BTC)
        assert (ticker["bidPrice"], ticker["askQty"]) == ("0", "0")


def test_depth(ask):
    for path in ("/fapi/v1/depth", "/fapi/v1/rpiDepth"):
        book = ask(path, **BTC, limit=5)
        assert book["bids"][0] == ["100", "100"]
        assert book["asks"][1] == ["100.2", "100"]
        assert len(book["bids"]) == len(book["asks"]) == 5


class TestFunding:
    def test_premium_index_tells_the_coming_payment(self, ask):
        premium = ask("/fapi/v1/premiumIndex", **BTC)
        assert premium["lastFundingRate"] == "0.00010000"
        assert premium["markPrice"] == "100"
        assert premium["nextFundingTime"] > NOW_MS
        assert premium["nextFundingTime"] % (8 * HOUR_MS) == 0
        assert len(ask("/fapi/v1/premiumIndex")) == 2

    def test_history(self, client, ask):
        for hour, rate in enumerate(["0.0001", "0.0002", "-0.0003"]):
            client.desk.market.pay_funding("BTCUSDT", rate, START_MS + hour * 1_000, mark=100)

        def rates(**params: object) -> list[str]:
            return [row["fundingRate"] for row in ask("/fapi/v1/fundingRate", **params)]

        every = ["0.00010000", "0.00020000", "-0.00030000"]
        assert rates(**BTC) == every
        assert rates(**BTC, limit=1) == every[-1:]
        assert rates(**BTC, startTime=START_MS) == every
        assert rates(**BTC, startTime=START_MS, limit=2) == every[:2]
        assert rates(**BTC, startTime=START_MS + 1, endTime=START_MS + 1_000) == every[1:2]
        assert rates(symbol="ETHUSDT") == []

    def test_history_never_comes_from_the_future(self, client, ask):
        client.desk.market.pay_funding("BTCUSDT", "0.0001", NOW_MS, mark=100)
        client.desk.market.pay_funding("BTCUSDT", "0.0002", NOW_MS + 1, mark=100)
        for span in ({}, {"startTime": START_MS}, {"endTime": NOW_MS + HOUR_MS}):
            rows = ask("/fapi/v1/fundingRate", **BTC, **span)
            assert [row["fundingTime"] for row in rows] == [NOW_MS]

    def test_intervals(self, ask):
        assert ask("/fapi/v1/fundingInfo", **BTC)[0]["fundingIntervalHours"] == 8


class TestOpenInterest:
    def test_now(self, ask):
        assert ask("/fapi/v1/openInterest", **BTC)["openInterest"] == "1234"

    def test_history(self, ask):
        path, span = "/futures/data/openInterestHist", {"startTime": START_MS + 1}
        rows = ask(path, **BTC, period="5m", limit=2, **span)
        assert [row["timestamp"] - START_MS for row in rows] == [300_000, 600_000]
        assert rows[0]["sumOpenInterest"] == "1234.00000000"
        assert rows[0]["sumOpenInterestValue"] == "123400.00000000"

    def test_history_never_comes_from_the_future(self, ask):
        span = {"startTime": NOW_MS - 300_000, "endTime": NOW_MS + HOUR_MS}
        rows = ask("/futures/data/openInterestHist", **BTC, period="5m", **span)
        assert [row["timestamp"] - NOW_MS for row in rows] == [-300_000, 0]


class TestTrades:
    """The fake market trades once a second since START_MS, numbered from 1."""

    def test_latest(self, ask):
        rows = ask("/fapi/v1/trades", **BTC, limit=3)
        assert [row["id"] for row in rows] == [3_599, 3_600, 3_601]
        assert rows[0] == {
            "id": 3_599,
            "price": "100",
            "qty": "0.5",
            "quoteQty": "50",
            "time": NOW_MS - 2_000,
            "isBuyerMaker": True,
        }

    def test_aggregates_by_time(self, ask):
        span = {"startTime": START_MS + 10_000, "endTime": START_MS + 12_000}
        rows = ask("/fapi/v1/aggTrades", **BTC, **span)
        assert [row["a"] for row in rows] == [11, 12, 13]
        assert rows[0]["T"] == START_MS + 10_000
        limited = ask("/fapi/v1/aggTrades", **BTC, startTime=START_MS, limit=2)
        assert [row["a"] for row in limited] == [1, 2]

    @pytest.mark.parametrize("first", [1, 2, 61, 1_800, 3_601])
    def test_pages_by_id(self, ask, first):
        rows = ask("/fapi/v1/aggTrades", **BTC, fromId=first, limit=4)
        assert [row["a"] for row in rows] == list(range(first, min(first + 4, 3_602)))

    def test_from_the_first_id_on(self, ask):
        assert ask("/fapi/v1/aggTrades", **BTC, fromId=0, limit=1)[0]["a"] == 1

    def test_never_come_from_the_future(self, ask):
        assert ask("/fapi/v1/aggTrades", **BTC, fromId=3_602) == []

    def test_before_the_listing_there_are_none(self, client, ask):
        old = client.desk.market.instruments["BTCUSDT"]
        fields = {name: getattr(old, name) for name in old.__dataclass_fields__}
        listed = type(old)(**fields | {"listed_at_ms": NOW_MS - 1_000})
        client.desk.market.instruments = {"BTCUSDT": listed}
        assert [row["id"] for row in ask("/fapi/v1/trades", **BTC)] == [3_600, 3_601]
