"""Writes a report's three files."""

from __future__ import annotations

import json
from pathlib import Path

from stopline_hil.reports.junit import junit
from stopline_hil.reports.model import Report
from stopline_hil.reports.page import page


def write_reports(report: Report, folder: Path) -> list[Path]:
    """Write `report.html`, `report.json` and `junit.xml` into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.html": page(report),
        "report.json": json.dumps(report.data, indent=1, ensure_ascii=False) + "\n",
        "junit.xml": junit(report),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
