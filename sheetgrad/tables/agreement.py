"""The three signs of ``agreement.toml``, which other tables, reports and colours go by."""

from __future__ import annotations

from sheetgrad.tables.table import table

AGREEMENT = table("agreement")
AGREE, KINK, DISAGREE = (str(AGREEMENT.constants[word]) for word in ("agrees", "kinked", "disagrees"))
