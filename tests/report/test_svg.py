from __future__ import annotations

import re

from prakerja_load.report import svg

DOCUMENT = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="288pt" height="158.4pt" viewBox="0 0 288 158.4" \
xmlns="http://www.w3.org/2000/svg" version="1.1">
 <metadata>made at noon</metadata>
 <defs>
  <style type="text/css">*{stroke-linejoin: round}</style>
 </defs>
 <!-- a comment -->
 <g id="figure_1">
  <defs><path id="DejaVuSans-13" d="M 2034 4250
Q 1547 4250 -1301 3770
z
" transform="scale(0.015625)"/></defs>
  <clipPath id="p1"><rect x="34.123456" y="7.2" width="240" height="120"/></clipPath>
  <path d="M 54.784615 148.999096
L -0.004 22.5 " clip-path="url(#p1)" style="fill: none; stroke: #333a40"/>
  <use xlink:href="#DejaVuSans-13" transform="translate(63.623047 0)"/>
 </g>
</svg>
"""


def test_what_belongs_to_a_file_of_its_own_is_gone() -> None:
    slim = svg.slim(DOCUMENT, "k")

    assert slim.startswith('<svg viewBox="0 0 288 158.4" xmlns="http://www.w3.org/2000/svg" stroke-linejoin="round">')
    assert not re.search(r"DOCTYPE|xml version|metadata|comment|<style|xlink|\n", slim)


def test_only_ids_in_use_stay_and_carry_the_key() -> None:
    slim = svg.slim(DOCUMENT, "ramp-1-0")

    assert set(re.findall(r' id="([^"]*)"', slim)) == {"ramp-1-0-0", "ramp-1-0-1"}
    assert 'clip-path="url(#ramp-1-0-0)"' in slim
    assert 'href="#ramp-1-0-1"' in slim


def test_numbers_keep_the_digits_that_can_be_seen() -> None:
    slim = svg.slim(DOCUMENT, "k")

    assert 'd="M54.78 149L0 22.5"' in slim
    assert 'x="34.12"' in slim
    assert "translate(63.62 0)" in slim


def test_glyphs_shrink_with_their_scale() -> None:
    assert 'd="M127 266Q97 266 -81 236z" transform="scale(.25)"' in svg.slim(DOCUMENT, "k")
