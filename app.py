"""The review app for `streamlit run app.py`; `curate app` serves the same page, on a free port of its own."""

import streamlit as st

from curate.serve import REVIEW, guarded

app = st.App(REVIEW, middleware=guarded())
