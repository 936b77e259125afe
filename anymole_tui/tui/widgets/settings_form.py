"""A form made of declared settings: one line per setting, and the help of the one in focus."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input

from anymole_tui.safe_text import Words, plain
from engine import ConfigError
from engine.settings import Field, from_text, to_text

NAME_CELLS = 12


class Choice(Widget, can_focus=True):
    """One of a few words."""

    TITLE = "Settings"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l,space,enter", "turn(1)", "Next", show=False, id="choice.next"),
        Binding("left,h", "turn(-1)", "Before", show=False, id="choice.before"),
    ]
    value: reactive[str] = reactive("")

    @dataclass
    class Changed(Message):
        """Another word was chosen."""

        choice: "Choice"
        value: str

        @property
        def control(self) -> "Choice":
            return self.choice

    def __init__(self, choices: tuple[str, ...], value: str, *, id: str) -> None:
        super().__init__(id=id)
        self._choices = choices
        self.set_reactive(Choice.value, value)

    def render(self) -> Content:
        left, right = ("<", ">") if getattr(self.app, "ascii", False) else ("◂", "▸")
        return Content.assemble((left, "dim"), f" {self.value} ", (right, "dim"))

    def action_turn(self, by: int) -> None:
        at = self._choices.index(self.value) if self.value in self._choices else 0
        self.value = self._choices[(at + by) % len(self._choices)]
        self.post_message(self.Changed(self, self.value))

    def on_click(self, event: events.Click) -> None:
        del event
        self.action_turn(1)


class Entry(Input):
    """A line of text; escape leaves it."""

    TITLE = "Settings"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Done", id="entry.leave")]

    class Left(Message):
        """The person is done with the form."""

    def on_mount(self) -> None:
        self.cursor_blink = False

    def action_leave(self) -> None:
        self.post_message(self.Left())


class Fields(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The rows of the form. Arrows are the form's, to go from one to the next; they would only scroll here."""


class SettingsForm(Vertical):
    """Says what was changed; the place that owns the settings shows them again with :meth:`show`."""

    DEFAULT_CSS = """
    SettingsForm #fields { height: 1fr; scrollbar-size-vertical: 1; }
    SettingsForm .row { height: 1; }
    SettingsForm .name { width: 17; color: $foreground 70%; }
    SettingsForm .row:focus-within .name { color: $primary; text-style: bold; }
    SettingsForm Choice { width: 1fr; height: 1; padding: 0 1; }
    SettingsForm Choice:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    SettingsForm Entry, SettingsForm Entry:focus { width: 1fr; border: none; height: 1; padding: 0 1; }
    SettingsForm Entry.-textual-compact { padding: 0 1; }
    SettingsForm Entry { background: $surface; }
    SettingsForm Entry:focus { background: $block-cursor-background; }
    SettingsForm Choice:ansi:focus { background: ansi_default; color: ansi_default; text-style: bold reverse; }
    SettingsForm Entry:ansi:focus { background: ansi_default; text-style: underline; }
    SettingsForm #help { height: auto; min-height: 2; max-height: 4; color: $foreground 60%; margin-top: 1; }
    SettingsForm #help.-wrong { color: $error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Setting above", show=False, id="form.up"),
        Binding("down,enter", "move(1)", "Setting below", show=False, id="form.down"),
    ]

    @dataclass
    class Changed(Message):
        """A setting has another value."""

        name: str
        value: Any

    def __init__(
        self, fields: tuple[Field, ...], *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._fields = {field.name: field for field in fields}
        self._wrong: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        with Fields(id="fields"):
            for field in self._fields.values():
                with Horizontal(classes="row"):
                    yield Words(field.name, classes="name")
                    yield self._control(field)
        yield Words(id="help")

    def _control(self, field: Field) -> Widget:
        text, name = to_text(field, field.default), f"set-{field.name}"
        if field.kind in ("choice", "flag"):
            return Choice(field.choices or ("yes", "no"), text, id=name)
        return Entry(text, id=name, compact=True, placeholder=_placeholder(field))

    def show(self, values: Mapping[str, Any]) -> None:
        """Show the values of all settings; texts that mean the same are left as they were typed."""
        for name, field in self._fields.items():
            control = self.query_one(f"#set-{name}")
            if isinstance(control, Choice):
                control.value = to_text(field, values[name])
            elif isinstance(control, Entry) and self._differs(control, field, values[name]):
                with control.prevent(Input.Changed):
                    control.value = to_text(field, values[name])
                self._wrong.pop(name, None)
        self._show_help()

    def _differs(self, control: Entry, field: Field, value: Any) -> bool:
        """Whether a text is to be replaced; one that is being typed stays, since it may be ahead of the value."""
        parsed = self._parsed(field, control.value)
        return parsed != (value,) and not (control.has_focus and parsed)

    def typed(self) -> dict[str, Any]:
        """The values as they stand in the form now, without those that cannot be understood: what was typed last may
        not have been reported yet."""
        found: dict[str, Any] = {}
        for name, field in self._fields.items():
            control = self.query_one(f"#set-{name}")
            if isinstance(control, Entry):
                found.update((name, value) for value in self._parsed(field, control.value))
        return found

    @staticmethod
    def _parsed(field: Field, text: str) -> tuple[Any, ...]:
        try:
            return (from_text(field, text),)
        except ConfigError:
            return ()

    def refuse(self, name: str, why: str) -> None:
        """Say that a value cannot be used."""
        self._wrong[name] = why
        self._show_help()

    @property
    def focused_field(self) -> Field | None:
        """The setting in focus."""
        focused = self.screen.focused
        name = (focused.id or "") if focused is not None else ""
        return self._fields.get(name.removeprefix("set-")) if name.startswith("set-") else None

    def on_descendant_focus(self) -> None:
        self._show_help()

    def _show_help(self) -> None:
        field = self.focused_field
        wrong = self._wrong.get(field.name) if field else next(iter(self._wrong.values()), None)
        words = self.query_one("#help", Words)
        words.set_class(wrong is not None, "-wrong")
        if wrong is not None:
            words.update(plain(wrong, 300))
        elif field is not None:
            choices = f" [{' '.join(field.choices)}]" if field.choices else ""
            words.update(f"{field.setting.help}{choices}")
        else:
            words.update("")

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        field = self._fields[str(event.choice.id).removeprefix("set-")]
        self.post_message(self.Changed(field.name, from_text(field, event.value)))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        field = self._fields[str(event.input.id).removeprefix("set-")]
        try:
            value = from_text(field, event.value)
        except ConfigError as error:
            self.refuse(field.name, str(error))
            return
        self._wrong.pop(field.name, None)
        self._show_help()
        self.post_message(self.Changed(field.name, value))

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_move(1)

    def action_move(self, by: int) -> None:
        controls = [self.query_one(f"#set-{name}") for name in self._fields]
        at = controls.index(self.screen.focused) if self.screen.focused in controls else -1
        self.screen.set_focus(controls[min(max(at + by, 0), len(controls) - 1)])


def _placeholder(field: Field) -> str:
    return {"names": "a,b,...", "times": "detected, or T,T,...", "ranges": "detected, or A:B,..."}.get(
        field.kind, ""
    )
