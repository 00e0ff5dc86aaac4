"""Plants personal data and secrets into clean rows, as people paste them: in prose, in code, in a signature."""

from __future__ import annotations

import base64
import copy
import json
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from curate.sample import Sample

BASE62 = string.ascii_letters + string.digits
BASE64URL = BASE62 + "-_"
HEX = "0123456789abcdef"


def text(random: Random, alphabet: str, length: int) -> str:
    return "".join(random.choices(alphabet, k=length))


def digits(random: Random, length: int) -> str:
    return text(random, string.digits, length)


def planted(random: Random, sample: Sample, value: str, carriers: tuple[str, ...]) -> Sample | None:
    """A copy of the sample with the value in a sentence at the start, the end or between two lines of one turn."""
    turns = [i for i, message in enumerate(sample.messages) if isinstance(message.content, str) and message.content]
    if not turns:
        return None
    mutant = copy.deepcopy(sample)
    mutant._id = mutant._texts = None
    message = mutant.messages[random.choice(turns)]
    assert isinstance(message.content, str)
    lines = message.content.split("\n")
    lines.insert(random.randint(0, len(lines)), random.choice(carriers).format(value))
    message.content = "\n".join(lines)
    return mutant


def email(random: Random, sample: Sample) -> Sample | None:
    first = random.choice(["maria", "Wei", "olu", "jens", "anaïs"])
    last = random.choice(["castellanos", "zhang", "Petrov"])
    year = random.randint(60, 99)
    person = random.choice([f"{first}.{last}", f"{first[0]}{last}", f"{first}_{last}{year}", f"{first}+news"])
    domain = random.choice(["gmail.com", "posteo.de", "uni-koeln.de", "cs.stanford.edu", "yahoo.co.uk", "163.com"])
    carriers = ("Write to {} by Friday.", "From: Someone <{}>", "contact={}", "({})", "[mail](mailto:{})", "E-Mail:{}")
    return planted(random, sample, f"{person}@{domain}", carriers)


def phone(random: Random, sample: Sample) -> Sample | None:
    area = random.choice(["212", "415", "702", "617"])
    exchange, line = random.randint(220, 399), random.randint(2000, 8999)
    value = random.choice(
        [
            f"({area}) {exchange}-{line}",
            f"{area}-{exchange}-{line}",
            f"{area}.{exchange}.{line}",
            f"+1 {area} {exchange} {line}",
            f"+1-{area}-{exchange}-{line}",
            f"+49 {random.choice(['30', '89', '221'])} {random.randint(2_000_000, 8_999_999)}",
            f"+44 20 {random.randint(3000, 7800)} {random.randint(1000, 9999)}",
            f"+91 {random.randint(70000, 99999)} {random.randint(10000, 99999)}",
            f"+33 6 {' '.join(str(random.randint(10, 99)) for _ in range(4))}",
            f"+86 13{random.randint(0, 9)} {random.randint(1000, 9999)} {random.randint(1000, 9999)}",
        ]
    )
    if "123456" in "".join(filter(str.isdigit, value)):
        return None
    carriers = (
        "Call me at {}.",
        "Phone: {}",
        "Tel. {} (mornings)",
        "my number is {}, thanks",
        "reach her on {} or not",
    )
    return planted(random, sample, value, carriers)


def luhn_digit(number: str) -> str:
    total = 0
    for i, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if i % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card(random: Random, sample: Sample) -> Sample | None:
    amex = random.random() < 0.2
    head = random.choice(["34", "37"]) if amex else random.choice(["4", "51", "53", "2225", "6011"])
    number = head + digits(random, (14 if amex else 15) - len(head))
    number += luhn_digit(number)
    if len(set(number)) < 5 or "00000" in number or "123456" in number:
        return None
    groups = (number[:4], number[4:10], number[10:]) if amex else tuple(number[i : i + 4] for i in range(0, 16, 4))
    value = random.choice(["", " ", "-"]).join(groups)
    carriers = ("My credit card is {}.", "card number: {}", "Visa {} exp 04/29", "my card, {}, was charged twice")
    return planted(random, sample, value, carriers)


def iban(random: Random, sample: Sample) -> Sample | None:
    country, length = random.choice([("DE", 18), ("AT", 16)])
    account = digits(random, length)
    number = account + "".join(str(ord(letter) - 55) for letter in country) + "00"
    value = f"{country}{98 - int(number) % 97:02d}{account}"
    if random.random() < 0.6:
        value = " ".join(value[i : i + 4] for i in range(0, len(value), 4))
    if "123456" in value.replace(" ", ""):
        return None
    carriers = ("IBAN: {}", "Please transfer it to {}.", "my account {} at the Sparkasse", "({})")
    return planted(random, sample, value, carriers)


def ip_address(random: Random, sample: Sample) -> Sample | None:
    octets = (random.choice([84, 91, 62, 185, 213]), *(random.randint(10, 250) for _ in range(3)))
    value = ".".join(map(str, octets))
    if random.random() < 0.2:
        value = f"2a02:{text(random, HEX, 3)}:{text(random, HEX, 4)}:1::{text(random, '123456789', 2)}"
    carriers = (
        "login from {} at 03:12",
        "ssh root@host # {}",
        "Host {} is up",
        "the server ({}) is down",
        "{} - - GET /",
    )
    return planted(random, sample, value, carriers)


def national_id(random: Random, sample: Sample) -> Sample | None:
    ssn = f"{random.choice([536, 212, 401, 619])}-{random.randint(10, 99)}-{random.randint(1000, 9999)}"
    base = [random.randint(0, 9) for _ in range(9)]
    for _ in range(2):
        weights = range(len(base) + 1, 1, -1)
        base.append((sum(w * d for w, d in zip(weights, base, strict=True)) * 10 % 11) % 10)
    cpf = "".join(map(str, base))
    birth = f"{random.randint(1950, 2004)}0{random.randint(1, 9)}1{random.randint(0, 9)}"
    resident = f"{random.choice(['110105', '310104'])}{birth}{digits(random, 3)}"
    check = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(resident)) % 11
    resident += "10X98765432"[check]
    value = random.choice([ssn, f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}", resident])
    if len(set(value)) < 6 or any(run in value for run in ("123456", "987654", "123-45-6")):
        return None
    return planted(random, sample, value, ("SSN: {}", "his number is {}.", "ID {} (valid)", "born 1981, {}", "{}"))


def web_token(random: Random) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims: dict[str, object] = {"sub": text(random, HEX, 12), "iat": random.randint(1_600_000_000, 1_700_000_000)}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{text(random, BASE64URL, 43)}"


def private_key(random: Random) -> str:
    kind = random.choice(["RSA ", "EC ", "OPENSSH ", ""])
    body = text(random, BASE62 + "+/", 64 * random.randint(4, 12))
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


SECRETS: dict[str, Callable[[Random], str]] = {
    "aws": lambda r: r.choice(["AKIA", "ASIA"]) + text(r, string.ascii_uppercase + "234567", 16),
    "aws secret": lambda r: "aws_secret_access_key = " + text(r, BASE62 + "+/", 40),
    "github": lambda r: r.choice(["ghp_", "gho_", "ghs_"]) + text(r, BASE62, 36),
    "github fine-grained": lambda r: f"github_pat_{text(r, BASE62, 22)}_{text(r, BASE62, 59)}",
    "gitlab": lambda r: "glpat-" + text(r, BASE64URL, 20),
    "slack": lambda r: f"xoxb-{digits(r, 12)}-{digits(r, 13)}-{text(r, BASE62, 24)}",
    "stripe": lambda r: "sk_live_" + text(r, BASE62, 24),
    "openai": lambda r: f"sk-{text(r, BASE62, 20)}T3BlbkFJ{text(r, BASE62, 20)}",
    "openai project": lambda r: "sk-proj-" + text(r, BASE64URL, r.randint(100, 156)),
    "anthropic": lambda r: "sk-ant-api03-" + text(r, BASE64URL, 93) + "AA",
    "hugging face": lambda r: "hf_" + text(r, string.ascii_letters, 34),
    "google": lambda r: "AIza" + text(r, BASE64URL, 34) + "g",
    "sendgrid": lambda r: f"SG.{text(r, BASE64URL, 22)}.{text(r, BASE64URL, 43)}",
    "npm": lambda r: "npm_" + text(r, BASE62, 36),
    "telegram": lambda r: f"{digits(r, 10)}:AA{text(r, BASE64URL, 33)}",
    "web token": web_token,
    "private key": private_key,
    "url": lambda r: f"postgres://app:{text(r, BASE62, 14)}@db{r.randint(1, 9)}.internal.io:5432/shop",
}


def secret(random: Random, sample: Sample) -> Sample | None:
    carriers = ("My key is {}", 'api_key = "{}"', "export TOKEN={}", "Bearer {}", "{{'token': '{}'}}", "use `{}`.")
    return planted(random, sample, SECRETS[random.choice(list(SECRETS))](random), carriers)


def random_string(random: Random, sample: Sample) -> Sample | None:
    value = text(random, BASE62, random.randint(40, 64))
    return planted(random, sample, value, ('token = "{}"', "secret='{}'", "SESSION={}"))


def password(random: Random, sample: Sample) -> Sample | None:
    word = random.choice(["katze", "Sommer", "dragon", "Lisboa", "tr0ub"])
    value = word + text(random, string.ascii_lowercase, 2) + digits(random, 2) + random.choice(["", "!", "#x"])
    carriers = ("password: {}", "The password is {}.", "passwd={}!", 'Password: "{}"', "passphrase = '{}'", "pwd: {}")
    return planted(random, sample, value, carriers)


SAMPLE_MUTATORS = {
    "PII001": email,
    "PII002": phone,
    "PII003": card,
    "PII004": iban,
    "PII005": ip_address,
    "PII006": national_id,
    "PII010": secret,
    "PII011": random_string,
    "PII012": password,
}
