"""CPU time of each rule over a file, so that a slow rule shows.

python benchmarks/rules.py data.jsonl [--top 20]
"""

from __future__ import annotations

import argparse
import time

import curate
from curate.config import Config
from curate.plan import make_plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--top", type=int, default=20)
    given = parser.parse_args()
    plan = make_plan(Config(select=["ALL"]))
    start = time.process_time()
    samples = list(curate.read(given.data))
    reading = time.process_time() - start
    start = time.process_time()
    for sample in samples:
        sample.texts()
        _ = sample.id
    seconds = {"read": reading, "texts and ids": time.process_time() - start}
    for rule in (*plan.sample_rules, *plan.dataset_rules):
        function = rule.check if rule.stage == "sample" else rule.measure
        assert function is not None
        start = time.process_time()
        for sample in samples:
            result = function(sample)
            if rule.stage == "sample":
                for _ in result:
                    pass
        seconds[f"{rule.code} {rule.name}"] = time.process_time() - start
    total = sum(seconds.values())
    print(f"{total:6.2f} s of CPU, {total / max(len(samples), 1) * 1e6:.0f} us a sample, {len(samples):,} samples")
    for name, spent in sorted(seconds.items(), key=lambda item: -item[1])[: given.top]:
        print(f"{spent:6.2f} s  {spent / max(len(samples), 1) * 1e6:6.1f} us  {name}")


if __name__ == "__main__":
    main()
