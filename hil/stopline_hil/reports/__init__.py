"""Reports of campaigns and conformance runs: JUnit XML, JSON, and one HTML file with everything in it."""

from stopline_hil.reports.files import write_reports
from stopline_hil.reports.model import Item, Report, Timeline, Verdict

__all__ = ["Item", "Report", "Timeline", "Verdict", "write_reports"]
