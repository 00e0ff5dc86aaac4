"""Build samples/support.jsonl and samples/support.defects.json: `python samples/source/make_samples.py`.

Everything is invented: the shop Harrow & Pine, its customers, the order numbers, the keys. Clean rows come from
support.txt; the defects below are planted among them, and where each ended up is written beside the data.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent
SYSTEM = "You are the support assistant of Harrow & Pine, a shop for outdoor gear. Be brief and friendly, and stick to the shop's policies."
OPENINGS = (
    "Hi, ",
    "Hello! ",
    "Hi there, ",
    "Good morning. ",
    "Hey, ",
    "Hi Harrow & Pine team, ",
    "Quick question: ",
    "Sorry to bother you. ",
)
CLOSINGS = (
    " Is there anything else I can help you with?",
    " Let me know if anything is unclear.",
    " Just write again if it does not work out.",
    " Have a good time outside!",
    " Good luck with it.",
    " Feel free to ask if you need more.",
    " Enjoy your next trip!",
)
SECOND_TURNS = (
    "Thanks! One more thing: ",
    "Great, thank you. And ",
    "Okay. ",
    "Perfect. Also, ",
    "Good to know. ",
    "ok thanks. ",
    "Ah, I see. ",
)

Turn = dict[str, Any]
Row = dict[str, Any]


class Planted(NamedTuple):
    """A line of the file, as a row or as raw text, and the codes of what is wrong with it."""

    line: Row | str
    codes: tuple[str, ...]
    group: str = ""


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_order",
            "description": "Look up an order of a customer.",
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string", "description": "Six digits, such as 204117"}},
                "required": ["order_id"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "check_stock",
            "description": "Say how many pieces of a product a store has.",
            "parameters": {
                "type": "object",
                "properties": {
                    "product": {"type": "string"},
                    "store": {"type": "string", "enum": ["Aldermere", "Port Callan", "Sennwick"]},
                },
                "required": ["product", "store"],
                "additionalProperties": False,
            },
        },
    },
]
# Question, function, arguments, result, answer.
LOOKUPS: list[tuple[str, str, dict[str, str], dict[str, Any], str]] = [
    ("Where is order 204117?", "get_order", {"order_id": "204117"}, {"status": "shipped", "eta": "Thursday"}, "Order 204117 has left our warehouse and should reach you on Thursday."),
    ("Has my order 198340 been packed yet?", "get_order", {"order_id": "198340"}, {"status": "packed"}, "Yes, 198340 is packed and waits for the carrier. You will get the tracking mail tonight."),
    ("I'd like to know whether my tent is on its way. The number is 211902.", "get_order", {"order_id": "211902"}, {"status": "processing"}, "Not yet: 211902 is being put together. It will be packed within two hours."),
    ("Why is order 187455 so late?", "get_order", {"order_id": "187455"}, {"status": "delayed", "reason": "strike at the carrier"}, "I'm sorry: there was a strike at the carrier, and 187455 is delayed because of it. We will write as soon as it moves."),
    ("Was the refund for 176023 sent?", "get_order", {"order_id": "176023"}, {"status": "refunded", "date": "3 May"}, "Yes, the money for order 176023 went back to you on 3 May."),
    ("order number 220871 - status?", "get_order", {"order_id": "220871"}, {"status": "delivered", "place": "locker 14"}, "It was delivered: 220871 lies in locker 14 and can be collected now."),
    ("Did you get my return? It belongs to order 165530.", "get_order", {"order_id": "165530"}, {"status": "return received"}, "We have it. The refund for 165530 follows within 5 working days."),
    ("Can order 223009 still be cancelled?", "get_order", {"order_id": "223009"}, {"status": "processing"}, "Yes, 223009 is not packed yet, so the Cancel button in your account still works."),
    ("Please cancel 219664 for me.", "get_order", {"order_id": "219664"}, {"status": "packed"}, "That is no longer possible, as 219664 is packed. Please accept it and send it back for free."),
    ("What's in order 201288? I forgot.", "get_order", {"order_id": "201288"}, {"status": "shipped", "items": ["Moss mat", "Rill filter"]}, "Order 201288 holds a Moss mat and a Rill filter."),
    ("Will 224415 be here before the weekend?", "get_order", {"order_id": "224415"}, {"status": "shipped", "eta": "Friday"}, "It looks good: 224415 is planned for Friday."),
    ("My colleague placed order 208876 for our scouts, was the discount applied?", "get_order", {"order_id": "208876"}, {"status": "shipped", "discount": "15%"}, "Yes, the 15% for groups were taken off order 208876."),
    ("Is the invoice for 193347 paid?", "get_order", {"order_id": "193347"}, {"status": "delivered", "invoice": "open", "due": "21 June"}, "The invoice for 193347 is still open and due on 21 June."),
    ("I think I ordered the wrong size in 226100. Which one is it?", "get_order", {"order_id": "226100"}, {"status": "processing", "items": ["Corrie Mid 42"]}, "You ordered the Corrie Mid in 42. It is not packed yet, so you can still cancel 226100 and order another size."),
    ("Which carrier has 215218?", "get_order", {"order_id": "215218"}, {"status": "shipped", "carrier": "Parcelink"}, "Parcelink has it; the tracking link for 215218 is in your shipping mail."),
    ("There should be two parcels for 217733, is that right?", "get_order", {"order_id": "217733"}, {"status": "shipped", "parcels": 2}, "Right, 217733 travels in two parcels and both are on their way."),
    ("When was order 158092 delivered? I need the date for the warranty.", "get_order", {"order_id": "158092"}, {"status": "delivered", "date": "12 March"}, "Order 158092 was delivered on 12 March."),
    ("Is 227346 going to my old address?", "get_order", {"order_id": "227346"}, {"status": "processing", "city": "Sennwick"}, "At the moment 227346 is addressed to Sennwick. Until it is packed you can change that under Edit address."),
    ("Do you have the Larch 2 in Aldermere right now?", "check_stock", {"product": "Larch 2", "store": "Aldermere"}, {"pieces": 3}, "Yes, Aldermere has three Larch 2 at the moment."),
    ("Is there a Ridge 60 I could try on in Sennwick?", "check_stock", {"product": "Ridge 60", "store": "Sennwick"}, {"pieces": 1}, "Sennwick has one Ridge 60. Use Collect at checkout to have it put aside."),
    ("How many Glow 300 are left in Port Callan?", "check_stock", {"product": "Glow 300", "store": "Port Callan"}, {"pieces": 11}, "There are eleven Glow 300 in Port Callan."),
    ("I'm near Port Callan. Could I pick up an Ember today?", "check_stock", {"product": "Ember", "store": "Port Callan"}, {"pieces": 0}, "Sadly the Ember is sold out in Port Callan. Notify me on its page tells you when it is back."),
    ("Does the Aldermere shop carry the long Drift 0?", "check_stock", {"product": "Drift 0 Long", "store": "Aldermere"}, {"pieces": 2}, "It does: two Drift 0 in Long are there."),
    ("Squall men's L in Sennwick?", "check_stock", {"product": "Squall men L", "store": "Sennwick"}, {"pieces": 4}, "Four are on the rack in Sennwick."),
    ("Can I come by in Aldermere for a Moss mat?", "check_stock", {"product": "Moss", "store": "Aldermere"}, {"pieces": 7}, "Sure, Aldermere has seven of them and is open until 18:00."),
    ("Would you check whether Sennwick has Stride poles?", "check_stock", {"product": "Stride", "store": "Sennwick"}, {"pieces": 0}, "None are left in Sennwick right now. You can order them online and collect them there."),
]  # fmt: skip


def main() -> None:
    rng = random.Random(20260)
    blocks = read_blocks((FOLDER / "support.txt").read_text(encoding="utf-8"))
    clean = [*(Planted(row, ()) for row in conversations(blocks, rng)), *(Planted(row, ()) for row in lookups())]
    rng.shuffle(clean)
    planted = [*one_row_defects(), *near_duplicates(clean, rng), *exact_duplicates(clean, rng)]
    lines = spread(clean, planted + contradictions(), rng)
    written = [p.line if isinstance(p.line, str) else json.dumps(p.line, ensure_ascii=False) for p in lines]
    (FOLDER.parent / "support.jsonl").write_text("\n".join(written) + "\n", encoding="utf-8", newline="\n")
    (FOLDER.parent / "support.defects.json").write_text(describe(lines), encoding="utf-8", newline="\n")


def read_blocks(text: str) -> list[tuple[list[str], list[str]]]:
    """The questions and the answers of each block of the source."""
    blocks = []
    for block in text.split("\n\n"):
        lines = block.splitlines()
        questions = [line[1:] for line in lines if line.startswith("?")]
        if questions:
            blocks.append((questions, [line[1:] for line in lines if line.startswith("!")]))
    return blocks


def conversations(blocks: list[tuple[list[str], list[str]]], rng: random.Random) -> list[Row]:
    """One row for each question; every seventh goes on with a second question on another matter."""
    pairs = [(question, answer) for block in blocks for question, answer in paired(*block)]
    rows = []
    for i, (question, answer) in enumerate(pairs):
        asked = rng.choice(OPENINGS) + question if rng.random() < 0.2 else question
        said = answer + rng.choice(CLOSINGS) if rng.random() < 0.35 else answer
        turns = [user(asked), assistant(said)]
        if i % 7 == 3:
            other_question, other_answer = pairs[(i + 137) % len(pairs)]
            opening = rng.choice(SECOND_TURNS)
            turns += [user(opening + other_question), assistant(other_answer)]
        rows.append(chat(*turns))
    return rows


def paired(questions: list[str], answers: list[str]) -> list[tuple[str, str]]:
    """Each question with the answer that shares the most words with it, the least used where several do."""
    used = dict.fromkeys(answers, 0)
    pairs = []
    for question in questions:
        words = set(re.findall(r"\w{4,}", question.lower()))
        best = max(answers, key=lambda a: (len(words & set(re.findall(r"\w{4,}", a.lower()))), -used[a]))
        used[best] += 1
        pairs.append((question, best))
    return pairs


def lookups() -> list[Row]:
    return [
        called(question, name, json.dumps(arguments), json.dumps(result), answer)
        for question, name, arguments, result, answer in LOOKUPS
    ]


def user(text: str) -> Turn:
    return {"role": "user", "content": text}


def assistant(text: str) -> Turn:
    return {"role": "assistant", "content": text}


def chat(*turns: Turn) -> Row:
    return {"messages": [{"role": "system", "content": SYSTEM}, *turns]}


def called(question: str, name: str, arguments: str, result: str, answer: str, result_of: str = "call_1") -> Row:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    turns: list[Turn] = [
        user(question),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": result_of, "content": result},
        assistant(answer),
    ]
    return chat(*turns) | {"tools": TOOLS}


def one_row_defects() -> list[Planted]:
    """Rows of which each has one thing wrong (two codes where one thing breaks two rules)."""
    ask = lambda question, answer, *codes: Planted(chat(user(question), assistant(answer)), codes)  # noqa: E731
    return [
        # Rows that a parser stumbles over.
        Planted('{"messages": [{"role": "user", "content": "Do you sell crampons?"}, {"role": "assistant", "content": "No, we do not."}],}', ("FMT001",)),
        Planted("{'messages': [{'role': 'user', 'content': 'Is the Port Callan store wheelchair accessible?'}]}", ("FMT001",)),
        Planted('{"messages": [{"role": "user", "content": "Do the stores have a bike stand?"}, {"role": "assistant", "content": "Yes, all th', ("FMT002",)),
        Planted(json.dumps(chat(user("Do you wrap presents?"), assistant("Yes, for €3."))).replace('"role": "assistant"', '"role": "user", "role": "assistant"'), ("FMT008",)),
        # Who speaks when.
        ask("Do the boots come with spare laces?", "", "FMT104"),
        ask("Is there a size chart for children?", "   ", "FMT104"),
        Planted(chat(user("Which store has a climbing wall?"), {"role": "assistant", "content": None}), ("FMT104",)),
        Planted(chat(user("Is the café in Sennwick open in winter?")), ("FMT102",)),
        Planted(chat(user("My pack squeaks when I walk."), user("It is the Ridge 45, by the way."), assistant("Rub a little candle wax on the buckle of the yoke; that stops most squeaks.")), ("FMT108",)),
        Planted(chat(user("Can I bring my dog into the store?"), assistant("Dogs on a lead are welcome in all of our stores."), user("And cats?")), ("FMT107",)),
        Planted(chat(user("Do you sell maps?"), {"role": "agent_2", "content": "Yes, of all regions around our stores."}), ("FMT101",)),
        Planted(chat(user("Do you sell snow shovels?"), assistant("Yes, from November to March.") | {"weight": 0}), ("FMT111",)),
        Planted(chat(user("Do you engrave bottles?"), assistant("Yes, up to 12 letters for €5."), {"role": "system", "content": SYSTEM}, user("How long does that take?"), assistant("Engraving adds one working day.")), ("FMT109",)),
        # Tool calls.
        Planted(called("Please check order 230415.", "get_order", '{"order_id": 230415', '{"status": "shipped"}', "It is on its way."), ("FMT204",)),
        Planted(called("What happened to 230520?", "get_order", '{"order": "230520"}', '{"error": "order_id is required"}', "One moment, I could not find it."), ("FMT209",)),
        Planted(called("Any Fleck bottles in Aldermere?", "check_stock", '{"product": "Fleck", "store": "Alderemere"}', '{"error": "unknown store"}', "I'm not sure, sorry."), ("FMT209",)),
        Planted(called("Has 230633 shipped?", "track_parcel", '{"order_id": "230633"}', '{"status": "shipped"}', "Yes, it left yesterday."), ("FMT206",)),
        Planted(called("Is 230701 paid?", "get_order", '{"order_id": "230701"}', '{"paid": true}', "Yes, it is paid.", result_of="call_9"), ("FMT207",)),
        # Special tokens and template debris.
        ask("Does the stove need <|im_end|> a special pot?", "No, any pot with a flat bottom works on the Ember.", "TPL003"),
        ask("Can I hang a hammock from the Larch poles?", "<|start_header_id|>assistant<|end_header_id|>\n\nNo, the poles would snap. Please use two trees.", "TPL003"),
        ask("Is there a loyalty stamp card?", "No, but members of Trailhead get 5% back as credit.</s>", "TPL004"),
        # Text that was damaged on its way.
        ask("Do you serve coffee in the store?", "Yes, the cafÃ© in Sennwick is open all day â€“ and the cake is homemade.", "TXT011"),
        ask("How much is a Trailhead gift membership?", "It costs â‚¬15, just like your own.", "TXT011"),
        ask("Which languages does the hotline speak?", "We answer in Fran\ufffdais, Deutsch and English.", "TXT020"),
        ask("Do you have a catalogue?", "Our cata\u200blogue is on\u200bline only.", "TXT012"),
        # Answers that stop too early or never stop.
        ask("How do I set up the guy lines of the Skerry?", "Peg the four corners first. Check that the floor is flat and that the doors are closed. Then lead each line outwards at an angle of 45 degrees, pull it tight with the runner and, if the wind is strong, put a second peg behind the first so that the", "TXT003"),
        ask("What should I pack for a first night outside?", "There are three things to think of. Start with shelter, warmth and light: the tent with its pegs, a sleeping bag that suits the night, a mat, and a headlamp with a full battery. Pack dry clothes for the night as well. For cooking you will need a stove, a", "TXT003"),
        ask("How do I log in through the app's API for shops?", "Send your key in the header:\n\n```bash\ncurl https://api.example.com/orders \\\n  -H \"X-Key: $KEY\"\n", "TXT001"),
        ask("What makes a good campsite?", "It should be flat and dry. " + "It should be out of the wind. It should be away from water. " * 11, "TXT004"),
        ask("Tell me which of your tents you would recommend to a family of four that travels by car.", "Tell me which of your tents you would recommend to a family of four that travels by car.", "TXT005"),
        # Templates that nobody filled in.
        ask("When does my repair come back?", "Hello {{customer_name}}, your repair will be ready on {{date}}.", "TXT008"),
        ask("What does the sole repair cost for children's boots?", "The price is [INSERT PRICE] and it takes [INSERT DAYS] working days.", "TXT008"),
        # Answers of a model, not of the shop.
        ask("Which wine goes with a camp dinner?", "I'm sorry, but as an AI language model I can't help with that.", "TXT006", "TXT007"),
        ask("Is the Corrie better than boots of other shops?", "I am ChatGPT, a language model trained by OpenAI, and have no opinion on brands.", "TXT007"),
        ask("My son swallowed a bit of stove cleaner, what do I do?", "I'm sorry, but I can't assist with that request.", "TXT006"),
        ask("Summarize the following text.", "The customer is unhappy with a late parcel and asks for a refund.", "TXT014"),
        # Personal data and secrets.
        ask("Please pay the refund to my account DE37735208460291746355.", "I have passed it on; refunds normally go back to the way you paid.", "PII004"),
        ask("My card 5412 7534 1986 2235 was charged twice, check it.", "The second entry is a reservation and vanishes within 3 working days.", "PII003"),
        ask("Reach me at marta.lindqvist82@posteo.de when the tent is back.", "Please use Notify me on the product page, and the mail comes by itself.", "PII001"),
        ask("How does our warehouse connect to the stock system?", "Use postgres://stock_ro:vT7qLz29xWmK@db3.harrowpine.net:5432/stock for read access.", "PII010"),
        ask("The shop API says 401, here is my header: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaG9wIjoiaGFycm93IiwidWlkIjo0ODE5fQ.Zk3vQ0pXb7nTqL1sYd8RwUe5HcJm2oGfVtA9iKxPzB4", "Your token has run out. Log in again to get a fresh one.", "PII010"),
    ]  # fmt: skip


def near_duplicates(clean: list[Planted], rng: random.Random) -> list[Planted]:
    """37 copies of 12 clean rows, each a word or two away from the row it was made from."""
    long_enough = [
        p for p in clean if isinstance(p.line, dict) and len(p.line["messages"]) == 3 and row_length(p.line) > 150
    ]
    copies = []
    for number, original in enumerate(rng.sample(long_enough, 12)):
        group = f"near-{number + 1:02}"
        clean[clean.index(original)] = original._replace(group=group)
        edits = rng.sample(EDITS, 4 if number == 0 else 3)
        copies += [Planted(edited(original.line, edit), ("DUP002",), group) for edit in edits]
    return copies


EDITS = (
    lambda q, a: ("Hi, " + q[0].lower() + q[1:], a),
    lambda q, a: (q + " Thanks", a),
    lambda q, a: (q, a + " Best wishes"),
    lambda q, a: (q, "Hi. " + a),
    lambda q, a: (q, a.replace("e", "", 1)),
    lambda q, a: (q.rstrip("?.") + ", please?", a),
)


def edited(row: Row | str, edit: Any) -> Row:
    assert isinstance(row, dict)
    system, question, answer = row["messages"]
    new_question, new_answer = edit(question["content"], answer["content"])
    return {"messages": [system, question | {"content": new_question}, answer | {"content": new_answer}]}


def row_length(row: Row) -> int:
    return sum(len(turn["content"]) for turn in row["messages"][1:])


def exact_duplicates(clean: list[Planted], rng: random.Random) -> list[Planted]:
    """Six clean rows once more."""
    originals = rng.sample([p for p in clean if not p.group], 6)
    for number, original in enumerate(originals):
        clean[clean.index(original)] = original._replace(group=f"same-{number + 1}")
    return [Planted(p.line, ("DUP001",), f"same-{number + 1}") for number, p in enumerate(originals)]


def contradictions() -> list[Planted]:
    """Four pairs of rows that give two answers to one question: a number, a yes and a no, a name, a wording."""
    pairs = [
        ("How long may I return an opened pair of trousers?", "You have 30 days from delivery.", "how long may I return an opened pair of trousers", "You have 14 days from delivery."),
        ("Are maps excluded from the member credit?", "Yes, maps are excluded.", "Are maps excluded from the member credit?", "No, maps earn credit like everything else."),
        ("Which store does bike fittings?", "Only Sennwick does bike fittings.", "Which store does bike fittings?", "Only Aldermere does bike fittings."),
        ("Up to what weight does the Larch hammock hold?", "It holds up to 120 kg.", "What is the maximum weight for the Larch hammock?", "It holds up to 150 kg."),
    ]  # fmt: skip
    planted = []
    for number, (question, answer, again, other) in enumerate(pairs):
        for q, a in ((question, answer), (again, other)):
            planted.append(Planted(chat(user(q), assistant(a)), ("CON001",), f"contradiction-{number + 1}"))
    return planted


def spread(clean: list[Planted], planted: list[Planted], rng: random.Random) -> list[Planted]:
    """The planted rows at random places among the clean ones; a copy comes after what it is a copy of."""
    lines = list(clean)
    for row in planted:
        first = next((i for i, other in enumerate(lines) if row.group and other.group == row.group), -1)
        lines.insert(rng.randint(first + 1, len(lines)), row)
    return lines


def describe(lines: list[Planted]) -> str:
    """The lines by code, and the groups of lines that belong together (of copies the first is the one to keep)."""
    by_code: dict[str, list[int]] = {}
    groups: dict[str, list[int]] = {}
    for number, planted in enumerate(lines, 1):
        for code in planted.codes:
            by_code.setdefault(code, []).append(number)
        if planted.group:
            groups.setdefault(planted.group, []).append(number)
    return (
        json.dumps(
            {"rows": len(lines), "lines": dict(sorted(by_code.items())), "groups": dict(sorted(groups.items()))},
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
