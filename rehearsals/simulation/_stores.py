"""What survives kill -9: intents, records of spreads, the inbox; and how a database fails."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from freqtrade_ext.errors import StoreError
from freqtrade_ext.execution import Decision, InboxItem, Intent, IntentState
from rehearsals.simulation._world import World

__all__ = ["Database", "InboxStore", "Intents", "Records"]


class Database:
    """One database for everything; while it is down, nothing is written."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.down_until_ms = 0
        self.failures = 0
        self.intents: dict[str, Intent] = {}
        self.records: dict[str, Mapping[str, Any]] = {}
        self.results: list[Mapping[str, Any]] = []
        self.items: dict[int, InboxItem] = {}
        self.ghosts: set[str] = set()
        self.absent: set[str] = set()

    @property
    def is_down(self) -> bool:
        """Whether a write would fail now."""
        return self.world.now < self.down_until_ms

    def write(self) -> None:
        """Be alive and up, or fail."""
        self.world.alive()
        if self.is_down:
            self.failures += 1
            raise StoreError("database is locked")


class Intents:
    """The intents' table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._world = database.world

    def save(self, intent: Intent) -> None:
        """Write one intent."""
        is_new = intent.client_order_id not in self._database.intents
        if is_new:
            self._world.reach("before_intent")
        self._database.write()
        self._database.intents[intent.client_order_id] = intent
        if intent.is_ghost:
            self._database.ghosts.add(intent.client_order_id)
        if intent.state is IntentState.ABSENT:
            self._database.absent.add(intent.client_order_id)
        if self._world.tracing:
            booked = ", booked" if intent.is_booked else ""
            self._world.note(f"  intent {intent.client_order_id}: {intent.state}{booked}")
        if is_new:
            self._world.reach("after_intent")

    def find(self, client_order_id: str) -> Intent | None:
        """Read one intent."""
        self._world.alive()
        return self._database.intents.get(client_order_id)

    def pending(self) -> Sequence[Intent]:
        """Read open questions, and confirmed orders that are not booked."""
        self._world.alive()
        return [intent for intent in self._database.intents.values() if intent.is_unsettled]

    def since(self, time_ms: int) -> Sequence[Intent]:
        """Read what was created since a time."""
        self._world.alive()
        return [i for i in self._database.intents.values() if i.created_ms >= time_ms]

    def by_venue_order(self, market: str, venue_order_id: str) -> Intent | None:
        """Read the intent of an order that the venue has confirmed."""
        for intent in self._database.intents.values():
            if intent.venue_order_id == venue_order_id and intent.market == market:
                return intent
        return None


class Records:
    """The spreads' table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> Mapping[str, Mapping[str, Any]]:
        """Read every record."""
        return dict(self._database.records)

    def save(self, spread_id: str, record: Mapping[str, Any] | None) -> None:
        """Write or remove one record."""
        self._database.write()
        if record is None:
            self._database.records.pop(spread_id, None)
        else:
            self._database.records[spread_id] = record
        self._database.world.reach("record_saved")

    def add_result(self, spread_id: str, result: Mapping[str, Any]) -> None:
        """Keep a result."""
        self._database.write()
        self._database.results.append(result)

    def results(self) -> Sequence[Mapping[str, Any]]:
        """Read the results."""
        return list(self._database.results)


class InboxStore:
    """The inbox' table; nobody decides anything."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_items(self) -> Sequence[InboxItem]:
        """Read the open items."""
        return [item for item in self._database.items.values() if item.closed_ms is None]

    def save(self, item: InboxItem) -> InboxItem:
        """Keep an item."""
        self._database.write()
        kept = item if item.id else replace(item, id=len(self._database.items) + 1)
        self._database.items[kept.id] = kept
        self._database.world.note(f"  inbox: {kept.text} -> {kept.action_taken or 'nothing done'}")
        return kept

    def decide(self, item_id: int, decision: str) -> None:
        """Decide about an item."""
        item = self._database.items[item_id]
        self._database.items[item_id] = replace(item, decision=Decision(decision))
