"""The characters that regular expressions of Tengo know, as google-re2 has them.

table()    classes by name and letter case: what `llmspell/tengo/characters.lua` holds

Each line but the last is a name and the ranges of that class, sorted: how far the first character
is from the end of the range before, and how many more there are, if any. The last line tells what
letters become in another case: the first of a range, as seen from the first of the range before,
how many more, how far apart they are, and how far each is from what it becomes. Numbers have
base 36.
"""

from __future__ import annotations

from collections.abc import Iterator

import re2

CATEGORIES = """
C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs
"""
"""General categories. There is nothing in Cs: no text has half a character."""

SCRIPTS = """
Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali
Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian
Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret
Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian
Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo
Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian
Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki
Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam
Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive
Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic
Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya
Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic
Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo
Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut
Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi
Yi Zanabazar_Square
"""

LAST = 0x10FFFF
HALVES = range(0xD800, 0xE000)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

HEAD = """\
-- The classes of characters and the letter case that regular expressions know: see unicode.lua.
-- Written by `make docs` from what google-re2 knows; the form is told in emit/unicode.py.

return [[

"""


def table() -> str:
    """The file, whole."""
    every = "".join(chr(code) for code in range(LAST + 1) if code not in HALVES)
    known = _characters(r"\pC|\pL|\pM|\pN|\pP|\pS|\pZ", every.encode())
    lines = [_line(name, known) for name in f"{CATEGORIES} {SCRIPTS}".split()]
    return HEAD + "\n".join([*lines, _cases(known)]) + "\n]]\n"


def _characters(pattern: str, among: bytes) -> bytes:
    """Those that a pattern matches. Text is UTF-8: else each search would begin with making it."""
    found = re2.compile(f"(?:{pattern})+".encode()).finditer(among)
    return b"".join(match.group() for match in found)


def _number(n: int) -> str:
    if n < 0:
        return "-" + _number(-n)
    return (_number(n // 36) if n >= 36 else "") + DIGITS[n % 36]


def _line(name: str, known: bytes) -> str:
    told, before = [name], 0
    codes = [ord(c) for c in _characters(rf"\p{{{name}}}", known).decode()]
    for first, last, _ in _runs(codes, (1,)):
        more = f".{_number(last - first)}" if last > first else ""
        told.append(_number(first - before) + more)
        before = last
    return " ".join(told)


def _runs(codes: list[int], steps: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """First, last and step of runs of codes that are sorted."""
    at = 0
    while at < len(codes):
        gap = codes[at + 1] - codes[at] if at + 1 < len(codes) else 0
        step, end = gap if gap in steps else steps[0], at
        while end + 1 < len(codes) and codes[end + 1] - codes[end] == step:
            end += 1
        yield codes[at], codes[end], step
        at = end + 1


def _cases(known: bytes) -> str:
    """Each letter with each other that is the same but for case."""
    symbols = _characters(r"\p{So}", known).decode()
    cased = _characters(r"(?i:[\p{Lu}\p{Ll}\p{Lt}\p{Nl}])", known).decode()
    cased += "".join(c for c in symbols if c.swapcase() != c)
    among = cased.encode()
    apart: dict[int, list[int]] = {}
    for c in cased:
        for other in re2.compile(f"(?i:{c})".encode()).findall(among):
            if other.decode() != c:
                apart.setdefault(ord(other.decode()) - ord(c), []).append(ord(c))
    runs = sorted(
        (first, last, step, distance)
        for distance, codes in apart.items()
        for first, last, step in _runs(sorted(codes), (1, 2))
    )
    told, before = ["~"], 0
    for first, last, step, distance in runs:
        told.append(
            ".".join(map(_number, (first - before, (last - first) // step, step, distance)))
        )
        before = first
    return " ".join(told)
