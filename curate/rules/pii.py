"""PII001 to PII006: personal data that a model would learn by heart."""

from __future__ import annotations

import re
import sys
from functools import lru_cache, partial
from importlib import import_module
from ipaddress import ip_address
from typing import TYPE_CHECKING

from curate.finding import Fault
from curate.rules.pii_texts import masked, masked_email, searched_texts, where_in
from curate.rules.rule import rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from curate.sample import Sample, TextField

_LONG_NUMBER = re.compile(r"[0-9][0-9 ./()+-]{5,}[0-9]")
# Around a number: the word that announces it, the letters that an IBAN or an id begins and ends with.
_BEFORE, _AFTER = 32, 12


@lru_cache(maxsize=1024)
def _long_numbers(text: str) -> tuple[tuple[int, int], ...]:
    """Where a text holds a run of digits and separators with at least six digits.

    Most texts hold none; the rules look closer only around these. Cached, since five rules ask for the same text.
    """
    spans: list[tuple[int, int]] = []
    for match in _LONG_NUMBER.finditer(text):
        if sum(map(str.isdigit, match[0])) >= 6:
            start, end = max(match.start() - _BEFORE, 0), match.end() + _AFTER
            if spans and start <= spans[-1][1]:
                start = spans.pop()[0]
            spans.append((start, end))
    return tuple(spans)


def _faults(
    sample: Sample,
    text: TextField,
    pattern: re.Pattern[str],
    spans: Iterable[tuple[int, int]],
    kind: str,
    is_real: Callable[[re.Match[str]], bool],
    mask: Callable[[str], str] = masked,
) -> Iterator[Fault]:
    """One fault for each different value that stands in the spans of a text and that `is_real` accepts."""
    seen = set()
    for start, end in spans:
        for match in pattern.finditer(text.text, start, end):
            value = match.group()
            if value not in seen and is_real(match):
                seen.add(value)
                shown = mask(value)
                yield Fault(f"{kind} {shown}", where_in(sample, text, *match.span()), {"kind": kind, "value": shown})


def _number_faults(
    sample: Sample, pattern: re.Pattern[str], kind: str, is_real: Callable[[re.Match[str]], bool]
) -> Iterator[Fault]:
    for text in searched_texts(sample):
        if spans := _long_numbers(text.text):
            yield from _faults(sample, text, pattern, spans, kind, is_real)


def _is_made_up(digits: str) -> bool:
    """Whether a number is one that people write as an example: few different digits, or 123456 inside."""
    return len(set(digits)) <= 3 or "123456" in digits or "987654" in digits


# --- email addresses

_WHOLE = ((0, sys.maxsize),)

_EMAIL = re.compile(
    r"(?<![\w.+%/@-])\w[\w.+%-]{0,63}@(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.){1,5}[a-zA-Z]{2,18}(?![\w@/-]|:[\w/])"
)
_MADE_UP_DOMAIN = re.compile(
    r"^(?:.*\.)?(?:example[\w-]*|exemple|ejemplo|beispiel|sample|test|testing|domain|yourdomain|mydomain|your[-_]?\w*|my[-_]?(?:company|domain|site)|company|"
    r"yourcompany|website|mail|email|somewhere|xyz|abc|foo|bar|acme|xxx+|host|server|site|organization|business|placeholder)\.\w+$|"
    r"\.(?:example|test|invalid|local|localhost|internal|png|jpe?g|gif|svg|webp|css|js|ts|py|rb|go|rs|java|html?|json|txt|md)$",
    re.IGNORECASE,
)
_MADE_UP_PERSON = re.compile(
    r"^(?:your\S*|my\S*|name|user\w{0,4}|username|user[._-]?name|e?mail|first\S*|last\S*|some(?:one|body)|foo|bar|abc|xyz|xxx+|test\S*|example\S*|"
    r"j(?:ohn|ane)?[._-]?(?:doe|smith)\S*|(?:john|jane|alice|bob|johndoe|janedoe)\d{0,4}|"
    # Mailboxes of an office are nobody's.
    r"info|support|help|helpdesk|letters|editor\w*|contact\w{0,2}|admin|administrator|sales|service|customer\S*|no-?reply|do-?not-?reply|office|hello|team|press|media|"
    r"webmaster|postmaster|hr|jobs|careers|recruiting|billing|marketing|feedback|security|abuse|privacy|news|newsletter|git|root)$",
    re.IGNORECASE,
)


def _is_real_email(match: re.Match[str]) -> bool:
    person, _, domain = match.group().rpartition("@")
    is_part_of_url = "://" in match.string[max(match.start() - 40, 0) : match.start()].rpartition(" ")[2]
    return not (is_part_of_url or _MADE_UP_DOMAIN.search(domain) or _MADE_UP_PERSON.match(person))


@rule("PII001", severity="info")
def email_address(sample: Sample) -> Iterator[Fault]:
    """A text holds somebody's email address.

    Why it matters: a model repeats what it saw, so addresses of real people come back in answers to others. Made-up
    addresses (example.com, john.doe@…) and mailboxes of an office (info@, support@) are left alone.

    Example: "Write to Maria at m.castellanos@posteo.de"; the report shows `m.c…@posteo.de`.

    How to fix it: replace it with a made-up address at example.com, or drop the row.
    """
    for text in searched_texts(sample):
        if "@" in text.text:
            yield from _faults(sample, text, _EMAIL, _WHOLE, "email address", _is_real_email, masked_email)


# --- phone numbers

_PHONE = re.compile(
    r"(?<![\w.+*/=^<-])(?:"
    r"\+[1-9]\d{0,2}[ .-]?(?:\(0?\d{1,4}\)[ .-]?)?\d{1,5}(?:[ .-]?\d{2,5}){1,4}"  # international: +49 30 5683921
    r"|(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[.-]\d{4}"  # North America: (212) 736-5000
    r")(?![\w%*=^-]|[.,/]\d)"
)
_NATIONAL_PHONE = re.compile(
    r"(?:\b(?:tele(?:ph|f)on[eo]?|tel|phone|mobile|cell|fax|handy|whatsapp|t[ée]l[ée]phone|tel[ée]fono|call me at)\b"
    r"[^\w\n+]{0,4}(?:(?:number|no|nr|is)\b[^\w\n+]{0,3}){0,2})(?P<number>\(?0\d[\d ./()-]{6,13}\d)(?!\w)",
    re.IGNORECASE,
)
_TOLL_FREE = ("800", "833", "844", "855", "866", "877", "888", "900")
# Numbers that the British regulator keeps for films, and the like of Germany's.
_FILM_NUMBERS = re.compile(r"^(?:44|0)(?:7700900|2079460|1632960|1134960|1214960|1614960)|^(?:49|0)3023125")


_IS_SUM = re.compile(r"[\d)]\s*$")


def _is_real_phone(match: re.Match[str]) -> bool:
    number = match.groupdict().get("number") or match.group()
    digits = re.sub(r"\D", "", number)
    if _IS_SUM.search(match.string, max(match.start() - 20, 0), match.start()) or (
        number[1:].isdigit() and len(digits) > 13
    ):
        return False
    if not 8 <= len(digits) <= 15 or _is_made_up(digits) or _FILM_NUMBERS.match(digits):
        return False
    is_american = (number.startswith("+1") and len(digits) == 11) or not number.startswith(("+", "0", "(0"))
    area, exchange = digits[-10:-7], digits[-7:-4]
    return not (is_american and (area in _TOLL_FREE or "555" in (area, exchange) or area.endswith("11")))


@rule("PII002", severity="info")
def phone_number(sample: Sample) -> Iterator[Fault]:
    """A text holds a phone number.

    Why it matters: a model repeats what it saw, so numbers of real people come back in answers to others. Found are
    international numbers (+49 …), North American ones (with their area code), and others that a word such as "phone"
    announces. Toll-free numbers and those kept for films (555) are left alone.

    Example: "You can reach me at (212) 736-5081".

    How to fix it: replace it with a number kept for fiction, such as +1 202 555 0123, or drop the row.
    """
    yield from _number_faults(sample, _PHONE, "phone number", _is_real_phone)
    yield from _number_faults(sample, _NATIONAL_PHONE, "phone number", _is_real_phone)


# --- payment cards

_CARD = re.compile(
    r"(?<![\w.,/=#+-])(?<!\d[ -])(?:"
    r"(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6(?:011|4[4-9]\d|5\d\d)|35\d\d)(?P<four>[ -]?)\d{4}(?P=four)\d{4}(?P=four)\d{4}"
    r"|3[47]\d\d(?P<amex>[ -]?)\d{6}(?P=amex)\d{5}"
    r")(?![\w=-]|[ .,]?\d)"
)
_CARD_WORD = re.compile(
    r"card|visa|amex|credit|debit|payment|karte|tarjeta|carte|cart[aã]o|\bcvv|\bcvc|expir", re.IGNORECASE
)
_TEST_CARDS = frozenset(
    {
        "4012888888881881",
        "4000056655665556",
        "5105105105105100",
        "5200828282828210",
        "5425233430109903",
        "378282246310005",
        "371449635398431",
        "378734493671000",
        "6011000990139424",
        "3530111333300000",
        "3566002020360505",
        "2223003122003222",
        "2223000048400011",
        "4917610000000000",
        "4532015112830366",
        "4539578763621486",
        "4916338506082832",
        "4929000000006",
        "4263982640269299",
        "4003600000000014",
    }
)


def _is_real_card(match: re.Match[str]) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", match.group())
    if digits in _TEST_CARDS or _is_made_up(digits) or "00000" in digits or not luhn.is_valid(digits):
        return False
    # One bare number in ten passes the check digit, so such a number needs a word that says what it is.
    is_grouped = bool(match["four"] or match["amex"])
    return is_grouped or _CARD_WORD.search(match.string, max(match.start() - 80, 0), match.end() + 40) is not None


@rule("PII003", severity="warning")
def payment_card(sample: Sample) -> Iterator[Fault]:
    """A text holds the number of a payment card.

    Why it matters: card numbers in training data come back in answers, and keeping them breaches the card
    industry's rules (PCI DSS). The brand's prefix and the check digit (Luhn) must hold; test numbers of payment
    providers are left alone.

    Example: "my card is 4485 2753 …"; the report shows `4485… (19 characters)`.

    How to fix it: replace it with a test number such as 4242 4242 4242 4242, or drop the row.
    """
    yield from _number_faults(sample, _CARD, "payment card", _is_real_card)


# --- bank accounts

_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])")
_KNOWN_IBANS = frozenset(
    {
        "GB82WEST12345698765432",
        "DE89370400440532013000",
        "FR1420041010050500013M02606",
        "GB29NWBK60161331926819",
        "NL91ABNA0417164300",
        "BE68539007547034",
        "ES9121000418450200051332",
        "CH9300762011623852957",
        "AT611904300234573201",
        "IT60X0542811101000000123456",
        "GB33BUKB20201555555555",
        "DE75512108001245126199",
        "FR7630006000011234567890189",
        "BE71096123456769",
        "NL02ABNA0123456789",
        "ES7921000813610123456789",
        "PL61109010140000071219812874",
        "SE4550000000058398257466",
        "NO9386011117947",
        "DK5000400440116243",
        "LU280019400644750000",
        "IE29AIBK93115212345678",
        "PT50000201231234567890154",
        "FI2112345600000785",
        "CZ6508000000192000145399",
    }
)


def _is_real_iban(match: re.Match[str]) -> bool:
    return _is_valid_iban(match.group().replace(" ", ""))


@lru_cache(maxsize=1024)
def _is_valid_iban(value: str) -> bool:
    from stdnum import iban

    return value not in _KNOWN_IBANS and not _is_made_up(re.sub(r"\D", "", value)) and iban.is_valid(value)


@rule("PII004", severity="warning")
def iban(sample: Sample) -> Iterator[Fault]:
    """A text holds the number of a bank account (IBAN).

    Why it matters: account numbers of real people come back in answers to others. The country's structure and the
    checksum (modulo 97) must hold; the numbers that banks print as examples are left alone.

    Example: "please transfer it to DE44 5001 …"; the report shows `DE44… (27 characters)`.

    How to fix it: replace it with a bank's example such as DE89 3704 0044 0532 0130 00, or drop the row.
    """
    yield from _number_faults(sample, _IBAN, "IBAN", _is_real_iban)


# --- internet addresses

_IPV4 = re.compile(r"(?<![\w.:/-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w.:/-])[23][0-9a-fA-F]{3}(?::{1,2}[0-9a-fA-F]{1,4}){3,7}(?![\w:])")
_NUMBERED = re.compile(
    r"(?:\bv|version|release|build|firmware|section|chapter|clause|rule|article|§|\boid)[\s:.=]*$", re.IGNORECASE
)
_PUBLIC_RESOLVERS = ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220")


def _is_real_ip(match: re.Match[str]) -> bool:
    value = match.group()
    try:
        address = ip_address(value)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or value in _PUBLIC_RESOLVERS:
        return False
    if address.version == 4:
        octets = value.split(".")
        # 5.1.2.3 is mostly a section or a version, and .0 and .255 name networks.
        if (
            sum(len(octet) > 1 for octet in octets) < 2
            or octets[3] in ("0", "255")
            or _is_made_up(value.replace(".", ""))
        ):
            return False
    return not _NUMBERED.search(match.string, max(match.start() - 14, 0), match.start())


@rule("PII005", severity="info")
def public_ip_address(sample: Sample) -> Iterator[Fault]:
    """A text holds the public internet address of a host.

    Why it matters: an address can name a household or a server that is open to attack. Private and documentation
    ranges, public resolvers and version numbers are left alone.

    Example: "login from 84.112.37.205 at 03:12".

    How to fix it: replace it with an address kept for documentation, such as 192.0.2.10.
    """
    yield from _number_faults(sample, _IPV4, "IP address", _is_real_ip)
    for text in searched_texts(sample):
        colons = text.text.count(":")
        if colons >= 7 or (colons >= 4 and "::" in text.text):
            yield from _faults(sample, text, _IPV6, _WHOLE, "IP address", _is_real_ip)


# --- national ids: the pattern as it is printed, and the module of stdnum that knows the checksum

_NATIONAL_IDS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("US social security number", re.compile(r"(?<![\w.+-])\d{3}-\d{2}-\d{4}(?![\w-])"), "us.ssn"),
    ("Brazilian CPF", re.compile(r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])"), "br.cpf"),
    ("Chilean RUT", re.compile(r"(?<![\w.-])\d{1,2}\.\d{3}\.\d{3}-[\dkK](?![\w-])"), "cl.rut"),
    (
        "Chinese resident id",
        re.compile(r"(?<![\w.-])[1-8]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d\d{3}[\dX](?![\w-]|\.\d)"),
        "cn.ric",
    ),
    (
        "French social security number",
        re.compile(r"(?<![\w.-])[12] \d\d [01]\d \d\d \d{3} \d{3} \d\d(?![\w-])"),
        "fr.nir",
    ),
    ("Korean resident number", re.compile(r"(?<![\w.-])\d{2}[01]\d[0-3]\d-[1-8]\d{6}(?![\w-])"), "kr.rrn"),
    ("Spanish DNI", re.compile(r"(?<=DNI )\d{8}-?[A-Z](?!\w)|(?<=DNI: )\d{8}-?[A-Z](?!\w)"), "es.dni"),
    ("Indian Aadhaar", re.compile(r"(?i:(?<=aadhaar )|(?<=aadhaar: ))\d{4} \d{4} \d{4}(?! ?\d)"), "in_.aadhaar"),
)
_KNOWN_IDS = frozenset({"078-05-1120", "219-09-9999", "457-55-5462", "12.345.678-5"})


@rule("PII006", severity="info")
def national_id(sample: Sample) -> Iterator[Fault]:
    """A text holds the national id of a person.

    Why it matters: with such a number, identities are stolen; a model that learned it gives it away. Only numbers in
    their printed form with a valid check digit count: US, Brazil, Chile, China, France and Korea, and Spain's and
    India's where their name stands before them.

    Example: "SSN: 536-22-8…"; the report shows `536… (11 characters)`.

    How to fix it: replace it with an invalid number such as 000-00-0000, or drop the row.
    """
    if any(_long_numbers(text.text) for text in searched_texts(sample)):
        for kind, pattern, module in _NATIONAL_IDS:
            yield from _number_faults(sample, pattern, kind, partial(_has_checksum, module=module))


def _has_checksum(match: re.Match[str], *, module: str) -> bool:
    value = match.group()
    if value in _KNOWN_IDS or _is_made_up(re.sub(r"\D", "", value)):
        return False
    return bool(import_module(f"stdnum.{module}").is_valid(value))
