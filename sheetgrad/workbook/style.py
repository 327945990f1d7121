"""How each role looks: one table, the same in all sheets. Colours are those of the design; each has one meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace

INK, MUTED, EDITABLE = "1F2937", "5B6472", "2036C9"
GRADIENT_INK, NUDGE_INK, AGREE_INK, WRONG_INK, UNSURE_INK = "0B4A6F", "7C2D12", "166534", "701414", "5C2E08"

# Each fill has one meaning, and a reader who cannot tell red from green tells any two of them apart
# (tests/test_colours.py). In grey, gradients are known by the dark line at their left.
INPUT, PARAMETER, TARGET, CONSTANT = "FFF9B1", "E2E2FE", "E0BEC1", "AAC3C8"
VALUE, GRADIENT, NUDGE, LENS = "F3F3F3", "A8C8F5", "F0B98D", "FFCF4D"
AGREE, UNSURE, WRONG, WHITE = "D6FAD4", "D0A640", "EF8694", "FFFFFF"
MEANINGS = {
    "input": INPUT,
    "parameter": PARAMETER,
    "target": TARGET,
    "constant": CONSTANT,
    "value": VALUE,
    "gradient": GRADIENT,
    "nudge": NUDGE,
    "lens": LENS,
    "agrees": AGREE,
    "cannot tell": UNSURE,
    "wrong": WRONG,
}
BAR, BAR_NOTE = "1F2937", "D1D5DB"
CODE, WORDS = "Consolas", "Calibri"


@dataclass(frozen=True)
class Style:
    """Font, fill, alignment and border of a role; ``grid`` draws thin white lines between the cells of a block, ``frame``
    thin ones in a colour (``heavy`` ones, seen whatever stands beside), ``boxed`` a dark line around each cell; ``edge`` is the colour of a line at the left of a whole
    block. Only ``unlocked`` cells of a locked sheet can be typed into."""

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
    frame: str | None = None
    heavy: bool = False
    boxed: bool = False
    edge: str | None = None
    unlocked: bool = False


def _number(fill: str, color: str = INK, **more) -> Style:
    return Style(color=color, fill=fill, align="center", grid=True, **more)


def _gradient(color: str = GRADIENT_INK, **more) -> Style:
    return _number(GRADIENT, color, edge=GRADIENT_INK, **more)


def _pale(frame: str, color: str = INK) -> Style:
    """Of what is shown once more, to be read with others."""
    return Style(color=color, align="center", frame=frame)


def _framed(style: Style) -> Style:
    """Of the cells that a line takes of a block, or to which a gradient is added: a dark line around each, and bold."""
    return replace(style, frame=INK, heavy=True, bold=True)


_ROLES = {"input": INPUT, "parameter": PARAMETER, "target": TARGET, "constant": CONSTANT}

STYLES: dict[str, Style] = {
    **{role: _number(fill, EDITABLE) for role, fill in _ROLES.items()},
    **{f"{role}_copy": _number(fill) for role, fill in _ROLES.items()},
    **{f"{role}_pale": _pale(fill) for role, fill in _ROLES.items()},
    "value": _number(VALUE),
    "value_pale": _pale(BAR_NOTE),
    "loss": Style(fill=VALUE, align="center", frame=INK, bold=True, size=12),
    "gradient": _gradient(),
    "gradient_open": _gradient(EDITABLE, unlocked=True),
    "gradient_bold": _gradient(bold=True),
    "gradient_pale": _pale(GRADIENT, GRADIENT_INK),
    "nudge": _number(NUDGE, NUDGE_INK),
    "step": _number(VALUE, bold=True),
    "slope": _number(NUDGE, NUDGE_INK, bold=True),
    "pass": _number(NUDGE, NUDGE_INK, size=10),
    "pass_gradient": _gradient(size=10),
    "blank": Style(color=EDITABLE, fill=WHITE, align="center", boxed=True, unlocked=True),
    "answer": Style(color=GRADIENT_INK, fill=GRADIENT, align="center", bold=True, boxed=True),
    "check": Style(align="center", bold=True),
    "index": Style(color=MUTED, size=10, align="center"),
    "difference": Style(color=MUTED, align="center"),
    "verdict": Style(align="center", bold=True, grid=True),
    "corner": Style(bold=True),
    "change": Style(color=MUTED, align="center", grid=True),
    "side": Style(color=NUDGE_INK, bold=True, align="center"),
    "remark": Style(color=MUTED, italic=True),
    "remark_wrapped": Style(color=MUTED, italic=True, wrap=True, size=10.5),
    "question_line": Style(size=12, bold=True, color=GRADIENT_INK),
    "loss_now": Style(align="left"),
    "verdict_line": Style(color=AGREE_INK, bold=True),
    "lens_words": Style(color=MUTED),
    "lens_numbers": Style(bold=True),
    "live_verdict": Style(color=AGREE_INK, size=14, bold=True),
    "score": Style(color=MUTED, size=14, bold=True),
    "state": Style(color=MUTED),
    "setting": _number(INPUT, EDITABLE),
    "setting_copy": Style(align="center"),
    "setting_name": Style(bold=True),
    "setting_beside": Style(bold=True, align="right"),
    "number": Style(font=CODE, size=10.5),
    "number_muted": Style(color=MUTED, italic=True),
    "element_name": Style(font=CODE, size=10, color=MUTED, align="center"),
    "title": Style(size=18, bold=True),
    "subtitle": Style(color=MUTED),
    "question": Style(size=14, bold=True, color=GRADIENT_INK, wrap=True),
    "heading": Style(size=12, bold=True),
    "section": Style(font=CODE, size=11, bold=True),
    "header": Style(color=WHITE, fill=BAR, bold=True, align="center", wrap=True),
    "bar": Style(color=WHITE, fill=BAR, font=CODE, size=13, bold=True),
    "bar_number": Style(color=BAR_NOTE, fill=BAR, size=10, align="center"),
    "bar_note": Style(color=BAR_NOTE, fill=BAR, italic=True),
    "name": Style(font=CODE, size=12, bold=True),
    "shape": Style(color=MUTED, size=10, align="right"),
    "shape_left": Style(color=MUTED, size=10, align="left"),
    "operator": Style(font=CODE, size=13, color=MUTED, bold=True, align="center"),
    "name_pale": Style(font=CODE, size=10, color=MUTED, bold=True),
    "line": Style(font=CODE, size=10, bold=True),
    "gradient_line": Style(font=CODE, size=10, color=GRADIENT_INK, bold=True),
    "backward": Style(color=GRADIENT_INK, size=10),
    "link_note": Style(color=EDITABLE, size=10, italic=True),
    "caption": Style(color=MUTED, size=10),
    "note": Style(color=MUTED, size=10.5, italic=True),
    "note_text": Style(color=MUTED),
    "note_code": Style(font=CODE, size=10, color=MUTED),
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
    "legend_gradient": Style(color=GRADIENT_INK, fill=GRADIENT, size=10, align="center", edge=GRADIENT_INK),
    "legend_blank": Style(color=EDITABLE, fill=WHITE, size=10, align="center", boxed=True),
    "legend_nudge": Style(color=NUDGE_INK, fill=NUDGE, size=10, align="center"),
}

_BLOCKS = ["value", "gradient", "gradient_open", "gradient_pale", "value_pale"]
_BLOCKS += [f"{role}{form}" for role in _ROLES for form in ("", "_copy", "_pale")]
STYLES |= {f"{block}_framed": _framed(STYLES[block]) for block in _BLOCKS}

# By sign, the first that a cell holds.
VERDICTS = {
    "✗": (WRONG, WRONG_INK),
    "✓": (AGREE, AGREE_INK),
    "cannot tell": (UNSURE, UNSURE_INK),
    "kink": (UNSURE, UNSURE_INK),
}
CHANGED = (NUDGE, NUDGE_INK)
CURVES = {"ink": INK, "gradient": GRADIENT_INK, "nudge": NUDGE_INK, "wrong": WRONG_INK}  # of charts
