"""The registry of trainings.

Mutants of `_registry.py`, each killed by the test named:
- versions counted over all markets: versions_are_counted_for_each_market
- the oldest files kept: only_the_newest_versions_keep_their_files
- the pinned version's files dropped: a_pinned_version_is_kept
- a partial folder is listed: what_a_dead_process_left_is_not_read_and_is_swept
- built under its final name: test_kill.py
"""

import json
from dataclasses import replace

import pytest

from freqtrade_ext.errors import ConfigError, StoreError
from freqtrade_ext.learning import ModelCard, ModelRegistry

ETH, BTC = "ETH/USDT:USDT", "BTC/USDT:USDT"
CARD = ModelCard(
    market=ETH,
    target="ETH-BTC",
    kind="SpreadDirectionRegressor",
    trained_ms=1_700_000_000_000,
    data_start_ms=1_690_000_000_000,
    data_end_ms=1_699_999_000_000,
    rows=12_000,
    parameters={"n_estimators": 300},
    metrics={"held_out": {"hit_rate": 0.53}},
    importance={"rsi_14": 0.4},
)


@pytest.fixture
def registry(tmp_path):
    return ModelRegistry(tmp_path / "registry", keep=2)


def files(content: bytes = b"model"):
    return {"x_model.joblib": content}


def test_what_is_added_is_found_again(registry):
    added = registry.add(CARD, files())
    assert added == replace(CARD, version=1)
    assert registry.card(ETH, 1) == added
    assert registry.cards() == [added]
    assert (registry.files(ETH, 1) / "x_model.joblib").read_bytes() == b"model"


def test_versions_are_counted_for_each_market(registry):
    versions = [registry.add(replace(CARD, market=m), files()).version for m in (ETH, ETH, BTC)]
    assert versions == [1, 2, 1]
    assert registry.markets() == [BTC, ETH]
    assert [card.version for card in registry.cards(ETH)] == [1, 2]


def test_versions_are_listed_by_number_not_by_text(registry):
    for _ in range(11):
        registry.add(CARD, files())
    assert [card.version for card in registry.cards(ETH)] == list(range(1, 12))


def test_a_file_on_disk_is_taken_over_and_outlives_its_source(registry, tmp_path):
    source = tmp_path / "cb_eth_model.joblib"
    source.write_bytes(b"large")
    registry.add(CARD, {source.name: source})
    source.unlink()
    assert (registry.files(ETH, 1) / source.name).read_bytes() == b"large"


def test_only_the_newest_versions_keep_their_files(registry):
    for number in range(4):
        registry.add(CARD, files(str(number).encode()))
    assert len(registry.cards(ETH)) == 4
    assert (registry.files(ETH, 3) / "x_model.joblib").read_bytes() == b"2"
    with pytest.raises(ConfigError, match="files of model version 2 are no longer kept"):
        registry.files(ETH, 2)


def test_a_pinned_version_is_kept(registry):
    registry.add(CARD, files(b"first"))
    registry.pin(ETH, 1)
    for _ in range(4):
        registry.add(CARD, files())
    assert registry.pinned(ETH) == 1
    assert (registry.files(ETH, 1) / "x_model.joblib").read_bytes() == b"first"


def test_pin_and_release(registry):
    registry.add(CARD, files())
    assert registry.pinned(ETH) is None
    registry.pin(ETH, 1)
    assert registry.release(ETH)
    assert registry.pinned(ETH) is None
    assert not registry.release(ETH)


def test_a_version_that_is_not_there_is_refused_with_those_that_are(registry):
    registry.add(CARD, files())
    registry.add(CARD, files())
    message = f"{ETH} has no model version 7; versions: 1, 2"
    with pytest.raises(ConfigError, match=message):
        registry.pin(ETH, 7)
    with pytest.raises(ConfigError, match="versions: none"):
        registry.card(BTC, 1)


def test_a_damaged_pin_is_named(registry):
    registry.add(CARD, files())
    path = registry.folder / "ETH_USDT_USDT" / "pinned.json"
    path.write_text('{"verzion": 1}')
    with pytest.raises(StoreError, match=r'pinned.json: must be \{"version": NUMBER\}'):
        registry.pinned(ETH)


def test_a_damaged_card_is_named(registry):
    registry.add(CARD, files())
    (registry.folder / "ETH_USDT_USDT" / "1" / "card.json").write_text("{")
    with pytest.raises(StoreError, match=r"1/card.json: damaged model card"):
        registry.cards()


def test_an_empty_registry_is_empty(registry):
    assert registry.cards() == []
    assert registry.markets() == []
    assert registry.pinned(ETH) is None
    registry.sweep()


def test_a_card_is_plain_json(registry):
    registry.add(CARD, files())
    text = (registry.folder / "ETH_USDT_USDT" / "1" / "card.json").read_text()
    assert json.loads(text)["metrics"] == {"held_out": {"hit_rate": 0.53}}


def test_what_a_dead_process_left_is_not_read_and_is_swept(registry):
    registry.add(CARD, files())
    market = registry.folder / "ETH_USDT_USDT"
    (market / ".partial-99-1" / "files").mkdir(parents=True)
    (market / ".pinned.json.99.partial").write_text("{")
    assert [card.version for card in registry.cards()] == [1]
    registry.sweep()
    assert sorted(each.name for each in market.iterdir()) == ["1"]


def test_a_registry_that_cannot_be_written_stays_as_it_was(registry, tmp_path):
    registry.add(CARD, files())
    with pytest.raises(StoreError, match="could not be recorded"):
        registry.add(CARD, {"x_model.joblib": tmp_path / "absent"})
    assert [card.version for card in registry.cards()] == [1]
    assert [each.name for each in (registry.folder / "ETH_USDT_USDT").iterdir()] == ["1"]


def test_two_processes_do_not_take_the_same_version(registry):
    """The other one publishes version 1 after this one has counted."""
    other = ModelRegistry(registry.folder, keep=2)
    late = []

    def overtaken(step):
        if step == "file written" and not late:
            late.append(other.add(replace(CARD, trained_ms=5), files(b"other")))

    mine = ModelRegistry(registry.folder, keep=2, checkpoint=overtaken).add(CARD, files(b"mine"))
    assert (late[0].version, mine.version) == (1, 2)
    assert registry.card(ETH, 2).version == 2
    assert (registry.files(ETH, 1) / "x_model.joblib").read_bytes() == b"other"
