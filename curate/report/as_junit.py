"""The `junit` output: a test suite for each file, a failed test case for each rule that found something there."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from curate.report.phrases import count, spot
from curate.report.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.finding import Finding
    from curate.report.report import Report

_NOT_XML = re.compile("[\ufffe\uffff]")  # the other characters that XML cannot hold are escaped by safe()


def to_junit(report: Report) -> Iterator[str]:
    """XML as build servers read it; a file without findings is one passed test case."""
    root = ElementTree.Element("testsuites", name="curate")
    found: defaultdict[str, defaultdict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for finding in (finding for group in report.by_rule() for finding in group if report.speaks(finding)):
        found[finding.place.path][finding.code].append(finding)
    for info in report.inputs:
        groups = list(found[info.path].values())
        suite = _child(root, "testsuite", name=info.path, tests=str(max(len(groups), 1)), failures=str(len(groups)))
        suite.set("errors", "0")
        for group in groups:
            first = group[0]
            case = _child(suite, "testcase", classname=info.path, name=f"{first.code} {first.rule}")
            message = f"{count(len(group), 'finding')}; {first.message}"
            failure = _child(case, "failure", type=first.severity, message=message)
            failure.text = "\n".join(_xml(f"{spot(finding)}: {finding.message}") for finding in group)
        if not groups:
            _child(suite, "testcase", classname=info.path, name="curate check")
    if report.internal_errors:
        crashes = report.internal_errors
        suite = _child(root, "testsuite", name="internal errors", tests=str(len(crashes)), failures="0")
        suite.set("errors", str(len(crashes)))
        for crash in crashes:
            case = _child(suite, "testcase", classname=crash.place.path, name=f"{crash.code} line {crash.place.line}")
            _child(case, "error", type="internal error", message=crash.error)
    ElementTree.indent(root)
    yield ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _child(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {key: _xml(value) for key, value in attributes.items()})


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", safe(text))
