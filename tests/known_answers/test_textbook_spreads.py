"""
Textbook spreads with published results (``shared/data/known_answers/expected.json``).

``published`` values are compared at the precision of their printed digits, values that the file
marks as computed at 1e-9.
"""

import math

import numpy as np
import pytest

from freqtrade_ext.stats import (
    adf,
    engle_granger,
    half_life,
    hedge_ratio,
    hurst,
    mackinnon_pvalue,
    rolling_z_score,
)

pytestmark = pytest.mark.real_data


def close(expected, tolerance=1e-9):
    return pytest.approx(expected, rel=tolerance, abs=tolerance)


def reversion_speed(spread):
    """
    Chan's lambda of ``dS = lambda * S(-1) + c``, back from the half-life.

    Chan's half-life is -ln 2 / lambda, ours -ln 2 / ln(1 + lambda): the same fit, exact in
    discrete time where his is the limit of small lambda.
    """
    return 2.0 ** (-1.0 / half_life(spread)) - 1.0


def lesage_cadf(resid, lags):
    """
    LeSage's MATLAB ``cadf`` (jplv7): both sides centred, variance from regressors not centred.

    Written out to show that this mixture is the whole difference from the textbook statistic.
    """
    changes = np.diff(resid)
    columns = [resid[lags:-1]] + [changes[lags - k : -k] for k in range(1, lags + 1)]
    regressors, response = np.column_stack(columns), changes[lags:]
    centred, target = regressors - regressors.mean(axis=0), response - response.mean()
    beta = np.linalg.lstsq(centred, target, rcond=None)[0]
    error = target - centred @ beta
    variance = error @ error / (response.size - regressors.shape[1])
    return beta[0] / math.sqrt(variance * np.linalg.inv(regressors.T @ regressors)[0, 0])


def test_ewa_ewc_cointegration_of_chan_example_2_6(known_answers, table):
    entry, data = known_answers["chan_ewa_ewc_cadf"], table("chan_EWA_EWC_IGE.csv")
    result, expected = engle_granger(data["EWC"], data["EWA"], lags=1), entry["expected"]
    assert result.hedge_ratio == close(expected["hedge_ratio"]), entry["source"]
    assert result.intercept == close(expected["intercept"]), entry["source"]
    assert result.stat == close(expected["adf_t_resid_lag1_noconst"]), entry["source"]
    assert result.pvalue == close(expected["eg_pvalue_mackinnon"]), entry["source"]
    assert result.hedge_ratio == pytest.approx(0.9624, abs=5e-5), entry["source"]
    assert result.stat == pytest.approx(entry["published"]["t"], abs=1e-4), entry["source"]
    assert lesage_cadf(result.resid, 1) == pytest.approx(entry["published"]["t"], abs=5e-9)
    # The book's verdict: cointegrated at 5 %, although its table has -3.359 for that level.
    assert result.rejects_at(0.05)
    assert result.stat < entry["published"]["crit_5pct"] < -3.33


def test_half_life_of_the_ewa_ewc_ige_portfolio_of_chan_example_2_8(known_answers, table):
    entry, data = known_answers["chan_ewa_ewc_ige_johansen"], table("chan_EWA_EWC_IGE.csv")
    portfolio = data[["EWA", "EWC", "IGE"]].to_numpy() @ entry["expected"]["evec1"]
    chan = -math.log(2.0) / reversion_speed(portfolio)
    assert chan == close(entry["expected"]["half_life_days"]), entry["source"]
    assert chan == pytest.approx(entry["published"]["half_life_days"], abs=0.5), entry["source"]
    assert half_life(portfolio) == pytest.approx(chan - math.log(2.0) / 2.0, abs=0.01)


def test_gld_gdx_hedge_ratio_and_verdict_of_chan_example_7_2(known_answers, table):
    entry, data = known_answers["chan_gld_gdx"], table("chan_GLD_GDX.csv")
    expected, published = entry["expected"], entry["published"]
    gold, miners = data["GLD"].to_numpy(), data["GDX"].to_numpy()
    train = hedge_ratio(gold[:252], miners[:252], trend="n")
    full = hedge_ratio(gold, miners, trend="n")
    assert train.hedge_ratio == close(expected["hedge_train252"]), entry["source"]
    assert full.hedge_ratio == close(expected["hedge_full"]), entry["source"]
    assert train.hedge_ratio == pytest.approx(published["hedge_train252"], abs=5e-7)
    assert full.hedge_ratio == pytest.approx(published["hedge_full"], abs=5e-7)
    result = engle_granger(gold, miners)
    assert result.stat == close(expected["coint_t_full_aic"]), entry["source"]
    assert result.stat == pytest.approx(published["coint_t_full"], abs=1e-10), entry["source"]
    assert result.pvalue == pytest.approx(published["coint_p_full"], abs=1e-10), entry["source"]


def test_gld_gdx_verdict_flips_with_the_choice_of_lags(known_answers, table):
    entry, data = known_answers["chan_gld_gdx"], table("chan_GLD_GDX.csv")[:252]
    by_aic = engle_granger(data["GLD"], data["GDX"])
    one_lag = engle_granger(data["GLD"], data["GDX"], lags=1)
    published = entry["published"]["coint_t_train252_python"]
    assert by_aic.stat == pytest.approx(published, abs=1e-10), entry["source"]
    assert one_lag.stat == close(entry["expected"]["coint_t_train252_lag1"]), entry["source"]
    assert (by_aic.rejects_at(0.10), one_lag.rejects_at(0.10)) == (False, True)


def test_gld_gdx_half_life_of_chan_example_7_5(known_answers, table):
    entry, data = known_answers["chan_gld_gdx"], table("chan_GLD_GDX.csv")
    spread = hedge_ratio(data["GLD"], data["GDX"], trend="n").spread(data["GLD"], data["GDX"])
    theta = reversion_speed(spread)
    assert theta == close(entry["expected"]["theta"]), entry["source"]
    assert theta == pytest.approx(entry["published"]["theta"], abs=5e-7), entry["source"]
    chan = -math.log(2.0) / theta
    assert chan == close(entry["expected"]["half_life_days"]), entry["source"]
    assert chan == pytest.approx(entry["published"]["half_life_days"], abs=5e-7), entry["source"]


def test_ko_pep_is_correlated_but_not_cointegrated_as_in_chan_example_7_3(known_answers, table):
    entry, data = known_answers["chan_ko_pep_not_cointegrated"], table("chan_KO_PEP.csv")
    expected, published = entry["expected"], entry["published"]
    one_lag = engle_granger(data["KO"], data["PEP"], lags=1)
    assert one_lag.stat == close(expected["coint_t_lag1"]), entry["source"]
    assert one_lag.stat == pytest.approx(published["cadf_t"], abs=1e-4), entry["source"]
    assert lesage_cadf(one_lag.resid, 1) == pytest.approx(published["cadf_t"], abs=5e-9)
    by_aic = engle_granger(data["KO"], data["PEP"])
    assert by_aic.stat == close(expected["coint_t_aic"]), entry["source"]
    assert by_aic.pvalue == pytest.approx(published["coint_p"], abs=1e-10), entry["source"]
    assert not by_aic.rejects_at(0.10)
    line = hedge_ratio(data["KO"], data["PEP"], trend="n")
    assert line.hedge_ratio == close(expected["hedge_noconst"]), entry["source"]
    assert line.hedge_ratio == pytest.approx(published["hedge"], abs=5e-7), entry["source"]


def test_five_etfs_of_arbitragelab(known_answers, table):
    entry, data = known_answers["arbitragelab_etf5"], table("arbitragelab/stock_prices.csv")
    expected, published = entry["expected"], entry["published"]
    prices = data[["EEM", "EWG", "TIP", "EWJ", "EFA"]].to_numpy()
    chan = -math.log(2.0) / reversion_speed(prices @ expected["evec1"])
    assert chan == close(expected["half_life"]), entry["source"]
    assert chan == pytest.approx(published["half_life"], abs=5e-3), entry["source"]
    line = hedge_ratio(prices[:, 0], prices[:, 1], trend="n")
    assert line.hedge_ratio == close(expected["eg2_beta_EWG_noconst"]), entry["source"]
    # arbitragelab runs statsmodels' adfuller with its default constant on the residual.
    design = np.column_stack([np.ones(len(prices)), prices[:, 1:]])
    residual = prices[:, 0] - design @ np.linalg.lstsq(design, prices[:, 0], rcond=None)[0]
    assert adf(residual, trend="c").stat == close(expected["eg_adf_t"]), entry["source"]
    assert adf(residual, trend="c").stat == pytest.approx(published["eg_adf_t"], abs=0.05)


def test_crude_oil_of_the_arch_documentation(known_answers, table):
    entry, data = known_answers["arch_crude_wti_brent"], table("arch_crude_WTI_Brent.csv")
    expected = entry["expected"]
    log_wti, log_brent = np.log(data["WTI"]), np.log(data["Brent"])
    result = engle_granger(log_wti, log_brent)
    assert result.nobs == expected["n"]
    assert result.stat == close(expected["coint_t_c"]), entry["source"]
    assert result.pvalue == close(expected["coint_p_c"]), entry["source"]
    assert result.hedge_ratio == close(expected["beta_logWTI_on_logBrent"]), entry["source"]
    assert adf(log_wti).stat == close(expected["adf_t_WTI_c"]), entry["source"]
    assert adf(log_brent).stat == close(expected["adf_t_Brent_c"]), entry["source"]
    # Two integrated markets with a stationary spread: what the scanner looks for.
    assert result.rejects_at(0.01)
    assert not adf(log_wti).rejects_at(0.10)
    assert not adf(log_brent).rejects_at(0.10)


def test_hurst_exponents_by_the_method_of_chan(known_answers, table):
    entry = known_answers["hurst_chan_seeded"]
    expected = entry["expected"]
    noise = 2.0 * (np.random.RandomState(1).random_sample((1_000, 1))[:, 0] - 0.5)
    assert hurst(noise) == close(expected["H_white_noise"]), entry["source"]
    assert hurst(noise.cumsum()) == close(expected["H_random_walk"]), entry["source"]
    weights = known_answers["chan_ewa_ewc_ige_johansen"]["expected"]["evec1"]
    portfolio = table("chan_EWA_EWC_IGE.csv")[["EWA", "EWC", "IGE"]].to_numpy() @ weights
    assert hurst(portfolio) == close(expected["H_EWA_EWC_IGE_portfolio"]), entry["source"]


def test_rolling_z_score_reproduces_the_backtest_of_chan_example_2_8(known_answers, table):
    """Units of the portfolio are minus its z-score over 23 days, the half-life."""
    entry, data = known_answers["chan_ex2_8_linear_mr_backtest"], table("chan_EWA_EWC_IGE.csv")
    prices = data[["EWA", "EWC", "IGE"]].to_numpy()
    weights = np.array(known_answers["chan_ewa_ewc_ige_johansen"]["expected"]["evec1"])
    units = -rolling_z_score(prices @ weights, 23)
    positions = np.nan_to_num(units[:, None] * weights * prices)
    profit = np.sum(positions[:-1] * np.diff(prices, axis=0) / prices[:-1], axis=1)
    gross = np.abs(positions[:-1]).sum(axis=1)
    daily = np.zeros(len(prices))
    daily[1:][gross > 0.0] = profit[gross > 0.0] / gross[gross > 0.0]
    apr = np.prod(1.0 + daily) ** (252 / daily.size) - 1.0
    sharpe = math.sqrt(252) * daily.mean() / daily.std(ddof=1)
    assert apr == close(entry["expected"]["APR"]), entry["source"]
    assert apr == pytest.approx(entry["published"]["APR"], abs=5e-7), entry["source"]
    assert sharpe == close(entry["expected"]["Sharpe_ddof1"]), entry["source"]
    assert sharpe == pytest.approx(entry["published"]["Sharpe"], abs=5e-6), entry["source"]


def test_pvalue_of_the_published_statistic_needs_the_surface_for_two_series(known_answers):
    """With the surface of an observed series the same statistic would look like 0.005."""
    entry = known_answers["chan_ewa_ewc_cadf"]
    stat = entry["expected"]["adf_t_resid_lag1_noconst"]
    expected = entry["expected"]["eg_pvalue_mackinnon"]
    assert mackinnon_pvalue(stat, n_series=2, trend="c") == close(expected), entry["source"]
    assert mackinnon_pvalue(stat, n_series=1, trend="c") < expected / 4.0
