"""A simulated Telesign account: recordings, transcripts and their faults, over real HTTP."""

from infra.simulator.faults import Fault, FaultPlan
from infra.simulator.options import Options
from infra.simulator.replies import RecordedRequest
from infra.simulator.server import SimulatedTelesign
from infra.simulator.truth import TrueCall, TrueFile

__all__ = ["Fault", "FaultPlan", "Options", "RecordedRequest", "SimulatedTelesign", "TrueCall", "TrueFile"]
