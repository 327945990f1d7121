"""What the last application to save the file stored: how a workbook saved by Excel itself is verified."""

from __future__ import annotations

from sheetgrad.recalculation import Changes, Engine, Grids, Session, Values, Wanted, only
from sheetgrad.xlsx.contents import Contents
from sheetgrad.xlsx.grid import letter


class StoredValues(Session):
    """The values that are stored, as they are."""

    def __init__(self, contents: Contents):
        self._contents, self.sheets = contents, contents.sheets

    def change(self, changes: Changes | None) -> None:
        if changes:
            raise ValueError("stored values cannot follow a change: use another engine")

    def restore(self, before: object) -> None:
        pass  # nothing was changed

    def grids(self) -> Grids:
        """Raises ``ValueError`` when a formula has no value."""
        found = {}
        for name, sheet in self._contents.all().items():
            for row, column, _ in sheet.formulas.cells():
                if sheet.values.at(row, column) is None:
                    raise ValueError(f"{name}!{letter(column)}{row} has no stored value: save it in a spreadsheet")
            found[name] = sheet.values
        return found

    def values(self, wanted: Wanted) -> Values:
        return only(self.grids(), wanted)

    def formula(self, sheet: str, cell: str) -> str | None:
        return self._contents.sheet(sheet).formulas.get(cell)


class Cached(Engine):
    """Recalculates nothing: trusts what is stored."""

    name = "cached"
    install = "it comes with sheetgrad"
    order = 40
    automatic = computes = False

    def open(self, data: bytes, seconds: float | None = None) -> StoredValues:
        return StoredValues(Contents(data))


ENGINE = Cached
