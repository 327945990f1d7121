"""The signs of ``agreement.toml``, which other tables, reports and colours go by."""

from __future__ import annotations

from sheetgrad.tables.table import table

AGREEMENT = table("agreement")
SIGNS = {
    "agree": str(AGREEMENT.constants["agrees"]),
    "disagree": str(AGREEMENT.constants["disagrees"]),
    "kink": str(AGREEMENT.constants["kinked"]),
    "cannot_tell": str(AGREEMENT.constants["unknown"]),
}
AGREE, DISAGREE, KINK, UNKNOWN = SIGNS.values()
