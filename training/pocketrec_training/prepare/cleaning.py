"""Text as people read it: composed Unicode, single blanks, no HTML."""

import html
import re

import polars as pl

_SPACES = r"[\s\x1c-\x1f]+"
"""What Python's regular expressions call white space; polars' lack the four separators of ASCII."""
_INLINE = "a|abbr|b|big|cite|code|del|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|sub|sup|tt|u|var"
_BLOCK = (
    "address|article|aside|blockquote|body|br|button|center|dd|div|dl|dt|embed|fieldset|figcaption|figure|footer|form|"
    "h[1-6]|head|header|hr|html|iframe|img|input|label|li|link|main|map|meta|nav|noscript|object|ol|option|p|param|"
    "picture|pre|script|section|select|source|style|svg|table|tbody|td|textarea|tfoot|th|thead|time|title|tr|ul|video|wbr"
)
_INLINE_TAG = rf"(?i)</?(?:{_INLINE})(?:\s[^<>]*)?/?>"
_BREAKING = (
    r"(?is)<!--.*?-->|<!doctype[^<>]*>|<(?:script|style)\b[^<>]*>.*?</(?:script|style)\s*>"
    rf"|</?(?:{_BLOCK})(?:\s[^<>]*)?/?>"
)
"""Elements by name, so that "x<y and z>w" stays."""
_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"


def clean_texts(texts: pl.Series) -> pl.Series:
    r"""What `pocketrec.text.clean_text` does to one text: NFC, white space folded, ends trimmed.

    Example:
        >>> clean_texts(pl.Series(["  Blue\n teapot "])).to_list()
        ['Blue teapot']
    """
    return texts.str.normalize("NFC").str.replace_all(_SPACES, " ").str.strip_chars(" ")


def without_html(texts: pl.Series) -> pl.Series:
    """Tags, comments, scripts and styles out, entities decoded; a tag that breaks the line leaves a blank.

    Example:
        >>> without_html(pl.Series(["<b>Salt &amp; pepper</b> under 5 < 6"])).to_list()
        ['Salt & pepper under 5 < 6']
    """
    plain = texts.str.replace_all(_BREAKING, " ").str.replace_all(_INLINE_TAG, "")
    coded = plain.filter(plain.str.contains(_ENTITY).fill_null(False)).unique(maintain_order=True)
    if not len(coded):
        return plain
    decoded = [re.sub(_ENTITY, lambda found: html.unescape(found[0]), text) for text in coded]
    return plain.replace(coded, pl.Series(decoded, dtype=pl.String))
