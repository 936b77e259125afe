"""Everything a person can do at a place, from its bindings: the one list behind ``?``, the palette and the docs."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.screen import Screen

from anymole_tui.terminal.patches import bindings_of
from anymole_tui.tui.preload import PLACES

MOVEMENTS = ("move", "page", "first", "last", "press", "panel")


@dataclass(frozen=True)
class Action:
    """One thing to do."""

    id: str
    title: str
    help: str
    keys: tuple[str, ...]
    """As they are printed: ``^o``."""
    owner: str
    """The panel or place that has it; empty: it works everywhere."""
    node: DOMNode
    call: str


def actions_of(screen: Screen[Any]) -> list[Action]:
    """All actions of a place that can be done now: of its panels, the focused one first, of itself, of the app."""
    actions = []
    for node in _nodes(screen):
        by_action: dict[str, list[Binding]] = {}
        for binding in bindings_of(node, screen.app):
            if binding.description and not binding.system:
                by_action.setdefault(binding.action, []).append(binding)
        actions += [_action(screen, node, same) for same in by_action.values()]
    return _once(actions)


def _once(actions: list[Action]) -> list[Action]:
    """Without those of a place of which a panel has every key, as letters of movement; and without what another panel
    does by the same keys, as all lists move alike."""
    taken: set[str] = set()
    done: set[tuple[str, tuple[str, ...]]] = set()
    kept = []
    for action in actions:
        same = (action.title, action.keys)
        if same not in done and not (taken.issuperset(action.keys) and action.call.startswith("press(")):
            kept.append(action)
            taken |= set(action.keys)
            done.add(same)
    return kept


def _nodes(screen: Screen[Any]) -> Iterator[DOMNode]:
    """Our own panels, one of each kind and the focused one first; the place; the app."""
    panels = [screen.focused] if screen.focused else []
    panels += [widget for widget in screen.query("*") if widget.can_focus and widget.display]
    seen: set[type] = set()
    for panel in panels:
        if type(panel).__module__.startswith("anymole_tui") and type(panel) not in seen:
            seen.add(type(panel))
            yield panel
    yield screen
    yield screen.app


def _action(screen: Screen[Any], node: DOMNode, bindings: list[Binding]) -> Action:
    first = bindings[0]
    owner = "" if node is screen.app else str(getattr(node, "TITLE", None) or type(node).__name__)
    return Action(
        id=first.id or first.action,
        title=first.description,
        help=first.tooltip,
        keys=tuple(dict.fromkeys(screen.app.get_key_display(b) for b in bindings)),
        owner=owner,
        node=node,
        call=first.action,
    )


def all_binding_ids() -> set[str]:
    """Ids of the bindings of all our places and panels, which are imported for it."""
    for name in PLACES:
        importlib.import_module(name)
    ours = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("anymole_tui.")]
    owners = {thing for members in ours for thing in members.values() if isinstance(thing, type)}
    bindings = [b for owner in owners if issubclass(owner, DOMNode) for b in vars(owner).get("BINDINGS", ())]
    return {binding.id for binding in bindings if isinstance(binding, Binding) and binding.id}


class ActionCommands(Provider):
    """All actions of the place below the palette."""

    async def discover(self) -> Hits:
        for action in sorted(actions_of(self.screen), key=_is_movement):
            title = f"{action.owner}: {action.title}" if action.owner else action.title
            yield DiscoveryHit(title, self._run(action), text=title, help=_help(action))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in actions_of(self.screen):
            title = f"{action.owner}: {action.title}" if action.owner else action.title
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._run(action), text=title, help=_help(action))

    def _run(self, action: Action) -> Any:
        async def run() -> None:
            await self.app.run_action(action.call, default_namespace=action.node)

        return run


def _is_movement(action: Action) -> bool:
    """Keys that nobody looks for in the palette; they are listed last."""
    return action.call.partition("(")[0] in MOVEMENTS


def _help(action: Action) -> str:
    return "  ".join(filter(None, (" ".join(action.keys), action.help)))
