"""The review: a page on the flagged rows, and the decisions of the people who looked at them."""
