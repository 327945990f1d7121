"""How wide a text is, without looking at a font: the widths of Calibri, which Carlito shares, and of Consolas."""

from __future__ import annotations

from dataclasses import dataclass

# Of the letters from space to ~, in thousandths of the font's size: Carlito (SIL Open Font License), as it is and bold.
_PLAIN = """
226 326 401 498 507 715 682 221 303 303 498 498 250 306 252 386 507 507 507 507 507 507 507 507 507 507 268 268 498
498 498 463 894 579 544 533 615 488 459 631 623 252 319 520 420 855 646 662 517 673 543 459 487 642 567 890 519 487
468 307 386 307 498 498 291 479 525 423 525 498 305 471 525 229 239 455 229 799 525 527 525 525 349 391 335 525 452
715 433 453 395 314 460 314 498
"""
_BOLD = """
226 326 438 498 507 729 705 233 312 312 498 498 258 306 267 430 507 507 507 507 507 507 507 507 507 507 276 276 498
498 498 463 898 606 561 529 630 488 459 637 631 267 331 547 423 874 659 676 532 686 563 473 495 653 591 906 551 520
478 325 430 325 498 498 300 494 537 418 537 503 316 474 537 246 255 480 246 813 537 538 537 537 355 399 347 537 473
745 459 474 397 344 475 344 498
"""
_LETTERS = [chr(code) for code in range(32, 127)]
_WIDTHS = {
    bold: dict(zip(_LETTERS, map(int, said.split()), strict=True)) for bold, said in ((False, _PLAIN), (True, _BOLD))
}
_SIGNS = dict.fromkeys("→←↑↓", 905) | dict.fromkeys("✓✗", 840) | {"·": 252, "…": 711}
_OTHER = 540  # Greek letters, accents, signs of arithmetic
_CODE = 602  # DejaVu Sans Mono, which stands in for Consolas (550)


@dataclass(frozen=True)
class Letters:
    """How a text is written: the size of its letters in points; ``code`` in letters of one width."""

    size: float = 11
    bold: bool = False
    code: bool = False


def width(text: str, letters: Letters = Letters()) -> float:
    """How wide a text is, in points."""
    if letters.code:
        return _CODE * len(text) * letters.size / 1000
    known = _WIDTHS[letters.bold]
    return sum(known.get(letter) or _SIGNS.get(letter, _OTHER) for letter in text) * letters.size / 1000
