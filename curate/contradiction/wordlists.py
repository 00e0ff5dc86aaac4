"""Lists of words, written as text so that they can be read and extended."""


def words(text: str) -> frozenset[str]:
    """The words of a list; "_" stands for a space within one."""
    return frozenset(word.replace("_", " ") for word in text.split())
