"""Fault campaigns: cabinets of both protocols under a real controller, and a verdict for each requirement."""

from stopline_hil.campaigns.campaign import Campaign, CampaignError, parse_campaign, read_campaign, shipped
from stopline_hil.campaigns.reporting import report_of
from stopline_hil.campaigns.result import CampaignResult, CaseResult, to_table
from stopline_hil.campaigns.run import run_campaign

__all__ = [
    "Campaign",
    "CampaignError",
    "CampaignResult",
    "CaseResult",
    "parse_campaign",
    "read_campaign",
    "report_of",
    "run_campaign",
    "shipped",
    "to_table",
]
