import pytest

from curate_evaluate.metrics import METRICS, score


@pytest.mark.parametrize(
    ("output", "reference", "matches"),
    [
        ("Yes.", "Yes.", 1.0),
        ("  Yes.\n", "Yes.", 1.0),
        ("yes.", "Yes.", 0.0),
        ("Yes. Sure.", "Yes.", 0.0),
        ("Ünï", "Ünï", 1.0),
        ("", "Yes.", 0.0),
    ],
)
def test_an_exact_match_is_the_same_text_but_for_white_space_around_it(
    output: str, reference: str, matches: float
) -> None:
    assert score(output, reference)["exact_match"] == matches


def test_chrf_is_that_of_sacrebleu_and_full_for_equal_texts() -> None:
    import sacrebleu

    output, reference = (
        "The return label is free in each country.",
        "The return label is free in every country we ship to.",
    )
    assert score(output, reference)["chrf"] == sacrebleu.sentence_chrf(output, [reference]).score
    assert score(reference, reference)["chrf"] == METRICS["chrf"]
    assert score("", reference)["chrf"] == 0.0
