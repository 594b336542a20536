"""One page that needs nothing else: no script, no network; for a phone or a desk, by day or by night."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --page: #fbfbfa; --card: #ffffff; --ink: #1c2126; --soft: #566069; --line: #dfe3e6;
  --subject: #1f5f99; --other: #5b8dbd; --baseline: #a9b3bc; --whisker: #2b3238; }
@media (prefers-color-scheme: dark) { :root { --page: #15181b; --card: #1d2125; --ink: #e8ebee; --soft: #a3adb6;
  --line: #343b41; --subject: #6fb1ec; --other: #4a7fae; --baseline: #5d6871; --whisker: #d6dce1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 72rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.75rem 0 .75rem; font-size: 1.15rem; }
p { margin: .5rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.soft, figcaption, dt, th, .tick { color: var(--soft); }
.side { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.card, figure, .scroll { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.card { padding: .9rem 1.1rem; }
.card b { display: block; font-size: 1.9rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; }
.card span { display: block; }
figure { margin: 0; padding: .9rem 1.1rem; max-width: 34rem; }
figcaption { margin-bottom: .4rem; font-weight: 600; }
svg { display: block; width: 100%; height: auto; fill: var(--ink);
  font: 14px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg .figure { text-anchor: end; } svg .tick { text-anchor: middle; font-size: 12px; fill: var(--soft); }
svg path { fill: none; stroke: var(--whisker); stroke-width: 1.4; }
svg .halo { stroke: var(--card); stroke-width: 4; }
svg text { paint-order: stroke; stroke: var(--card); stroke-width: 3; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .nought { stroke: var(--soft); }
svg .subject { fill: var(--subject); } svg .other { fill: var(--other); } svg .baseline { fill: var(--baseline); }
.scroll { overflow-x: auto; margin: .75rem 0; width: fit-content; max-width: 100%; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .55rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } tbody th { color: var(--ink); font-weight: 400; }
th:first-child { padding-left: .9rem; text-align: left; position: sticky; left: 0; background: var(--card); }
tbody tr:last-child > * { border-bottom: 0; }
tr.subject > * { font-weight: 600; }
dl { display: grid; grid-template-columns: 11rem 1fr; gap: .35rem 1.25rem; margin: .75rem 0; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 600px) { body { padding: 1.25rem 1rem 3rem; } h1 { font-size: 1.4rem; }
  .side, dl { grid-template-columns: 1fr; } dl { gap: 0; } dd { margin-bottom: .6rem; } }
"""


def page(title: str, under: str, sections: Iterable[str]) -> str:
    """A whole document; `title` and `under` are plain text, `sections` are HTML."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><p class="soft">{escape(under)}</p></header>
<main>
{"".join(sections)}</main>
</body>
</html>
"""


def section(title: str, *parts: str) -> str:
    """A heading, plain text, and what stands below it, HTML."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>\n"


def paragraph(text: str) -> str:
    """A few sentences."""
    return f"<p>{escape(text)}</p>"


def table(rows: Sequence[Sequence[str]], subject: str = "") -> str:
    """Rows of plain text, the header first, in a frame of their own that scrolls sideways; one line can stand out."""
    head, *lines = rows
    body = "".join(
        f"<tr{' class=subject' if line[0] == subject else ''}>{_cell(line[0], 'row')}"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in line[1:])}</tr>"
        for line in lines
    )
    titles = "".join(_cell(cell, "col") for cell in head)
    label = escape(next(cell for cell in head if cell))
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def cards(figures: Iterable[tuple[str, str, str]]) -> str:
    """Few large figures: what each is, the figure, and how sure."""
    return _side(
        f'<div class="card"><span class="soft">{escape(what)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(sure)}</span></div>'
        for what, value, sure in figures
    )


def side_by_side(*drawings: str) -> str:
    """Next to each other where there is room."""
    return _side(drawings)


def facts(pairs: Mapping[str, str]) -> str:
    """Names and what they are."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in pairs.items())}</dl>"


def _side(parts: Iterable[str]) -> str:
    return f'<div class="side">{"".join(parts)}</div>'


def _cell(text: str, scope: str) -> str:
    return f'<th scope="{scope}">{escape(text)}</th>'
