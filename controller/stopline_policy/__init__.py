"""The policy bundle and the seam it plugs into: format, verification, signatures, ONNX inference.

``read_bundle`` verifies a bundle, ``BundlePolicy`` runs it, ``check_policy`` proves that any policy
keeps the contract of the seam. Nothing here needs torch or SUMO.
"""

from stopline_policy.bundle import SHIPPED, Bundle, read_bundle, write_bundle
from stopline_policy.bundle_policy import BundlePolicy
from stopline_policy.conformance import check_policy
from stopline_policy.manifest import DetectorNeed, Manifest
from stopline_policy.seam import ABSTAIN, JunctionView, Policy

__all__ = [
    "ABSTAIN",
    "JunctionView",
    "Policy",
    "check_policy",
    "Bundle",
    "DetectorNeed",
    "Manifest",
    "SHIPPED",
    "read_bundle",
    "write_bundle",
    "BundlePolicy",
]
