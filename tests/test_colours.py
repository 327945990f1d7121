"""Colours: each meaning has one, everybody can tell them apart, and every text can be read on its fill."""

from itertools import combinations

import numpy as np
import pytest
from sight import CONTRAST, contrast

from sheetgrad.workbook.style import CHANGED, MEANINGS, STYLES, UNSURE, VERDICTS, WHITE

SMALLEST = 10  # points
APART = 10.0  # in CIEDE2000, where about 1 is the least that can be seen
# What is left of red, green and blue light without the cones for green (Machado, Oliveira and Fernandes, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1.0).
DEUTERANOPE = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
EVERYBODY = np.eye(3)
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
D65 = np.array([0.95047, 1.0, 1.08883])


def parts(colour: str) -> tuple[float, ...]:
    """Red, green and blue from 0 to 1."""
    return tuple(int(colour[k : k + 2], 16) / 255 for k in (0, 2, 4))


def lab(colour: str, sees: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as somebody sees it."""
    gamma = np.array(parts(colour))
    light = np.where(gamma <= 0.04045, gamma / 12.92, ((gamma + 0.055) / 1.055) ** 2.4)
    x = TO_XYZ @ np.clip(sees @ light, 0, 1) / D65
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one: np.ndarray, two: np.ndarray) -> float:
    """How far two CIELAB colours are apart (Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula", 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean / (mean + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    lightness, chroma, hue = (l1 + l2) / 2, (c1 + c2) / 2, h1 + turn / 2 if c1 * c2 else h1 + h2
    dark, pale, round_ = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    terms = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    t = 1 + sum(factor * np.cos(np.radians(k * hue + shift)) for factor, k, shift in terms)
    dark /= 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    pale /= 1 + 0.045 * chroma
    round_ /= 1 + 0.015 * chroma * t
    blue = (
        2
        * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
        * np.sin(np.radians(60 * np.exp(-((((hue % 360) - 275) / 25) ** 2))))
    )
    return float(np.sqrt(dark**2 + pale**2 + round_**2 - blue * pale * round_))


@pytest.mark.parametrize(
    ("one", "two", "apart"),  # of the data that Sharma, Wu and Dalal publish for tests
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_distances_are_those_of_the_paper(one, two, apart):
    assert ciede2000(np.array(one), np.array(two)) == pytest.approx(apart, abs=1e-4)


@pytest.mark.parametrize("sees", [DEUTERANOPE, EVERYBODY], ids=["deuteranope", "everybody"])
def test_any_two_meanings_can_be_told_apart(sees):
    near = {
        pair: round(apart, 1)
        for pair in combinations(MEANINGS, 2)
        if (apart := ciede2000(*(lab(MEANINGS[meaning], sees) for meaning in pair))) < APART
    }
    assert near == {}


def test_every_fill_has_a_meaning():
    marks = {fill for fill, _ in (*VERDICTS.values(), CHANGED)}
    assert {style.fill for style in STYLES.values()} | marks <= {*MEANINGS.values(), None, WHITE, STYLES["bar"].fill}
    assert UNSURE in marks


def test_what_has_a_line_at_its_left_is_a_gradient():
    for name, style in STYLES.items():
        assert (style.edge is not None) == (style.fill == MEANINGS["gradient"] and not style.boxed), name


@pytest.mark.parametrize("name", STYLES)
def test_a_text_can_be_read(name):
    style = STYLES[name]
    assert style.size >= SMALLEST
    assert contrast(parts(style.color), parts(style.fill or WHITE)) >= CONTRAST


@pytest.mark.parametrize(("fill", "ink"), [*VERDICTS.values(), CHANGED])
def test_a_mark_can_be_read_in_its_cell_and_in_a_sentence(fill, ink):
    assert contrast(parts(ink), parts(fill)) >= CONTRAST <= contrast(parts(ink), parts(WHITE))


def test_what_a_colour_says_is_also_said_otherwise():
    """Numbers to change are also told from others as a deuteranope sees them, by the lightness of their ink or hue."""
    inks = [STYLES[name].color for name in ("input", "value", "gradient", "nudge")]
    near = [pair for pair in combinations(inks, 2) if ciede2000(*(lab(ink, DEUTERANOPE) for ink in pair)) < APART]
    assert near == []
