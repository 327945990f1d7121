"""What a label in somebody's workbook says: that a loss stands there, the gradient of a number, or which number.

``dw``, ``dL/dw1``, ``∂E_t/∂w5 = …``, ``δE/δw``, ``dL_dw``, ``w.g``, ``w_grad``, ``grad w``, ``∇w``, ``gradient of the loss with
respect to w`` all name a number and say that its gradient stands there; ``gradient`` alone says it of whatever stands
beside it. Small figures and letters of mathematics (``w₁``, ``𝑤``) are read as plain ones.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

LONGEST = 120  # characters of a text that is taken for a label
SHOWN = 40  # characters of a label in a sentence
LOSS_WORD = r"loss|cost|error|objective|mse|sse|rmse|bce|cross[- ]?entropy|log[- ]?loss"
LOSS_LETTER = r"[lejc]"
LOSS = re.compile(
    rf"(?:(?:the|total|mean|average|avg|overall|final|sum|of|training|squared|batch|half) )*"
    rf"(?:(?:mse |bce |cross[- ]?entropy |log )?(?:{LOSS_WORD})(?:e?s)?|{LOSS_LETTER})(?: function| value)?"
    r"(?:[ _.]*(?:total|tot|t|sum|all|mean|avg|value|o?[0-9]{1,3}))?"
)
SUMMED = re.compile(r"(?:(?:sum|mean|average|avg|total|batch|Σ|∑)(?: of)?[ :_]+)(?P<rest>.+)", re.I)
WORD = r"(?:grad(?:ient)?s?|derivatives?|nabla|∇)"
TOWARDS = r"(?:of|for|in|wrt|w\.r\.t\.?|with respect to|by)"
GRADIENT = re.compile(
    rf"(?:the )?{WORD}(?: values?)?(?: of (?:the )?(?P<of>{LOSS_WORD}|{LOSS_LETTER}))?|backward(?: pass)?|back-?prop(?:agation)?",
    re.I,
)
NAMED = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"[d∂δ] ?\(?(?P<of>[^/]*?)\)? ?[/÷] ?[d∂δ] ?\(?(?P<name>[^/()]+?)\)?",  # dL/dw, ∂(E_t)/∂(w1)
        rf"[d∂](?P<of>{LOSS_WORD}|{LOSS_LETTER})_?[d∂](?P<name>[^/ ]+)",  # dL_dw, dLdw
        rf"(?:the )?{WORD} (?:of (?:the )?(?P<of>{LOSS_WORD}|{LOSS_LETTER}) )?{TOWARDS} (?:the )?(?P<name>.+)",
        rf"∇_?(?P<name>[^ ]+) (?P<of>{LOSS_WORD}|{LOSS_LETTER})",  # ∇w L
        rf"(?:{WORD}[ _.:]+|∇ ?|(?-i:grad(?=[A-Z])))(?P<name>[^ /()]+)",  # grad w, gradW, ∇w
        rf"(?P<name>[^·÷*/:+]+?)[ ._]+{WORD}",  # w gradient, w.grad
        r"(?P<name>[^ ]+?)[._]g",  # w.g
    )
)
SHORT = re.compile(r"[d∂][ _]?(?P<name>[^/ ]+)", re.I)  # dw
BRACKETS = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")
PLAIN = re.compile(r"[^a-z0-9α-ω]+")
SYMBOL = re.compile(r"[a-zα-ω]{1,3}[_ ]?\d{0,3}", re.I)
FILLING = frozenset(
    [
        "the",
        "of",
        "for",
        "a",
        "weight",
        "weights",
        "bias",
        "biases",
        "matrix",
        "vector",
        "parameter",
        "parameters",
        "param",
        "number",
        "value",
        "values",
        "initial",
        "old",
        "current",
        "total",
        "sum",
        "mean",
        "average",
        "avg",
        "batch",
        "input",
        "inputs",
        "layer",
        "hidden",
        "output",
    ]
)
VALUES = frozenset(
    [
        "value",
        "values",
        "weight",
        "weights",
        "parameter",
        "parameters",
        "number",
        "numbers",
        "initial",
        "start",
        "old",
        "current",
    ]
)


@dataclass(frozen=True)
class Gradient:
    """What a gradient's label says: whose gradient (``of``, empty where it is the loss's as a matter of course), and the
    plain names that its number may have, the likeliest first; none where the label only says that it is a gradient.
    ``sure`` is False for ``dw``, which may as well be the beginning of a word."""

    of: str = ""
    names: tuple[str, ...] = ()
    sure: bool = True


def tidy(text: str) -> str:
    """A label without what only decorates it: line ends, small figures, ``=`` and what follows it, a colon."""
    if len(text) > LONGEST:
        text = text[:LONGEST].partition("=")[0] if "=" in text[:LONGEST] else ""
    plain = unicodedata.normalize("NFKC", text).replace("\\partial", "∂").replace("$", "")
    return " ".join(plain.partition("=")[0].split()).rstrip(":").strip()


def shown(text: str) -> str:
    """A label as people are told of it: in one line, and not too long."""
    line = " ".join(text.split()).rstrip(":= ")
    return line if len(line) <= SHOWN else line[: SHOWN - 1].rstrip() + "…"


def plain(text: str) -> str:
    """A name by its letters and figures alone, in lower case and the singular."""
    name = PLAIN.sub("", text.lower())
    return {"biases": "bias"}.get(name, name[:-1] if len(name) > 5 and name.endswith("s") else name)


def names_of(text: str) -> tuple[str, ...]:
    """The plain names that a label may mean, the whole first: ``Weights W1 (2×2)`` is ``w1`` too."""
    whole = tidy(text)
    outside, inside = BRACKETS.sub(" ", whole), " ".join(BRACKETS.findall(whole))
    words = [word for word in re.split(r"[ :,]+", outside) if word and word.lower() not in FILLING]
    rest = re.sub(r"[._ ]+values?$|^(initial|old|current|start) ", "", outside, flags=re.I)
    found = [whole, outside, rest, inside if SYMBOL.fullmatch(inside) else ""]
    found += words if len(words) == 1 and SYMBOL.fullmatch(words[0]) else []
    return tuple(dict.fromkeys(name for name in map(plain, found) if name and not name.isdigit()))


def is_loss(text: str) -> bool:
    """Whether a label names a loss: ``Loss``, ``Total error``, ``E_total``, ``L = …``."""
    return any(LOSS.fullmatch(part.strip().lower()) for part in (tidy(text), BRACKETS.sub(" ", tidy(text))))


def gradient_of(text: str) -> Gradient | None:
    """What a label says of a gradient; None where it does not speak of one."""
    whole = tidy(text)
    inside = BRACKETS.findall(whole)
    found = [
        said for part in dict.fromkeys((whole, BRACKETS.sub(" ", whole).strip(), *inside)) if (said := _said(part))
    ]
    if not found:
        return None
    names = tuple(dict.fromkeys(name for said in found for name in said.names))
    if not names:
        names = tuple(plain(name) for name in inside if SYMBOL.fullmatch(name))
    return replace(found[0], names=names, sure=any(said.sure for said in found))


def _said(part: str) -> Gradient | None:
    """What a part of a label says, without brackets or with them."""
    if (summed := SUMMED.fullmatch(part)) and not GRADIENT.fullmatch(part):
        part = summed["rest"]
    if alone := GRADIENT.fullmatch(part):
        return Gradient(plain(alone["of"] or ""))
    for pattern in (*NAMED, SHORT):
        match = pattern.fullmatch(part)
        if match and names_of(match["name"]):
            of = plain(match.groupdict().get("of") or "")
            return Gradient(of, names_of(match["name"]), pattern is not SHORT)
    return None


def is_value(text: str) -> bool:
    """Whether a heading says that numbers stand below it, without naming one."""
    return tidy(text).lower() in VALUES
