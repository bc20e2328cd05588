"""One word a thing: the words that were retired stay away, and what is used instead is said here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RETIRED = {
    r"tell(s|ing)?|told|untold": "emit, report, print, log",
    r"ow(e|es|ed|ing)": "pending, enqueue",
    r"mend(s|ed|ing)?": "resolve, fix, recover",
    r"troubles?": "error, fault",
    r"strangers?": "non-AWS answer, outsider",
    r"hurr(y|ies|ied)": "deadline; a hint",
    r"unfit": "invalid",
    r"standing": "status, summary",
    r"quiet_visits|unfit_bodies": "unchanged_visits, invalid_bodies",
}
"""As words and as parts of names (`_tell_losses`, `OwedWindow`), whatever their case."""

RETIRED_NAMES = {
    r"\bSeen\b|\bseen\.": "VisitResult, result",
    r"\bat: (Visiting|Listing|Ticking|Verification)\b|\bat\.(ledger|now|provider|bucket|queue)\b": "deps",
    r"[.#]again\b|\bagain=|[\"']again[\"']": "recheck, reopen",
    r"\bfrom [\w.]+(walking|places|memory|looking|bills|acknowledged|acknowledging|archiving) import": "paging and so on",
    r"\bkept\b": "stored",
    r"\bapart\b": "separate, distinguished",
}
"""Ambiguous as words: retired only in these forms, which are exact."""

WRITTEN = [
    *(path for folder in ("functions", "infra", "docs", ".github") for path in (ROOT / folder).rglob("*")),
    *ROOT.glob("*.md"),
]
READ = sorted(path for path in WRITTEN if path.suffix in {".py", ".md", ".toml", ".yml", ".txt"})


def parts(text: str) -> str:
    """Names taken apart at their underscores and capitals, so that each part is a word."""
    return re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", text)


@pytest.mark.parametrize("path", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_word_is_used(path: Path) -> None:
    # One section names them, for who writes here.
    text = re.sub(
        r"<!-- retired words -->.*?<!-- end -->", "", path.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    words = re.compile(rf"\b({'|'.join(RETIRED)})\b", re.IGNORECASE)
    found = {match.group(0) for match in words.finditer(parts(text))}
    for name in RETIRED_NAMES:
        found |= {match.group(0) for match in re.finditer(name, text)}
    assert found == set()


@pytest.mark.parametrize(
    "text", ["_tell_losses", "OwedWindow", "It told us.", "what is owed", "mended", "Trouble"]
)
def test_a_retired_word_is_found_in_whatever_form(text: str) -> None:
    assert re.search(rf"\b({'|'.join(RETIRED)})\b", parts(text), re.IGNORECASE)


@pytest.mark.parametrize(
    "text", ["recommended", "followed", "allowed", "Powertools", "powerful", "outstanding"]
)
def test_other_words_are_left_alone(text: str) -> None:
    assert not re.search(rf"\b({'|'.join(RETIRED)})\b", parts(text), re.IGNORECASE)
