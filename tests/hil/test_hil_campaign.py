"""Campaigns: the file with its mistakes, the run with a real controller, and the reports."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stopline_envs.network import plans_of
from stopline_envs.scenario import load_scenario
from stopline_hil.campaigns import CampaignError, parse_campaign, read_campaign, report_of, shipped
from stopline_hil.campaigns.latency import DECISION_WIRE, DETECTOR_WIRE, EDGE_PLAN, WIRE_LAMP, hops
from stopline_hil.campaigns.record import Moment, Record
from stopline_hil.campaigns.result import CampaignResult, CaseResult, percentiles, to_table
from stopline_hil.campaigns.run import batches, run_campaign
from stopline_hil.faults import FAULTS
from stopline_hil.reports import Verdict, write_reports
from stopline_hil.reports.model import Change

TRIES = 3
HEAD = '[campaign]\nname = "mine"\n'


def test_the_shipped_campaign_has_every_fault_at_both_protocols() -> None:
    campaign = read_campaign("faults")
    ran = {(case.fault.name, case.protocol) for case in campaign.cases}
    there = {(row.name, protocol) for row in FAULTS.values() for protocol in row.protocols}
    assert ran == {pair for pair in there if pair[0] != "none"}
    for protocol in ("modbus", "ntcip"):
        assert sum(pair[1] == protocol for pair in ran) >= 25


def test_shipped_campaigns_are_named_when_one_is_not_there() -> None:
    assert {"faults", "smoke"} <= set(shipped())
    with pytest.raises(CampaignError, match="shipped are faults, smoke"):
        read_campaign("fault")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[[case]]\nfault = "half opened"', 4, "did you mean 'half open'"),
        ('[[case]]\nfault = "loss"\nlast_s = 3', 5, "did you mean 'lasts_s'"),
        ('[[case]]\nfault = "loss"\nlasts_s = "long"', 5, "valid number"),
        ('[[case]]\nfault = "loss"\noptions = { chance = 1 }', 5, "has no option 'chance'; it has share"),
        ('[[case]]\nfault = "replay"\nprotocols = ["ntcip"]', 5, "cannot happen at ntcip"),
        ('[[case]]\nfault = "loss"\n\n[[case]]\nfault = "loss"', 6, "give it a name of its own"),
        ("[[case]]\nlasts_s = 3", 3, "is missing"),
        ('street = "arterail"\n[[case]]\nfault = "loss"', 3, "arterial"),
        ('street = "arterial"\nwindow = "noon"\n[[case]]\nfault = "loss"', 4, "noon"),
        ('window = "demo"\n[[case]]\nfault = "loss"', 3, "only a scenario has one"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, line: int, words: str) -> None:
    with pytest.raises(CampaignError) as caught:
        parse_campaign(HEAD + text, "mine.toml")
    assert "mine.toml: 1 mistake" in str(caught.value)
    assert f"line {line}: " in str(caught.value)
    assert words in str(caught.value)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(CampaignError, match="2 mistakes") as caught:
        parse_campaign(HEAD + 'rates = 3\n[[case]]\nfault = "loss"\nlasts_s = -1', "mine.toml")
    assert re.findall(r"line (\d+)", str(caught.value)) == ["3", "6"]


def test_what_hits_the_controller_runs_alone() -> None:
    campaign = parse_campaign(
        HEAD + '[[case]]\nfault = "loss"\n[[case]]\nfault = "controller killed"\n[[case]]\nfault = "busy"', ""
    )
    found = [[case.key for case in batch] for batch in batches(campaign)]
    assert found == [
        ["loss (modbus)", "loss (ntcip)", "busy (modbus)", "busy (ntcip)"],
        ["controller killed (modbus)", "controller killed (ntcip)"],
    ]


def test_a_street_has_a_junction_for_each_case_and_bystander() -> None:
    street = '[campaign]\nname = "mine"\nstreet = "arterial"\n'
    cases = "".join(f'[[case]]\nfault = "{name}"\n' for name in ("loss", "delay", "busy", "reorder"))
    sizes = [len(batch) for batch in batches(parse_campaign(street + cases, ""))]
    assert sum(sizes) == 8 and max(sizes) + 2 <= len(plans_of(load_scenario("arterial")).plans)


@pytest.mark.timeout(150)
async def test_sumo_is_the_street_of_a_campaign(tmp_path: Path) -> None:
    """Cabinets of both protocols at its signals: a fault at two of them, traffic at all of them."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    head = '[campaign]\nname = "mine"\nrate = 3\nstreet = "arterial"\nwindow = "demo"\n'
    campaign = parse_campaign(head + '[[case]]\nfault = "detectors stuck"\nlasts_s = 8\nrecovers_s = 90', "")
    for attempt in range(TRIES):
        result = await run_campaign(campaign, tmp_path / str(attempt), lambda _: None)
        assert sum(case.violations for case in result.cases) == 0
        if result.passed:
            break
    assert result.passed, [case for case in result.cases if not case.passed]
    assert [case.protocol for case in result.cases] == ["modbus", "ntcip"] * 2
    vehicles = re.search(r"arterial in SUMO: up to (\d+) vehicles", to_table(result)["street"])
    assert vehicles is not None and int(vehicles[1]) > 0
    assert "arterial in SUMO" in write_reports(report_of(result), tmp_path)[0].read_text()


def test_a_command_that_outlives_its_time_is_stuck_once() -> None:
    record = Record()
    record.command(100, wish=True)
    for now in range(100, 200):
        record.sample(now, "remote", (0,), 35)
    assert (record.longest, record.stuck) == (99, 1)
    record.sample(200, "local", (0,), 35)
    for now in range(201, 240):
        record.sample(now, "remote", (0,), 35)
    assert record.stuck == 2


def test_a_cabinet_on_its_own_plan_holds_no_command() -> None:
    record = Record()
    record.command(100, wish=True)
    for now in range(100, 130):
        record.sample(now, "remote", (0,), 35)
    for now in range(130, 400):
        record.sample(now, "local", (0,), 35)
    assert (record.longest, record.stuck) == (29, 0)
    assert record.states_between(0, 400) == ["remote", "local"]
    assert record.states_between(140, 400) == ["local"]


def test_hops_are_taken_from_edge_to_lamp() -> None:
    moments = [
        Moment(1.0, "edge"), Moment(1.02, "news"), Moment(1.05, "wish"), Moment(1.15, "lamps"),
        Moment(2.0, "edge"), Moment(2.03, "news"), Moment(2.10, "wish"), Moment(9.0, "lamps"),
    ]  # fmt: skip
    found = {hop: [round(ms) for ms in samples] for hop, samples in hops(moments, [1.03, 2.05], 1.0).items()}
    assert found[DETECTOR_WIRE] == [20, 30]
    assert found[DECISION_WIRE] == [20, 50]
    assert found[EDGE_PLAN] == [50, 100]
    assert found[WIRE_LAMP] == [100]  # what changes seven seconds later is not of that plan
    assert percentiles([1.0, 2.0, 3.0])["max"] == 3.0


def sample_result() -> CampaignResult:
    case = CaseResult(
        name="half <open>", protocol="modbus", what="nothing & nobody", state_reached="local",
        states=["remote", "local"], lasts_s=20, time_to_safe_s=3.0, backup_s=3, recovery_s=2.5, violations=0,
        stuck=0, commands=9, began=200, ended=400, until=430, groups=("main", "side"),
        timeline=(Change(100, "remote", (3, 0)), Change(230, "local", (0, 3))),
        verdicts=(Verdict("state reached", True, "local"), Verdict("recovery", True, "2.5 s")),
    )  # fmt: skip
    bad = replace(case, name="busy", verdicts=(Verdict("no stuck command", False, "1 \x01"),))
    return CampaignResult(
        name="mine", rate=3, seed=1, wall_s=12.3, cases=(case, bad), hops={DETECTOR_WIRE: [1.0, 2.0, 40.0]}
    )


def test_the_reports_say_what_failed(tmp_path: Path) -> None:
    page, data, xml = write_reports(report_of(sample_result()), tmp_path)
    suite = ElementTree.parse(xml).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    failures = {case.get("classname"): case.get("name") for case in suite.iter("testcase") if len(case)}
    assert failures == {"Fault campaign mine.modbus.busy": "no stuck command"}
    table = json.loads(data.read_text())
    assert (table["passed"], table["cases"][0]["passed"], table["cases"][1]["passed"]) == (False, True, False)
    assert "timeline" not in table["cases"][0]
    text = page.read_text()
    assert "half &lt;open&gt;" in text
    assert "nothing &amp; nobody" in text
    assert text.count("<svg") == 3
    assert not re.search(r"(src|href)=", text), "the report must need nothing beside it"


@pytest.mark.timeout(150)
async def test_six_faults_at_each_protocol_under_a_real_controller(tmp_path: Path) -> None:
    """What CI runs of the fault table; the whole of it is `stopline hil run faults`.

    At three times real time a machine that stands still for a moment breaks promises of its own: what is
    wrong once is looked at again, and what is wrong every time is wrong. Lamps may break no rule at any time.
    """
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    campaign = read_campaign("smoke")
    assert len(campaign.cases) == 12
    for attempt in range(TRIES):
        result = await run_campaign(campaign, tmp_path / str(attempt), lambda _: None)
        wrong = [
            (case.name, case.protocol, verdict)
            for case in result.cases
            for verdict in case.verdicts
            if not verdict.met
        ]
        assert sum(case.violations for case in result.cases) == 0
        if not wrong:
            break
    assert wrong == []
    reached = {(case.name, case.protocol): case.state_reached for case in result.cases}
    assert reached["half open", "modbus"] == reached["half open", "ntcip"] == "local"
    assert reached["second writer", "ntcip"] == "foreign"
    assert reached["power loss", "modbus"] == "off"
    assert all(case.commands > 3 for case in result.cases)
    assert to_table(result)["hops_ms"][DETECTOR_WIRE]["count"] > 5


def test_the_command_checks_a_campaign(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(HEAD + '[[case]]\nfault = "los"\n')
    code = "from stopline_cli.main import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", code, "hil", "run", str(file), "--check"],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "line 4: case.0.fault: no fault 'los'; did you mean 'loss'?" in done.stderr
