"""The HTML page: well formed, complete, self-contained, and proof against what is in the data.

Bugs that were planted in the code, each of which a test here found: a market's name written as it
is into a table, a title, a figure's JSON, a figure's text; plotly.js taken from a server; the
button that uploads a chart; cells of the heat map under other names; a heat
map that is not ordered by clusters; bands of the wrong axis; the confirmation's line at the end of
the data; a heat map that grows with the number of digits of a p-value; the page missing and nothing
said; nothing written without plotly.
"""

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from freqtrade_ext.cli.scan._figures import (
    CLOSE_UP_MARKETS,
    MOST_POINTS,
    NAMED_MARKETS,
    Figure,
    close_up,
    cluster_order,
    heat_map,
    spread_chart,
)
from freqtrade_ext.cli.scan._html import _figure, page, plotly_script
from freqtrade_ext.scanner import Stage

from .conftest import new_desk, world
from .reports import RUN, a_card, a_funnel, a_report, a_universe, hostile_report

VOID = {"meta", "br", "img", "link", "input", "hr"}
EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><svg onload=alert(1)>",
    "<a href='https://evil.example'>x</a>",
    "&lt;b&gt;\u2028[bold]{{7*7}}",
]


class Page(HTMLParser):
    """A page taken apart: its tags, texts and scripts; fails on tags that do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.figures = [], [], "", {}
        self.scripts = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if tag == "script" and attributes.get("class") == "figure":
            self.figures[attributes["data-target"]] = json.loads(data)
        elif tag == "script":
            self.scripts.append(data)
        elif tag != "style":
            self.text += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def small_page():
    return Page(page(a_report(cards=(a_card(),)), RUN, "plotly();"))


def test_the_page_says_when_what_and_what_came_out(small_page):
    for words in ("2026-03-04 05:06", "1 spread chosen of 3 tested.", "by hand", "seed 8"):
        assert words in small_page.text


def test_the_page_has_funnel_cards_and_heat_map(small_page):
    assert small_page.count("section") == 1
    for words in ("Benjamini-Hochberg q ≤ 0.05", "null scan", "half-life", "It is no more."):
        assert words in small_page.text
    assert set(small_page.figures) == {"spread-1", "heat-map"}
    ids = {attributes.get("id") for _, attributes in small_page.tags}
    assert set(small_page.figures) <= ids


def test_nothing_is_loaded_from_anywhere(small_page):
    for tag, attributes in small_page.tags:
        assert not {"src", "href", "srcset", "action", "data"} & set(attributes), (tag, attributes)
    (policy,) = [a["content"] for t, a in small_page.tags if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_plotly_is_in_the_page_once_and_may_not_upload():
    text = page(a_report(cards=(a_card(), a_card(spread_id="two"))), RUN, plotly_script())
    parsed = Page(text)
    assert [len(script) > 1_000_000 for script in parsed.scripts].count(True) == 1
    assert "showSendToCloud: false" in parsed.scripts[-1]
    assert len(parsed.figures) == 3


@pytest.mark.parametrize("evil", EVIL)
def test_whatever_stands_in_the_data_is_text(evil):
    harmless = Page(page(hostile_report("plain"), RUN, ""))
    parsed = Page(page(hostile_report(evil), RUN, ""))
    assert [tag for tag, _ in parsed.tags] == [tag for tag, _ in harmless.tags]
    assert parsed.text.count(evil) >= harmless.text.count("plain") > 10
    for figure in parsed.figures.values():  # plotly.js reads tags, links too, in what it draws
        drawn = json.dumps(figure).replace("<br>", "").replace("<extra>", "")
        assert "<" not in drawn.replace("</extra>", "")


@pytest.mark.parametrize("evil", EVIL)
def test_a_figure_cannot_leave_its_script(evil):
    text = "".join(_figure(Figure([{"name": evil}], {}, evil), "here"))
    parsed = Page(text)
    assert parsed.figures == {"here": {"data": [{"name": evil}], "layout": {}}}
    assert [tag for tag, _ in parsed.tags] == ["div", "p", "script"]
    assert text.count("<") == 6  # not even a comment may begin in it


def test_an_empty_report_is_a_page_too():
    parsed = Page(page(a_report(), RUN, ""))
    assert "No spread was found" in parsed.text
    assert parsed.count("section") == 0
    assert set(parsed.figures) == {"heat-map"}


def test_a_warning_of_the_null_scan_is_on_the_page():
    report = a_report(cards=(a_card(),), null_funnel=a_funnel({Stage.CHOSEN: 2}))
    assert "The null scan chose 2 spread(s)" in Page(page(report, RUN, "")).text


def test_a_chart_has_prices_spread_z_score_bands_and_the_line():
    report = a_report(cards=(a_card(),))
    figure = spread_chart(report.cards[0], report)
    assert [trace["yaxis"] for trace in figure.data] == ["y", "y", "y2", "y3"]
    assert {len(trace["y"]) for trace in figure.data} == {600}
    heights = {axis: [] for axis in ("y2", "y3")}
    for shape in figure.layout["shapes"]:
        if shape["yref"] in heights:
            assert shape["y0"] == shape["y1"]
            heights[shape["yref"]].append(shape["y0"])
    assert sorted(heights["y3"]) == [-4.0, -2.0, -0.5, 0.5, 2.0, 4.0]
    shapes = [shape for shape in figure.layout["shapes"] if shape["yref"] == "y3"]
    dashes = {shape["line"]["dash"]: abs(shape["y0"]) for shape in shapes}
    assert dashes == {"dash": 2.0, "dot": 0.5, "solid": 4.0}  # as the note says
    assert sorted(heights["y2"]) == [-0.04, 0.0, 0.04]
    (line,) = [shape for shape in figure.layout["shapes"] if shape["xref"] == "x"]
    assert line["x0"] == line["x1"] == f"{report.confirmation.start:%Y-%m-%d %H:%M:%S}"


def test_a_chart_shows_what_the_fit_says():
    report = a_report(cards=(a_card(),))
    first, fitted, spread, z_score = (t["y"] for t in spread_chart(report.cards[0], report).data)
    assert first[0] == pytest.approx(np.exp(report.universe.log_price("AAA/USDT")[0]), rel=1e-5)
    assert np.log(first[9]) - np.log(fitted[9]) == pytest.approx(spread[9], abs=1e-4)
    assert z_score[:49] == [None] * 49
    assert abs(z_score[100]) < 10


def test_a_long_chart_is_thinned_out_and_says_so():
    report = a_report(universe=a_universe(("AAA/USDT", "BBB/USDT"), candles=3 * MOST_POINTS - 5))
    figure = spread_chart(a_card(), report)
    assert len(figure.data[0]["y"]) <= MOST_POINTS
    assert figure.data[0]["dx"] == 3 * 3_600_000
    assert figure.note.startswith("Every 3th candle")
    assert "Bands of the z-score: entry dashed, exit dotted, stop solid" in figure.note


# The heat map


def test_markets_that_move_together_stand_together():
    rng = np.random.default_rng(4)
    groups = rng.normal(0, 0.01, (500, 3)).cumsum(axis=0)
    member = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    prices = groups[:, member] + rng.normal(0, 0.001, (500, 9)).cumsum(axis=0)
    ordered = member[cluster_order(prices)]
    assert np.count_nonzero(np.diff(ordered)) == 2


@pytest.mark.parametrize("n_markets", [0, 1, 2, 3])
def test_few_or_motionless_markets_have_an_order_too(n_markets):
    assert sorted(cluster_order(np.zeros((10, n_markets)))) == list(range(n_markets))


def test_names_and_cells_of_the_heat_map_belong_together():
    markets = tuple(f"M{index}/USDT" for index in range(9))
    report = a_report(markets)
    pvalues = np.full((9, 9), np.nan)
    pvalues[2, 7] = pvalues[7, 2] = 1e-4
    (trace,) = heat_map(replace(report, pvalues=pvalues)).data
    cells = {
        frozenset((trace["y"][row], trace["x"][column]))
        for row, line in enumerate(trace["z"])
        for column, code in enumerate(line)
        if code
    }
    assert cells == {frozenset(("M2/USDT", "M7/USDT"))}
    row, column = trace["y"].index("M2/USDT"), trace["x"].index("M7/USDT")
    assert trace["z"][row][column] == 81
    assert trace["text"][row][column] == "0.0001"
    assert trace["colorbar"]["ticktext"][trace["colorbar"]["tickvals"].index(81)] == "1e-4"


def test_the_heat_map_of_a_large_universe_is_small():
    report = a_report(tuple(f"COIN{index:03}/USDT:USDT" for index in range(520)))
    figure = heat_map(report)
    assert len(json.dumps(figure.data, separators=(",", ":"))) < 1_200_000
    assert "report.json has all of them" in figure.note
    assert "text" not in figure.data[0]


def test_a_large_universe_has_a_close_up_of_its_smallest_p_values():
    markets = tuple(f"COIN{index:03}/USDT" for index in range(NAMED_MARKETS + 10))
    report = a_report(markets)
    pvalues = np.where(np.isfinite(report.pvalues), 0.5, np.nan)
    pvalues[3, 99] = pvalues[99, 3] = 1e-3
    report = replace(report, pvalues=pvalues)
    (trace,) = close_up(report).data
    assert len(trace["x"]) == CLOSE_UP_MARKETS
    row, column = trace["y"].index("COIN003/USDT"), trace["x"].index("COIN099/USDT")
    assert trace["text"][row][column] == "0.001"
    assert set(Page(page(report, RUN, "")).figures) == {"heat-map", "close-up"}
    assert close_up(a_report()) is None


# Without plotly


def test_without_plotly_the_extra_is_named_and_the_rest_is_written(tmp_path, no_plotly):
    desk = new_desk(tmp_path, world())
    result = desk.scan("--no-null-scan")
    assert result.exit_code == 0
    assert "there is no report.html: the HTML report needs plotly" in result.stderr
    assert "pip install 'freqtrade-ext[plot]'" in result.stderr
    assert {path.name for path in desk.latest.iterdir()} == {"report.json", "candidates.csv"}
    assert desk.book_path.exists()


def test_the_page_of_a_real_scan_is_well_formed(done):
    desk, _ = done
    parsed = Page((desk.latest / "report.html").read_text(encoding="utf-8"))
    assert "AAA/USDT:USDT" in parsed.text
    assert set(parsed.figures) == {"spread-1", "heat-map"}


def test_the_page_of_a_scan_without_data_is_well_formed(desk):
    desk.settle(universe={"min_daily_volume": 1e12})
    assert desk.scan().exit_code == 1
    parsed = Page((desk.latest / "report.html").read_text(encoding="utf-8"))
    assert "Nothing could be tested" in parsed.text
    assert parsed.figures == {}
