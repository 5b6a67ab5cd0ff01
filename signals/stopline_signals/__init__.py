"""The rule book: plans, timing engine, guard, detectors and the observation encoder.

A `SignalPlan` says what a junction may show. `Engine(plan)` runs it in integer tenths of a second,
`Guard(engine)` judges every request, `Encoder(engine)` turns detector readings and lamps into what a policy
sees. Nothing here does input or output, and the simulator, the controller and the evaluation all use it.

>>> from stopline_signals import Engine, Guard, SignalGroup, SignalPlan, Stage
>>> main, side = SignalGroup(name="main", yellow=30), SignalGroup(name="side", yellow=30)
>>> plan = SignalPlan(junction="J", groups=(main, side), stages=(Stage("A", (0,)), Stage("B", (1,))),
...                   intergreen=((-1, 50), (50, -1)), yields=((False, False), (False, False)))
>>> engine = Engine(plan)
>>> state = engine.advance(engine.start(0), request=0, calls=0, until=200).state
>>> engine.advance(state, request=1, calls=2, until=260).state.aspects
(0, 3)
"""

from stopline_signals.detectors import DetectorReading, calls_from
from stopline_signals.engine import KEEP, Advanced, Engine, EngineState
from stopline_signals.errors import (
    BundleError,
    CabinetError,
    CabinetRefused,
    CabinetTimeout,
    NetworkError,
    PlanError,
    PolicyError,
    ScenarioError,
    SimulationError,
    SiteError,
    StoplineError,
)
from stopline_signals.events import Event, HiRes
from stopline_signals.guard import Guard, Reason, Verdict
from stopline_signals.observation import ENCODER_VERSION, MAX_GROUPS, MAX_STAGES, Encoder, ObservationLayout
from stopline_signals.plan import (
    NO_CONFLICT,
    Aspect,
    ConflictPath,
    Detector,
    DetectorKind,
    FixedProgram,
    GroupKind,
    Preempt,
    ProgramStep,
    Recall,
    SignalGroup,
    SignalPlan,
    Stage,
)
from stopline_signals.table import plan_from_table, plan_to_table

__all__ = [
    "ENCODER_VERSION",
    "KEEP",
    "MAX_GROUPS",
    "MAX_STAGES",
    "NO_CONFLICT",
    "Advanced",
    "Aspect",
    "BundleError",
    "CabinetError",
    "CabinetRefused",
    "CabinetTimeout",
    "ConflictPath",
    "Detector",
    "DetectorKind",
    "DetectorReading",
    "Encoder",
    "Engine",
    "EngineState",
    "Event",
    "FixedProgram",
    "GroupKind",
    "Guard",
    "HiRes",
    "NetworkError",
    "ObservationLayout",
    "PlanError",
    "PolicyError",
    "Preempt",
    "ProgramStep",
    "Reason",
    "Recall",
    "ScenarioError",
    "SignalGroup",
    "SignalPlan",
    "SimulationError",
    "SiteError",
    "Stage",
    "StoplineError",
    "Verdict",
    "calls_from",
    "plan_from_table",
    "plan_to_table",
]
