"""A simulated Telesign account: recordings, transcripts and their faults, over real HTTP."""

from .calls import TrueCall, TrueFile
from .faults import Fault, FaultPlan
from .options import Options
from .replies import SeenRequest
from .server import SimulatedTelesign

__all__ = ["Fault", "FaultPlan", "Options", "SeenRequest", "SimulatedTelesign", "TrueCall", "TrueFile"]
