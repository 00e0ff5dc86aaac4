"""PII010 to PII012: keys, tokens and passwords."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.finding import Fault
from curate.rules.pii_texts import masked_secret, searched_texts, where_in
from curate.rules.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detect_secrets.plugins.base import RegexBasedDetector

    from curate.sample import Sample


class _Format(NamedTuple):
    """A kind of secret: `trigger` is in every one of them, `find` names the library's detector or is our own pattern.

    A pattern's first group, where it has one, is the secret; else all of the match is.
    """

    kind: str
    trigger: str
    find: str | re.Pattern[str]


# First what detect-secrets knows, then what it lacks, by the issuers' own documentation of their key formats.
_FORMATS = (
    *(_Format("AWS access key", prefix, "aws.AWSKeyDetector") for prefix in ("AKIA", "ASIA", "ABIA", "ACCA")),
    *(
        _Format("GitHub token", prefix, "github_token.GitHubTokenDetector")
        for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    *(
        _Format("GitLab token", prefix, "gitlab_token.GitLabTokenDetector")
        for prefix in ("glpat-", "gldt-", "glrt-", "glptt-")
    ),
    _Format("Slack token", "xox", "slack.SlackDetector"),
    _Format("Slack webhook", "hooks.slack.com/", "slack.SlackDetector"),
    _Format("Stripe key", "k_live_", "stripe.StripeDetector"),
    _Format("OpenAI key", "T3BlbkFJ", "openai.OpenAIDetector"),
    _Format("SendGrid key", "SG.", "sendgrid.SendGridDetector"),
    _Format("PyPI token", "pypi-Ag", "pypi_token.PypiTokenDetector"),
    _Format("Square secret", "sq0csp-", "square_oauth.SquareOAuthDetector"),
    _Format("Azure storage key", "AccountKey=", "azure_storage_key.AzureStorageKeyDetector"),
    _Format("JSON web token", "eyJ", re.compile(r"(?<![\w.])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}")),
    _Format(
        "private key",
        "PRIVATE KEY",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r)+(?:[\w-]+: [^\n]*\n\s*)*"
            r"([A-Za-z0-9+/=\s\\]{100,})"
        ),
    ),
    _Format(
        "AWS secret key",
        "ecret",
        re.compile(r"(?i:aws_?secret_?(?:access_?)?key|secret_?access_?key)\W{1,6}([A-Za-z0-9/+]{40})(?![\w/+=])"),
    ),
    _Format(
        "OpenAI key",
        "sk-",
        re.compile(r"(?<![\w-])sk-(?:(?:proj|svcacct|admin|None)-[\w-]{40,}|[A-Za-z0-9]{48})(?![\w-])"),
    ),
    _Format("Anthropic key", "sk-ant-", re.compile(r"(?<![\w-])sk-ant-[a-z]{3,6}\d\d-[\w-]{60,}")),
    _Format("OpenRouter key", "sk-or-", re.compile(r"(?<![\w-])sk-or-v1-[0-9a-f]{64}(?!\w)")),
    _Format("Hugging Face token", "hf_", re.compile(r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{34,40}(?!\w)")),
    _Format("Google API key", "AIza", re.compile(r"(?<!\w)AIza[\w-]{35}(?![\w-])")),
    _Format("Google OAuth secret", "GOCSPX-", re.compile(r"(?<!\w)GOCSPX-[\w-]{28}(?![\w-])")),
    _Format("GitHub token", "github_pat_", re.compile(r"(?<!\w)github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}(?!\w)")),
    _Format("Groq key", "gsk_", re.compile(r"(?<!\w)gsk_[A-Za-z0-9]{52}(?!\w)")),
    _Format("xAI key", "xai-", re.compile(r"(?<![\w-])xai-[A-Za-z0-9]{80}(?!\w)")),
    _Format("npm token", "npm_", re.compile(r"(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)")),
    _Format("Stripe webhook secret", "whsec_", re.compile(r"(?<!\w)whsec_[A-Za-z0-9]{32,}(?!\w)")),
    _Format("Slack app token", "xapp-", re.compile(r"(?<!\w)xapp-\d-[A-Z0-9]+-\d+-[0-9a-f]{64}(?!\w)")),
    _Format("DigitalOcean token", "_v1_", re.compile(r"(?<!\w)do[opr]_v1_[0-9a-f]{64}(?!\w)")),
    _Format("Shopify token", "shp", re.compile(r"(?<!\w)shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}(?!\w)")),
    _Format("Databricks token", "dapi", re.compile(r"(?<!\w)dapi[0-9a-f]{32}(?:-\d)?(?!\w)")),
    _Format("Telegram bot token", ":AA", re.compile(r"(?<!\w)\d{8,10}:AA[\w-]{33}(?![\w-])")),
    _Format("age secret key", "AGE-SECRET-KEY-1", re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]{58}")),
    _Format(
        "password in a URL", "://", re.compile(r"://[^\s:/?#@\"'<>{}$]{1,40}:([^\s:/?#@\"'<>{}$]{6,60})@[\w.-]+\.\w")
    ),
)
# Forty searches in each clean text are saved by one for a digit, a letter and four more of such characters: a random
# string without these is rare, and so are they in prose. Short keys, keys of letters and passwords need their own look.
_LOOKS_RANDOM = re.compile(r"[0-9][A-Za-z][\w+/=-]{4}")


def _may_hold_secret(text: str) -> bool:
    return (
        _LOOKS_RANDOM.search(text) is not None
        or "AKIA" in text
        or ("_" in text and ("hf_" in text or "_live_" in text))
        or ("@" in text and "://" in text)
    )


_MADE_UP = re.compile(
    r"example|sample|dummy|fake|placeholder|redacted|your|change_?me|insert|replace|secret_?key|api_?key|p[a4]ss_?w|passwd|"
    r"s[e3]cr[e3]t|test_?key|x{4}|\*{3}|\.{3}|0{6}|12345|abcd|a1b2c3|qwerty|deadbeef|todo|(.)\1{5}",
    re.IGNORECASE,
)
# The token on jwt.io's front page, which half the world's tutorials show.
_KNOWN_TOKENS = ("eyJzdWIiOiIxMjM0NTY3ODkw", "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")
_LEAST_BITS = 3.0


def _bits_per_character(text: str) -> float:
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _is_made_up(kind: str, value: str) -> bool:
    """Whether a key is one that people write to show what a key looks like."""
    if any(token in value for token in _KNOWN_TOKENS):
        return True
    if kind == "private key":
        value = re.sub(r"\s|\\[nr]", "", value)[:400]
        return _bits_per_character(value) < 4.5
    # The end of a token is the random part; its header may well hold "test" or "key".
    random_part = value[-24:] if len(value) > 40 else value
    is_counted_up = sum(ord(b) - ord(a) == 1 for a, b in pairwise(random_part)) > len(random_part) / 4
    least = _LEAST_BITS if len(random_part) >= 16 else 2.0
    return is_counted_up or _MADE_UP.search(value) is not None or _bits_per_character(random_part) < least


@cache
def _detector(name: str) -> RegexBasedDetector:
    from importlib import import_module

    module, _, cls = name.partition(".")
    plugin: Any = getattr(import_module(f"detect_secrets.plugins.{module}"), cls)
    return plugin()  # type: ignore[no-any-return]


def _patterns(find: str | re.Pattern[str]) -> tuple[re.Pattern[str], ...]:
    """The patterns of a format. The library's own search returns no positions, so its patterns are run here."""
    return (find,) if isinstance(find, re.Pattern) else tuple(_detector(find).denylist)


@rule("PII010", severity="error")
def secret(sample: Sample) -> Iterator[Fault]:
    """A text holds a key, a token or a password that opens something.

    Why it matters: whoever has the trained model can get the key out of it, and whoever has the file has it
    already. Known formats are looked for (AWS, GitHub, GitLab, Google, OpenAI, Anthropic, Hugging Face, Slack,
    Stripe, private keys, web tokens, URLs with a password and others), so a finding is nearly always right; keys
    made up to show what one looks like are left alone. The value is never printed: four characters, the length and
    a short hash.

    Example: "set OPENAI_API_KEY to sk-p… (51 characters, #a1b2c3)".

    How to fix it: revoke the key first, then replace it with a placeholder such as YOUR_API_KEY, or drop the row.
    """
    for field in searched_texts(sample):
        text = field.text
        if not _may_hold_secret(text):
            continue
        seen: set[str] = set()
        for form in _FORMATS:
            if form.trigger not in text:
                continue
            for pattern in _patterns(form.find):
                for match in pattern.finditer(text):
                    group = 1 if pattern.groups and not isinstance(form.find, str) else 0
                    value = match.group(group)
                    if value in seen or _is_made_up(form.kind, value):
                        continue
                    seen.add(value)
                    shown = masked_secret(value)
                    where = where_in(sample, field, *match.span(group))
                    yield Fault(f"{form.kind} {shown}", where, {"kind": form.kind, "value": shown})


_QUOTED_STRING = re.compile(r"[\"'`=]([A-Za-z0-9+/_-]{24,128}={0,2})(?![\w+/-])")


@rule("PII011", severity="warning", on_by_default=False)
def high_entropy_string(sample: Sample, *, min_bits: float = 4.5) -> Iterator[Fault]:
    """A text holds a long random string, as keys without a known format are.

    Why it matters: it may be a key. It may as well be a hash, an id or a piece of a file, so the rule is off unless
    selected. `min_bits` is Shannon's entropy in bits a character; random base64 has about 4.8 at this length.

    Example: `token = "q7Zr…"` with 43 characters.

    How to fix it: find out what it is; replace it if it is a key.
    """
    for field in searched_texts(sample):
        for match in _QUOTED_STRING.finditer(field.text):
            value = match.group(1)
            bits = _bits_per_character(value)
            if bits >= min_bits and not _is_made_up("string", value):
                shown = masked_secret(value)
                yield Fault(
                    f"random string {shown}",
                    where_in(sample, field, *match.span(1)),
                    {"value": shown, "bits_per_character": round(bits, 2)},
                )


_PASSWORD = re.compile(
    r"\b(?:pass(?:word|wd|phrase|wort)|pwd)\b[\"'`*]{0,3}\s{0,2}(?P<says>is|[:=])\s{0,2}"
    r"(?P<quote>[\"'`*]{0,3})(?P<value>[^\s\"'`*,;<>(){}\[\]$|/\\%]{6,64})(?!\S*[(/\\\[])",
    re.IGNORECASE,
)
_ASKS_FOR_PASSWORD = re.compile(
    r"\b(?:generat|suggest|propos|come up with|think of)\w*[^.?!\n]{0,40}\bpass(?:word|phrase)|"
    r"\b(?:create|make|give|need|want)\s(?:me\s)?(?:an?\s)?(?:(?:new|strong|secure|random|safe|good|unique)\s)+pass(?:word|phrase)|"
    r"\bpass(?:word|phrase) (?:generator|suggestions?|ideas?)\b",
    re.IGNORECASE,
)
_PASSWORD_TOOL = re.compile(
    r"(?:generat|creat|random|suggest).*pass(?:word|phrase)|pass(?:word|phrase).*generat", re.IGNORECASE
)
_VARIABLE = re.compile(r"[a-zA-Z]+[0-9]|\w*_\w*")
_HASH = re.compile(r"[0-9a-f]{32,}")
_PASSWORD_WORDS = ("assw", "PASSW", "pwd", "passphrase")


@rule("PII012", severity="info")
def password_in_text(sample: Sample) -> Iterator[Fault]:
    """A text gives a password away.

    Why it matters: people use one password at many places, and the model repeats it. Only values with letters and
    digits that follow the word itself count, each once in a row, and none that are plainly made up or that the row
    asks to generate.

    Example: "user maria, password: k4tzenfutter".

    How to fix it: replace it with a placeholder, and have it changed if it is real.
    """
    seen: set[str] = set()
    for field in searched_texts(sample):
        if not any(word in field.text for word in _PASSWORD_WORDS):
            continue
        for match in _PASSWORD.finditer(field.text):
            value = match["value"].rstrip(".!?:")
            has_both = any(c.isalpha() for c in value) and any(c.isdigit() for c in value)
            is_code = match["says"] == "=" and not match["quote"] and _VARIABLE.fullmatch(value)
            if len(value) < 6 or not has_both or is_code or _HASH.fullmatch(value) or _is_made_up("password", value):
                continue
            if value in seen or _is_generated(sample):
                continue
            seen.add(value)
            shown = f"{value[:1]}… ({len(value)} characters)"
            start = match.start("value")
            yield Fault(f"password {shown}", where_in(sample, field, start, start + len(value)), {"value": shown})


def _is_generated(sample: Sample) -> bool:
    """Whether a row asks for a new password, of the model or of a tool."""
    return any(
        (message.role != "assistant" and _ASKS_FOR_PASSWORD.search(message.text) is not None)
        or any(_PASSWORD_TOOL.search(call.name) is not None for call in message.tool_calls)
        for message in sample.messages
    )
