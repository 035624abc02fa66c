"""``freqtrade-ext recover``: what it prints, and the exit code that a container relies on.

Bugs planted by hand, each caught by the test named:

1. a failed recovery exits with 0 -> test_a_failed_recovery_stops_the_container
2. an alert exits with 1 -> test_an_alert_lets_the_bot_start
3. another bot exits with 1 -> test_a_wrong_configuration_is_another_code
4. warnings are not printed -> test_an_alert_lets_the_bot_start
5. --json prints the summary too -> test_the_report_can_be_printed_whole
"""

import json

import pytest

from freqtrade_ext.adapters import recovery
from freqtrade_ext.errors import ConfigError, StoreError, VenueError
from freqtrade_ext.execution import RecoveryReport, RecoveryStatus, failed_report


def report_of(status, **changes):
    fields = {
        "timestamp": "2024-01-01T00:00:00.000+00:00",
        "recovery_status": status,
        "orphaned_positions": (),
        "open_orders": (),
        "recent_trades": (),
        "reconciliation_status": "IN_SYNC: 2 open trades, 0 repairs",
        "warnings": (),
        "next_action": "Start trading.",
        "manual_review_required": False,
        "actions": (),
    }
    return RecoveryReport(**(fields | changes))


@pytest.fixture
def recover(desk, monkeypatch):
    """Run the command with an outcome of its recovery."""

    def run(outcome, *arguments):
        asked = []

        def recover_account(files):
            asked.append(files)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(recovery, "recover_account", recover_account)
        result = desk.run("recover", *arguments)
        run.files = asked[0]
        return result

    return run


def test_a_success_lets_the_bot_start(recover):
    result = recover(report_of(RecoveryStatus.SUCCESS), "-c", "a.json", "--config", "b.json")
    assert result.exit_code == 0
    assert result.output == "SUCCESS: IN_SYNC: 2 open trades, 0 repairs\nStart trading.\n"
    assert recover.files == ["a.json", "b.json"]


def test_the_configuration_is_config_json_by_default(recover):
    recover(report_of(RecoveryStatus.SUCCESS))
    assert recover.files == ["config.json"]


def test_an_alert_lets_the_bot_start(recover):
    report = report_of(
        RecoveryStatus.ALERT,
        warnings=("ETH: 0.4 more than in the books",),
        actions=("BTC: adopted order 7",),
        next_action="Trading may start. A person should look.",
    )
    result = recover(report)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "ALERT: IN_SYNC: 2 open trades, 0 repairs",
        "  BTC: adopted order 7",
        "  ETH: 0.4 more than in the books",
        "Trading may start. A person should look.",
    ]


def test_a_failed_recovery_stops_the_container(recover):
    report = failed_report("timed out", 0)
    text = f"recovery failed: timed out. {report.next_action}"
    result = recover(VenueError(text))
    assert result.exit_code == 1
    assert result.stderr == text + "\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    "error", [ConfigError("config.json: nonsense"), ConfigError("another bot trades this account")]
)
def test_a_wrong_configuration_is_another_code(recover, error):
    result = recover(error)
    assert result.exit_code == 2
    assert str(error) in result.stderr


def test_an_error_of_the_store_never_reads_as_a_start(recover):
    assert recover(StoreError("disk full")).exit_code != 0


def test_a_dry_run_says_so(recover):
    result = recover(None)
    assert (result.exit_code, result.output) == (
        0, "nothing to recover: a dry run, or ext.execution.guard is false\n",
    )  # fmt: skip


def test_the_report_can_be_printed_whole(recover):
    result = recover(report_of(RecoveryStatus.SUCCESS), "--json")
    assert json.loads(result.output)["recovery_status"] == "SUCCESS"


def test_a_configuration_that_does_not_exist_is_refused(desk):
    result = desk.run("recover", "-c", str(desk.folder / "nowhere.json"))
    assert result.exit_code == 2
    assert "nowhere.json" in result.stderr


def test_a_real_dry_run_needs_no_exchange(desk):
    """From a configuration file, through the whole command."""
    desk.configure(dry_run=True, max_open_trades=1, stake_amount=10, db_url="sqlite://",
                   entry_pricing={"price_side": "same"}, exit_pricing={"price_side": "same"},
                   pairlists=[{"method": "StaticPairList"}])  # fmt: skip
    result = desk.run("recover", "-c", str(desk.config))
    assert (result.exit_code, result.output) == (
        0,
        "nothing to recover: a dry run, or ext.execution.guard is false\n",
    )
