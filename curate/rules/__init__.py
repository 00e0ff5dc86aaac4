"""The rules: one register, filled by importing the modules of this folder."""

import importlib
import pkgutil

from curate.rules.rule import RULES, Rule, corpus_rule, dataset_rule, model_rule, reading_rule, rule

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")

__all__ = ["RULES", "Rule", "corpus_rule", "dataset_rule", "model_rule", "reading_rule", "rule"]
