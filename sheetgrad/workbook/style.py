"""How each role looks: one table, the same in all sheets. Colours are those of the design; each has one meaning."""

from __future__ import annotations

from dataclasses import dataclass

INK, MUTED, EDITABLE = "1F2937", "6B7280", "1D4ED8"
GRADIENT_INK, NUDGE_INK, AGREE_INK, WRONG_INK, UNSURE_INK = "0B5E8A", "9A3412", "166534", "B91C1C", "92400E"
INPUT, PARAMETER, TARGET, CONSTANT = "FFF7DB", "EFE9FD", "FDE8EF", "F1F5E4"
VALUE, GRADIENT, NUDGE, AGREE, UNSURE, WRONG = "F3F4F6", "DDF1FD", "FFEBD6", "DCFCE7", "FEF3C7", "FEE2E2"
BAR, BAR_NOTE = "1F2937", "D1D5DB"
CODE, WORDS = "Consolas", "Calibri"


@dataclass(frozen=True)
class Style:
    """Font, fill, alignment and border of a role; ``grid`` draws thin white lines between the cells of a block,
    ``boxed`` a dark line around each cell. Only ``unlocked`` cells of a locked sheet can be typed into."""

    color: str = INK
    fill: str | None = None
    font: str = WORDS
    size: float = 11
    bold: bool = False
    italic: bool = False
    underline: bool = False
    align: str | None = None
    wrap: bool = False
    grid: bool = False
    boxed: bool = False
    unlocked: bool = False


def _number(fill: str, color: str = INK, **more) -> Style:
    return Style(color=color, fill=fill, align="center", grid=True, **more)


_ROLES = {"input": INPUT, "parameter": PARAMETER, "target": TARGET, "constant": CONSTANT}

STYLES: dict[str, Style] = {
    **{role: _number(fill, EDITABLE) for role, fill in _ROLES.items()},
    **{f"{role}_copy": _number(fill) for role, fill in _ROLES.items()},
    "value": _number(VALUE),
    "loss": _number("E5E7EB", bold=True, size=12),
    "gradient": _number(GRADIENT, GRADIENT_INK),
    "gradient_open": _number(GRADIENT, EDITABLE, unlocked=True),
    "gradient_bold": _number(GRADIENT, GRADIENT_INK, bold=True),
    "nudge": _number(NUDGE, NUDGE_INK),
    "step": _number("F8FAFC", bold=True),
    "slope": _number(NUDGE, NUDGE_INK, bold=True),
    "pass": _number("FFF6EC", NUDGE_INK, size=10),
    "pass_gradient": _number("EEF8FE", GRADIENT_INK, size=10),
    "blank": Style(color=EDITABLE, fill="FFFFFF", align="center", boxed=True, unlocked=True),
    "answer": Style(color=GRADIENT_INK, fill=GRADIENT, align="center", bold=True, boxed=True),
    "check": Style(align="center", bold=True),
    "index": Style(color=MUTED, size=10, align="center"),
    "difference": Style(color=MUTED, align="center"),
    "verdict": Style(align="center", bold=True, grid=True),
    "corner": Style(bold=True),
    "change": Style(color=MUTED, align="center", grid=True),
    "side": Style(color=NUDGE_INK, bold=True, align="center"),
    "remark": Style(color=MUTED, italic=True),
    "remark_wrapped": Style(color=MUTED, italic=True, wrap=True, size=9.5),
    "live_verdict": Style(color=AGREE_INK, size=14, bold=True),
    "score": Style(color=MUTED, size=14, bold=True),
    "state": Style(color=MUTED),
    "setting": _number(INPUT, EDITABLE),
    "setting_copy": Style(align="center"),
    "setting_name": Style(bold=True),
    "setting_beside": Style(bold=True, align="right"),
    "number": Style(font=CODE, size=10.5),
    "number_muted": Style(color=MUTED, italic=True),
    "element_name": Style(font=CODE, size=8.5, color=MUTED, align="center"),
    "title": Style(size=18, bold=True),
    "subtitle": Style(color=MUTED),
    "question": Style(size=14, bold=True, color=GRADIENT_INK, wrap=True),
    "heading": Style(size=12, bold=True),
    "section": Style(font=CODE, size=11, bold=True),
    "header": Style(color="FFFFFF", fill=BAR, bold=True, align="center", wrap=True),
    "bar": Style(color="FFFFFF", fill=BAR, font=CODE, size=13, bold=True),
    "bar_number": Style(color=BAR_NOTE, fill=BAR, size=10, align="center"),
    "bar_note": Style(color=BAR_NOTE, fill=BAR, italic=True),
    "name": Style(font=CODE, size=12, bold=True),
    "shape": Style(color=MUTED, size=9, align="right"),
    "shape_left": Style(color=MUTED, size=9, align="left"),
    "operator": Style(font=CODE, size=13, color=MUTED, bold=True, align="center"),
    "gradient_line": Style(font=CODE, size=10, color=GRADIENT_INK, bold=True),
    "caption": Style(color=MUTED, size=9),
    "note": Style(color=MUTED, size=9.5, italic=True),
    "note_text": Style(color=MUTED),
    "note_code": Style(font=CODE, size=9, color=MUTED),
    "code": Style(font=CODE, size=10.5),
    "code_comment": Style(font=CODE, size=10.5, color=MUTED, italic=True),
    "training": _number(PARAMETER),
    "editable_note": Style(color=EDITABLE, size=10, italic=True),
    "first_heading": Style(fill=INPUT, size=12, bold=True),
    "first_note": Style(color=EDITABLE, fill=INPUT, size=10, italic=True, align="right"),
    "first_line": Style(fill=INPUT),
    "first_link": Style(color=EDITABLE, fill=INPUT, underline=True),
    "proof": Style(color=AGREE_INK, size=10),
    "map_given": Style(font=CODE, size=10),
    "map_number": Style(color=MUTED, size=10, align="center"),
    "map_line": Style(color=EDITABLE, font=CODE, size=10, bold=True, underline=True),
    "map_note": Style(color=MUTED, size=10, align="left"),
    "map_loss": Style(size=10, bold=True, align="left"),
    "map_arrow": Style(color=GRADIENT_INK, size=10, bold=True, align="center"),
    "map_back": Style(color=GRADIENT_INK, font=CODE, size=10),
    "map_back_link": Style(color=GRADIENT_INK, font=CODE, size=10, underline=True),
    "text": Style(wrap=True),
    "text_line": Style(),
    "link": Style(color=EDITABLE, underline=True),
    "tally_agree": Style(color=AGREE_INK, bold=True),
    "tally_kink": Style(color=UNSURE_INK, bold=True),
    "tally_cannot_tell": Style(color=UNSURE_INK, bold=True),
    "advice": Style(color=UNSURE_INK, bold=True),
    "tally_disagree": Style(color=WRONG_INK, bold=True),
    **{f"legend_{role}": Style(color=EDITABLE, fill=fill, size=10, align="center") for role, fill in _ROLES.items()},
    "legend_value": Style(fill=VALUE, size=10, align="center"),
    "legend_gradient": Style(color=GRADIENT_INK, fill=GRADIENT, size=10, align="center"),
    "legend_blank": Style(color=EDITABLE, fill="FFFFFF", size=10, align="center", boxed=True),
    "legend_nudge": Style(color=NUDGE_INK, fill=NUDGE, size=10, align="center"),
}

# By sign, the first that a cell holds.
VERDICTS = {
    "✗": (WRONG, WRONG_INK),
    "✓": (AGREE, AGREE_INK),
    "cannot tell": (UNSURE, UNSURE_INK),
    "kink": (UNSURE, UNSURE_INK),
}
CHANGED = (NUDGE, NUDGE_INK)
CURVES = {"ink": INK, "gradient": GRADIENT_INK, "nudge": NUDGE_INK, "wrong": WRONG_INK}  # of charts
