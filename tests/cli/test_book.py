"""``freqtrade-ext book``: show, validate, add."""

import json

import numpy as np
import pytest

A, B, C = (f"{coin}/USDT:USDT" for coin in ("AAA", "BBB", "CCC"))


def broken(desk, **changes):
    """Change a field of the first spread as a person would."""
    document = json.loads(desk.book_path.read_text())
    document["spreads"][0].update(changes)
    desk.book_path.write_text(json.dumps(document))


def test_add_fits_two_legs_and_writes_the_book(desk):
    result = desk.add(A, B)
    assert result.exit_code == 0, result.output
    assert result.output == f"{desk.book_path}: 1 added\n"
    (spec,) = desk.book.spreads
    assert (spec.spread_id, spec.leg_a, spec.leg_b) == ("AAA-BBB", A, B)
    assert spec.hedge_ratio == pytest.approx(1.5, abs=0.05)
    assert spec.pvalue < 0.001
    assert desk.book.timeframe == "1h"
    assert desk.book.family_size == 1


def test_add_fits_on_the_time_range_only(desk):
    desk.add(A, B, "--timerange", "20240105-20240115")
    (spec,) = desk.book.spreads
    assert f"{spec.fit_start:%Y-%m-%d}" == "2024-01-05"
    assert f"{spec.fit_end:%Y-%m-%d}" <= "2024-01-15"


def test_add_takes_a_name_and_a_hedge_space(desk):
    desk.add(A, B, "--spread-id", "mine", "--hedge-space", "price")
    (spec,) = desk.book.spreads
    assert (spec.spread_id, spec.hedge_space) == ("mine", "price")


def test_add_extends_the_book_and_counts_the_family(desk):
    desk.add(A, B)
    desk.add(C, B)
    assert [spec.spread_id for spec in desk.book.spreads] == ["AAA-BBB", "CCC-BBB"]
    assert desk.book.family_size == 2
    assert desk.book_path.with_name("pairs_config.json.bak").exists()


def test_add_all_fits_every_combination_of_the_whitelist(desk):
    result = desk.add("--all")
    assert result.exit_code == 0, result.output
    found = {spec.spread_id for spec in desk.book.spreads}
    assert found <= {"AAA-BBB", "AAA-CCC", "BBB-CCC"}
    assert "AAA-BBB" in found
    assert desk.book.family_size == 3


def test_add_all_leaves_out_markets_without_candles_and_says_why(desk):
    desk.configure(exchange={"name": "binance", "pair_whitelist": [A, B, "XXX/USDT:USDT"]})
    result = desk.add("--all")
    assert result.exit_code == 0, result.output
    assert "1 added, 1 left out:" in result.output
    assert "no 1h candles of XXX/USDT:USDT" in result.output


def test_add_leaves_out_what_is_the_same_price_twice(desk, write_candles):
    closes = np.exp(4 + np.cumsum(np.random.default_rng(1).normal(0, 0.01, 600)))
    write_candles("AAA", closes)
    write_candles("BBB", closes)
    result = desk.add(A, B)
    assert result.exit_code == 2
    assert "the same price twice" in result.output
    assert not desk.book_path.exists()


def test_add_writes_where_the_configuration_says(desk):
    desk.configure(ext={"spreads": {"book": "books/mine.json"}})
    result = desk.add(A, B)
    assert result.exit_code == 0, result.output
    assert (desk.folder / "books" / "mine.json").exists()


def test_add_writes_where_the_person_says(desk):
    path = desk.folder / "new" / "other.json"
    assert desk.add(A, B, "--book", str(path)).exit_code == 0
    assert path.exists()
    assert not desk.book_path.exists()


@pytest.mark.parametrize(
    "legs", [[], [A], [A, B, C], [A, B, "--all"]], ids=["none", "one", "three", "two-and-all"]
)
def test_add_wants_two_legs_or_all_alone(desk, legs):
    result = desk.add(*legs)
    assert result.exit_code == 2
    assert "give two legs, or --all alone" in result.output


def test_add_of_a_market_without_candles_names_it_and_the_way_out(desk):
    result = desk.add(A, "XXX/USDT:USDT")
    assert result.exit_code == 2
    assert "no 1h candles of XXX/USDT:USDT" in result.output
    assert "freqtrade download-data" in result.output


def test_add_of_too_few_candles_says_how_many_are_needed(desk):
    result = desk.add(A, B, "--timerange", "20240105-20240106")
    assert result.exit_code == 2
    assert "at least 100 are needed" in result.output


def test_add_twice_names_the_file_and_the_spread(desk):
    desk.add(A, B)
    before = desk.book_path.read_text()
    result = desk.add(A, B)
    assert result.exit_code == 2
    assert str(desk.book_path) in result.output
    assert "spread AAA-BBB: " in result.output
    assert desk.book_path.read_text() == before


def test_add_to_a_book_of_another_timeframe_changes_nothing(desk, write_candles):
    desk.add(A, B)
    for coin in ("AAA", "CCC"):
        closes = np.exp(4 + np.cumsum(np.random.default_rng(len(coin)).normal(0, 0.01, 600)))
        write_candles(coin, closes + (coin == "CCC") * np.sin(np.arange(600)), "5m")
    before = desk.book_path.read_text()
    result = desk.add(A, C, "-i", "5m")
    assert result.exit_code == 2
    assert "fitted on '1h' candles, these on '5m'; use another file (--book)" in result.output
    assert desk.book_path.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--timerange", "last week"], "--timerange: "),
        (["--hedge-space", "sqrt"], "'sqrt' is not one of 'log', 'price'"),
        (["--spread-id", "no spaces please"], "spread_id"),
        (["-i", "7x"], "no 7x candles"),
    ],
)
def test_add_with_a_wrong_option_is_one_message(desk, arguments, text):
    result = desk.add(A, B, *arguments)
    assert result.exit_code == 2
    assert text in result.output
    assert "Traceback" not in result.output
    assert not desk.book_path.exists()


def test_add_with_a_wrong_setting_names_file_key_and_value(desk):
    desk.configure(ext={"spreads": {"max_pvalue": 7}})
    result = desk.add(A, B)
    assert result.exit_code == 2
    assert f"{desk.config}: ext.spreads.max_pvalue: " in result.output
    assert "(got 7" in result.output


def test_add_with_a_missing_configuration_names_it(desk):
    desk.config.unlink()
    result = desk.add(A, B)
    assert result.exit_code == 2
    assert "config.json" in result.output


# Show and validate


def test_show_lists_every_spread(desk):
    desk.add(A, B)
    desk.add(C, B)
    result = desk.run("book", "show", "--book", str(desk.book_path))
    assert result.exit_code == 0
    for text in ("AAA-BBB", "CCC-BBB", A, "2 spreads", "0.5 / 2 / 4", "2024-01-01"):
        assert text in result.output


def test_validate_says_how_many_are_valid(desk):
    desk.add(A, B)
    result = desk.run("book", "validate", "--book", str(desk.book_path))
    assert result.exit_code == 0
    assert result.output == f"{desk.book_path}: 1 spreads on 1h, all valid\n"


@pytest.mark.parametrize("command", ["show", "validate"])
def test_a_wrong_field_is_named_with_file_spread_value_and_rule(desk, command):
    desk.add(A, B)
    broken(desk, z_exit=3.0)
    result = desk.run("book", command, "--book", str(desk.book_path))
    assert result.exit_code == 2
    assert result.output == (
        f"{desk.book_path}: spread AAA-BBB (row 1): z_exit: 3.0: "
        "should be below z_score_threshold (2.0)\n"
    )


def test_validate_shows_every_problem_at_once(desk):
    desk.add(A, B)
    broken(desk, z_exit=3.0, pvalue=2.0, half_lif=1)
    result = desk.run("book", "validate", "--book", str(desk.book_path))
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 3
    assert "did you mean half_life?" in result.output


@pytest.mark.parametrize("command", ["show", "validate"])
def test_a_missing_book_is_named(desk, command):
    result = desk.run("book", command, "--book", str(desk.folder / "nowhere.json"))
    assert result.exit_code == 2
    assert "nowhere.json: does not exist" in result.output
