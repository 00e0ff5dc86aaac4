"""A trained adapter in the forms in which models are served, each compared with the model as it was trained."""
