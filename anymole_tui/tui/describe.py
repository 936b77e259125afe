"""Details of a prim and the layers of a stage as lines for the terminal; all names in them are inert."""

from collections.abc import Iterator, Sequence

from textual.content import Content

from anymole_tui.safe_text import plain
from usd_io import counted, timecode
from usd_io.browse import Arc, Details, LayerRow, Property

NAME_WIDTH = 22


class Describer:
    """Words for details; ``ascii_only`` spells out all that is not ASCII."""

    def __init__(self, *, ascii_only: bool) -> None:
        self._ascii = ascii_only

    def _plain(self, text: object, most: int = 200) -> str:
        return plain(text, most, ascii_only=self._ascii)

    def details(self, prim: Details) -> list[Content]:
        """What a prim is, how it is composed, and its properties with the layer that decides each."""
        return [
            *self._what(prim),
            *self._section("Variants", self._variants(prim)),
            *self._section("Composition, strongest first", map(self._arc, prim.arcs)),
            *self._section("Attributes", self._properties(prim)),
        ]

    def _what(self, prim: Details) -> Iterator[Content]:
        yield self._pair("path", prim.path)
        yield self._pair("type", f"{prim.type or 'none'}  ({prim.specifier})")
        states = [
            text for true, text in ((not prim.active, "inactive"), (not prim.loaded, "not loaded")) if true
        ]
        for name, value in (
            ("kind", prim.kind),
            ("state", ", ".join(states)),
            ("schemas", " ".join(prim.schemas)),
            ("instance of", prim.prototype),
            ("says", prim.documentation),
        ):
            if value:
                yield self._pair(name, value)

    def _variants(self, prim: Details) -> Iterator[Content]:
        for variant in prim.variants:
            choices = "  ".join(f"[{c}]" if c == variant.selected else c for c in variant.choices)
            yield self._pair("  " + variant.name, choices or "no variants")

    def _arc(self, arc: Arc) -> Content:
        by = f"  from {_file(arc.introduced_by)}" if arc.introduced_by and arc.kind != "local" else ""
        text = f"{self._plain(_file(arc.layer), 60)} <{self._plain(arc.path, 120)}>{self._plain(by, 80)}"
        return Content.assemble(
            ("  " + arc.kind.ljust(NAME_WIDTH - 2), "$secondary"),
            (text, "" if arc.authored else "dim"),
            ("" if arc.authored else "  no opinions", "dim"),
        )

    def _properties(self, prim: Details) -> Iterator[Content]:
        said = [p for p in prim.properties if p.opinions]
        silent = [p for p in prim.properties if not p.opinions]
        for found in said:
            yield from self._property(found)
        if silent:
            yield Content.styled(f"  {len(silent)} more have no opinion in any layer", "dim")
        if prim.left_out:
            yield Content.styled(f"  {prim.left_out} more are not listed", "dim")

    def _property(self, found: Property) -> Iterator[Content]:
        name = self._plain(found.name, NAME_WIDTH + 14)
        about = found.type
        if found.samples and found.range:
            about = f"{found.samples} samples {timecode(found.range[0])}..{timecode(found.range[1])}"
        yield Content.assemble(
            ("  " + name.ljust(NAME_WIDTH - 2), "bold $primary" if found.samples else "bold"),
            (self._plain(about, 60), "$accent" if found.samples else "$secondary"),
            "  ",
            self._plain(found.value, 160),
        )
        first, *hidden = found.opinions
        yield Content.styled(f"    wins   {self._opinion(first.layer, first.samples)}", "dim")
        for opinion in hidden:
            yield Content.styled(f"    hidden {self._opinion(opinion.layer, opinion.samples)}", "dim")

    def _opinion(self, layer: str, samples: int) -> str:
        return self._plain(_file(layer), 80) + (f"  {counted(samples, 'sample')}" if samples else "")

    def layers(self, rows: Sequence[LayerRow]) -> list[Content]:
        """One line per layer, indented as they are included."""
        return [self._layer(row, rows[0].identifier) for row in rows]

    def _layer(self, row: LayerRow, root: str) -> Content:
        state = "muted" if row.muted else "missing" if not row.found else "root" if row.depth == 0 else ""
        lead = "  " * row.depth if row.depth >= 0 else "arc: "
        shift = ""
        if (row.offset, row.scale) != (0.0, 1.0):
            shift = f"  offset {timecode(row.offset)} scale {row.scale:g}"
        return Content.assemble(
            (state.ljust(8), "bold $warning" if state in ("muted", "missing") else "$secondary"),
            (lead, "dim"),
            (self._plain(row.name, 60), "dim" if row.muted or not row.found else "bold"),
            (shift, "$accent"),
            ("  " + self._plain(_beside(row.identifier, root), 160), "dim"),
        )

    def _pair(self, name: str, value: str) -> Content:
        return Content.assemble(
            (self._plain(name, NAME_WIDTH - 2).ljust(NAME_WIDTH), "$secondary"), self._plain(value)
        )

    def _section(self, title: str, lines: "Iterator[Content] | map[Content]") -> list[Content]:
        found = list(lines)
        return [Content(""), Content.styled(title, "bold"), *found] if found else []


def _file(identifier: str) -> str:
    return identifier if identifier.startswith("anon:") else identifier.replace("\\", "/").rsplit("/", 1)[-1]


def _beside(identifier: str, root: str) -> str:
    """An identifier as seen from the folder of the root layer, where it lies below it."""
    folder = root.replace("\\", "/").rpartition("/")[0] + "/"
    return f"./{identifier[len(folder) :]}" if identifier.startswith(folder) else identifier
