"""Makes an SVG file fit to stand inside a page: no prolog, no unused or clashing ids, no digits nobody can see."""

from __future__ import annotations

import re

_PROLOG = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_HIDDEN = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style\b.*?</style>", re.DOTALL)
_HEAD = re.compile(r'\s(?:width|height)="[\d.]+pt"|\sxmlns:xlink="[^"]*"|\sversion="[^"]*"')
_ID = re.compile(r'\sid="([^"]+)"')
_USE = re.compile(r'href="#([^"]+)"|url\(#([^)]+)\)')
_GLYPH = re.compile(r'\sd="([^"]*)" transform="scale\(0\.015625\)"')
_PATH = re.compile(r'\sd="([^"]*)"')
_PLACE = re.compile(r'\s(x|y|width|height)="(-?\d+\.\d{3,})"')
_SHIFT = re.compile(r"translate\(([^)]*)\)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LETTER = re.compile(r"\s*([A-Za-z])\s*")
_SPACE = re.compile(r">\s+<")
_EMPTY = re.compile(r"<g>\s*</g>|<defs>\s*</defs>")


def slim(text: str, key: str) -> str:
    """Return an SVG document of matplotlib's as an element for a page, its ids prefixed with `key`, half as long.

    Its style sheet would reach the whole page, so the one rule that matters moves to the root element.
    """
    text = _HIDDEN.sub("", _PROLOG.sub("", text)).replace("xlink:href=", "href=")
    head, rest = text.split(">", 1)
    text = _rename_ids(f'{_HEAD.sub("", head)} stroke-linejoin="round">{rest}', key)
    text = _GLYPH.sub(lambda match: f' d="{_numbers(match[1], 1 / 16, 0)}" transform="scale(.25)"', text)
    text = _PATH.sub(lambda match: f' d="{_letters(_numbers(match[1], 1, 2))}"', text)
    text = _PLACE.sub(lambda match: f' {match[1]}="{_numbers(match[2], 1, 2)}"', text)
    text = _SHIFT.sub(lambda match: f"translate({_numbers(match[1], 1, 2)})", text)
    return _EMPTY.sub("", _SPACE.sub("><", text)).replace("; ", ";").replace(": ", ":").strip()


def _rename_ids(text: str, key: str) -> str:
    used = dict.fromkeys(first or second for first, second in _USE.findall(text))
    names = {name: f"{key}-{number}" for number, name in enumerate(used)}
    text = _ID.sub(lambda match: f' id="{names[match[1]]}"' if match[1] in names else "", text)
    return _USE.sub(lambda match: match[0].replace(match[1] or match[2], names[match[1] or match[2]]), text)


def _numbers(text: str, scale: float, digits: int) -> str:
    return _NUMBER.sub(lambda match: _short(float(match[0]) * scale, digits), text)


def _short(number: float, digits: int) -> str:
    text = f"{number:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _letters(path: str) -> str:
    return " ".join(_LETTER.sub(r"\1", path).split())
