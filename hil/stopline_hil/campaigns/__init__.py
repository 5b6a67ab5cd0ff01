"""Fault campaigns: cabinets of both protocols under a real controller, and a verdict for each requirement."""

from stopline_hil.campaigns.campaign import Campaign, CampaignError, parse_campaign, read_campaign, shipped
from stopline_hil.campaigns.result import CampaignResult, CaseResult, Verdict, to_table
from stopline_hil.campaigns.run import run_campaign

__all__ = [
    "Campaign",
    "CampaignError",
    "CampaignResult",
    "CaseResult",
    "Verdict",
    "parse_campaign",
    "read_campaign",
    "run_campaign",
    "shipped",
    "to_table",
]
