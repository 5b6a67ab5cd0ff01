"""JUnit XML: a test case for each requirement, as CI systems read it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from stopline_hil.reports.model import Report


def junit(report: Report) -> str:
    """The report as JUnit XML."""
    count = sum(len(item.verdicts) for item in report.items)
    failed = sum(not verdict.met for item in report.items for verdict in item.verdicts)
    totals = {"tests": str(count), "failures": str(failed), "errors": "0", "time": f"{report.seconds:.1f}"}
    root = ElementTree.Element("testsuites", totals)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _clean(report.title), **totals})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in report.facts.items():
        ElementTree.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    for item in report.items:
        where = ".".join(part for part in (_dotless(report.title), item.kind, _dotless(item.name)) if part)
        for verdict in item.verdicts:
            names = {"classname": _clean(where), "name": _clean(verdict.requirement), "time": "0"}
            case = ElementTree.SubElement(suite, "testcase", names)
            if not verdict.met:
                detail = _clean(verdict.detail)
                failure = ElementTree.SubElement(case, "failure", {"message": detail, "type": "requirement"})
                failure.text = detail
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _dotless(text: str) -> str:
    return text.replace(".", "_")


def _clean(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
