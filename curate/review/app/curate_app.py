"""The entry of the app, alone in its folder: Streamlit puts that folder first on the path of imports."""

from curate.review.screens.shell import show

show()
